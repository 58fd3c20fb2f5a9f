"""When to hang up: a rule based on evidence, so that a call neither lasts longer than needed nor strands mail.

The call may end when nothing is left to send, nobody from the provider is connected, and it has been quiet for long
enough. How long is enough depends on the provider's answers to ETRN (RFC 1985):

- nothing waits (251): at once;
- refused, or not asked: the shortest grace, for mail that comes unasked;
- mail may or will come (250, 252, 253) and nothing has come yet: up to `grace_max_s`; less only for a server that
  always says 250, which promises nothing, and has shown several times how fast it starts;
- something came: the grace learnt from this provider's own gaps. If its answers distinguish a full queue from an
  empty one (251, 252, 253), it is asked once more, and the answer decides.
- something came after a 250, and now it is quiet: it is asked again at once, while the grace runs (and while our
  own mail still goes out), because a server defers what timed out until it is asked again. Only after messages
  came, and `MOST_ASKS` times at most: the station must not keep asking for mail that it deferred itself.

Mail left behind (a host that could not be reached, a deferral) is retried while the line is up for another reason,
or is paid for anyway (`core/line/call/retry`); if mail is still left behind, that becomes the reason why the call
ended. If a session that only waits for its other side is all that holds the line, it does so for the minimum time
it is worth and whatever is already paid for.

Times are monotonic seconds. `flow/line/call/mail_part` gathers the evidence and asks again whenever it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.retry import NO_SETBACK, Setback, patience_end_s
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.core.mail.queue.hope import Hope

SAMPLES_KEPT = 20
STARTS_TO_TRUST = 3
"""How many starts must have been seen before the wait after a 250 gets shorter than `grace_max_s`."""
IDLE_CONNECTION_S = 60.0
"""How long a provider's connection may carry nothing (or grace_max_s, if longer) and still hold the call."""
MOST_ASKS = 4
"""ETRN dialogues in one call with a provider whose answers say nothing."""
SETTLED_S = 1.0
"""How long nobody must be connected before the line counts as quiet."""
STALL_S = 120.0
"""How long the current message may stall, once the end was requested, before the line is dropped."""


@dataclass(frozen=True, slots=True)
class GraceRules:
    """The bounds of every quiet time: call.grace_min_s and call.grace_max_s, the smaller first."""

    min_s: float
    max_s: float

    def clamp(self, seconds: float) -> float:
        """The time, limited to the bounds; the upper one wins if they are the wrong way round."""
        return min(max(seconds, self.min_s), self.max_s)


@dataclass(frozen=True, slots=True)
class ProviderHabits:
    """What this provider's past calls showed, in seconds, newest last.

    `gaps_s`: quiet times between two of its connections in one call. `starts_s`: from its answer to ETRN
    to its first sign of life.
    """

    gaps_s: tuple[float, ...] = ()
    starts_s: tuple[float, ...] = ()

    def with_gap(self, seconds: float) -> ProviderHabits:
        """With one more gap; the oldest is dropped."""
        return ProviderHabits((*self.gaps_s, round(seconds, 3))[-SAMPLES_KEPT:], self.starts_s)

    def with_start(self, seconds: float) -> ProviderHabits:
        """With one more start; the oldest is dropped."""
        return ProviderHabits(self.gaps_s, (*self.starts_s, round(seconds, 3))[-SAMPLES_KEPT:])

    def grace_s(self, rules: GraceRules) -> float:
        """How long to wait after its last activity before expecting nothing more.

        Twice the longest gap seen: a gap longer than the grace is never seen, so there must be room to
        learn. Before the first gap, a cautious guess.
        """
        return rules.clamp(2 * max(self.gaps_s) if self.gaps_s else 5 * rules.min_s)

    def start_grace_s(self, rules: GraceRules) -> float:
        """How long to wait for a first sign after a 250, which promises nothing."""
        if len(self.starts_s) < STARTS_TO_TRUST:
            return rules.max_s
        return rules.clamp(max(4 * max(self.starts_s), rules.max_s / 4))

    def restart_s(self, rules: GraceRules) -> float:
        """How long it may take after a repeated ETRN to begin with what it had deferred."""
        return min(max(self.starts_s), rules.min_s) if self.starts_s else rules.min_s

    def to_json(self) -> dict[str, JsonValue]:
        """For the store."""
        return {"gaps_s": self.gaps_s, "starts_s": self.starts_s}

    @classmethod
    def from_json(cls, value: JsonObject) -> ProviderHabits:
        """Restored from `to_json`; anything but a number is left out."""
        return cls(_numbers(value.get("gaps_s")), _numbers(value.get("starts_s")))


def _numbers(value: JsonValue) -> tuple[float, ...]:
    items = value if isinstance(value, list | tuple) else ()
    return tuple(float(item) for item in items if isinstance(item, int | float) and 0 <= item < inf)[-SAMPLES_KEPT:]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at `now_s`.

    `asked_s`, `answered_s`: when the last ETRN dialogue began and ended; both are the moment the line came up if no
    ETRN is sent. `inbound_last_s` is the last byte to or from the provider's side on an inbound connection in this
    call, None before the first; `inbound_messages` counts messages in this call, `messages_since_ask` those since
    `asked_s`. `stop` is set once the end after the current message is requested: since when, why, and how many
    messages had come by then.
    """

    now_s: float
    outbound_drained: bool
    outbound_busy: bool
    etrn_under_way: bool
    asked_s: float
    answered_s: float
    answers: tuple[EtrnAnswer, ...]
    inbound_connections: int
    inbound_last_s: float | None
    inbound_messages: int
    messages_since_ask: int
    stop: Stop | None
    asks: int  # ETRN dialogues begun in this call
    progress_s: float  # when the last byte moved, in any direction, as far as is known
    paid_until_s: float  # when the current billing unit ends
    setback: Setback = NO_SETBACK
    patience_ends_s: float = inf  # until when our own sessions are worth waiting for, if only they need the line


@dataclass(frozen=True, slots=True)
class Stop:
    """The end after the current message was requested."""

    since_s: float
    reason: HangUpReason
    inbound_messages: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay on line; look again at `until_s` unless something changes before. `why` is in plain words."""

    until_s: float
    why: str


@dataclass(frozen=True, slots=True)
class AskAgain:
    """One more ETRN: its answer says whether anything is still waiting."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Retry what was left behind; cancelled at `until_s` if nobody was reached by then."""

    until_s: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """There is nothing more to gain."""

    reason: HangUpReason


@dataclass(frozen=True, slots=True)
class StopWaiting:
    """End the sessions that only wait for their other side."""


Decision = Wait | AskAgain | TryAgain | StopWaiting | HangUp


def decide(evidence: Evidence, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """Stay, ask once more, try again, or hang up."""
    if evidence.stop is not None:
        return _stopping(evidence, evidence.stop, rules)
    found = _while_free(evidence, rules, habits)
    return _with_retries(evidence, found, rules, habits) if evidence.setback.is_any else found


def _with_retries(evidence: Evidence, found: Decision, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """The decision when something was left behind."""
    setback, now_s = evidence.setback, evidence.now_s
    if not evidence.outbound_drained or evidence.etrn_under_way:
        return _retrying(evidence, found, rules, habits)
    if isinstance(found, HangUp) and not setback.is_worth_holding(evidence.paid_until_s):
        return HangUp(_left_behind(setback)) if found.reason is HangUpReason.DONE else found
    if isinstance(found, AskAgain):
        return found
    if now_s >= setback.retry_s():
        return TryAgain(setback.last_moment_s(evidence.paid_until_s))
    if isinstance(found, Wait):
        return replace(found, until_s=min(found.until_s, setback.retry_s()))
    return Wait(setback.retry_s(), "waiting to retry what was deferred")


def _retrying(evidence: Evidence, found: Decision, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """A retry that has reached nobody when the paid time is over does not hold the line; other mail may."""
    until_s = evidence.setback.retrying_until_s
    if evidence.now_s < until_s:
        return replace(found, until_s=min(found.until_s, until_s)) if isinstance(found, Wait) else found
    at_rest = replace(evidence, outbound_drained=True, outbound_busy=False, etrn_under_way=False)
    if isinstance(_while_free(at_rest, rules, habits), HangUp):
        return HangUp(_left_behind(evidence.setback))
    return found


def _left_behind(setback: Setback) -> HangUpReason:
    return HangUpReason.NOT_SERVED if setback.best is Hope.SOON else HangUpReason.DEFERRED


def _while_free(evidence: Evidence, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """Whether the line is needed, apart from what was left behind."""
    if _is_worth_asking(evidence) and evidence.now_s >= _quiet_from(evidence) + SETTLED_S:
        return AskAgain()
    if not evidence.outbound_drained or evidence.etrn_under_way:
        return _while_busy(evidence, rules, habits)
    if evidence.inbound_connections:
        idle_since = max(evidence.inbound_last_s or 0.0, evidence.answered_s)
        worth_until = patience_end_s(idle_since + LEAST_WAIT_S, evidence.paid_until_s)
        until = min(idle_since + max(rules.max_s, IDLE_CONNECTION_S), worth_until)
        if evidence.now_s < until:
            return Wait(until, "the provider is connected")
        return HangUp(HangUpReason.PROVIDER_SILENT)
    return _quiet(evidence, rules, habits)


def _while_busy(evidence: Evidence, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """Mail is being sent, or asked for. Sessions that only wait are not worth a line that nothing else needs."""
    why = "the provider is being asked for mail" if evidence.outbound_drained else "mail is being sent"
    until_s = patience_end_s(evidence.patience_ends_s, evidence.paid_until_s)
    if evidence.now_s < until_s:
        return Wait(until_s, why)
    at_rest = replace(evidence, outbound_drained=True, outbound_busy=False, etrn_under_way=False)
    # If the next step is to ask the provider again, that waits for these sessions, too.
    needed = _while_free(at_rest, rules, habits)
    return Wait(inf, why) if isinstance(needed, Wait) else StopWaiting()


def _stopping(evidence: Evidence, stop: Stop, rules: GraceRules) -> Decision:
    """The current messages, one each way, may be finished; then the call ends."""
    if evidence.now_s >= max(evidence.progress_s, stop.since_s) + STALL_S:
        return HangUp(stop.reason)
    if evidence.outbound_busy:
        return Wait(max(evidence.progress_s, stop.since_s) + STALL_S, "the current message is being sent")
    if evidence.inbound_connections and evidence.inbound_messages == stop.inbound_messages:
        until = max(evidence.inbound_last_s or 0.0, stop.since_s) + rules.min_s
        if evidence.now_s < until:
            return Wait(until, "the current message is being received")
    return HangUp(stop.reason)


def _quiet(evidence: Evidence, rules: GraceRules, habits: ProviderHabits) -> Decision:
    """Nobody is connected and nothing is left to send: has the line been quiet for long enough?"""
    last = evidence.inbound_last_s
    came = last is not None and last > evidence.asked_s
    quiet_from = _quiet_from(evidence)
    if not any(answer.promises_mail for answer in evidence.answers):
        return _nothing_promised(evidence, rules, habits, came, quiet_from)
    if not came and last is not None and evidence.asks > 1 and not _tells(evidence):
        until = max(last + habits.grace_s(rules), evidence.answered_s + habits.restart_s(rules))
        return _after(evidence, until, "waiting for more mail", HangUp(HangUpReason.DONE))
    if not came:
        certain = any(answer.outcome is EtrnOutcome.PENDING for answer in evidence.answers)
        grace = rules.max_s if certain else habits.start_grace_s(rules)
        reason = HangUpReason.PROVIDER_SILENT if certain else HangUpReason.DONE
        return _after(evidence, quiet_from + grace, "waiting for the provider to start", HangUp(reason))
    if _tells(evidence):
        grace = rules.min_s if _count_reached(evidence) else habits.grace_s(rules)
        return _after(evidence, quiet_from + grace, "waiting for more mail", AskAgain())
    if _is_worth_asking(evidence):
        return Wait(quiet_from + SETTLED_S, "waiting for more mail")
    return _after(evidence, quiet_from + habits.grace_s(rules), "waiting for more mail", HangUp(HangUpReason.DONE))


def _quiet_from(evidence: Evidence) -> float:
    last = evidence.inbound_last_s
    return max(evidence.answered_s, last if last is not None else evidence.answered_s)


def _tells(evidence: Evidence) -> bool:
    """Whether an answer distinguished a full queue from an empty one."""
    return any(answer.tells_what_waits for answer in evidence.answers)


def _is_worth_asking(evidence: Evidence) -> bool:
    """Whether mail came, nobody is connected any more, and only another ETRN can show whether some was left
    behind."""
    return (
        not evidence.etrn_under_way
        and not evidence.inbound_connections
        and evidence.messages_since_ask > 0
        and evidence.asks < MOST_ASKS
        and any(answer.promises_mail for answer in evidence.answers)
        and not _tells(evidence)
    )


def _nothing_promised(
    evidence: Evidence, rules: GraceRules, habits: ProviderHabits, came: bool, quiet_from: float
) -> Decision:
    answers = evidence.answers
    if answers and not came and all(answer.outcome is EtrnOutcome.NOTHING_WAITS for answer in answers):
        return HangUp(HangUpReason.DONE)
    grace = habits.grace_s(rules) if came else rules.min_s
    return _after(evidence, quiet_from + grace, "waiting for mail", HangUp(HangUpReason.DONE))


def _after(evidence: Evidence, until_s: float, why: str, then: Decision) -> Decision:
    return then if evidence.now_s >= until_s else Wait(until_s, why)


def _count_reached(evidence: Evidence) -> bool:
    """Whether as many messages came as the answers announced; False if one of them gave no number."""
    counts = [answer.waiting for answer in evidence.answers if answer.promises_mail]
    known = [count for count in counts if count is not None]
    return len(known) == len(counts) and evidence.messages_since_ask >= sum(known)
