"""The two ends of the telephone line, each a guest: the station, and a provider that it dials.

The provider answers with pppd on its serial line, holds mail for the station's domain until ETRN, and keeps what is
sent to world.example in Maildirs. Nothing on the line looks up names: hosts files, no reverse DNS.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rig.line.uml import Guest
from rig.mailboxes import arrived
from rig.processes import RigError
from rig.servers import exim
from rig.servers.postfix import MASTER
from rig.station import DOMAIN, PASSWORD, Settings, config_text

STATION_ADDRESS, PROVIDER_ADDRESS = "10.64.0.2", "10.64.0.1"
PPP_USER, PPP_PASSWORD = "clinic", "over the hills 9"
NUMBER = "0961 555 0100"
HOSTS = {"mail.clinic.example": STATION_ADDRESS, "mail.provider.example": PROVIDER_ADDRESS}
_NOBODY = 65_534
_CONFIG = "/etc/dialpost/dialpost.toml"
_SITE = "/etc/python3.13/sitecustomize.py"
"""pppd gives its scripts an empty environment: so they too find Python's compiled files, as on a station."""

Answers = Literal["ppp", "login", "silence"]
Sizes = Sequence[tuple[int, int]]
"""What to send: pairs of bytes and how many of them."""

_ANSWER_OPTIONS = f"""\
{PROVIDER_ADDRESS}:{STATION_ADDRESS}
local
nodetach
nocrtscts
debug
noipv6
name provider
ms-dns {PROVIDER_ADDRESS}
lcp-echo-interval 10
lcp-echo-failure 3
"""

_MAIN = f"""\
compatibility_level = 3.6
maillog_file = /var/log/mail.log
myhostname = mail.provider.example
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8 10.64.0.0/16
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_peername_lookup = no
message_size_limit = 20000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
disable_dns_lookups = yes
smtp_host_lookup = native
virtual_mailbox_base = /var/mail
virtual_mailbox_domains = world.example
virtual_mailbox_maps = inline:{{@world.example=world.example/}}
virtual_uid_maps = static:{_NOBODY}
virtual_gid_maps = static:{_NOBODY}
relay_domains = {DOMAIN}
fast_flush_domains = $relay_domains
transport_maps = inline:{{{DOMAIN}=station:[{STATION_ADDRESS}]:25}}
defer_transports = station
smtpd_etrn_restrictions = permit_mynetworks, reject
"""


class MailGuest(Guest):
    """What both ends have: sending mail inside, and Maildirs to look into."""

    def send(
        self, sender: str, recipients: Sequence[str], sizes: Sizes, *, prefix: str, port: int = 25
    ) -> list[str]:
        """Hand messages to this guest's own mail server; their Message-IDs."""
        asked = {
            "port": port,
            "sender": sender,
            "recipients": list(recipients),
            "sizes": list(sizes),
            "prefix": prefix,
        }
        done = self.run("python3", "/opt/guest/mail.py", input=json.dumps(asked), timeout_s=300)
        ids: list[str] = json.loads(done.stdout)
        return ids

    def arrived(self, maildir: str) -> list[str]:
        """The sorted Message-IDs of what lies in a Maildir of this guest, each message found whole."""
        return arrived(self.fetch(maildir))

    def mail_log(self) -> str:
        """What Postfix or Exim logged so far."""
        logs = "/var/log/mail.log /var/exim/log/mainlog"
        return self.run("sh", "-c", f'for log in {logs}; do [ ! -e "$log" ] || cat "$log"; done').stdout

    def wait_for_port(self, port: int = 25, within_s: float = 30.0) -> None:
        """Returns when this guest's mail server greets."""
        self.run("python3", "/opt/guest/wait_port.py", str(port), str(within_s), timeout_s=within_s + 10)


class ProviderGuest(MailGuest):
    """The provider. `answers`: PPP at once, after a login dialogue, or a carrier with nobody behind it.

    `main` is laid over Postfix's configuration, `ppp_options` are added to pppd's. `carrier` is called by the
    telephone; `begin` starts the mail server once the guest is up.
    """

    def __init__(
        self,
        directory: Path,
        serial: str | Path,
        *,
        kind: Literal["postfix", "exim"] = "postfix",
        answers: Answers = "ppp",
        ppp_options: Sequence[str] = ("auth", "require-chap"),
        main: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.answers, self.ppp_options = kind, answers, tuple(ppp_options)
        self._calls = 0
        files = {
            "/etc/ppp/options": "",
            "/etc/ppp/options.answer": _ANSWER_OPTIONS,
            "/etc/ppp/chap-secrets": f'{PPP_USER} provider "{PPP_PASSWORD}" {STATION_ADDRESS}\n',
            "/etc/ppp/pap-secrets": f'{PPP_USER} provider "{PPP_PASSWORD}" {STATION_ADDRESS}\n',
            "/etc/ppp/logins": f"{PPP_USER} {PPP_PASSWORD.replace(' ', '-')}\n",
        }
        files |= self._postfix_files(main or {}) if kind == "postfix" else self._exim_files()
        tree = "line" if kind == "postfix" else "line-exim"
        super().__init__(directory, tree, name="provider", serial=serial, hosts=HOSTS, files=files)

    @staticmethod
    def _postfix_files(main: Mapping[str, str]) -> dict[str, str]:
        more = "".join(f"{key} = {value}\n" for key, value in main.items())
        return {
            "/etc/postfix/main.cf": _MAIN + more,
            "/etc/postfix/master.cf": MASTER.format(listen="smtp", more=""),
        }

    @staticmethod
    def _exim_files() -> dict[str, str]:
        config = exim.config_text(
            directory="/var/exim",
            hostname="mail.provider.example",
            station_domains=(DOMAIN,),
            station_at=(STATION_ADDRESS, 25),
            listen_on="0.0.0.0",
            relay_hosts="127.0.0.0/8 : 10.64.0.0/16",
            etrn_names="/etc/exim4/etrn-names",
        )
        return {"/etc/exim4/exim4.conf": config, "/etc/exim4/etrn-names": f"{DOMAIN}: {DOMAIN}\n"}

    def begin(self) -> ProviderGuest:
        """Start the mail server; returns when it greets."""
        self.wait_ready()
        if self.kind == "postfix":
            self.start("python3", "/opt/guest/postfix_start.py", name="mail-server")
        else:
            script = "mkdir -p /var/exim/spool /var/exim/log /var/exim/mail; chmod 777 /var/exim/mail; "
            self.run("sh", "-ec", script + "chown -R Debian-exim: /var/exim/spool /var/exim/log")
            self.start("exim4", "-bdf", name="mail-server")
        self.wait_for_port()
        return self

    def afresh(
        self,
        *,
        answers: Answers = "ppp",
        ppp_options: Sequence[str] = ("auth", "require-chap"),
        main: Mapping[str, str] | None = None,
    ) -> None:
        """As after `begin`, with other settings: nothing held, nothing delivered (Postfix only)."""
        assert self.kind == "postfix"
        self.answers, self.ppp_options = answers, tuple(ppp_options)
        for path, content in self._postfix_files(main or {}).items():
            self.write(path, content)
        self.run("sh", "-ec", "postsuper -d ALL; rm -rf /var/mail/*; : >/var/log/mail.log; pkill -HUP -x master")
        self.wait_for_port()

    def carrier(self, up: bool) -> None:
        """The telephone says that the carrier came (a terminal server answers it) or went (it hangs up, too)."""
        if up:
            self._calls += 1
            self.start("/opt/guest/answer", self.answers, *self.ppp_options, name=self.answering)
        elif self._calls and self.is_running(self.answering):
            self.signal(self.answering, signal.SIGHUP)
            self.wait(self.answering)

    @property
    def answering(self) -> str:
        """The name of the process that answers, for `log`; one a call."""
        return f"answer-{self._calls}"

    def hold(self, sizes: Sizes, *, account: str = "anna", prefix: str = "in") -> list[str]:
        """Mail for the station that the provider holds; the Message-IDs."""
        return self.send("friend@world.example", [f"{account}@{DOMAIN}"], sizes, prefix=prefix)

    def queue_length(self) -> int:
        """How many messages the mail server holds."""
        if self.kind == "exim":
            return int(self.run("exim4", "-bpc").stdout)
        return len(self.run("postqueue", "-j").stdout.splitlines())

    @property
    def world(self) -> str:
        """The Maildir of world.example."""
        return "/var/mail/world.example" if self.kind == "postfix" else "/var/exim/mail/world.example"


class StationGuest(MailGuest):
    """The station under test: this tree's program on the station's own Debian and Python, its modem on `serial`.

    User-mode Linux has no nftables families, so ppp.firewall is off here, and what it does beside filtering, taking
    TCP's timestamps off the line, is done by a kernel setting.

    `settings` are laid over what every test wants. `begin` starts the daemon once the guest is up.
    """

    def __init__(
        self,
        directory: Path,
        serial: str | Path,
        *,
        settings: Settings | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        more = {
            _CONFIG: config_text(station_settings(settings)),
            "/etc/ppp/options": "",
            _SITE: 'import sys\nsys.pycache_prefix = "/opt/pycache"\n',
        }
        super().__init__(
            directory, "line", name="station", serial=serial, hosts=HOSTS, files=more | dict(files or {})
        )

    def begin(self, *, accounts: Sequence[str] = ("anna",)) -> StationGuest:
        """Start the daemon and make the accounts; returns when it takes mail."""
        self.wait_ready()
        self.run("sysctl", "-q", "-w", "net.ipv4.tcp_timestamps=0")
        self.start("python3", "-m", "dialpost", "daemon", name="dialpost")
        try:
            self.wait_for_port()
        except AssertionError:
            raise RigError(f"the station's daemon does not greet:\n{self.log('dialpost')[-3000:]}") from None
        for name in accounts:
            self.cli("account", "add", name, "--password-stdin", input=f"{PASSWORD}\n")
        return self

    def afresh(self, settings: Settings | None = None, *, accounts: Sequence[str] = ("anna",)) -> None:
        """As after `begin`, with other settings: the daemon new, its data empty."""
        self.end()
        self.run("rm", "-rf", "/var/lib/dialpost", "/run/dialpost")
        self.write(_CONFIG, config_text(station_settings(settings)))
        self.begin(accounts=accounts)

    def end(self) -> None:
        """SIGTERM to the daemon; it has to end in order."""
        if self.is_running("dialpost"):
            self.signal("dialpost")
            status = self.wait("dialpost")
            assert status == 0, f"the daemon ended with {status}:\n{self.log('dialpost')[-3000:]}"

    def run_cli(self, *arguments: str, input: str = "", timeout_s: float = 60.0) -> tuple[int, str]:
        """One `dialpost` command: its exit status and what it said."""
        done = self.run("python3", "-m", "dialpost", *arguments, input=input, timeout_s=timeout_s, check=False)
        return done.returncode, done.stdout + done.stderr

    def cli(self, *arguments: str, input: str = "", timeout_s: float = 60.0) -> str:
        """One `dialpost` command that has to succeed; its standard output."""
        return self.run("python3", "-m", "dialpost", *arguments, input=input, timeout_s=timeout_s).stdout

    def call(self, *, timeout_s: float = 300.0) -> tuple[int, str]:
        """`dialpost call now`: returns when the call is over."""
        return self.run_cli("call", "now", timeout_s=timeout_s)

    def calls(self, count: int = 20) -> list[dict[str, Any]]:
        """The records of the last calls, newest first."""
        calls: list[dict[str, Any]] = json.loads(self.cli("call", "history", "--json", "-n", str(count)))
        return calls

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run_cli("status", "--json")[1])
        return answer

    def waiting(self) -> int:
        """How many messages wait for the world."""
        count: int = self.status()["queue"]["waiting_remote"]
        return count

    def submit(self, sizes: Sizes, *, prefix: str = "out", recipient: str = "friend@world.example") -> list[str]:
        """Mail for the world, from anna; the Message-IDs."""
        return self.send(f"anna@{DOMAIN}", [recipient], sizes, prefix=prefix)

    def maildir(self, account: str = "anna") -> str:
        return f"/var/lib/dialpost/mail/{account}"


def station_settings(more: Settings | None = None) -> dict[str, dict[str, Any]]:
    """The station's configuration as every test wants it, with `more` laid over."""
    sections: dict[str, dict[str, Any]] = {
        "station": {
            "hostname": f"mail.{DOMAIN}",
            "domains": [DOMAIN],
            "data_dir": "/var/lib/dialpost",
            "run_dir": "/run/dialpost",
        },
        "smtp": {
            "listen": ["0.0.0.0:25"],
            "submission_listen": [],
            "submissions_listen": [],
            "disk_reserve_bytes": 0,
        },
        "relay": {"networks": ["127.0.0.1/32"], "provider_networks": [f"{PROVIDER_ADDRESS}/32"]},
        "outbound": {"smarthost": PROVIDER_ADDRESS, "port": 25, "tls": "none"},
        "etrn": {"tls": "none"},
        "link": {"kind": "modem"},
        "modem": {"port": "/dev/ttyS0", "numbers": [NUMBER]},
        "ppp": {"user": PPP_USER, "password": PPP_PASSWORD, "firewall": False},
        "clock": {"source": "never"},
        "call": {"cooldown_s": 0, "redial_attempts": 0, "grace_min_s": 1.0, "grace_max_s": 10.0},
        "schedule": {"min_pause_min": 0},
    }
    for section, values in (more or {}).items():
        sections.setdefault(section, {}).update(values)
    return sections
