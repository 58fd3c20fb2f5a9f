"""Calls to made-up providers, in virtual time: how long the station waits, what it leaves behind, what that costs.

The station's own rule (`core/line/call/end`, with what `habits` learnt) decides; the line, the provider and our
outbound mail are played. A call jumps from one event to the next, so a thousand providers take minutes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from dialpost.core.line.call.end import AskAgain, Evidence, HangUp, Wait, decide
from dialpost.core.line.call.habits import GraceRules, Promise, ProviderHabits
from dialpost.core.line.call.learning import Learning
from dialpost.core.line.call.worth import Price, worth_waiting_s
from dialpost.core.mail.etrn import EtrnAnswer, classify, waiting_in_all
from dialpost.core.mail.reply import Reply

CONNECT_S = 3.0
"""From the answer at the other end until mail can flow: what is paid for before."""


class Answers(Enum):
    """What a provider answers to ETRN."""

    ALWAYS_250 = "always 250"  # as Postfix does
    TELLS = "251 or 252"
    COUNTS = "251 or 253 with the number"
    COUNTS_TOO_MUCH = "251 or 253 with a number too high"
    SERIAL = "250, or 458 while at work"  # as Exim does


@dataclass(frozen=True)
class Spread:
    """A time between two others, each as probable."""

    least_s: float
    most_s: float

    def pick(self, chance: random.Random) -> float:
        """One of them."""
        return chance.uniform(self.least_s, self.most_s)

    def within(self, seconds: float) -> float:
        """The true probability of no more than this."""
        if seconds >= self.most_s:
            return 1.0
        return max(0.0, seconds - self.least_s) / (self.most_s - self.least_s)

    def curve(self) -> tuple[tuple[float, float], ...]:
        """At steps of a fiftieth, and the end itself."""
        steps = [self.least_s + (self.most_s - self.least_s) * number / 50 for number in range(1, 51)]
        return tuple((seconds, self.within(seconds)) for seconds in steps)


@dataclass(frozen=True)
class Provider:
    """One provider and how its customer uses it.

    `connections` messages come at a time, then a gap. `mail_share` of calls find new mail, `mean_mails` of it on
    average (geometric); `out_share` of calls send mail, for some seconds.
    """

    answers: Answers
    start: Spread
    gap: Spread
    connections: int = 1
    mail_share: float = 1.0
    mean_mails: float = 5.0
    out_share: float = 0.5
    rtt_s: float = 0.15
    takes_s: float = 1.0

    def new_mails(self, chance: random.Random) -> int:
        """How many messages came for the station since the last call."""
        if chance.random() >= self.mail_share:
            return 0
        count = 1
        while chance.random() < 1 - 1 / self.mean_mails:
            count += 1
        return count


def random_provider(chance: random.Random) -> Provider:
    """Starts from 0 to 60 s, gaps from 0 to 30 s, 1 to 20 connections, round trips from 50 ms to 3 s."""

    def spread(most_s: float) -> Spread:
        middle_s, part = chance.uniform(0.0, most_s / 1.1), chance.uniform(0.05, 0.6)
        return Spread(middle_s * (1 - part), min(middle_s * (1 + part) + 0.1, most_s))

    return Provider(
        answers=chance.choice(list(Answers)),
        start=spread(58.0),
        gap=spread(30.0),
        connections=chance.choice((1, 1, 2, 2, 5, 20)),
        mail_share=chance.uniform(0.2, 1.0),
        mean_mails=chance.uniform(1.0, 20.0),
        out_share=chance.uniform(0.3, 1.0),
        rtt_s=0.05 * 60 ** chance.random(),
        takes_s=chance.uniform(0.3, 10.0),
    )


@dataclass(frozen=True)
class Oracle:
    """Knows the provider's true distributions, and not the future: what the best station could know."""

    provider: Provider

    def start_wait_s(
        self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
    ) -> float:
        if promise is Promise.AGAIN:
            return rules.min_s
        chance = 1.0 if promise is Promise.CERTAIN else self.provider.mail_share
        return rules.clamp(worth_waiting_s(chance, self.provider.start, waited_s, rules.max_s, price))

    def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
        chance = (1 - 1 / self.provider.mean_mails) ** self.provider.connections
        return rules.clamp(worth_waiting_s(chance, self.provider.gap, waited_s, rules.max_s, price))


@dataclass
class Call:
    """What one call did. `idle_s`: nothing moved, and nothing was asked."""

    online_s: float = 0.0
    idle_s: float = 0.0
    waiting: int = 0
    fetched: int = 0
    asks: int = 0

    @property
    def stranded(self) -> int:
        """Messages that were there and stayed there."""
        return self.waiting - self.fetched


@dataclass
class Play:
    """One call, played. `queue` is what the provider holds."""

    provider: Provider
    rules: GraceRules
    learning: Learning
    oracle: Oracle | None
    chance: random.Random
    queue: int
    out_s: float
    now_s: float = 0.0
    call: Call = field(default_factory=Call)

    def __post_init__(self) -> None:
        self.call.waiting = self.queue
        self.answers: tuple[EtrnAnswer, ...] = ()
        self.asked_s = self.answered_s = 0.0
        self.runs_at_s = inf  # when the provider begins with its next messages
        self.ends_at_s = inf  # when those are in
        self.last_s: float | None = None
        self.at_ask = 0
        self.is_believed = True

    def run(self) -> Call:
        """From the moment the line is up until it is hung up."""
        self._ask()
        while True:
            found = decide(self._evidence(), self.rules, self.oracle or self.learning.habits)
            if isinstance(found, HangUp):
                self.learning.ended(self.now_s, self.rules)
                self.call.online_s = self.now_s
                return self.call
            if isinstance(found, AskAgain):
                self._ask()
            elif isinstance(found, Wait):
                self._pass_until(found.until_s)

    def _pass_until(self, until_s: float) -> None:
        """Go to the next event."""
        events = (self.answered_s, self.out_s, self.runs_at_s, self.ends_at_s, until_s)
        at_s = min(one for one in events if one > self.now_s)
        is_idle = self.ends_at_s == inf and self.now_s >= max(self.out_s, self.answered_s)
        self.call.idle_s += (at_s - self.now_s) if is_idle else 0.0
        self.now_s = at_s
        if at_s == self.runs_at_s:
            self.runs_at_s, self.ends_at_s, self.last_s = inf, at_s + self.provider.takes_s, at_s
        elif at_s == self.ends_at_s:
            came = min(self.provider.connections, self.queue)
            self.queue -= came
            self.call.fetched += came
            self.ends_at_s, self.last_s = inf, at_s
            self.runs_at_s = at_s + max(0.01, self.provider.gap.pick(self.chance)) if self.queue else inf
        self.learning.seen(self.last_s, self.call.fetched)

    def _ask(self) -> None:
        named, came = waiting_in_all(self.answers), self.call.fetched - self.at_ask
        self.asked_s, self.answered_s = self.now_s, self.now_s + 4 * self.provider.rtt_s
        self.answers = (classify("clinic.example", self._reply()),)
        if self.queue and self.runs_at_s == inf and self.ends_at_s == inf:
            self.runs_at_s = self.answered_s + max(0.01, self.provider.start.pick(self.chance))
        names = waiting_in_all(self.answers)
        self.is_believed = named is None or names is None or names <= named - came
        self.call.asks += 1
        self.at_ask = self.call.fetched
        self.learning.asked(self.asked_s, self.answered_s, self.answers, self.call.fetched)

    def _reply(self) -> Reply:
        is_running = min(self.runs_at_s, self.ends_at_s) < inf
        kind = self.provider.answers
        if kind is Answers.SERIAL and is_running:
            return Reply(458, ("Already processing clinic.example",))
        if kind in {Answers.ALWAYS_250, Answers.SERIAL}:
            return Reply(250, ("OK, queuing started",))
        if not self.queue:
            return Reply(251, ("OK, no messages waiting",))
        if kind is Answers.TELLS:
            return Reply(252, ("OK, pending messages started",))
        count = self.queue if kind is Answers.COUNTS else max(self.queue, 10)
        return Reply(253, (f"OK, {count} pending messages",))

    def _evidence(self) -> Evidence:
        is_asking, is_out = self.now_s < self.answered_s, self.now_s < self.out_s
        return Evidence(
            now_s=self.now_s,
            outbound_drained=not is_out,
            outbound_busy=is_out,
            etrn_under_way=is_asking,
            asked_s=self.asked_s,
            answered_s=self.answered_s,
            answers=() if is_asking else self.answers,
            inbound_connections=int(self.ends_at_s < inf),
            inbound_last_s=self.now_s if self.ends_at_s < inf else self.last_s,
            inbound_messages=self.call.fetched,
            messages_since_ask=self.call.fetched - self.at_ask,
            stop=None,
            asks=self.call.asks,
            progress_s=self.now_s,
            paid_until_s=self._paid_until_s,
            sent=int(self.out_s > 0),
            is_believed=self.is_believed,
        )

    @property
    def _paid_until_s(self) -> float:
        unit_s = self.rules.unit_s
        return ((self.now_s + CONNECT_S) // unit_s + 1) * unit_s - CONNECT_S


def calls(provider: Provider, count: int, rules: GraceRules, seed: int, oracle: Oracle | None = None) -> list[Call]:
    """This many calls in a row; what one leaves behind waits for the next.

    The same seed brings the same mail, whoever waits for it.
    """
    usage, luck = random.Random(seed), random.Random(seed + 1)
    habits, queue, made = ProviderHabits(), 0, []
    for _ in range(count):
        queue += provider.new_mails(usage)
        out_s = usage.uniform(2.0, 30.0) * (usage.random() < provider.out_share)
        play = Play(provider, rules, Learning(habits), oracle, luck, queue, out_s)
        made.append(play.run())
        queue, habits = play.queue, play.learning.habits
    return made
