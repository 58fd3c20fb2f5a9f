"""The calls' methods: make one, end one, look at past ones, forecast the next, show what is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.call_reason import CallReason
from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Access, Method, NoParams

MOST_CALLS = 10_000
_OVER_BUDGET = (
    "Call even if the budget is spent. It costs money: a face where users log in must reserve it for the "
    "administrator."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Etrn:
    """The provider's answer to ETRN (RFC 1985) for one name."""

    domain: Annotated[str, "The requested name."]
    code: Annotated[int | None, "The reply code; null where there was no reply."]
    text: Annotated[str, "The provider's reply text."]
    advice: Annotated[str, "What to do about it; empty if nothing."]
    outcome: Annotated[str, "Its meaning, such as `started`, `nothing-waits` or `not-allowed`."]
    waiting: Annotated[int | None, "Number of messages waiting there, if the reply says so."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What ATRN, or one mailbox at a provider, brought in a call."""

    way: Annotated[str, "`atrn`, `imap` or `pop3`."]
    box: Annotated[str, "The mailbox's name; empty for ATRN."]
    fate: Annotated[str, "How it ended, such as `done`, `nothing`, `not-supported` or `cut`."]
    words: Annotated[str, "The server's reply, or what happened."]
    advice: Annotated[str, "What to do about it; empty if nothing."]
    messages: Annotated[int, "Messages received."]
    bytes: Annotated[int, "Their size."]
    held: Annotated[int, "Messages left at the provider on purpose."]
    left: Annotated[int, "Messages left at the provider although they are wanted."]
    label: Annotated[str, "Which it is: `ATRN`, or protocol and mailbox."]
    sentence: Annotated[str, "What it brought, on one line."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a call was expected to take before it was dialled."""

    messages: Annotated[int, "Number of messages to send."]
    bytes: Annotated[int, "Their size."]
    seconds: Annotated[float, "Charged time."]
    cost: Annotated[float, "Cost of that time; 0 if no price is set."]
    currency: Annotated[str, "Currency of the cost."]
    held: Annotated[int, "Number of messages left out because they are too big."]
    held_bytes: Annotated[int, "Their size."]
    tls_seconds: Annotated[float, "Part of that time: TLS handshakes."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What TLS took of the line in one call."""

    handshakes: Annotated[int, "Number of handshakes."]
    resumed: Annotated[int, "Those that resumed a session."]
    bytes: Annotated[int, "Their bytes, in both directions together."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One finished call."""

    number: Annotated[int | None, "Its number in the history; null for a call that has just been made."]
    reason: Annotated[str, "`button`, `command`, `schedule`, `queue`, `urgent` or `redial`."]
    link: Annotated[str, "The kind of link."]
    result: Annotated[str, "Result of dialling, such as `connected` or `busy`."]
    started: Annotated[int, "Start, in Unix seconds."]
    online_s: Annotated[float, "Time the network was up."]
    bytes_up: Annotated[int, "Bytes sent over the line."]
    bytes_down: Annotated[int, "Bytes received over the line."]
    sent: Annotated[int, "Messages sent."]
    received: Annotated[int, "Messages received."]
    deferred: Annotated[int, "Messages deferred."]
    refused: Annotated[int, "Messages refused."]
    etrn: Annotated[tuple[Etrn, ...], "The provider's answers to ETRN."]
    inbound: Annotated[tuple[Collected, ...], "What ATRN and mailboxes at providers brought."]
    inbound_why: Annotated[tuple[str, ...], "Why these ways were taken, a sentence each."]
    hangup_reason: Annotated[str, "Why it ended, such as `done`, `deferred` or `carrier-lost`."]
    detail: Annotated[str, "The link's report on dialling."]
    hangup_detail: Annotated[str, "Details of the reason."]
    rate_bps: Annotated[int | None, "Line rate reported by the modem."]
    dialled: Annotated[str, "The number dialled."]
    connect_s: Annotated[float, "Time from dialling until mail could flow."]
    paid_s: Annotated[float, "Charged time: from the answer at the other end until the line was down."]
    cost: Annotated[float, "Cost of the charged time."]
    currency: Annotated[str, "Currency of the cost."]
    over_budget: Annotated[bool, "Whether the operator overrode the budget."]
    forecast: Annotated[Expected | None, "The forecast made before dialling."]
    notes: Annotated[tuple[str, ...], "Findings about the hosts, a sentence each."]
    again: Annotated[str, "When the automatic redial follows, if the call failed."]
    tls: Annotated[Tls, "What TLS took of the line."]
    hangup_words: Annotated[str, "Why it ended, in words."]
    cost_words: Annotated[str, "The cost, in words; empty if none."]
    forecast_words: Annotated[str, "The forecast, in words; empty if none."]
    tls_words: Annotated[str, "What TLS took of the line, in words; empty if there was none."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a requested call ended."""

    words: Annotated[str, "The result, in words."]
    exit_status: Annotated[int, "0: success; 1: failed, cut off or achieved nothing; 3: the provider refused ETRN."]
    call: Annotated[Call, "The call."]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCall:
    """Estimate a call made now."""

    messages: Annotated[int, "Number of messages to send."]
    bytes: Annotated[int, "Their size."]
    seconds: Annotated[float, "Charged time."]
    cost: Annotated[float, "Cost of that time; 0 if no price is set."]
    currency: Annotated[str, "Currency of the cost."]
    held: Annotated[int, "Number of messages left out because they are too big."]
    held_bytes: Annotated[int, "Their size."]
    tls_seconds: Annotated[float, "Part of that time: TLS handshakes."]
    words: Annotated[str, "The forecast in words."]
    rate_bps: Annotated[int, "The assumed line rate."]
    measured: Annotated[bool, "Whether earlier calls measured that rate."]
    left_s: Annotated[float | None, "Longest possible call now; null: no limit."]
    is_enough: Annotated[bool, "Whether that is enough for everything."]
    refusal: Annotated[str, "Why the budget allows no call now; empty if it does."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was used in a day and its month."""

    day: Annotated[str, "The local date (ISO 8601); empty until the clock is set."]
    day_s: Annotated[float, "Charged time today."]
    day_cost: Annotated[float, "Cost today."]
    month_s: Annotated[float, "Charged time this month."]
    month_cost: Annotated[float, "Cost this month."]
    undated_s: Annotated[float, "Charged time since the clock was last right."]
    undated_cost: Annotated[float, "Cost since then."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Minutes and money used, and what is left."""

    usage: Annotated[tuple[str, ...], "What has been used, a sentence each."]
    call_limits: Annotated[tuple[str, ...], "What limits each call, a sentence each."]
    left_s: Annotated[float | None, "Longest possible call now; null: no limit."]
    limit: Annotated[str | None, "The setting that imposes the limit."]
    spent: Annotated[Spent, "The counters."]
    refusal: Annotated[str, "Why no call is allowed now; empty if one is."]
    clock_trusted: Annotated[bool, "Whether the clock is right; if not, no new day begins."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What calls taught about the provider, and how long the next one waits for its mail."""

    provider: Annotated[str, "The host that is asked for mail."]
    starts: Annotated[int, "How many times it was seen to begin after its answer to ETRN."]
    start_usual_s: Annotated[float, "Usual time until it begins; 0 if never seen."]
    start_longest_s: Annotated[float, "Longest time until it began that is remembered."]
    gaps: Annotated[int, "How many times a message followed another."]
    gap_usual_s: Annotated[float, "Usual quiet time between two messages; 0 if never seen."]
    gap_longest_s: Annotated[float, "Longest quiet time that is remembered."]
    mail_chance: Annotated[float, "Assumed probability that mail comes after a 250."]
    start_wait_s: Annotated[float, "Wait of a call that sends nothing, after a 250."]
    gap_wait_s: Annotated[float, "Wait for another message, after one came."]
    set_start_s: Annotated[float | None, "The wait for a start that the operator set; null: as learnt."]
    set_gap_s: Annotated[float | None, "The wait for another message that the operator set; null: as learnt."]
    empty_call_cost: Annotated[float, "Cost of a call that finds nothing; 0 if no price is set."]
    currency: Annotated[str, "Currency of the cost."]
    words: Annotated[tuple[str, ...], "The same, a sentence each."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWaitsParams:
    """Of `call.set_waits`."""

    start_s: Annotated[
        float | None,
        Setting("Wait for the provider to begin; by default unchanged.", unit="seconds", minimum=0.1, maximum=3600),
    ] = None
    gap_s: Annotated[
        float | None,
        Setting("Wait for another message; by default unchanged.", unit="seconds", minimum=0.1, maximum=3600),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParams:
    """Of `call.request`."""

    reason: Annotated[CallReason, Setting("The reason for the call.")] = CallReason.COMMAND
    over_budget: Annotated[bool, Setting(_OVER_BUDGET)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NowParams:
    """Of `call.now`."""

    over_budget: Annotated[bool, Setting(_OVER_BUDGET)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelParams:
    """Of `call.cancel`."""

    at_once: Annotated[bool, Setting("Hang up at once instead of after the current message.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParams:
    """Of `call.history`."""

    limit: Annotated[int, Setting("At most this many calls.", minimum=1, maximum=MOST_CALLS)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `call.show`."""

    number: Annotated[
        int | None,
        Setting("Its number in the history; by default the last call.", minimum=1, maximum=1_000_000_000),
    ] = None


NOW = Method(
    "call.now",
    "Dial, fetch and send; the answer follows when the call is over.",
    NowParams,
    Ended,
    access=Access.ANYONE,
    streams="a step of the call, in words",
)
REQUEST = Method(
    "call.request", "Request a call; the answer follows at once.", RequestParams, str, access=Access.ANYONE
)
CANCEL = Method("call.cancel", "Hang up.", CancelParams, str, access=Access.ANYONE)
HISTORY = Method("call.history", "List the last calls, newest first.", HistoryParams, tuple[Call, ...])
SHOW = Method("call.show", "Show everything known about one call.", ShowParams, Call)
FORECAST = Method("call.forecast", "Estimate a call made now.", NoParams, NextCall, access=Access.ANYONE)
BUDGET = Method("call.budget", "Show the minutes and money used.", NoParams, Budget)
LEARNED = Method(
    "call.learned", "Show what calls taught about the provider, and how long the next one waits.", NoParams, Learned
)
SET_WAITS = Method(
    "call.set_waits",
    "Set how long calls wait, instead of what they learn; within call.grace_min_s and call.grace_max_s.",
    SetWaitsParams,
    Learned,
)
FORGET_LEARNED = Method(
    "call.forget_learned", "Forget what calls taught, and the waits that were set.", NoParams, str
)

METHODS = (NOW, REQUEST, CANCEL, HISTORY, SHOW, FORECAST, BUDGET, LEARNED, SET_WAITS, FORGET_LEARNED)
