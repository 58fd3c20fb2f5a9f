"""A message that the line never carries to its end: noticed from its own cuts, held, and tried more rarely.

SMTP can't resume: after a cut, a message begins again from its first byte. On a line that drops every 60 kB, a
message of 80 kB would be paid for in each call and never arrive. It is held after the second cut in the middle
of it, for a number of calls or a length of time, whichever is over first, and longer after each further cut; or
until a call has sent as much as it needs. It is never given up for that. Pure; `flow/mail/queue/cut_messages` keeps
the records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dialpost.core.amounts import count_words, size_words, span_words
from dialpost.core.json_value import JsonObject, JsonValue

LEAST_CARRIED_BYTES = 16_384
"""A message cut before this many bytes were sent says nothing about its size."""
CUTS_BEFORE_HOLD = 2
_HOLD_CALLS = (2, 4, 8)
_HOLD_S = (2 * 3600, 6 * 3600, 24 * 3600)
"""How long the first holds last, in calls and in seconds; all further ones as long as the last."""


@dataclass(frozen=True, slots=True)
class CutHistory:
    """What is known of one message. `carried_bytes` is the most that was sent before a cut.

    `held_at_s` (Unix seconds) and `calls` (made since) count while `is_held`.
    """

    wire_size: int
    cuts: int = 0
    carried_bytes: int = 0
    holds: int = 0
    held_at_s: int = 0
    calls: int = 0
    is_held: bool = False
    is_told: bool = False

    def to_json(self) -> JsonValue:
        """For the card."""
        return {
            "size": self.wire_size,
            "cuts": self.cuts,
            "carried": self.carried_bytes,
            "holds": self.holds,
            "held_at": self.held_at_s,
            "calls": self.calls,
            "held": self.is_held,
            "told": self.is_told,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> CutHistory:
        """Back from `to_json`. Raises: KeyError, ValueError."""
        size, cuts, carried, holds, held_at_s, calls = (
            _number(value[key]) for key in ("size", "cuts", "carried", "holds", "held_at", "calls")
        )
        is_held, is_told = value["held"] is True, value["told"] is True
        return cls(size, cuts, carried, holds, held_at_s, calls, is_held, is_told)


def _number(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number of anything")
    return value


def after_cut(history: CutHistory, carried_bytes: int) -> CutHistory:
    """The connection broke before the message was acknowledged."""
    return replace(
        history, cuts=history.cuts + 1, carried_bytes=max(history.carried_bytes, carried_bytes), is_held=False
    )


def is_to_hold(history: CutHistory) -> bool:
    """Whether it has been cut often enough to be held."""
    return history.cuts >= CUTS_BEFORE_HOLD


def held(history: CutHistory, now_s: int) -> CutHistory:
    """It is held from now on."""
    return replace(history, is_held=True, holds=history.holds + 1, held_at_s=now_s, calls=0)


def hold_of(history: CutHistory) -> tuple[int, int]:
    """How long the present hold lasts: calls, and seconds."""
    number = min(max(history.holds, 1), len(_HOLD_S)) - 1
    return _HOLD_CALLS[number], _HOLD_S[number]


def may_go(history: CutHistory, held_s: float, last_call_bytes: int = 0) -> bool:
    """Whether a held message may be tried again.

    `held_s`: for how long it has been held, as far as anybody knows. `last_call_bytes`: what the last call sent.
    """
    calls, seconds = hold_of(history)
    return history.calls >= calls or held_s >= seconds or last_call_bytes >= history.wire_size


# -- words


def held_words(history: CutHistory, queue_id: str) -> str:
    """Why it is held and what to do, for `dialpost queue`."""
    return f"{_cut_words(history)}{_NEXT}{_when_words(history)} To try it now: dialpost queue release {queue_id}."


def sender_words(history: CutHistory, queue_id: str) -> str:
    """The same for its sender."""
    return (
        f"It is too big for a line that breaks: {_cut_words(history)} A message can't be continued where it was "
        "cut, so it is tried more rarely from now on, and other mail goes first. "
        f"The next try is {_when_words(history)} It is not lost. "
        "Smaller messages get through sooner, so send a long one in several parts next time. If it is urgent, ask "
        f"the operator of the station to have it tried now: dialpost queue release {queue_id}."
    )


def is_held_words(text: str) -> bool:
    """Whether a message was held with these words (`held_words`)."""
    return text.startswith(_BROKE)


def cause_of_hold(text: str) -> str:
    """Of such words only what happened, once the hold is over; any other text whole."""
    return text.partition(_NEXT)[0] if is_held_words(text) else text


_BROKE, _NEXT = "the connection broke ", " The next try is "


def _cut_words(history: CutHistory) -> str:
    return (
        f"{_BROKE}{count_words(history.cuts, 'time')} before it was acknowledged, after about "
        f"{size_words(history.carried_bytes)} of {size_words(history.wire_size)} at most."
    )


def _when_words(history: CutHistory) -> str:
    calls, seconds = hold_of(history)
    return f"after {count_words(calls, 'call')} or {span_words(seconds)}, or after a call that sent as many bytes."
