"""A plain customer of ATRN (RFC 2645): logs in, asks, and then is the server on the same connection."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rig.tls_sessions import AtHost


@dataclass
class Handed:
    """What the provider said to ATRN, and what it handed over: the envelope and content of each message."""

    reply: str
    messages: list[tuple[list[str], bytes]] = field(default_factory=list)
    is_ended: bool = False
    """Whether the provider said QUIT."""


def fetch(
    port: int,
    user: str,
    password: str,
    context: AtHost,
    *,
    domains: str = "",
    asking: Callable[[], None] = lambda: None,
    first: Callable[[], None] = lambda: None,
    source: str = "127.0.0.1",
    handed: Handed | None = None,
) -> Handed:
    """One whole exchange over TLS. `asking` is called before ATRN, `first` when the first content has come.

    `handed`: filled as messages come, for who wants to know them also when the connection breaks.
    """
    client = smtplib.SMTP_SSL(
        "127.0.0.1", port, "station.example", timeout=60, context=context, source_address=(source, 0)
    )
    client.login(user, password)
    asking()
    code, said = client.docmd("ATRN", domains)
    handed = handed or Handed("")
    handed.reply = f"{code} {said.decode()}"
    assert isinstance(client.sock, socket.socket)
    if code == 250:
        serve(client.sock, handed, first)
    client.close()
    return handed


def serve(sock: socket.socket, handed: Handed, first: Callable[[], None]) -> None:
    """Be the server of one connection until QUIT, or until the other side has gone."""
    lines = sock.makefile("rb")

    def say(text: str) -> None:
        sock.sendall(text.encode() + b"\r\n")

    say("220 station.example ESMTP")
    recipients: list[str] = []
    for line in lines:
        verb = line[:4].upper()
        if verb == b"EHLO":
            say("250-station.example\r\n250-8BITMIME\r\n250 PIPELINING")
        elif verb == b"RCPT":
            recipients.append(line[8:].partition(b">")[0].strip(b"< ").decode())
            say("250 ok")
        elif verb == b"DATA":
            say("354 go on")
            handed.messages.append((recipients, b"".join(_content(lines))))
            recipients = []
            if len(handed.messages) == 1:
                first()
            say("250 ok")
        elif verb == b"QUIT":
            handed.is_ended = True
            say("221 bye")
            return
        else:
            say("250 ok")


def _content(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == b".\r\n":
            return
        yield line[1:] if line.startswith(b".") else line
    raise ConnectionResetError("the connection broke within a message")
