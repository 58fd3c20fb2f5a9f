"""When a recipient is tried again, when its sender is told of a delay, and when it is given up.

RFC 5321 §4.5.4.1: at least 30 minutes between tries, giving up after 4 to 5 days. Time off line uses up
nothing: giving up needs both the days and a number of real tries, and days count only with a trusted clock.
"""

from __future__ import annotations

from dataclasses import replace

from dialpost.core.config import OutboundConfig
from dialpost.core.envelope import Notify
from dialpost.core.outcomes import Deferred
from dialpost.core.queue_records import RecipientRecord

_HOUR_S = 3600


def pause_s(attempts: int, config: OutboundConfig) -> int:
    """Seconds until the next try after the `attempts`-th (1, 2, ...): doubling, within the configured bounds."""
    return int(min(config.retry_max_s, config.retry_min_s * 2 ** min(max(attempts - 1, 0), 20)))


def after_deferral(
    recipient: RecipientRecord, outcome: Deferred, now_s: int, config: OutboundConfig
) -> RecipientRecord:
    """The recipient's record after a try that was put off. `now_s` is Unix seconds."""
    attempts = recipient.attempts + (1 if outcome.counts_as_attempt else 0)
    # A try that reached nobody (no DNS) is repeated soon; it says nothing about the receiver.
    wait = pause_s(attempts, config) if outcome.counts_as_attempt else min(config.retry_min_s, 300)
    return replace(
        recipient,
        attempts=attempts,
        next_try_s=now_s + wait,
        last_try_s=now_s,
        last_reply=str(outcome.reply),
        last_by=outcome.by,
        answer_unknown=outcome.answer_unknown or recipient.answer_unknown,
    )


def give_up_is_due(
    recipient: RecipientRecord, received_s: int, now_s: int, config: OutboundConfig, *, clock_trusted: bool
) -> bool:
    """Whether enough time and enough real tries have gone by."""
    waited = now_s - received_s
    return (
        clock_trusted and recipient.attempts >= config.give_up_attempts and waited >= config.give_up_hours * _HOUR_S
    )


def delay_notice_is_due(
    recipient: RecipientRecord, received_s: int, now_s: int, config: OutboundConfig, *, clock_trusted: bool
) -> bool:
    """Whether the sender should hear, once, that it takes longer (RFC 3461 §4.1: NOTIFY may forbid it)."""
    if not clock_trusted or recipient.delay_notified or not config.delay_notice_hours:
        return False
    if recipient.notify is not None and Notify.DELAY not in recipient.notify:
        return False
    return now_s - received_s >= config.delay_notice_hours * _HOUR_S
