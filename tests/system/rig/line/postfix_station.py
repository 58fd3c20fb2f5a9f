"""A station built without Dialpost: Postfix, fetchmail, chat and pppd. What benchmarks compare us with."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path

from rig.line.guests import MailGuest, Sizes
from rig.line.places import HOSTS, NUMBER, PPP_PASSWORD, PPP_USER, PROVIDER_ADDRESS
from rig.line.provider_mail import POSTFIX_TLS, pem_files
from rig.processes import RigError, eventually
from rig.servers.certificates import Certificate
from rig.servers.postfix import MASTER
from rig.station import DOMAIN

CHAT = f"""\
TIMEOUT 20
ABORT BUSY
ABORT 'NO CARRIER'
ABORT 'NO DIALTONE'
ABORT 'NO ANSWER'
'' ATZ
OK AT&F&C1&D2
OK 'ATDT{NUMBER}'
CONNECT '\\c'
"""
DISCONNECT = "chat TIMEOUT 4 '' '\\d\\d+++\\d\\d\\c' OK-AT-OK ATH OK"
SECRETS = f'{PPP_USER} * "{PPP_PASSWORD}" *\n'

# Postfix's STANDARD_CONFIGURATION_README, "Postfix on a dialup host": all mail waits for a flush.
_MAIN = f"""\
compatibility_level = 3.6
maillog_file = /var/log/mail.log
myhostname = mail.{DOMAIN}
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
message_size_limit = 20000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
disable_dns_lookups = yes
smtp_host_lookup = native
relayhost = [{PROVIDER_ADDRESS}]
defer_transports = smtp
virtual_mailbox_base = /var/mail
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_maps = inline:{{@{DOMAIN}={DOMAIN}/}}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""

_FETCHMAIL = f"""\
set no bouncemail
poll {PROVIDER_ADDRESS} protocol ETRN no dns fetchdomains {DOMAIN}
"""


class PostfixStation(MailGuest):
    """Postfix as the station, its modem on `serial`. `main` is laid over its configuration; with a `certificate` it
    uses TLS as Debian configures it.

    One call: `dial`, `flush` (both ways begin), `hang_up`.
    """

    def __init__(
        self,
        directory: Path,
        serial: str | Path,
        *,
        main: Mapping[str, str] | None = None,
        mtu: int = 1500,
        certificate: Certificate | None = None,
    ) -> None:
        self._mtu = mtu
        self._calls = 0
        tls = POSTFIX_TLS if certificate else ""
        more = "".join(f"{key} = {value}\n" for key, value in (main or {}).items())
        files = {
            "/etc/ppp/options": "",
            "/etc/ppp/chap-secrets": SECRETS,
            "/etc/chatscripts/provider": CHAT,
            "/etc/fetchmailrc.private": _FETCHMAIL,
            "/etc/postfix/main.cf": _MAIN + tls + more,
            "/etc/postfix/master.cf": MASTER.format(listen="smtp", more=""),
        }
        files |= pem_files(certificate) if certificate else {}
        super().__init__(directory, "line", name="station", serial=serial, hosts=HOSTS, files=files)

    def begin(self) -> PostfixStation:
        """Start Postfix; returns when it greets."""
        self.wait_ready()
        self.start("python3", "/opt/guest/postfix_start.py", name="mail-server")
        self.wait_for_port()
        return self

    def submit(self, sizes: Sizes, *, prefix: str = "out", like_mail: bool = False) -> list[str]:
        """Mail for the world, from anna; the Message-IDs."""
        to = ["friend@world.example"]
        ids = self.send(f"anna@{DOMAIN}", to, sizes, prefix=prefix, like_mail=like_mail)
        self.wait_until_deferred()
        return ids

    def dial(self, within_s: float = 60.0) -> None:
        """Bring the line up; returns when IP runs."""
        self._calls += 1
        name = f"pppd-{self._calls}"
        self.start(
            "pppd",
            "/dev/ttyS0",
            "115200",
            "nodetach",
            "debug",
            "noauth",
            "noipv6",
            "nocrtscts",
            "local",
            "mtu",
            str(self._mtu),
            "mru",
            str(self._mtu),
            "user",
            PPP_USER,
            "connect",
            "chat -f /etc/chatscripts/provider",
            "disconnect",
            DISCONNECT,
            name=name,
        )
        eventually(
            lambda: "remote IP address" in self.log(name) or not self.is_running(name),
            within_s=within_s,
            longest_pause_s=0.02,
        )
        if not self.is_running(name):
            raise RigError(f"pppd ended with {self.wait(name)}:\n{self.log(name)}")

    def flush(self) -> None:
        """What an ip-up script does: ask the provider for our mail, and send ours."""
        self.start("fetchmail", "-v", "-f", "/etc/fetchmailrc.private", name=f"fetchmail-{self._calls}")
        self.run("postqueue", "-f")

    def queue_length(self) -> int:
        """How many messages wait here."""
        return len(self.run("postqueue", "-j").stdout.splitlines())

    def etrn_answer(self) -> str:
        """What the provider said to the ETRN of the last call; "" while nothing is known."""
        found = re.search(r"ETRN> ETRN .*\n.*ETRN< (.*)", self.log(f"fetchmail-{self._calls}"))
        return found.group(1).strip() if found else ""

    def hang_up(self) -> None:
        """End pppd, then the call."""
        self.signal(f"pppd-{self._calls}", signal.SIGTERM)
        self.wait(f"pppd-{self._calls}")

    @property
    def maildir(self) -> str:
        """Where the mail for the station's domain lies."""
        return f"/var/mail/{DOMAIN}"
