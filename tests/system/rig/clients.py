"""Clients of the station: Python's own for plain sending, swaks as a user's hand, raw lines for tricks."""

from __future__ import annotations

import smtplib
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rig.mailboxes import make_message

OUTSIDE = "127.0.0.9"
"""A peer address that is in no network named in relay.networks."""


class Make(Protocol):
    """What makes a message of about `size` bytes."""

    def __call__(self, message_id: str, sender: str, recipients: list[str], *, size: int) -> bytes: ...


def send(
    port: int,
    sender: str,
    recipients: list[str],
    *,
    count: int = 1,
    prefix: str,
    size: int = 1000,
    source: str = "127.0.0.1",
    make: Make = make_message,
) -> list[str]:
    """Send `count` messages in one session; their Message-IDs. Every recipient has to be accepted."""
    ids = [f"{prefix}.{number}@{sender.rpartition('@')[2] or 'test.example'}" for number in range(count)]
    with smtplib.SMTP("127.0.0.1", port, "client.example", 30, (source, 0)) as client:
        for message_id in ids:
            refused = client.sendmail(
                sender, recipients, make(message_id, sender, recipients, size=size), ["BODY=8BITMIME"]
            )
            assert refused == {}
    return ids


@dataclass(frozen=True)
class Swaks:
    """What swaks did: exit status (0: the server took it) and the whole transcript."""

    status: int
    transcript: str

    @property
    def is_taken(self) -> bool:
        return self.status == 0


def swaks(port: int, *arguments: str) -> Swaks:
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "client.example", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    return Swaks(done.returncode, done.stdout + done.stderr)


class RawClient:
    """A connection on which anything can be said."""

    def __init__(self, port: int, *, source: str = OUTSIDE, timeout_s: float = 20.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s, (source, 0))
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self) -> str:
        """One whole reply, its lines joined; "" when the server has closed."""
        lines = []
        while True:
            line = self._lines.readline().decode("utf-8", "replace")
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def talk(self, *commands: str | bytes) -> list[str]:
        """Say each command (the line ending is added) and read its reply."""
        replies = []
        for command in commands:
            self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
            replies.append(self.reply())
        return replies

    def replies_until_closed(self) -> list[str]:
        found: Sequence[bytes] = self._lines.readlines()
        return [line.decode("utf-8", "replace").rstrip("\r\n") for line in found]
