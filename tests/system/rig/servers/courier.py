"""Real Courier of Debian 13 as a provider with POP3 alone."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rig.servers.chroots import Chroot
from rig.servers.mailbox_server import MailboxServer, into_maildir

_NOBODY = (65_534, 65_534)

_START = """\
mkdir -p /run/courier/authdaemon
chown -R courier:courier /run/courier
set -a
. /etc/courier/authdaemonrc
. /etc/courier/pop3d-ssl
. /etc/courier/pop3d
POP3AUTH="PLAIN LOGIN"
POP3AUTH_TLS="PLAIN LOGIN"
TLS_CERTFILE={directory}/both.pem
TLS_PRIVATE_KEYFILE={directory}/both.pem
TLS_CACHEFILE=
set +a
/usr/lib/courier/courier-authlib/authdaemond &
door="couriertcpd -address=127.0.0.1 -maxprocs=100 -maxperip=100 -nodnslookup"
login="/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir"
POP3_TLS=1 POP3_STARTTLS=NO $door {pop3s} /usr/bin/couriertls -server -tcpd -user=courier $login &
exec $door {pop3} $login
"""


class Courier(MailboxServer):
    """Courier's POP3 on Maildirs, with its own user database."""

    chroot = "hub"
    has_imap = False

    def __init__(self, directory: Path, *, users: Mapping[str, str]) -> None:
        self._numbers = itertools.count(1)
        super().__init__(directory, users=users)

    def files(self) -> tuple[tuple[Path, str], ...]:
        (self.directory / "start").write_text(
            _START.format(directory=self.directory, pop3=self.pop3_port, pop3s=self.pop3s_port)
        )
        both = self.directory / "both.pem"
        both.write_text(self.certificate.key.read_text() + self.certificate.certificate.read_text())
        modules = self.directory / "authdaemonrc"
        modules.write_text(
            'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=2\n'
            "authdaemonvar=/run/courier/authdaemon\n"
        )
        users = self.directory / "userdb"
        users.write_text("".join(self._entry(name) for name in self.users))
        users.chmod(0o600)
        Chroot(self.chroot, (self.directory,)).run("makeuserdb", "-f", users)
        names = ("userdb.dat", "userdbshadow.dat", "authdaemonrc")
        return tuple((self.directory / name, f"/etc/courier/{name}") for name in names)

    def _entry(self, user: str) -> str:
        home = self.directory / user
        home.mkdir(exist_ok=True)
        os.chown(home, *_NOBODY)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"],
            input=self.users[user],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        return f"{user}\tuid={_NOBODY[0]}|gid={_NOBODY[1]}|home={home}|shell=/bin/sh|systempw={hashed}\n"

    def command(self) -> tuple[str, ...]:
        return ("sh", str(self.directory / "start"))

    def put(self, user: str, message: bytes) -> None:
        into_maildir(self.directory / user / "Maildir", f"{next(self._numbers)}.rig", message, _NOBODY)

    def log_text(self) -> str:
        return (self.directory / "output").read_text("utf-8", "replace")
