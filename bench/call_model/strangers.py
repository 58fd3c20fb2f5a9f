"""Made-up providers, lines and mail by seed: so that no change suits one hub only.

Connections 1 to 20, pauses of 0 to 30 s between messages, starts 0 to 60 s after ETRN, refusals, slow greetings,
round trips of 50 ms to 3 s, rates of 1,200 to 128,000 bit/s; Postfix's, Exim's or sendmail's dialogue. Each is one
call of a station that knows nothing of the provider yet: what stays behind then is a matter of what it learns
(`--only calls-model`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from call_model.line import LineRate
from call_model.play import Scene, play
from call_model.providers import KINDS, ProviderKind
from figures import Row, show

_SMALL, _BIG = 1700, 82_000
_LONGEST_S = 400.0
"""Of line: more mail than that is not made up."""
_SETTINGS: dict[str, dict[str, Any]] = {
    "call": {"grace_min_s": 3.0, "grace_max_s": 60.0, "redial_attempts": 0, "cooldown_s": 0},
    "outbound": {"tls": "auto", "tls_verify": "none"},
    "etrn": {"tls": "opportunistic", "tls_verify": "none"},
    "ppp": {"trusted_line": True},
}


@dataclass(frozen=True)
class Stranger:
    """One call to one of them. `words` say who it was; what `refuses` at first is tried again after a pause."""

    seed: int
    refuses: bool
    words: str
    across_s: float
    unshaped_s: float
    perfect_s: float
    hang_up_s: float
    limit_s: float
    stranded: int

    @property
    def of_perfect(self) -> float:
        return self.across_s / self.perfect_s


@dataclass(frozen=True)
class Strangers:
    """All of them."""

    all: tuple[Stranger, ...]

    def rows(self) -> list[Row]:
        """What they have in common, and the worst."""
        all_came = [one for one in self.all if not one.stranded]
        slower = [one for one in all_came if one.across_s > 1.05 * one.unshaped_s]
        whole = sorted((one for one in all_came if not one.refuses), key=lambda one: one.of_perfect)
        rows = list(self._figures(whole, slower))
        for row in rows:
            show(row)
        for one in reversed(whole[-5:]):
            print(f"  {one.of_perfect:.2f} of perfect: seed {one.seed}: {one.words}")
        for one in slower:
            print(f"  {one.across_s / one.unshaped_s:.2f} of unshaped: seed {one.seed}: {one.words}")
        return rows

    def _figures(self, whole: list[Stranger], slower: list[Stranger]) -> Iterator[Row]:
        name = f"{len(self.all)} made-up providers"
        left = sum(one.stranded > 0 for one in self.all)
        yield Row("call-model", f"{name}: the first call leaves mail behind", left, None, "calls")
        if whole:
            times = [one.of_perfect for one in whole]
            yield Row(
                "call-model", f"{name}: of those that refuse nothing, to perfect, median", median(times), None, ""
            )
            nine = times[int(0.9 * (len(times) - 1))]
            yield Row("call-model", f"{name}: the same, nine of ten are below", nine, None, "")
            yield Row("call-model", f"{name}: the same, the worst", times[-1], None, "")
        what = f"{name}: slower by 5 % than with ppp.shaping = false"
        yield Row("call-model", what, len(slower), None, "calls", "0", not slower)


def strangers(count: int, first_seed: int = 0) -> Strangers:
    """Play them, with and without ppp.shaping."""
    return Strangers(tuple(meet(seed) for seed in range(first_seed, first_seed + count)))


def meet(seed: int) -> Stranger:
    """One of them."""
    scene = made_up(random.Random(seed))
    took, unshaped = play(scene), play(replace(scene, settings=_SETTINGS | {"ppp": _unshaped()}))
    return Stranger(
        seed,
        scene.provider.manners.refuses > 0,
        _words(scene),
        took.across_s,
        unshaped.across_s,
        scene.perfect_s(tls=False),
        took.hang_up_s,
        took.limit_s,
        took.stranded,
    )


def _unshaped() -> dict[str, Any]:
    return _SETTINGS["ppp"] | {"shaping": False}


def made_up(chance: random.Random) -> Scene:
    """A line, a provider and mail."""
    line = LineRate(round(1200 * (128_000 / 1200) ** chance.random()), 0.05 * 60 ** chance.random())
    kind = KINDS[chance.choice(("postfix-20", "postfix-20", "exim", "sendmail"))]
    connections = chance.choice((1, 2, 3, 5, 10, 20)) if kind.name == "postfix" else 1
    slow = chance.random() < 0.3
    manners = replace(
        kind.manners,
        greets_after_s=chance.uniform(1.0, 20.0) if chance.random() < 0.2 else 0.0,
        refuses=chance.randint(1, 3) if chance.random() < 0.2 else 0,
    )
    kind = replace(
        kind,
        manners=manners,
        connections=connections,
        begins_s=chance.uniform(0.0, 60.0) if slow else chance.uniform(0.1, 3.0),
        starts_s=chance.uniform(0.01, 1.0),
        between_s=chance.uniform(0.0, 1.5) if kind.name != "postfix" else 0.0,
        gap_s=chance.uniform(0.0, 30.0) if slow else 0.0,
    )
    return Scene(line, kind, _mail(chance, line, kind), _mail(chance, line, kind), _SETTINGS)


def _mail(chance: random.Random, line: LineRate, kind: ProviderKind) -> tuple[tuple[int, int], ...]:
    """As much as the line carries in some minutes, less if the provider pauses."""
    most = chance.choice((3, 10, 40)) if not kind.gap_s else 4
    small = min(chance.randint(0, most), int(_LONGEST_S / 2 / line.seconds(700)))
    big = min(chance.choice((0, 0, 0, 1, 3)), int(_LONGEST_S / 2 / line.seconds(62_000)))
    return tuple((size, count) for size, count in ((_SMALL, small), (_BIG, big)) if count)


def _words(scene: Scene) -> str:
    kind, line = scene.provider, scene.line
    mail = ", ".join(f"{count} x {size}" for size, count in scene.inbound) or "nothing"
    sent = ", ".join(f"{count} x {size}" for size, count in scene.outbound) or "nothing"
    return (
        f"{line.rate_bps} bit/s, {line.rtt_s:.2f} s, {kind.name} {kind.connections} connections, begins "
        f"{kind.begins_s:.1f} s, gap {kind.gap_s:.1f} s, greets after {kind.manners.greets_after_s:.1f} s, refuses "
        f"{kind.manners.refuses}, in {mail}, out {sent}"
    )
