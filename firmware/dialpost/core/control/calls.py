"""The calls' methods: make one, end one, look at past ones, what the next would take, what is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.call_reason import CallReason
from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Access, Method, NoParams

MOST_CALLS = 10_000
_OVER_BUDGET = (
    "Call although the budget is spent. It costs money: a face where people log in keeps it for the administrator."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Etrn:
    """The provider's answer to ETRN (RFC 1985) for one name."""

    domain: Annotated[str, "The name that was asked for."]
    code: Annotated[int | None, "The reply code; null where there was no reply."]
    text: Annotated[str, "The reply in the provider's words."]
    advice: Annotated[str, "What to do about it; empty where there is nothing to do."]
    outcome: Annotated[str, "What it amounts to, such as `started`, `nothing-waits` or `not-allowed`."]
    waiting: Annotated[int | None, "How many messages wait there, where the reply says so."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a call was expected to take before it was dialled."""

    messages: Annotated[int, "How many are to be sent."]
    bytes: Annotated[int, "How much that is."]
    seconds: Annotated[float, "Of paid time."]
    cost: Annotated[float, "Of that time; 0 where no price is set."]
    currency: Annotated[str, "Of the cost."]
    held: Annotated[int, "How many stay, being too big."]
    held_bytes: Annotated[int, "How much that is."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that is over."""

    number: Annotated[int | None, "Its number in the history; null where it was made a moment ago."]
    reason: Annotated[str, "`button`, `command`, `schedule`, `queue`, `urgent` or `redial`."]
    link: Annotated[str, "The kind of link."]
    result: Annotated[str, "What came of dialling, such as `connected` or `busy`."]
    started: Annotated[int, "In Unix seconds."]
    online_s: Annotated[float, "From the network's start to its end."]
    bytes_up: Annotated[int, "Sent over the line."]
    bytes_down: Annotated[int, "Received over the line."]
    sent: Annotated[int, "Messages sent."]
    received: Annotated[int, "Messages received."]
    deferred: Annotated[int, "Messages tried and deferred."]
    refused: Annotated[int, "Messages refused."]
    etrn: Annotated[tuple[Etrn, ...], "The provider's answers to ETRN."]
    hangup_reason: Annotated[str, "Why it ended, such as `done`, `deferred` or `carrier-lost`."]
    detail: Annotated[str, "What the link said of dialling."]
    hangup_detail: Annotated[str, "What is known beyond the reason."]
    rate_bps: Annotated[int | None, "What the modem said of the line's rate."]
    dialled: Annotated[str, "The number dialled."]
    connect_s: Annotated[float, "From the start of dialling until mail could flow."]
    paid_s: Annotated[float, "From the answer at the other end until the line was down."]
    cost: Annotated[float, "Of the paid time."]
    currency: Annotated[str, "Of the cost."]
    over_budget: Annotated[bool, "Whether it was made by hand although the budget was spent."]
    forecast: Annotated[Expected | None, "What was expected before it was dialled."]
    notes: Annotated[tuple[str, ...], "What was found out about the hosts, a sentence each."]
    again: Annotated[str, "When a call that did not come up is redialled automatically."]
    hangup_words: Annotated[str, "Why it ended, for people."]
    cost_words: Annotated[str, "The cost, for people; empty where there is none."]
    forecast_words: Annotated[str, "The forecast, for people; empty where there was none."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call that was asked for ended."""

    words: Annotated[str, "For people."]
    exit_status: Annotated[
        int, "0 all went well, 1 it failed, was cut off or achieved nothing, 3 the provider refused ETRN."
    ]
    call: Annotated[Call, "The call."]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCall:
    """What a call made now would take."""

    messages: Annotated[int, "How many are to be sent."]
    bytes: Annotated[int, "How much that is."]
    seconds: Annotated[float, "Of paid time."]
    cost: Annotated[float, "Of that time; 0 where no price is set."]
    currency: Annotated[str, "Of the cost."]
    held: Annotated[int, "How many stay, being too big."]
    held_bytes: Annotated[int, "How much that is."]
    words: Annotated[str, "The same for people."]
    rate_bps: Annotated[int, "How fast the line is taken to be."]
    measured: Annotated[bool, "Whether earlier calls showed that rate."]
    left_s: Annotated[float | None, "How long a call may last now; null: no limit."]
    is_enough: Annotated[bool, "Whether that is enough for all."]
    refusal: Annotated[str, "Why the budget allows no call now; empty where it does."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What is used of a day and its month."""

    day: Annotated[str, "The local date (ISO 8601); empty while none was known."]
    day_s: Annotated[float, "Seconds of the day."]
    day_cost: Annotated[float, "Cost of the day."]
    month_s: Annotated[float, "Seconds of the month."]
    month_cost: Annotated[float, "Cost of the month."]
    undated_s: Annotated[float, "Seconds since the clock could last be trusted."]
    undated_cost: Annotated[float, "Cost since then."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is used of minutes and money, and what is left."""

    usage: Annotated[tuple[str, ...], "What is used, a sentence each."]
    call_limits: Annotated[tuple[str, ...], "What limits each call, a sentence each."]
    left_s: Annotated[float | None, "How long a call may last now; null: no limit."]
    limit: Annotated[str | None, "The setting that limits it."]
    spent: Annotated[Spent, "The counters."]
    refusal: Annotated[str, "Why no call is allowed now; empty where one is."]
    clock_trusted: Annotated[bool, "Whether the clock is right; else no new day begins."]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParams:
    """Of `call.request`."""

    reason: Annotated[CallReason, Setting("What the call is made for.")] = CallReason.COMMAND
    over_budget: Annotated[bool, Setting(_OVER_BUDGET)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NowParams:
    """Of `call.now`."""

    over_budget: Annotated[bool, Setting(_OVER_BUDGET)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelParams:
    """Of `call.cancel`."""

    at_once: Annotated[bool, Setting("Hang up at once, not after the current message.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParams:
    """Of `call.history`."""

    limit: Annotated[int, Setting("At most this many calls.", minimum=1, maximum=MOST_CALLS)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `call.show`."""

    number: Annotated[
        int | None, Setting("Its number in the history; without it the last.", minimum=1, maximum=1_000_000_000)
    ] = None


NOW = Method(
    "call.now",
    "Dial, fetch and send; answer when the call is over.",
    NowParams,
    Ended,
    access=Access.ANYONE,
    streams="a step of the call, in words",
)
REQUEST = Method(
    "call.request", "Ask for a call and say at once what happens.", RequestParams, str, access=Access.ANYONE
)
CANCEL = Method("call.cancel", "Hang up; say what happens.", CancelParams, str, access=Access.ANYONE)
HISTORY = Method("call.history", "The last calls, newest first.", HistoryParams, tuple[Call, ...])
SHOW = Method("call.show", "Everything known of one call.", ShowParams, Call)
FORECAST = Method("call.forecast", "What a call made now would take.", NoParams, NextCall, access=Access.ANYONE)
BUDGET = Method("call.budget", "What is used of minutes and money.", NoParams, Budget)

METHODS = (NOW, REQUEST, CANCEL, HISTORY, SHOW, FORECAST, BUDGET)
