"""What calls taught about the provider, kept across restarts, and the methods that show, set and forget it.

Kept for each ETRN host, so that a station that changes its provider and changes back learns nothing twice. What an
earlier release kept, without a host, is taken to be the present host's. Runs in the daemon's event loop.
"""

from __future__ import annotations

import contextlib
import json

from dialpost.core.amounts import count_words, money
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.control import calls as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import Served, serve
from dialpost.core.errors import ControlError, StorageError
from dialpost.core.json_text import parse_object
from dialpost.core.line.call.budget import HANG_UP_S, call_cost
from dialpost.core.line.call.delays import Delays
from dialpost.core.line.call.habits import GraceRules, Promise, ProviderHabits
from dialpost.core.line.call.worth import Price
from dialpost.flow.memory import Memory

_KEY = "call.habits"
MOST_HOSTS = 8
_AROUND_S = 5.0
"""What a call takes besides waiting: from the answer at the other end until the provider has answered ETRN."""


class LearntHabits:
    """The habits of the provider `host`, and of those before it."""

    def __init__(self, store: Memory, host: str = "") -> None:
        self._store, self.host = store, host
        self._hosts: dict[str, ProviderHabits] = {}
        self._is_forgotten = False

    @property
    def habits(self) -> ProviderHabits:
        """What is known now."""
        return self._hosts.get(self.host, ProviderHabits())

    def begin_call(self) -> ProviderHabits:
        """What is known as a call begins."""
        self._is_forgotten = False
        return self.habits

    def add(self, habits: ProviderHabits) -> None:
        """A call is over. What the operator set or had forgotten during it holds."""
        if not self._is_forgotten:
            before = self.habits
            self._have(habits.with_only(before.set_start_s, before.set_gap_s))

    async def set_waits(self, start_s: float | None, gap_s: float | None) -> None:
        """Wait this long from now on; None leaves one as it is. Durable when it returns. Raises: StorageError."""
        self._have(self.habits.with_set(start_s, gap_s))
        await self.keep()

    async def forget(self) -> None:
        """Begin to learn from nothing. Durable when it returns. Raises: StorageError."""
        self._have(ProviderHabits())
        self._is_forgotten = True
        await self.keep()

    async def keep(self) -> None:
        """Store it. Raises: StorageError."""
        kept = {host: habits.to_json() for host, habits in self._hosts.items()}
        await self._store.remember(_KEY, json.dumps({"hosts": kept}))

    async def recall(self) -> None:
        """Load what was kept; what can't be read starts from nothing."""
        with contextlib.suppress(StorageError, ValueError):
            value = parse_object(await self._store.recall(_KEY) or "{}")
            hosts = value.get("hosts", {self.host: value})
            kept = hosts if isinstance(hosts, dict) else {}
            self._hosts = {
                host: ProviderHabits.from_json(habits) for host, habits in kept.items() if isinstance(habits, dict)
            }

    def _have(self, habits: ProviderHabits) -> None:
        """The present host comes last; the first ones are dropped."""
        self._hosts.pop(self.host, None)
        self._hosts[self.host] = habits
        for host in list(self._hosts)[:-MOST_HOSTS]:
            del self._hosts[host]


def learnt_methods(learnt: LearntHabits, config: Config) -> dict[str, Served]:
    """The methods by name."""

    def known() -> LearntHabits:
        if config.link.kind is LinkKind.GATEWAY:
            raise ControlError("The line is dedicated: no calls are made, so nothing is learnt from them.")
        return learnt

    async def show(wanted: NoParams) -> api.Learned:
        return learned(known(), config)

    async def set_waits(wanted: api.SetWaitsParams) -> api.Learned:
        if wanted.start_s is None and wanted.gap_s is None:
            raise ControlError("Give start_s, gap_s or both.")
        await known().set_waits(wanted.start_s, wanted.gap_s)
        return learned(known(), config)

    async def forget(wanted: NoParams) -> str:
        await known().forget()
        return "Forgotten. The next calls learn from scratch; the first empty one waits up to call.grace_max_s."

    return {**serve(api.LEARNED, show), **serve(api.SET_WAITS, set_waits), **serve(api.FORGET_LEARNED, forget)}


def learned(learnt: LearntHabits, config: Config) -> api.Learned:
    """What is known, and what the next call makes of it."""
    habits, call, budget = learnt.habits, config.call, config.budget
    rules = GraceRules(call.grace_min_s, call.grace_max_s, float(budget.billing_step_s))
    price = Price(budget.billing_step_s - _AROUND_S - HANG_UP_S, rules.unit_s)
    start_s = rules.min_s  # a provider that is not asked has no start to wait for
    if config.etrn_wanted:
        start_s = habits.start_wait_s(Promise.MAYBE, 0.0, rules, price, carried=False)
    gap_s = habits.gap_wait_s(0.0, rules, price)
    return api.Learned(
        provider=learnt.host,
        starts=round(habits.starts.weight),
        start_usual_s=round(habits.starts.usual_s, 1),
        start_longest_s=round(habits.starts.longest_s, 1),
        gaps=round(habits.gaps.weight),
        gap_usual_s=round(habits.gaps.usual_s, 1),
        gap_longest_s=round(habits.gaps.longest_s, 1),
        mail_chance=round(habits.chance(Promise.MAYBE), 3),
        start_wait_s=round(start_s, 1),
        gap_wait_s=round(gap_s, 1),
        set_start_s=habits.set_start_s,
        set_gap_s=habits.set_gap_s,
        empty_call_cost=round(call_cost(budget, _AROUND_S + start_s + HANG_UP_S), 6),
        currency=budget.currency,
        words=tuple(_words(learnt.host, habits, start_s, gap_s, config)),
    )


def _words(host: str, habits: ProviderHabits, start_s: float, gap_s: float, config: Config) -> list[str]:
    cost = call_cost(config.budget, _AROUND_S + start_s + HANG_UP_S)
    costs = f", and the call costs {money(cost, config.budget.currency)}" if cost else ""
    after = f"After a message, a call waits {_time(gap_s)} for the next one{_by(habits.set_gap_s, gap_s)}."
    if not config.etrn_wanted:
        return [
            "The provider is not asked for mail (etrn.use).",
            _gaps(habits.gaps),
            f"A call that finds nothing waits {_time(start_s)}{costs}.",
            after,
        ]
    return [
        _starts(host, habits.starts),
        _gaps(habits.gaps),
        f"The assumed chance of mail after a 250 is {habits.chance(Promise.MAYBE):.0%}.",
        f"A call that finds nothing waits {_time(start_s)} after a 250{_by(habits.set_start_s, start_s)}{costs}.",
        after,
    ]


def _starts(host: str, delays: Delays) -> str:
    if not delays.seen:
        return f"No call has shown yet how soon {host or 'the provider'} begins to send after its answer to ETRN."
    usual = _time(delays.usual_s)
    return f"{host or 'The provider'} begins to send {usual} after its answer to ETRN ({_seen(delays)})."


def _gaps(delays: Delays) -> str:
    if not delays.seen:
        return "No call has shown yet how far apart its messages come."
    return f"Its messages follow each other {_time(delays.usual_s)} apart ({_seen(delays)})."


def _seen(delays: Delays) -> str:
    return f"seen {count_words(round(delays.weight), 'time')}; longest {_time(delays.longest_s)}"


def _time(seconds: float) -> str:
    """In seconds; below ten with a tenth, so that half a second is not shown as none."""
    return f"{seconds:.1f} s" if seconds < 9.95 and round(seconds, 1) % 1 else f"{seconds:.0f} s"


def _by(set_s: float | None, waits_s: float) -> str:
    """What was set by hand, and what the limits make of it."""
    if set_s is None:
        return ""
    if set_s == waits_s:
        return " (set by hand)"
    key = "call.grace_max_s" if set_s > waits_s else "call.grace_min_s"
    return f" (set by hand to {_time(set_s)}, which {key} limits)"
