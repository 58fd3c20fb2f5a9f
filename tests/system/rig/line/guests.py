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

from rig.line import provider_mail
from rig.line.places import HOSTS, NUMBER, PPP_PASSWORD, PPP_USER, PROVIDER_ADDRESS, STATION_ADDRESS
from rig.line.provider_mail import Kind
from rig.line.uml import Guest
from rig.mailboxes import arrived
from rig.processes import RigError, eventually
from rig.servers.certificates import Certificate
from rig.station import DOMAIN, PASSWORD, Settings, config_text

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


class MailGuest(Guest):
    """What both ends have: sending mail inside, and Maildirs to look into."""

    def send(
        self,
        sender: str,
        recipients: Sequence[str],
        sizes: Sizes,
        *,
        prefix: str,
        port: int = 25,
        like_mail: bool = False,
    ) -> list[str]:
        """Hand messages to this guest's own mail server; their Message-IDs.

        `like_mail`: they compress on the line as real mail does (rig/corpus).
        """
        asked = {
            "port": port,
            "sender": sender,
            "recipients": list(recipients),
            "sizes": list(sizes),
            "prefix": prefix,
            "like_mail": like_mail,
        }
        done = self.run("python3", "/opt/guest/mail.py", input=json.dumps(asked), timeout_s=300)
        ids: list[str] = json.loads(done.stdout)
        return ids

    def wait_until_deferred(self) -> None:
        """Returns when Postfix has looked at each message: one it has not deferred yet is missed by a flush."""
        folders = [f"/var/spool/postfix/{name}" for name in ("maildrop", "incoming", "active")]
        eventually(
            lambda: not self.run("find", *folders, "-type", "f").stdout,
            within_s=200,  # a few connections to a line that has just gone down, 30 s each
            what="Postfix's active queue empty",
        )

    def arrived(self, maildir: str) -> list[str]:
        """The sorted Message-IDs of what is in a Maildir of this guest, each message found whole."""
        return arrived(self.fetch(maildir))

    def mail_log(self) -> str:
        """What the mail server logged so far."""
        logs = "/var/log/mail.log /var/exim/log/mainlog"
        return self.run("sh", "-c", f'for log in {logs}; do [ ! -e "$log" ] || cat "$log"; done').stdout

    def wait_for_port(self, port: int = 25, within_s: float = 30.0) -> None:
        """Returns when this guest's mail server greets."""
        self.run("python3", "/opt/guest/wait_port.py", str(port), str(within_s), timeout_s=within_s + 10)


class ProviderGuest(MailGuest):
    """The provider. `answers`: PPP at once, after a login dialogue, or a carrier with nobody behind it.

    `main` is laid over Postfix's configuration, `ppp_options` are added to pppd's. With a `certificate` it uses
    TLS as Debian configures it (rig/line/provider_mail). `files` take the place of its own. `carrier` is called by
    the telephone; `begin` starts the mail server once the guest is up.
    """

    def __init__(
        self,
        directory: Path,
        serial: str | Path,
        *,
        kind: Kind = "postfix",
        answers: Answers = "ppp",
        ppp_options: Sequence[str] = ("auth", "require-chap"),
        main: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.answers, self.ppp_options = kind, answers, tuple(ppp_options)
        self._mail = provider_mail.KINDS[kind]
        self._calls = 0
        own = {
            "/etc/ppp/options": "",
            "/etc/ppp/options.answer": _ANSWER_OPTIONS,
            "/etc/ppp/chap-secrets": f'{PPP_USER} provider "{PPP_PASSWORD}" {STATION_ADDRESS}\n',
            "/etc/ppp/pap-secrets": f'{PPP_USER} provider "{PPP_PASSWORD}" {STATION_ADDRESS}\n',
            "/etc/ppp/logins": f"{PPP_USER} {PPP_PASSWORD.replace(' ', '-')}\n",
        }
        own |= self._mail.files(main or {}, certificate) | dict(files or {})
        super().__init__(directory, self._mail.tree, name="provider", serial=serial, hosts=HOSTS, files=own)

    def begin(self) -> ProviderGuest:
        """Start the mail server; returns when it greets."""
        self.wait_ready()
        if self._mail.prepare:
            self.run("sh", "-ec", self._mail.prepare)
        self.start_mail()
        self.wait_for_port()
        return self

    def start_mail(self) -> None:
        """Start the mail server; `wait_for_port` returns when it greets."""
        self.start(*self._mail.command, name="mail-server")

    def stop_mail(self) -> None:
        """End the mail server: connections to it are refused from now on."""
        self.signal("mail-server")
        self.wait("mail-server")

    def afresh(
        self,
        *,
        answers: Answers = "ppp",
        ppp_options: Sequence[str] = ("auth", "require-chap"),
        main: Mapping[str, str] | None = None,
    ) -> None:
        """As after `begin`, with other settings: nothing held, nothing delivered."""
        self.answers, self.ppp_options = answers, tuple(ppp_options)
        for path, content in self._mail.files(main or {}, None).items():
            self.write(path, content)
        self.run("sh", "-ec", self._mail.clear)
        if self.kind != "postfix":  # its processes of calls that were cut would deliver what is gone
            self.stop_mail()
            self.start_mail()
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

    def hold(
        self, sizes: Sizes, *, account: str = "anna", prefix: str = "in", like_mail: bool = False
    ) -> list[str]:
        """Mail for the station that the provider holds; the Message-IDs."""
        to = [f"{account}@{DOMAIN}"]
        ids = self.send("friend@world.example", to, sizes, prefix=prefix, like_mail=like_mail)
        if self.kind == "postfix":
            self.wait_until_deferred()
        return ids

    def queue_length(self) -> int:
        """How many messages the mail server holds."""
        return int(self.run("sh", "-c", self._mail.count).stdout)

    @property
    def world(self) -> str:
        """The Maildir of world.example."""
        return self._mail.world


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

    def submit(
        self,
        sizes: Sizes,
        *,
        prefix: str = "out",
        recipient: str = "friend@world.example",
        like_mail: bool = False,
    ) -> list[str]:
        """Mail for the world, from anna; the Message-IDs."""
        return self.send(f"anna@{DOMAIN}", [recipient], sizes, prefix=prefix, like_mail=like_mail)

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
