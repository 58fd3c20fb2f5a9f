"""Runs the plan of a call's ways (core/mail/inbound/plan) and remembers, for each provider, what worked.

`flow/line/call/collection` asks what begins and what follows. Runs in the daemon's event loop.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping

from dialpost.core.config.model import Config
from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_object
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way
from dialpost.core.mail.inbound.plan import Learnt, Plan, after_call, etrn_not_supported, make_plan, provider_of
from dialpost.flow import maillog
from dialpost.flow.line.call.mail_needs import Collector, Start
from dialpost.flow.memory import Memory

_KEY = "inbound.ways"
MOST_PROVIDERS = 8
_ENDED_WELL = frozenset({CollectFate.DONE, CollectFate.NOTHING})

Make = Callable[[], tuple[Collector, ...]]
"""Makes the collectors of one way."""


class InboundPlan:
    """The ways of each call (`mail_needs.Ways`). `make` has those that are configured, `beside` runs in any case.

    `soon` runs something in the background.
    """

    def __init__(
        self,
        config: Config,
        store: Memory,
        make: Mapping[Way, Make],
        *,
        beside: Make = tuple,
        soon: Callable[[Callable[[], Awaitable[None]]], None],
    ) -> None:
        self._config, self._store, self._make, self._beside, self._soon = config, store, make, beside, soon
        self._provider = provider_of(config)
        self._providers: dict[str, Learnt] = {}
        self._plan, self._reserve = Plan(()), list[Way]()
        self._worked: Way | None = None
        self._promised, self._fetched = False, 0
        self._unsupported = set[Way]()

    @property
    def learnt(self) -> Learnt:
        """What is known of the present provider."""
        return self._providers.get(self._provider, Learnt())

    def begin_call(self) -> Start:
        """A call is on line."""
        plan = make_plan(self._config, self.learnt)
        self._begin_call(plan)
        collectors = tuple(one for way in plan.begin if way is not Way.ETRN for one in self._make[way]())
        return self._started(Start(Way.ETRN in plan.begin, (*collectors, *self._beside()), plan.why))

    def answered(self, answers: tuple[EtrnAnswer, ...]) -> Start:
        """What follows from the answers to ETRN."""
        self._promised = self._promised or any(answer.promises_mail for answer in answers)
        if etrn_not_supported(answers):
            return self._next(Way.ETRN, answers[0].words())
        if any(answer.code is not None and answer.code < 400 for answer in answers):
            self._worked = self._worked or Way.ETRN
        return Start()

    def collected(self, result: Collected) -> Start:
        """What follows from the end of a collector."""
        self._fetched += result.messages
        if result.fate is CollectFate.NOT_SUPPORTED:
            return self._next(result.way, result.words)
        if result.fate in _ENDED_WELL and result.way in (*self._plan.begin, *self._plan.reserve):
            self._worked = result.way
        return Start()

    def end_call(self, *, received: int, is_cut: bool) -> None:
        """The call is over; `received` counts what came over the provider's connections."""
        before = self.learnt
        after = after_call(
            self._plan,
            before,
            worked=self._worked,
            etrn_promised=self._promised,
            etrn_brought=received > self._fetched,
            is_cut=is_cut,
        )
        if after != before:
            self._have(after)
            self._soon(self.keep)

    async def keep(self) -> None:
        """Store it."""
        kept = {provider: learnt.to_json() for provider, learnt in self._providers.items()}
        try:
            await self._store.remember(_KEY, json.dumps(kept))
        except StorageError as error:
            maillog.fault("inbound: what worked could not be recorded", error=error)

    async def recall(self) -> None:
        """Load what was kept; what can't be read starts from nothing."""
        with contextlib.suppress(StorageError, ValueError):
            kept = parse_object(await self._store.recall(_KEY) or "{}")
            self._providers = {
                provider: Learnt.from_json(learnt) for provider, learnt in kept.items() if isinstance(learnt, dict)
            }

    def _begin_call(self, plan: Plan) -> None:
        self._plan, self._reserve = plan, list(plan.reserve)
        self._worked, self._promised, self._fetched = None, False, 0
        self._unsupported.clear()

    def _next(self, way: Way, words: str) -> Start:
        """A way is not supported: the next one follows, once."""
        if way in self._unsupported or way not in (*self._plan.begin, *self._plan.reserve) or not self._reserve:
            return Start()
        self._unsupported.add(way)
        following = self._reserve.pop(0)
        why = f"The provider does not support {way.words} ({words}): {following.words} is used instead."
        if following is Way.ETRN:
            return self._started(Start(etrn=True, why=why))
        return self._started(Start(collectors=self._make[following](), why=why))

    def _started(self, start: Start) -> Start:
        if start.why:
            maillog.way_taken(start.why)
        return start

    def _have(self, learnt: Learnt) -> None:
        """The present provider comes last; the first ones are dropped."""
        self._providers.pop(self._provider, None)
        self._providers[self._provider] = learnt
        for provider in list(self._providers)[:-MOST_PROVIDERS]:
            del self._providers[provider]
