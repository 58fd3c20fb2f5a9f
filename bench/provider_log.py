"""What a provider's own mail log proves about a call: its deliveries to the station, and how long it did nothing.

Postfix logs with each delivery `delays=a/b/c/d`: before its queue manager, in it, connecting (or RSET on a
connection that it kept), sending; `conn_use` counts a connection's messages. Exim logs how long a delivery took
(`DT`), and marks one on a connection that it had (`*`). sendmail logs the end alone. What a log rounds or leaves
out is taken so that the provider's own time is never too long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rig.line.places import STATION_ADDRESS
from rig.line.provider_mail import Kind

_STATION = re.escape(STATION_ADDRESS)
_POSTFIX = re.compile(
    rf"(?P<when>\w+ [ \d]\d [\d:]+) .* relay={_STATION}\[.*?\]:25,(?: conn_use=(?P<use>\d+),)? .*"
    r"delays=[\d.]+/(?P<queued>[\d.]+)/(?P<connecting>[\d.]+)/(?P<sending>[\d.]+), .*status=sent"
)
_EXIM = re.compile(rf"(?P<when>[-\d]+ [\d:.]+) \S+ => .* H={_STATION} \S+?\](?P<kept>\*?)(?P<more> .*)")
_EXIM_TOOK = re.compile(r" DT=(?:(\d+)m)?([\d.]+)s")
_EXIM_ETRN = re.compile(r"(?P<when>[-\d]+ [\d:.]+) ETRN ")
_SENDMAIL = re.compile(rf"(?P<when>[-\d]+ [\d:.]+) .* to=.*relay=.*{_STATION}.*stat=Sent")
_FIRST_CONCURRENCY = 5  # initial_destination_concurrency


@dataclass(frozen=True)
class Delivery:
    """One message that the station took. It took `took_s` at most, without end where the log doesn't say."""

    ended_s: float
    took_s: float
    connects: bool

    @property
    def began_s(self) -> float:
        return self.ended_s - self.took_s


@dataclass(frozen=True)
class ProviderLog:
    """The deliveries by their ends, each up to `blur_s` later than it says; `begins_s`: from ETRN, at least."""

    deliveries: Sequence[Delivery]
    blur_s: float = 0.0
    begins_s: float = 0.0

    @property
    def connections(self) -> int:
        """How many it made."""
        return sum(one.connects for one in self.deliveries)

    def own_s(self, slots: int) -> float:
        """How long places for a delivery stood empty between two of them, all places together.

        With `slots` places, the delivery number slots + k begins once k have ended: the station has no part in the
        time between. It may have one, so 0, where the provider never had that number at once, or where there are
        more places than Postfix begins with (others come with each success).
        """
        rest = sorted(self.deliveries, key=lambda one: one.began_s)[slots:]
        if not rest or not slots <= min(_FIRST_CONCURRENCY, self._most_at_once()):
            return 0.0
        ends_s = sorted(one.ended_s for one in self.deliveries)[: len(rest)]
        # All but the first and the last of a place count on both sides, so that their blur cancels out.
        empty_s = sum(one.began_s for one in rest) - sum(ends_s) - slots * self.blur_s
        return max(0.0, empty_s)

    def _most_at_once(self) -> int:
        """Of what surely overlapped."""
        steps = [(one.began_s + self.blur_s, 1) for one in self.deliveries if one.took_s > self.blur_s]
        steps += [(one.ended_s, -1) for one in self.deliveries if one.took_s > self.blur_s]
        most = now = 0
        for _, step in sorted(steps):
            now += step
            most = max(most, now)
        return max(most, 1)


def read(kind: Kind, text: str) -> ProviderLog:
    """What this program's log says of mail for the station."""
    return {"postfix": _postfix, "exim": _exim, "sendmail": _sendmail}[kind](text)


def _postfix(text: str) -> ProviderLog:
    found: list[tuple[Delivery, float]] = []
    for one in _POSTFIX.finditer(text):
        took_s = sum(float(one[part]) + _rounding(one[part]) for part in ("connecting", "sending"))
        ended_s = datetime.strptime(f"2000 {one['when']}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        queued_s = float(one["queued"]) - _rounding(one["queued"])
        found.append((Delivery(ended_s, took_s, one["use"] is None), queued_s))
    begins_s = min((queued_s for _, queued_s in found), default=0.0)  # nothing is queued before ETRN
    return ProviderLog([one for one, _ in found], 1.0, max(0.0, begins_s))


def _rounding(text: str) -> float:
    """By how much a delay of two digits may be off."""
    value = float(text)
    return 0.5 * 10.0 ** (math.floor(math.log10(value)) - 1) if value else 0.005


def _exim(text: str) -> ProviderLog:
    found: list[Delivery] = []
    for one in _EXIM.finditer(text):
        took = _EXIM_TOOK.search(one["more"])
        took_s = 60 * float(took[1] or 0) + float(took[2]) if took else math.inf
        found.append(Delivery(_time(one["when"]), took_s, not one["kept"]))
    asked = _EXIM_ETRN.search(text)
    begins_s = found[0].began_s - _time(asked["when"]) if asked and found else 0.0
    return ProviderLog(found, begins_s=max(0.0, begins_s))


def _sendmail(text: str) -> ProviderLog:
    ends_s = [_time(one["when"]) for one in _SENDMAIL.finditer(text)]
    return ProviderLog([Delivery(end_s, math.inf, number == 0) for number, end_s in enumerate(ends_s)])


def _time(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()
