"""When a recipient is retried, when its sender gets a delay notice, and when it is given up.

RFC 5321 §4.5.4.1: at least 30 minutes between attempts, giving up after 4 to 5 days. Time off line uses up nothing:
giving up needs both the days and a number of real attempts, and days count only while the clock is trusted.
"""

from __future__ import annotations

from dataclasses import replace

from dialpost.core.config.model import OutboundConfig
from dialpost.core.mail.envelope import Notify
from dialpost.core.mail.outcomes import Deferred, Outcome
from dialpost.core.mail.queue.records import BY_STATION, EARLIEST_TRUE_TIME_S, RecipientRecord, RecipientState

_HOUR_S = 3600
_MOST_DOUBLINGS = 20


def pause_s(attempts: int, config: OutboundConfig) -> int:
    """Seconds until the attempt after the `attempts`-th (1, 2, ...): doubling, within the configured bounds."""
    return int(min(config.retry_max_s, config.retry_min_s * 2 ** min(max(attempts - 1, 0), _MOST_DOUBLINGS)))


def after_try(
    recipient: RecipientRecord, outcome: Outcome, now_s: int, config: OutboundConfig, *, is_dialled: bool
) -> RecipientRecord:
    """The recipient's record after an attempt to send to the world. `now_s` is Unix seconds.

    `is_dialled`: the next call is the next attempt, whenever it is. A deferral that does not count changes neither
    the number of attempts nor the time of the next one: the flush makes the next hop wait, not the recipient.
    """
    counts = not isinstance(outcome, Deferred) or outcome.counts_as_attempt
    attempts = recipient.attempts + (1 if counts else 0)
    tried = replace(
        recipient,
        attempts=attempts,
        last_try_s=now_s,
        last_reply=str(outcome.reply),
        last_by=outcome.by,
    )
    if isinstance(outcome, Deferred) and outcome.content_lost:
        return replace(tried, state=RecipientState.HELD, last_reply=outcome.reply.text, last_by=BY_STATION)
    if isinstance(outcome, Deferred):
        next_try_s = 0 if is_dialled else now_s + pause_s(attempts, config) if counts else recipient.next_try_s
        # Once nobody knows whether it arrived, only an acceptance can end the doubt (RFC 1047).
        return replace(
            tried, next_try_s=next_try_s, answer_unknown=outcome.answer_unknown or recipient.answer_unknown
        )
    if outcome.reply.is_positive:
        return replace(tried, state=RecipientState.RELAYED, answer_unknown=False)
    return replace(tried, state=RecipientState.BOUNCED)


def held_by_station(recipient: RecipientRecord, why: str) -> RecipientRecord:
    """The record of a recipient whose message the station holds; its sender has a notice."""
    return replace(
        recipient, state=RecipientState.HELD, last_reply=why, last_by=BY_STATION, next_try_s=0, delay_notified=True
    )


def give_up_is_due(
    recipient: RecipientRecord, received_s: int, now_s: int, config: OutboundConfig, *, clock_trusted: bool
) -> bool:
    """Whether enough time has passed and enough real attempts have failed.

    A message dated by an unset clock has no age. Instead it needs as many more attempts as would fill that time on
    a dedicated line.
    """
    if not clock_trusted or recipient.attempts < config.give_up_attempts:
        return False
    patience_s = config.give_up_hours * _HOUR_S
    if received_s < EARLIEST_TRUE_TIME_S:
        return recipient.attempts >= config.give_up_attempts + patience_s // config.retry_max_s
    return now_s - received_s >= patience_s


def delay_notice_is_due(
    recipient: RecipientRecord, received_s: int, now_s: int, config: OutboundConfig, *, clock_trusted: bool
) -> bool:
    """Whether the sender is due the one notice of a delay (RFC 3461 §4.1: NOTIFY may forbid it)."""
    if not clock_trusted or recipient.delay_notified or not config.delay_notice_hours:
        return False
    if recipient.notify is not None and Notify.DELAY not in recipient.notify:
        return False
    return received_s >= EARLIEST_TRUE_TIME_S and now_s - received_s >= config.delay_notice_hours * _HOUR_S
