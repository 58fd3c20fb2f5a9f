"""When to hang up: a rule based on evidence, so that a call neither lasts longer than needed nor strands mail.

The call may end when nothing is left to send, nobody from the provider is connected, and it has been quiet for long
enough. How long is enough depends on the provider's answers to ETRN (RFC 1985):

- nothing waits (251): at once;
- refused, or not asked: the shortest grace, for mail that comes unasked;
- mail may or will come (250, 252, 253, a 458 of a provider at work) and nothing has come yet: as long as the wait
  is worth its cost, given what earlier calls taught (`habits`), up to `grace_max_s`. A provider that was at work is
  asked once more;
- something came: as long as the wait for more is worth its cost, given this provider's own gaps. If its answers
  distinguish a full queue from an empty one (251, 252, 253), it is asked once more, and a 251 ends the call. A
  number that has not dropped by what came is not believed. Once it was asked `MOST_ASKS` times, a connection that
  brought no message is no reason to ask again;
- something came after a 250, and now it is quiet: it is asked again at once, while that time runs (and while our
  own mail still goes out), because a server defers what timed out until it is asked again. Only after messages
  came, and `MOST_ASKS` times at most: the station must not keep asking for mail that it deferred itself;
- ATRN or a mailbox (RFC 2645, IMAP, POP3) was fetched from and ETRN promises nothing: at once, because those tell
  when they are done;
- the line was lost a moment ago: what the provider was sending hangs in its connections until they time out. A 250
  does not say so, so it is asked once more, `HANGING_S` after the line was lost. A redial usually comes later.

Mail left behind (a host that could not be reached, a deferral) is retried while the line is up for another reason,
or is paid for anyway (`core/line/call/retry`); if mail is still left behind, that becomes the reason why the call
ended. If a session that only waits for its other side is all that holds the line, it does so for the minimum time
it is worth and whatever is already paid for.

Times are monotonic seconds. `flow/line/call/mail_part` gathers the evidence and asks again whenever it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from dialpost.core.line.call.budget import HANG_UP_S
from dialpost.core.line.call.habits import GraceRules, Promise, Waits
from dialpost.core.line.call.learning import promise_of
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.retry import NO_SETBACK, Setback, patience_end_s
from dialpost.core.line.call.worth import Price
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome, waiting_in_all
from dialpost.core.mail.queue.hope import Hope

IDLE_CONNECTION_S = 60.0
"""How long a provider's connection may carry nothing (or grace_max_s, if longer) and still hold the call."""
AT_WORK_S = 20.0
"""The longest wait before a provider that said it was at work already is asked once more."""
HANGING_S = 35.0
"""How long connections hang that a provider was opening when the line was lost. Postfix gives up after 30 s (its
smtp_connect_timeout) and then defers the mail until it is asked again; established ones are reset sooner."""
MOST_ASKS = 4
"""ETRN dialogues in one call with a provider whose answers say nothing, or whose connections bring nothing."""
_DOUBTED_CALLS = 2
"""How many calls after the last long look a number that is not believed may cause one."""
_ROUNDING_S = 1e-6
"""A wait shorter than this is over: `since + (now - since)` can be later than `now` by a rounding."""
SETTLED_S = 1.0
"""How long nobody must be connected before the line counts as quiet."""
STALL_S = 120.0
"""How long the current message may stall, once the end was requested, before the line is dropped."""


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
    sent: int = 0  # messages of ours that went in this call
    is_believed: bool = True  # the number its last answer named had fallen by what came since the one before
    hanging_until_s: float = -inf  # until when its connections of a line that was lost may hang
    collecting: int = 0  # our own connections that are fetching mail
    has_collected: bool = False  # one of them has ended


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


def decide(evidence: Evidence, rules: GraceRules, habits: Waits) -> Decision:
    """Stay, ask once more, try again, or hang up."""
    if evidence.stop is not None:
        return _stopping(evidence, evidence.stop, rules)
    found = _while_free(evidence, rules, habits)
    return _with_retries(evidence, found, rules, habits) if evidence.setback.is_any else found


def may_hang(evidence: Evidence) -> bool:
    """Whether connections of the provider may hang if the line is lost now.

    Not if it was not asked for mail, or said that nothing waits; nor once it has been quiet for so long that it
    would have opened them while the line was up.
    """
    quiet_s = evidence.now_s - max(_quiet_from(evidence), evidence.asked_s)
    is_asked = evidence.etrn_under_way or promise_of(evidence.answers) is not None
    return is_asked and (evidence.inbound_connections > 0 or quiet_s < HANGING_S)


def _with_retries(evidence: Evidence, found: Decision, rules: GraceRules, habits: Waits) -> Decision:
    """The decision when something was left behind."""
    setback, now_s = evidence.setback, evidence.now_s
    if _is_busy(evidence):
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


def _retrying(evidence: Evidence, found: Decision, rules: GraceRules, habits: Waits) -> Decision:
    """A retry that has reached nobody when the paid time is over does not hold the line; other mail may."""
    until_s = evidence.setback.retrying_until_s
    if evidence.now_s < until_s:
        return replace(found, until_s=min(found.until_s, until_s)) if isinstance(found, Wait) else found
    if isinstance(_while_free(_at_rest(evidence), rules, habits), HangUp):
        return HangUp(_left_behind(evidence.setback))
    return found


def _left_behind(setback: Setback) -> HangUpReason:
    return HangUpReason.NOT_SERVED if setback.best is Hope.SOON else HangUpReason.DEFERRED


def _while_free(evidence: Evidence, rules: GraceRules, habits: Waits) -> Decision:
    """Whether the line is needed, apart from what was left behind."""
    if _is_worth_asking(evidence) and evidence.now_s >= _quiet_from(evidence) + SETTLED_S:
        return AskAgain()
    if _is_busy(evidence):
        return _while_busy(evidence, rules, habits)
    if evidence.inbound_connections:
        idle_since = max(evidence.inbound_last_s or evidence.answered_s, evidence.answered_s)
        wait_s = habits.gap_wait_s(evidence.now_s - idle_since, rules, _price(evidence, rules, idle_since))
        worth_until = patience_end_s(idle_since + max(LEAST_WAIT_S, wait_s), evidence.paid_until_s)
        until = min(idle_since + max(rules.max_s, IDLE_CONNECTION_S), worth_until)
        if evidence.now_s < until:
            return Wait(until, "the provider is connected")
        return HangUp(HangUpReason.PROVIDER_SILENT)
    return _quiet(evidence, rules, habits)


def _while_busy(evidence: Evidence, rules: GraceRules, habits: Waits) -> Decision:
    """Mail is being sent, or asked for. Sessions that only wait are not worth a line that nothing else needs."""
    why = "the provider is being asked for mail" if evidence.outbound_drained else "mail is being sent"
    if evidence.collecting and evidence.outbound_drained and not evidence.etrn_under_way:
        why = "mail is being fetched from the provider"
    until_s = patience_end_s(evidence.patience_ends_s, evidence.paid_until_s)
    if evidence.now_s < until_s:
        return Wait(until_s, why)
    # If the next step is to ask the provider again, that waits for these sessions, too.
    needed = _while_free(_at_rest(evidence), rules, habits)
    return Wait(inf, why) if isinstance(needed, Wait) else StopWaiting()


def _is_busy(evidence: Evidence) -> bool:
    """Whether mail is being sent, asked for, or fetched."""
    return not evidence.outbound_drained or evidence.etrn_under_way or evidence.collecting > 0


def _at_rest(evidence: Evidence) -> Evidence:
    return replace(evidence, outbound_drained=True, etrn_under_way=False, collecting=0)


def _stopping(evidence: Evidence, stop: Stop, rules: GraceRules) -> Decision:
    """The current messages, one each way, may be finished; then the call ends."""
    if evidence.now_s >= max(evidence.progress_s, stop.since_s) + STALL_S:
        return HangUp(stop.reason)
    if evidence.outbound_busy:
        return Wait(max(evidence.progress_s, stop.since_s) + STALL_S, "the current message is being sent")
    if evidence.collecting and not evidence.inbound_connections:
        return Wait(max(evidence.progress_s, stop.since_s) + STALL_S, "the current message is being fetched")
    if evidence.inbound_connections and evidence.inbound_messages == stop.inbound_messages:
        until = max(evidence.inbound_last_s or stop.since_s, stop.since_s) + rules.min_s
        if evidence.now_s < until:
            return Wait(until, "the current message is being received")
    return HangUp(stop.reason)


def _quiet(evidence: Evidence, rules: GraceRules, habits: Waits) -> Decision:
    """Nobody is connected and nothing is left to send: has the line been quiet for long enough?"""
    last = evidence.inbound_last_s
    promise = promise_of(evidence.answers)
    if evidence.has_collected and promise is None:
        return HangUp(HangUpReason.DONE)
    if promise is Promise.MAYBE and evidence.asked_s < evidence.hanging_until_s:
        why = "waiting for mail that the lost line left at the provider"
        return _after(evidence, evidence.hanging_until_s, why, AskAgain())
    if last is not None and last > evidence.asked_s:
        return _after_mail(evidence, promise, rules, habits)
    if promise is None:
        return _nothing_promised(evidence, rules)
    if last is not None and evidence.asks > 1:
        return _asked_again(evidence, last, promise, rules, habits)
    return _before_mail(evidence, promise, rules, habits)


def _before_mail(evidence: Evidence, promise: Promise, rules: GraceRules, habits: Waits) -> Decision:
    """It was asked, and nothing has come in this call."""
    asked = evidence.answered_s
    price = _price(evidence, rules, asked)
    wait_s = habits.start_wait_s(promise, evidence.now_s - asked, rules, price, carried=bool(evidence.sent))
    why, at_work = "waiting for the provider to start", _is_at_work(evidence)
    if at_work and evidence.asks == 1:
        return _after(evidence, asked + min(wait_s, AT_WORK_S), why, AskAgain())
    silent = HangUpReason.NOT_SERVED if at_work else HangUpReason.PROVIDER_SILENT
    return _after(evidence, asked + wait_s, why, HangUp(HangUpReason.DONE if promise is Promise.MAYBE else silent))


def _after_mail(evidence: Evidence, promise: Promise | None, rules: GraceRules, habits: Waits) -> Decision:
    """Something came since it was asked, and now it is quiet."""
    since, tells = _quiet_from(evidence), promise is not None and _tells(evidence)
    if _is_worth_asking(evidence):
        return Wait(since + SETTLED_S, "waiting for more mail")
    wait_s = rules.min_s
    if not (tells and _count_reached(evidence)):
        price = _price(evidence, rules, since)
        wait_s = habits.gap_wait_s(evidence.now_s - since, rules, price, look_after=inf if tells else 0)
    then: Decision = HangUp(HangUpReason.PROVIDER_SILENT if tells else HangUpReason.DONE)
    # What the station deferred itself is announced again each time: asking for it would never end.
    if tells and (evidence.messages_since_ask > 0 or evidence.asks < MOST_ASKS):
        then = AskAgain()
    return _after(evidence, since + wait_s, "waiting for more mail", then)


def _asked_again(evidence: Evidence, last_s: float, promise: Promise, rules: GraceRules, habits: Waits) -> Decision:
    """Mail came in this call, it was asked for more, and nothing has come since."""
    tells, asked, now_s = _tells(evidence), evidence.answered_s, evidence.now_s
    is_sure = tells and evidence.is_believed
    look_after = 0 if is_sure or not tells else _DOUBTED_CALLS
    gap_price = _price(evidence, rules, last_s)
    gap_s = habits.gap_wait_s(now_s - last_s, rules, gap_price, look_after=look_after)
    start_s = habits.start_wait_s(
        promise if is_sure else Promise.AGAIN, now_s - asked, rules, _price(evidence, rules, asked), carried=False
    )
    reason = HangUpReason.PROVIDER_SILENT if tells else HangUpReason.DONE
    return _after(evidence, max(last_s + gap_s, asked + start_s), "waiting for more mail", HangUp(reason))


def _price(evidence: Evidence, rules: GraceRules, since_s: float) -> Price:
    """What it costs to wait from then on."""
    return Price(evidence.paid_until_s - HANG_UP_S - since_s, rules.unit_s)


def _is_at_work(evidence: Evidence) -> bool:
    return any(answer.outcome is EtrnOutcome.AT_WORK for answer in evidence.answers)


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


def _nothing_promised(evidence: Evidence, rules: GraceRules) -> Decision:
    answers, done = evidence.answers, HangUp(HangUpReason.DONE)
    if answers and all(answer.outcome is EtrnOutcome.NOTHING_WAITS for answer in answers):
        return done
    return _after(evidence, _quiet_from(evidence) + rules.min_s, "waiting for mail", done)


def _after(evidence: Evidence, until_s: float, why: str, then: Decision) -> Decision:
    return then if until_s - evidence.now_s < _ROUNDING_S else Wait(until_s, why)


def _count_reached(evidence: Evidence) -> bool:
    """Whether as many messages came as the answers named; False where one of them named no number."""
    count = waiting_in_all(evidence.answers)
    return count is not None and evidence.messages_since_ask >= count
