"""What a link answers to a request to dial, as values.

A link is the way to the world: a modem with its PPP session, or a router on the LAN. It knows nothing about mail.
The call (`flow/line/call/machine`) declares the interface it needs as a Protocol; these are the values they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DialResult(Enum):
    """How an attempt to bring the line up ended: the vocabulary of modems (ITU-T V.250 and makers' own words), and
    three more."""

    CONNECTED = "connected"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    NO_CARRIER = "no-carrier"
    NO_DIALTONE = "no-dialtone"
    DELAYED = "delayed"  # the modem itself enforces a pause before it dials this number again
    BLACKLISTED = "blacklisted"  # the modem itself will not dial this number any more
    VOICE = "voice"  # a voice answered, not a modem
    ERROR = "error"  # the link itself has a fault; `detail` says which
    TIMEOUT = "timeout"  # no result within call.dial_timeout_s
    CANCELLED = "cancelled"  # somebody hung up first


class Again(Enum):
    """When another automatic call can help, after one that did not come up."""

    SOON = "soon"  # temporary: the redials of call.redial_attempts
    NEXT_TIME = "next-time"  # not in this series: at the next scheduled time
    AFTER_CHANGE = "after-change"  # a refusal: once a setting has changed, or the operator asks for a call


@dataclass(frozen=True, slots=True)
class DialOutcome:
    """The result, what the operator should know about it ("" = nothing more), and the rate if it is known.

    `number` is what was dialled, in the form people know ("" = no number is dialled). `again`: None = as for this
    result in general (`core/line/reasons.AGAIN`).
    """

    result: DialResult
    detail: str = ""
    rate_bps: int | None = None
    number: str = ""
    again: Again | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes carried since the line came up: `up` to the world, `down` to the station."""

    up: int
    down: int
