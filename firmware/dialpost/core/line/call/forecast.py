"""The estimate of a call before it is dialled: "12 messages, 340 kB, about 2 min, about 0.40 EUR".

It is learnt from past calls: the rate of the busier direction while it was busy, and the rest of a call's paid time
(logging in, ETRN, incoming mail, the quiet at the end). Before the first such call it uses the rate of the last
CONNECT or of the configuration. What the provider holds is unknown; what it usually sends is included in the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from dialpost.core.amounts import about_span, count_words, money, size_words
from dialpost.core.config.line import BudgetConfig
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.line.call.budget import call_cost
from dialpost.core.mail.esmtp.tls_cost import TlsCost

BUSY_BYTES = 20_000
"""A call that carried less than this in its busier direction says nothing about the rate: it mostly waited."""
NOMINAL_SHARE = 0.85
"""The share of a line's nominal rate that TCP/IP and PPP leave for mail."""
USUAL_BESIDE_S = 20.0
"""Paid time apart from the sending, before any call has shown it."""
PER_MESSAGE_BYTES = 400
"""Commands, answers and their packets, for each message."""


class PastCall(Protocol):
    """The figures of a call that help to predict the next (a CallRecord)."""

    @property
    def online_s(self) -> float:
        """From the network's start to its end."""

    @property
    def paid_s(self) -> float:
        """From the answer to the end of the line; 0 in records of earlier versions."""

    @property
    def bytes_up(self) -> int:
        """To the world."""

    @property
    def bytes_down(self) -> int:
        """To the station."""

    @property
    def rate_bps(self) -> int | None:
        """What the modem said."""

    @property
    def tls(self) -> TlsCost:
        """What TLS took of the line."""


@dataclass(frozen=True, slots=True)
class LineSpeed:
    """How fast the line is: `rate_bps` for mail, and the other paid seconds (`tls_s` of them for TLS handshakes);
    `measured`: by earlier calls.
    """

    rate_bps: float
    beside_s: float
    measured: bool
    tls_s: float = 0.0


def line_speed(calls: Sequence[PastCall], nominal_bps: int, *, is_plain: bool = False) -> LineSpeed:
    """What the calls that were on line show, the newest first; other calls are ignored.

    `is_plain`: the next call needs no TLS. Then calls with TLS show how long it takes only as long as there is none
    without.
    """
    online = [call for call in calls if call.online_s > 0]
    rates = sorted(
        8 * max(call.bytes_up, call.bytes_down) / call.online_s
        for call in online
        if max(call.bytes_up, call.bytes_down) >= BUSY_BYTES
    )
    if rates:
        # Each is too low, because part of the time was waiting; the highest may be from another line.
        rate_bps = rates[-1 - len(rates) // 10]
    else:
        told = next((call.rate_bps for call in online if call.rate_bps), nominal_bps)
        rate_bps = told * NOMINAL_SHARE
    alike = [call for call in online if not call.tls.bytes] if is_plain else online
    beside = [max(0.0, (call.paid_s or call.online_s) - 8 * call.bytes_up / rate_bps) for call in alike or online]
    tls_s = median([8 * call.tls.bytes / rate_bps for call in online]) if online and not is_plain else 0.0
    return LineSpeed(rate_bps, median(beside) if beside else USUAL_BESIDE_S, bool(rates), tls_s)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is waiting and what sending it takes. `seconds` are paid ones; `held` messages stay: they are too
    big."""

    messages: int
    bytes: int
    seconds: float
    cost: float = 0.0
    currency: str = ""
    held: int = 0
    held_bytes: int = 0
    tls_seconds: float = 0.0

    def words(self) -> str:
        """In words, without a full stop."""
        parts = (
            [count_words(self.messages, "message"), size_words(self.bytes)] if self.messages else ["nothing waits"]
        )
        tls = f" (about {self.tls_seconds:.0f} s of that for TLS; encrypted mail can't be compressed)"
        parts.append(f"about {about_span(self.seconds)}{tls if self.tls_seconds >= 0.5 else ''}")
        if self.cost:
            parts.append(f"about {money(self.cost, self.currency)}")
        words = ", ".join(parts)
        if self.held:
            words += f"; {count_words(self.held, 'big message')} ({size_words(self.held_bytes)}) held back"
        return words

    def to_json(self) -> dict[str, JsonValue]:
        """For the record of the call, and the control socket."""
        return {
            "messages": self.messages,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 1),
            "cost": round(self.cost, 6),
            "currency": self.currency,
            "held": self.held,
            "held_bytes": self.held_bytes,
            "tls_seconds": round(self.tls_seconds, 1),
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Forecast:
        """Restored from `to_json`; missing figures are zero."""
        return cls(
            int(_number(value, "messages")),
            int(_number(value, "bytes")),
            _number(value, "seconds"),
            _number(value, "cost"),
            str(value.get("currency", "")),
            int(_number(value, "held")),
            int(_number(value, "held_bytes")),
            _number(value, "tls_seconds"),
        )


def _number(value: JsonObject, key: str) -> float:
    found = value.get(key, 0)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0.0


def forecast(
    messages: int, size: int, speed: LineSpeed, budget: BudgetConfig, *, held: int = 0, held_bytes: int = 0
) -> Forecast:
    """What a call made now would take; `messages` and `size` exclude held messages."""
    seconds = speed.beside_s + 8 * (size + PER_MESSAGE_BYTES * messages) / speed.rate_bps
    cost = call_cost(budget, seconds)
    return Forecast(messages, size, seconds, cost, budget.currency, held, held_bytes, speed.tls_s)
