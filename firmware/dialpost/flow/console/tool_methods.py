"""The control API's tools for the operator at the console: DNS look-ups, the newest log lines."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from dialpost.core.control.serving import Served, serve
from dialpost.core.control.station import LOG, LOOKUP, LogParams, LookupParams
from dialpost.core.errors import ControlError
from dialpost.core.mail.mx import DnsProblem, NoRecords, NoSuchName

KINDS = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")


class Names(Protocol):
    """The subset of edge/mail/resolver needed here."""

    async def records(self, name: str, kind: str) -> tuple[str, ...] | DnsProblem:
        """The records as text."""


class Log(Protocol):
    """The subset of edge/system/log/tail needed here."""

    def lines(self, most: int) -> list[str]:
        """The newest lines."""


def tool_methods(names: Names, log: Log) -> dict[str, Served]:
    """`lookup` {name, kind?} and `log.tail` {lines?}; both answer with lines."""

    async def lookup(wanted: LookupParams) -> tuple[str, ...]:
        name, kinds = _question(wanted.name, wanted.kind.upper())
        lines: list[str] = []
        for kind in kinds:
            found = await names.records(name, kind)
            if isinstance(found, tuple):
                lines += [f"{name}  {kind}  {record}" for record in found]
            elif isinstance(found, NoSuchName):
                return (f"{name}: no such name.",)
            elif isinstance(found, NoRecords):
                lines += [f"{name}  {kind}  none"] if len(kinds) == 1 else []
            else:
                return (*lines, f"{name}: no answer ({found.why}).")
        return tuple(lines) or (f"{name}: no address and no MX.",)

    async def tail(wanted: LogParams) -> tuple[str, ...]:
        return tuple(log.lines(wanted.lines))

    return {**serve(LOOKUP, lookup), **serve(LOG, tail)}


def _question(name: str, kind: str) -> tuple[str, tuple[str, ...]]:
    """The record kinds to query: without a kind, those that mail needs; for an address, its name."""
    if not name:
        raise ControlError("Which name? Give a host, a domain or an address.")
    try:
        return ipaddress.ip_address(name).reverse_pointer, ("PTR",)
    except ValueError:
        pass
    if kind and kind not in KINDS:
        raise ControlError(f"{kind} is not a known record type. Known types: {', '.join(KINDS)}.")
    return name, (kind,) if kind else ("A", "AAAA", "MX")
