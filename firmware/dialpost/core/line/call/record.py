"""The record of a call, as kept in the history and shown to people.

Times are Unix seconds by the wall clock of that moment; durations were measured with the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dialpost.core.call_reason import CallReason
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.line.call.forecast import Forecast
from dialpost.core.line.link import Again, DialResult
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected


class HangUpReason(Enum):
    """Why a call ended."""

    DONE = "done"  # nothing more to send, nothing more is coming
    PROVIDER_SILENT = "provider-silent"  # it promised mail and sent nothing for call.grace_max_s
    DEFERRED = "deferred"  # nothing more can be done now: a host deferred mail
    NOT_SERVED = "not-served"  # the same, because a host could not be reached, or served nobody
    STOPPED = "stopped"  # by hand, after the current message
    CANCELLED = "cancelled"  # by hand, at once
    MAX_CALL_TIME = "max-call-time"  # call.max_call_s is over
    BUDGET_SPENT = "budget-spent"  # of the call, the day or the month
    CARRIER_LOST = "carrier-lost"
    NOT_CONNECTED = "not-connected"  # the line never came up
    STATION_STOPPED = "station-stopped"  # the daemon was stopped


LEFT_BEHIND = frozenset({HangUpReason.DEFERRED, HangUpReason.NOT_SERVED})
"""The call ran to its end and left something behind."""

HANG_UP_WORDS = {
    HangUpReason.DONE: "nothing more to send or receive",
    HangUpReason.PROVIDER_SILENT: "the provider was asked for mail but sent nothing more",
    HangUpReason.DEFERRED: "mail was deferred, and nothing more came",
    HangUpReason.NOT_SERVED: "a mail host could not be reached or served nobody",
    HangUpReason.STOPPED: "ended by hand after the current message",
    HangUpReason.CANCELLED: "ended by hand at once",
    HangUpReason.MAX_CALL_TIME: "the call reached call.max_call_s",
    HangUpReason.BUDGET_SPENT: "the budget was spent",
    HangUpReason.CARRIER_LOST: "the line was lost",
    HangUpReason.NOT_CONNECTED: "the line did not come up",
    HangUpReason.STATION_STOPPED: "the station was stopped",
}


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, finished. `started` is Unix seconds; `sent` and `received` count messages.

    `bytes_up` and `bytes_down` are what the line carried, or (if the link can't count) the mail's own bytes.
    `deferred` counts messages that were tried and are still waiting. `detail` is what the link said about the
    dialling; `hangup_detail` is what is known beyond the reason, such as what the modem said when the carrier was
    lost.

    `connect_s` is the time from the start of dialling until mail could flow. `paid_s` runs from the answer at the
    other end until the line was down, `cost` is what that cost in `currency`. `dialled` is the number, "" if the
    link knows none. `over_budget`: made by hand although the budget was spent. `notes`: what was found out about
    the hosts mail went to, a sentence each. `again`: when a call that did not come up, or achieved nothing, is
    repeated automatically. `inbound` is what ATRN and mailboxes brought, in the order in which they ended;
    `inbound_why` says why these ways were taken, a sentence each.
    """

    reason: CallReason
    link: str
    result: DialResult
    started: int
    online_s: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    sent: int = 0
    received: int = 0
    deferred: int = 0
    refused: int = 0
    etrn: tuple[EtrnAnswer, ...] = ()
    hangup_reason: HangUpReason = HangUpReason.NOT_CONNECTED
    detail: str = ""
    hangup_detail: str = ""
    rate_bps: int | None = None
    dialled: str = ""
    connect_s: float = 0.0
    paid_s: float = 0.0
    cost: float = 0.0
    currency: str = ""
    over_budget: bool = False
    forecast: Forecast | None = None
    notes: tuple[str, ...] = ()
    again: Again = Again.SOON
    tls: TlsCost = field(default_factory=TlsCost)
    inbound: tuple[Collected, ...] = ()
    inbound_why: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JsonValue]:
        """For the store, the control socket and the report."""
        return {
            "reason": self.reason.value,
            "link": self.link,
            "result": self.result.value,
            "started": self.started,
            "online_s": round(self.online_s, 3),
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "sent": self.sent,
            "received": self.received,
            "deferred": self.deferred,
            "refused": self.refused,
            "etrn": [answer.to_json() for answer in self.etrn],
            "hangup_reason": self.hangup_reason.value,
            "detail": self.detail,
            "hangup_detail": self.hangup_detail,
            "rate_bps": self.rate_bps,
            "dialled": self.dialled,
            "connect_s": round(self.connect_s, 3),
            "paid_s": round(self.paid_s, 3),
            "cost": round(self.cost, 6),
            "currency": self.currency,
            "over_budget": self.over_budget,
            "forecast": None if self.forecast is None else self.forecast.to_json(),
            "notes": list(self.notes),
            "again": self.again.value,
            "tls": self.tls.to_json(),
            "inbound": [one.to_json() for one in self.inbound],
            "inbound_why": list(self.inbound_why),
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> CallRecord:
        """Restored from `to_json`; keys that an earlier version did not write take their defaults.

        Raises: KeyError, ValueError if it is not the record of a call.
        """
        rate, expected, notes = value.get("rate_bps"), value.get("forecast"), value.get("notes")
        inbound, why = value.get("inbound"), value.get("inbound_why")
        return cls(
            reason=CallReason(value["reason"]),
            link=str(value["link"]),
            result=DialResult(value["result"]),
            started=_whole(value, "started"),
            online_s=_number(value, "online_s"),
            bytes_up=_whole(value, "bytes_up"),
            bytes_down=_whole(value, "bytes_down"),
            sent=_whole(value, "sent"),
            received=_whole(value, "received"),
            deferred=_whole(value, "deferred"),
            refused=_whole(value, "refused"),
            etrn=tuple(EtrnAnswer.from_json(item) for item in _list(value.get("etrn")) if isinstance(item, dict)),
            hangup_reason=HangUpReason(value.get("hangup_reason", HangUpReason.NOT_CONNECTED.value)),
            detail=str(value.get("detail", "")),
            hangup_detail=str(value.get("hangup_detail", "")),
            rate_bps=rate if isinstance(rate, int) else None,
            dialled=str(value.get("dialled", "")),
            connect_s=_number(value, "connect_s"),
            paid_s=_number(value, "paid_s"),
            cost=_number(value, "cost"),
            currency=str(value.get("currency", "")),
            over_budget=value.get("over_budget") is True,
            forecast=Forecast.from_json(expected) if isinstance(expected, Mapping) else None,
            notes=tuple(str(note) for note in _list(notes)),
            again=Again(value.get("again", Again.SOON.value)),
            tls=TlsCost.from_json(value.get("tls")),
            inbound=tuple(Collected.from_json(item) for item in _list(inbound) if isinstance(item, dict)),
            inbound_why=tuple(str(sentence) for sentence in _list(why)),
        )


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list | tuple) else ()


def _number(value: JsonObject, key: str) -> float:
    found = value.get(key, 0)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"{key} of a call's record is not a number: {found!r}")
    return float(found)


def _whole(value: JsonObject, key: str) -> int:
    return int(_number(value, key))
