"""`make bench ARGS="--only calls-model"`: made-up providers in virtual time, compared with one that knows them.

Three questions (docs/decisions/0043): what does an empty call take where the provider always says 250; is all mail
fetched from the third call on where it begins late or sends slowly; and over random providers, how many calls leave
mail behind after ten, and how much longer does the station wait in all than an oracle. The oracle decides by the
same rule, but knows the true distributions of this provider's starts, gaps and mail, and not the future.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.config.model import BudgetConfig
from dialpost.core.line.call.budget import call_cost
from dialpost.core.line.call.habits import GraceRules, ProviderHabits
from dialpost.core.line.call.learning import Learning
from figures import Amounts, Row, show
from provider_model import CONNECT_S, Answers, Call, Oracle, Play, Provider, Spread, calls, random_provider

CALLS = 30
LEARNING = 10
"""The calls of each random provider, and how many of them are for learning."""
HANG_UP_S = 4.0
"""What hanging up takes where the modem has no DTR."""
STARTS_S, GAPS_S = (2.0, 25.0, 50.0), (5.0, 10.0, 20.0, 40.0)
MONEY = (
    ("0.10 a minute, by the minute", BudgetConfig(cost_per_minute=0.10, billing_step_s=60)),
    ("0.10 a minute, by the second", BudgetConfig(cost_per_minute=0.10, billing_step_s=1)),
    ("1.50 a minute, by 20 s", BudgetConfig(cost_per_minute=1.50, billing_step_s=20)),
)


def calls_model(work: Path, amounts: Amounts) -> list[Row]:
    """The rows of all three questions."""
    del work
    return [*empty_calls(), *slow_providers(), *random_providers(1000 if amounts.rounds > 2 else 100)]


def in_turn(provider: Provider, mails: tuple[int, ...], rules: GraceRules, out_s: float = 0.0) -> Iterator[Call]:
    """A call for each number of new messages."""
    habits, queue, luck = ProviderHabits(), 0, random.Random(1)
    for count in mails:
        play = Play(provider, rules, Learning(habits), None, luck, queue + count, out_s)
        yield play.run()
        queue, habits = play.queue, play.learning.habits


def empty_calls() -> Iterator[Row]:
    """An always-250 provider that never has mail, from CONNECT to the end of hanging up."""
    provider = Provider(Answers.ALWAYS_250, Spread(1.0, 2.0), Spread(1.0, 2.0))
    for words, budget in MONEY:
        rules = GraceRules(3.0, 60.0, budget.billing_step_s)
        times = [CONNECT_S + call.online_s + HANG_UP_S for call in in_turn(provider, (0,) * 40, rules)]
        second_s, mean_s = max(times[1:16]), sum(times[1:]) / len(times[1:])
        cost = sum(call_cost(budget, seconds) for seconds in times[1:]) / len(times[1:])
        yield told(
            f"empty, always 250, {words}: the longest of calls 2 to 16", second_s, "s", "<= 20", second_s <= 20
        )
        yield told("  on average from the second on, longer looks included", mean_s, "s", "<= 20", mean_s <= 20)
        yield told("  the first one", times[0], "s")
        yield told("  the cost of one, on average", cost, "money")


def slow_providers() -> Iterator[Row]:
    """One message each 5 to 40 s, the first after 2 to 50 s, five in each call."""
    for kind in Answers:
        left, idle_s, of_oracle_s = 0, 0.0, 0.0
        for start_s in STARTS_S:
            for gap_s in GAPS_S:
                provider = Provider(kind, around(start_s), around(gap_s), mean_mails=5.0)
                made = list(in_turn(provider, (5,) * 10, GraceRules(3.0, 60.0, 60.0)))
                left += sum(call.stranded for call in made[2:])
                idle_s += sum(call.idle_s for call in made[2:]) / 8
                of_oracle_s += start_s + 4 * gap_s
        kinds = len(STARTS_S) * len(GAPS_S)
        yield told(f"slow, {kind.value}: messages left behind from the third call on", left, "", "0", left == 0)
        yield told("  waited in a call, on average", idle_s / kinds, "s")
        yield told("  of it until the last message came", of_oracle_s / kinds, "s")


def around(seconds: float) -> Spread:
    """Within 2 % of it."""
    return Spread(0.98 * seconds, 1.02 * seconds)


@dataclass
class Sums:
    """Of many providers: calls after the learning, those of them that left mail behind, and the waiting in all."""

    calls: int = 0
    stranding: int = 0
    idle_s: float = 0.0

    def add(self, made: list[Call]) -> None:
        """One provider's calls."""
        later = made[LEARNING:]
        self.calls += len(later)
        self.stranding += sum(call.stranded > 0 for call in later)
        self.idle_s += sum(call.idle_s for call in made)

    @property
    def share(self) -> float:
        """The percentage that left mail behind."""
        return 100 * self.stranding / self.calls


def random_providers(count: int, seeds_from: int = 0) -> Iterator[Row]:
    """The station and the oracle with the same providers and the same mail."""
    rules = GraceRules(3.0, 60.0, 60.0)
    ours, theirs = Sums(), Sums()
    by_kind = {kind: (Sums(), Sums()) for kind in Answers}
    for seed in range(seeds_from, seeds_from + count):
        provider = random_provider(random.Random(seed))
        made, best = calls(provider, CALLS, rules, seed), calls(provider, CALLS, rules, seed, Oracle(provider))
        for sums, those in zip((ours, theirs), (made, best), strict=True):
            sums.add(those)
        for sums, those in zip(by_kind[provider.answers], (made, best), strict=True):
            sums.add(those)
    ratio = ours.idle_s / theirs.idle_s
    name = f"{count} random providers"
    yield told(f"{name}: calls after ten that leave mail behind", ours.share, "%", "<= 2", ours.share <= 2)
    yield told("  of the oracle's", theirs.share, "%")
    yield told("  waiting in all, to the oracle's", ratio, "", "<= 1.3", ratio <= 1.3)
    for kind, (mine, oracles) in by_kind.items():
        yield told(f"  {kind.value}: leave mail behind", mine.share, "%")
        yield told(f"  {kind.value}: waiting to the oracle's", mine.idle_s / oracles.idle_s, "")


def told(what: str, value: float, unit: str, promise: str = "", kept: bool | None = None) -> Row:
    """A row, shown as soon as it is known."""
    row = Row("calls-model", what, value, None, unit, promise, kept)
    show(row)
    return row
