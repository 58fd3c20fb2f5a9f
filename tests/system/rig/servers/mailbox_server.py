"""Providers that keep mail in mailboxes: what each of them offers, whatever its program.

Each listens on ports of its own at 127.0.0.1 only, with a certificate for HOST that `authority` has signed.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from rig.ports import free_port
from rig.servers.certificates import Authority
from rig.servers.chroots import Chroot, Inmate

HOST = "mail.provider.example"
"""The name in the certificate."""


class MailboxServer(ABC):
    """A server with one mailbox for each of `users` (name: password). Stopped, it leaves nothing running.

    `imap_port` (0 where it has no IMAP) and `pop3_port` know STARTTLS and STLS; `imaps_port` and `pop3s_port` begin
    with TLS.
    """

    chroot: str
    has_imap = True

    def __init__(self, directory: Path, *, users: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self.directory = directory
        self.users = dict(users)
        self.authority = Authority(directory / "tls")
        self.certificate = self.authority.issue(HOST)
        self.pop3_port, self.pop3s_port = free_port(), free_port()
        self.imap_port, self.imaps_port = (free_port(), free_port()) if self.has_imap else (0, 0)
        self._child: Inmate | None = None
        self._chroot = Chroot(self.chroot, (directory,), self.files())

    @abstractmethod
    def files(self) -> tuple[tuple[Path, str], ...]:
        """Write the configuration; which of its files are seen inside under another name."""

    @abstractmethod
    def command(self) -> tuple[str, ...]:
        """What is started inside, and stays in the foreground."""

    @abstractmethod
    def put(self, user: str, message: bytes) -> None:
        """A message (with CRLF) into the mailbox, as the provider's delivery would leave it there."""

    @abstractmethod
    def log_text(self) -> str:
        """What the server wrote about its sessions."""

    def run(self, *command: str | Path, input: str = "") -> str:
        """A command inside, to its end."""
        return self._chroot.run(*command, input=input)

    def start(self) -> Self:
        self._child = self._chroot.start(*self.command(), log=self.directory / "output")
        for port in filter(None, (self.imap_port, self.pop3_port)):
            greeting = b"+OK" if port == self.pop3_port else b"* OK"
            self._child.wait_for_greeting(port, greeting=greeting)
        for port in filter(None, (self.imaps_port, self.pop3s_port)):
            self._child.wait_for_greeting(port)
        return self

    def kill(self) -> None:
        """SIGKILL to all of it, as at a power cut."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def __enter__(self) -> Self:
        return self if self._child else self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


def into_maildir(maildir: Path, name: str, message: bytes, owner: tuple[int, int]) -> None:
    """Deliver as a provider's program would: with LF, written beside, then moved into `new`."""
    for part in ("tmp", "new", "cur"):
        path = maildir / part
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, *owner)
    os.chown(maildir, *owner)
    written = maildir / "tmp" / name
    written.write_bytes(message.replace(b"\r\n", b"\n"))
    os.chown(written, *owner)
    written.rename(maildir / "new" / name)
