"""Lines on the wire of a connection: how a reply is written, and what can be wrong with a line."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from dialpost.core.mail.reply import Reply

_MOST_TEXT = 480
"""RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, with code and line end."""
_NOT_PRINTABLE = re.compile(r"[^ -~]")


class ConnectionEndedError(Exception):
    """The client is gone, or has to go."""


class BadCommandError(Exception):
    """A command that can't be carried out as given; `reply` says why."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, (text,), enhanced)


class LineTooLongError(Exception):
    """A line beyond the limit; it was read to its end and discarded."""


class BareLineFeedError(Exception):
    """A line that ended in LF without CR (RFC 5321 §2.3.8)."""

    def __init__(self, line: bytes) -> None:
        super().__init__("a line without CR")
        self.line = line


@lru_cache(maxsize=64)
def wire_reply(reply: Reply) -> bytes:
    """A reply in its wire form (RFC 5321 §4.2.1, §4.5.3.1.5, RFC 2034 §4).

    A reply may quote the client, so everything but printable ASCII is replaced: replies end up on terminals and in
    logs, and a line ending within one would be a second reply.
    """
    enhanced = f"{reply.enhanced} " if reply.enhanced else ""
    lines = reply.lines or ("",)
    last = len(lines) - 1
    text = "".join(
        f"{reply.code}{' ' if number == last else '-'}{enhanced}{_NOT_PRINTABLE.sub('?', line[:_MOST_TEXT])}\r\n"
        for number, line in enumerate(lines)
    )
    return text.encode("ascii")


def peer_address(name: object) -> str:
    """The client's IP address as text, without a zone; a mapped IPv4 address as plain IPv4."""
    text = str(name[0]).partition("%")[0] if isinstance(name, tuple) and name else ""
    if text.startswith("::ffff:"):
        mapped = ipaddress.IPv6Address(text).ipv4_mapped
        return str(mapped) if mapped else text
    return text
