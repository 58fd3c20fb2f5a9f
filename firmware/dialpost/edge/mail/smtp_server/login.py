"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): getting name and password from a client.

None of it is ever logged.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from dialpost.edge.mail.smtp_server.connection import Connection
from dialpost.edge.mail.smtp_server.lines import BadCommandError

_MAX_BYTES = 12_288  # RFC 4954 §4.3


class Login(NamedTuple):
    """A client's credentials; `acts_as` is "" unless it names another identity."""

    name: str
    password: str
    acts_as: str = ""


async def ask_login(connection: Connection, argument: bytes, timeout_s: float) -> Login:
    """Ask for name and password. Raises: BadCommandError if the client cancels or sends something else."""
    mechanism, _, initial = argument.partition(b" ")
    initial = initial.strip()
    if mechanism.upper() == b"PLAIN":
        return _plain(_decoded(initial) if initial else await _answer(connection, b"", timeout_s))
    if mechanism.upper() == b"LOGIN":
        name = _decoded(initial) if initial else await _answer(connection, b"Username:", timeout_s)
        return Login(_text(name), _text(await _answer(connection, b"Password:", timeout_s)))
    raise BadCommandError(504, "5.5.4", "That login mechanism is not offered")


async def _answer(connection: Connection, challenge: bytes, timeout_s: float) -> bytes:
    await connection.push(b"334 " + base64.b64encode(challenge))
    line = await connection.read_line(timeout_s, _MAX_BYTES)
    if line == b"*":
        raise BadCommandError(501, "5.7.0", "Login cancelled")
    return _decoded(line)


def _decoded(line: bytes) -> bytes:
    if line == b"=":
        return b""  # RFC 4954 §4: an empty initial response
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        raise BadCommandError(501, "5.5.2", "That is not base64") from None


def _plain(message: bytes) -> Login:
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise BadCommandError(501, "5.5.2", "Malformed AUTH PLAIN response")
    acts_as, name, password = map(_text, parts)
    return Login(name, password, "" if acts_as == name else acts_as)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadCommandError(501, "5.5.2", "That is not UTF-8") from None
