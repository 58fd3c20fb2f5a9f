"""What root's side of pppd sends to the daemon, a datagram each: the network is up, or something went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialpost.core.json_text import parse_object

MOST_WORDS = 500
"""Characters of one trouble's text: it must fit in one datagram."""
MOST_LOGGED = 20
"""How many of the last lines of pppd's log are sent to explain its end."""


@dataclass(frozen=True, slots=True)
class PppUp:
    """The network is up. Addresses as text; `dns` are the name servers the peer announced (RFC 1877)."""

    interface: str
    local: str
    remote: str
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something about the line's network that the hook could not do."""

    words: str


@dataclass(frozen=True, slots=True)
class Logged:
    """The last lines of pppd's log, from root's side: the daemon does not see what a unit writes."""

    lines: tuple[str, ...]


def event(name: str, environment: Mapping[str, str]) -> bytes:
    """What is sent to the station when the network came or went: one datagram. `name` is "up" or "down"."""
    keys = ("IFNAME", "IPLOCAL", "IPREMOTE", "DNS1", "DNS2")
    return json.dumps({"event": name} | {key: environment[key] for key in keys if environment.get(key)}).encode()


def trouble(words: str) -> bytes:
    """What the hook could not do, for the station's log and, if pppd ends because of it, for the operator."""
    return json.dumps({"event": "trouble", "words": words[:MOST_WORDS]}).encode()


def logged(lines: Sequence[str]) -> bytes:
    """The last lines of pppd's log, for why it ended."""
    return json.dumps({"event": "log", "lines": [line[:MOST_WORDS] for line in lines][-MOST_LOGGED:]}).encode()


def parse_event(datagram: bytes) -> PppUp | Trouble | Logged | None:
    """The network that came up, what went wrong, or pppd's log; None for anything else."""
    try:
        told = parse_object(datagram)
        if told["event"] == "trouble":
            return Trouble(" ".join(str(told["words"]).split())[:MOST_WORDS])
        if told["event"] == "log":
            lines = told["lines"]
            return Logged(tuple(str(line)[:MOST_WORDS] for line in lines)) if isinstance(lines, list) else None
        if told["event"] != "up":
            return None
        dns = tuple(dict.fromkeys(str(told[key]) for key in ("DNS1", "DNS2") if told.get(key)))
        return PppUp(str(told["IFNAME"]), str(told["IPLOCAL"]), str(told["IPREMOTE"]), dns)
    except (ValueError, KeyError, TypeError):
        return None
