"""The matrix of calls: which mail, with which provider, with or without TLS, and the target of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from rig.line.guests import Sizes
from rig.line.provider_mail import Kind

from dialpost.sim.telephone_line import TelephoneSettings

_TELEPHONE = TelephoneSettings(rate_bps=33_600, rtt_s=0.150)
_SATELLITE = TelephoneSettings(rate_bps=2400, rtt_s=1.8)
_SMALL, _BIG = 1700, 82_000
"""The bytes of a small letter, and of a message with an attachment of 60 kB."""
_TLS_COSTS = 1.15
"""How much TLS may add to each target."""


@dataclass(frozen=True)
class MailSet:
    """What is waiting at each end, and the line that carries it."""

    inbound: Sizes
    outbound: Sizes
    line: TelephoneSettings = _TELEPHONE

    @property
    def counts(self) -> tuple[int, int]:
        """The messages in and out."""
        return sum(count for _, count in self.inbound), sum(count for _, count in self.outbound)


@dataclass(frozen=True)
class Provider:
    """A mail server at the other end; `main` overrides Postfix's configuration."""

    kind: Kind
    main: Mapping[str, str] = field(default_factory=dict)


_MIXED = ((_SMALL, 40), (_BIG, 4))
SETS = {
    "A": MailSet(_MIXED, _MIXED),
    "B": MailSet(((_SMALL, 20),), ((_SMALL, 20),), _SATELLITE),
    "C": MailSet(((_SMALL, 60),), ((_SMALL, 60),)),
    "office": MailSet(((_SMALL, 12), (4000, 6), (30_000, 2), (_BIG, 1)), ((_SMALL, 8), (4000, 3), (45_000, 1))),
}
PROVIDERS = {
    "postfix-2": Provider("postfix", {"station_destination_concurrency_limit": "2"}),
    "postfix-20": Provider("postfix"),
    "exim": Provider("exim"),
    "sendmail": Provider("sendmail"),
}
TLS = ("off", "shipped")
STATIONS = ("dialpost", "postfix")
UNSHAPED = "unshaped"
"""Dialpost with ppp.shaping = false, which must never be faster. Only measured where a pattern names it."""
_TLS: dict[str, dict[str, dict[str, Any]]] = {
    # The owner trusts the line: nothing on it uses TLS, whatever the provider offers.
    "off": {"outbound": {"tls": "auto", "tls_verify": "none"}, "ppp": {"trusted_line": True}},
    # As it comes, but for the demand of TLS outbound: Debian's Exim offers none.
    "shipped": {"outbound": {"tls": "opportunistic", "tls_verify": "none"}},
}
_PROMISED = {
    ("A", "postfix-20"): 1.10,
    ("A", "postfix-2"): 1.15,
    ("A", "exim"): 1.25,
    ("B", "postfix-20"): 1.3,
    ("B", "postfix-2"): 1.5,
    ("C", "postfix-20"): 1.4,
    ("C", "postfix-2"): 1.9,
}
"""The ratio to the line's limit; if none is given, only Postfix's own time counts."""


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: both stations make this call."""

    mail_set: str
    provider: str
    tls: str

    @property
    def name(self) -> str:
        return f"{self.mail_set}/{self.provider}/{self.tls}"

    @property
    def promised(self) -> float | None:
        """The highest ratio to the line's limit."""
        ratio = _PROMISED.get((self.mail_set, self.provider))
        return ratio * _TLS_COSTS if ratio and self.tls == "shipped" else ratio


def chosen(patterns: Sequence[str]) -> dict[Cell, list[str]]:
    """The cells whose SET/PROVIDER/TLS/STATION matches one of the patterns, each with the stations to measure.

    A pattern may leave out its last parts; without patterns all are chosen, but for UNSHAPED.
    """
    cells = [Cell(mail_set, provider, tls) for mail_set in SETS for provider in PROVIDERS for tls in TLS]
    found: dict[Cell, list[str]] = {}
    for cell in cells:
        for station in (*STATIONS, UNSHAPED):
            name = f"{cell.name}/{station}"
            fitting = [p for p in patterns if fnmatchcase(name, p) or fnmatchcase(name, f"{p}/*")]
            if any(UNSHAPED in p for p in fitting) if station == UNSHAPED else fitting or not patterns:
                found.setdefault(cell, []).append(station)
    return found


def dialpost_settings(cell: Cell, *, shaping: bool = True) -> dict[str, dict[str, Any]]:
    """The default configuration, except for the dialling pauses of the rig."""
    settings: dict[str, dict[str, Any]] = {
        "call": {"grace_min_s": 3.0, "grace_max_s": 60.0, "redial_attempts": 0, "cooldown_s": 0},
        "link": {"kind": "modem", "line_rate_bps": SETS[cell.mail_set].line.rate_bps},
        "etrn": {"tls": "opportunistic", "tls_verify": "none"},
        "ppp": {"shaping": shaping},
    }
    for section, values in _TLS[cell.tls].items():
        settings.setdefault(section, {}).update(values)
    return settings
