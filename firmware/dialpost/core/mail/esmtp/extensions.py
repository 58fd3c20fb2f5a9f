"""What a server offers, from its answer to EHLO (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.amounts import whole_number
from dialpost.core.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions this client knows. `size_limit` 0 means: none was named (RFC 1870 §4)."""

    greeted_by: str = ""
    pipelining: bool = False
    chunking: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: bool = False
    size_limit: int = 0
    starttls: bool = False
    etrn: bool = False
    atrn: bool = False
    auth: frozenset[str] = frozenset()


def read_extensions(reply: Reply) -> Extensions:
    """Parse the answer to EHLO; unknown extensions are ignored.

    The old form `AUTH=LOGIN PLAIN` of some servers is accepted, too.
    """
    found: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.replace("=", " ").upper().split() or [""]
        found.setdefault(keyword, []).extend(parameters)
    limit = found.get("SIZE", [])
    return Extensions(
        greeted_by=reply.lines[0].split(" ")[0],
        pipelining="PIPELINING" in found,
        chunking="CHUNKING" in found,
        eight_bit="8BITMIME" in found,
        smtputf8="SMTPUTF8" in found and "8BITMIME" in found,  # RFC 6531 §3.1: needs 8BITMIME
        dsn="DSN" in found,
        size="SIZE" in found,
        size_limit=(whole_number(limit[0]) or 0) if limit else 0,
        starttls="STARTTLS" in found,
        etrn="ETRN" in found,
        atrn="ATRN" in found,
        auth=frozenset(found.get("AUTH", [])),
    )
