"""What pppd says of itself, as values: the network came up, or pppd ended and how."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dialpost.core.json_text import parse_object
from dialpost.core.line_reasons import ppp_reason

MOST_WORDS = 500
"""Characters of one trouble's words: it must fit one datagram."""


@dataclass(frozen=True, slots=True)
class PppUp:
    """The network is there. Addresses in text; `dns` are the name servers the peer told (RFC 1877)."""

    interface: str
    local: str
    remote: str
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something about the line's network that the hook could not do."""

    words: str


@dataclass(frozen=True, slots=True)
class PppEnd:
    """pppd ended. `exit_code` is pppd's own (pppd(8), EXIT STATUS), None where a signal ended it or it never ran.

    `last_lines` are the last words of its log. They hold no secret: pppd hides passwords.
    """

    exit_code: int | None
    last_lines: tuple[str, ...] = ()
    detail: str = ""

    @property
    def log(self) -> str:
        """The word of the log (core/line_reasons); "ppp-none" where pppd told no status."""
        return "ppp-none" if self.exit_code is None else ppp_reason(self.exit_code).log

    @property
    def words(self) -> str:
        """What happened and what to do next, for a person."""
        if self.exit_code is None:
            return self.detail or "pppd was ended"
        reason = ppp_reason(self.exit_code)
        return " ".join(part for part in (reason.words, reason.next_step, self.detail) if part)


def event(name: str, environment: dict[str, str]) -> bytes:
    """What the hook that pppd runs sends to the station: one datagram. `name` is "up" or "down"."""
    keys = ("IFNAME", "IPLOCAL", "IPREMOTE", "DNS1", "DNS2", "SPEED")
    return json.dumps({"event": name} | {key: environment[key] for key in keys if environment.get(key)}).encode()


def trouble(words: str) -> bytes:
    """What the hook could not do, for the station's log and, where pppd ends of it, the operator."""
    return json.dumps({"event": "trouble", "words": words[:MOST_WORDS]}).encode()


def parse_event(datagram: bytes) -> PppUp | Trouble | None:
    """The network that came up, or what went wrong on the way; None for anything else."""
    try:
        told = parse_object(datagram)
        if told["event"] == "trouble":
            return Trouble(" ".join(str(told["words"]).split())[:MOST_WORDS])
        if told["event"] != "up":
            return None
        dns = tuple(dict.fromkeys(str(told[key]) for key in ("DNS1", "DNS2") if told.get(key)))
        return PppUp(str(told["IFNAME"]), str(told["IPLOCAL"]), str(told["IPREMOTE"]), dns)
    except (ValueError, KeyError, TypeError):
        return None
