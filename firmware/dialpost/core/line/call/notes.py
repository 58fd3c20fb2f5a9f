"""What each event of a call adds to its record, and what a finished record says in words.

Pure; `flow/line/call/machine` applies it in the order things happen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dialpost.core.call_reason import CallReason
from dialpost.core.line.call.record import LEFT_BEHIND, CallRecord, HangUpReason
from dialpost.core.line.call.states import CallEvent, CallState
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.reasons import AGAIN, DIAL_REASONS, advice
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.core.mail.inbound.collected import Collected

CUT_SHORT = "cut off in the middle of a message; raise call.max_call_s if your messages need longer"


MAIL_STUCK = "The next hop deferred mail: `dialpost queue list` shows its reply."
_WENT_EARLY = "If this repeats, check ppp.user, ppp.password and modem.login_script."


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the call machine, with its details.

    `call` is the number of the call it belongs to, None for a request by the operator, the schedule or a timer.
    `over_budget`: the request applies even if the budget is spent.
    """

    event: CallEvent
    call: int | None = None
    detail: str = ""
    dial: DialOutcome | None = None
    ended: HangUpReason | None = None
    reason: CallReason | None = None
    over_budget: bool = False


def note(record: CallRecord, state: CallState, happened: Happening, dial_timeout_s: int) -> CallRecord:
    """The record after an event that changed the state; `state` is the state in which it came."""
    dial = happened.dial
    if dial is not None and happened.event is CallEvent.LINE_UP:
        rate_bps = dial.rate_bps or record.rate_bps
        number = dial.number or record.dialled
        detail = dial.detail or record.detail
        return replace(record, result=dial.result, detail=detail, rate_bps=rate_bps, dialled=number)
    if dial is not None and happened.event is CallEvent.CARRIER:
        return replace(record, detail=dial.detail, rate_bps=dial.rate_bps, dialled=dial.number)
    if dial is not None and happened.event is CallEvent.DIAL_FAILED:
        number, again = dial.number or record.dialled, dial.again or AGAIN[dial.result]
        return replace(record, result=dial.result, detail=dial.detail, dialled=number, again=again)
    if state is CallState.ONLINE:
        reason, detail = _why_it_ends(happened)
        return replace(record, hangup_reason=reason, hangup_detail=detail)
    if state in {CallState.DIALING, CallState.NEGOTIATING}:
        return _not_up(record, happened, dial_timeout_s)
    return record


def _why_it_ends(happened: Happening) -> tuple[HangUpReason, str]:
    if happened.event is CallEvent.CARRIER_LOST:
        return HangUpReason.CARRIER_LOST, happened.detail
    if happened.event is CallEvent.DEADLINE:
        return happened.ended or HangUpReason.MAX_CALL_TIME, happened.detail or CUT_SHORT
    return happened.ended or HangUpReason.CANCELLED, happened.detail


def _not_up(record: CallRecord, happened: Happening, dial_timeout_s: int) -> CallRecord:
    if happened.event is CallEvent.DEADLINE:
        detail = f"No line within {dial_timeout_s} s. {DIAL_REASONS[DialResult.TIMEOUT].next_step}"
        return replace(record, result=DialResult.TIMEOUT, detail=detail)
    if happened.event is CallEvent.CARRIER_LOST:
        detail = f"The line dropped before mail could flow ({happened.detail}). {_WENT_EARLY}"
        return replace(record, result=DialResult.NO_CARRIER, detail=detail)
    return replace(record, result=DialResult.CANCELLED, detail="", hangup_reason=HangUpReason.CANCELLED)


def station_stopped(record: CallRecord, state: CallState) -> CallRecord:
    """The record of a call that ended in this state because the daemon stopped."""
    if state is CallState.ONLINE:
        return replace(record, hangup_reason=HangUpReason.STATION_STOPPED)
    if state in {CallState.DIALING, CallState.NEGOTIATING}:
        return replace(record, result=DialResult.CANCELLED)
    return record


def failed(record: CallRecord) -> bool:
    """Whether the line did not come up, and nobody cancelled the call."""
    return record.result not in {DialResult.CONNECTED, DialResult.CANCELLED}


def was_cut(record: CallRecord) -> bool:
    """Whether the line was lost in the middle."""
    return record.hangup_reason is HangUpReason.CARRIER_LOST


def has_hope(record: CallRecord) -> bool:
    """Whether it left something behind that may succeed soon."""
    return record.hangup_reason in LEFT_BEHIND and record.again is Again.SOON


def in_vain(record: CallRecord) -> bool:
    """Whether it came up and achieved nothing, though another call may."""
    return has_hope(record) and not (record.sent or record.received)


def etrn_refused(record: CallRecord) -> bool:
    """Whether the last answer for one of the names, or to ATRN or of a mailbox, needs the operator."""
    return bool(etrn_faults(record) or inbound_faults(record))


def etrn_faults(record: CallRecord) -> list[EtrnAnswer]:
    """The last answer for each name, where the operator should know of it.

    That the provider was at work already is no fault where mail came.
    """
    last = {answer.name: answer for answer in record.etrn}.values()
    is_unserved = record.received == 0
    return [one for one in last if one.is_fault or (is_unserved and one.outcome is EtrnOutcome.AT_WORK)]


def inbound_faults(record: CallRecord) -> list[Collected]:
    """The last result of ATRN and of each mailbox, where the operator should know of it."""
    last = {(one.way, one.box): one for one in record.inbound}.values()
    return [one for one in last if one.is_fault]


def mail_stuck(record: CallRecord) -> bool:
    """Whether the line was up and stayed up, and yet nothing of what was tried went out."""
    return not was_cut(record) and record.deferred > 0 and record.sent == 0


def reason_words(record: CallRecord) -> str:
    """Why a call did not come up, and what to do: said once, even if both the link and the table know."""
    return record.detail or advice(record.result)


def given_up_letter(record: CallRecord, failures: int) -> str:
    """The letter to the postmaster when the station has stopped dialling: plain text, LF line endings."""
    said = record.hangup_detail if in_vain(record) else reason_words(record)
    number = f" (last dialled: {record.dialled})" if record.dialled else ""
    times = "A call" if failures == 1 else f"{failures} calls in a row"
    ended = record.hangup_reason.value if in_vain(record) else record.result.value
    return (
        f"{times} failed{number}, and the station has stopped redialling for now.\n\n"
        f"    The last one ended with: {ended}\n"
        + (f"    {said}\n" if said else "")
        + "\nMail for the world is not lost: it waits here, and mail that the provider holds stays there. "
        + (_UNTIL_CHANGED if record.again is Again.AFTER_CHANGE else _UNTIL_SCHEDULED)
        + "`dialpost call history`\nshows what was tried. You will get no further letter about this until a call "
        "succeeds.\n"
    )


_UNTIL_SCHEDULED = "The next call is\nmade at the next scheduled time, by the button, or by `dialpost call now`. "
_UNTIL_CHANGED = (
    "The station\nmakes no automatic calls until a commit changes what the provider refuses. After that,\n"
    "or to try once, use `dialpost call now` or the button. "
)


def attention(record: CallRecord, given_up_after: int = 0, barred: str = "") -> list[str]:
    """What the operator should know about the call, one item each; [] if all went well.

    `given_up_after`: how many calls in a row failed, this one the last; none is due automatically. `barred`: why
    none will be, including the reason of this call.
    """
    found = []
    if failed(record):
        said = barred or reason_words(record)
        word = "" if record.result is DialResult.ERROR and said else f" {record.result.value}."
        found.append(f"The last call did not come up:{word} {said}".strip())
    elif in_vain(record):
        found.append(f"The last call achieved nothing: {record.hangup_detail}.")
    elif was_cut(record):
        found.append(
            f"The last call was cut off ({record.hangup_detail or 'the line was lost'}). Unfinished mail "
            "is sent again in the next call."
        )
    elif record.hangup_reason is HangUpReason.BUDGET_SPENT:
        found.append(
            f"The last call was ended because its budget was spent ({record.hangup_detail}). The rest goes "
            "with the next call."
        )
    if given_up_after > 1 and not barred and (failed(record) or in_vain(record)):
        found.append(
            f"{given_up_after} calls in a row failed, and no redial is due. The next call is at the "
            "next scheduled time, by the button, or by `dialpost call now`."
        )
    for answer in etrn_faults(record):
        found.append(f"ETRN {answer.name}: the provider said: {answer.words()}. {answer.advice}")
    found += [f"{one.sentence()}. {one.advice}".rstrip() for one in inbound_faults(record)]
    if mail_stuck(record):
        found.append(MAIL_STUCK)
    return found
