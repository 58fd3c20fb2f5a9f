"""What pppd says of itself, as values: the network came up, or pppd ended and how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.json_text import parse_object
from dialpost.core.line.link import Again
from dialpost.core.line.ppp.log import log_reason, peer_words
from dialpost.core.line.reasons import Reason, ppp_reason

MOST_WORDS = 500
"""Characters of one trouble's words: it must fit one datagram."""
MOST_LOGGED = 20
"""The last lines of pppd's log that tell why it ended."""
_TERMINATED = 5  # pppd's status after SIGTERM: our own hook ended it, and `detail` says why


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
class Logged:
    """The last lines of pppd's log, from root's side: the daemon does not see what a unit writes."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PppEnd:
    """pppd ended. `exit_code` is pppd's own (pppd(8), EXIT STATUS), None where a signal ended it or it never ran.

    `last_lines` are the last words of its log. They hold no secret: pppd hides passwords. `was_up`: the network
    was there before.
    """

    exit_code: int | None
    last_lines: tuple[str, ...] = ()
    detail: str = ""
    was_up: bool = False

    @property
    def reason(self) -> Reason | None:
        """The row of what pppd logged, else of its status; None where it told neither."""
        if self.exit_code is None:
            return None
        if self.exit_code == _TERMINATED and self.detail:
            return ppp_reason(self.exit_code)
        return log_reason(self.last_lines, was_up=self.was_up) or ppp_reason(self.exit_code)

    @property
    def log(self) -> str:
        """The word of the log (core/line/reasons); "ppp-none" where pppd told no status."""
        return "ppp-none" if self.reason is None else self.reason.log

    @property
    def again(self) -> Again:
        """When dialling again can help."""
        return Again.SOON if self.reason is None else self.reason.again

    @property
    def words(self) -> str:
        """What happened and what to do next, in words."""
        reason = self.reason
        if reason is None:
            return self.detail or "pppd was stopped"
        said = peer_words(self.last_lines)
        told = f'The provider\'s end said: "{said}".' if said else ""
        return " ".join(part for part in (reason.words, reason.next_step, told, self.detail) if part)


def event(name: str, environment: dict[str, str]) -> bytes:
    """What the hook that pppd runs sends to the station: one datagram. `name` is "up" or "down"."""
    keys = ("IFNAME", "IPLOCAL", "IPREMOTE", "DNS1", "DNS2", "SPEED")
    return json.dumps({"event": name} | {key: environment[key] for key in keys if environment.get(key)}).encode()


def trouble(words: str) -> bytes:
    """What the hook could not do, for the station's log and, where pppd ends of it, the operator."""
    return json.dumps({"event": "trouble", "words": words[:MOST_WORDS]}).encode()


def logged(lines: Sequence[str]) -> bytes:
    """The last lines of pppd's log, for why it ended."""
    return json.dumps({"event": "log", "lines": [line[:MOST_WORDS] for line in lines][-MOST_LOGGED:]}).encode()


def parse_event(datagram: bytes) -> PppUp | Trouble | Logged | None:
    """The network that came up, what went wrong on the way, or pppd's log; None for anything else."""
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
