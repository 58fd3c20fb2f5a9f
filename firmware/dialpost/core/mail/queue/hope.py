"""Whether mail that a next hop deferred may succeed soon: within the call, or with a redial.

A host that could not be reached, or refused to serve, is often back within seconds. One that deferred a message may
be greylisting (RFC 6647): that passes within minutes, and the first two tries of a message are worth it. After more
deferrals the reason usually takes hours or that host's operator (a full mailbox). The same holds for faults that
only our own operator can fix.
"""

from __future__ import annotations

from enum import IntEnum

from dialpost.core.mail.outcomes import Deferred

FRESH_TRIES = 2
"""The number of calls that may defer a recipient before another call is no longer worth its price."""
CLOSING = 421  # RFC 5321 §3.8: the service, not the message


class Hope(IntEnum):
    """How soon it may succeed; the larger, the sooner."""

    NONE = 0  # not before the next call made for another reason
    LATER = 1  # in a minute or some: the host deferred the message
    SOON = 2  # in seconds: the host could not be reached, or served nobody


def hope_of(attempts: int, outcome: Deferred) -> Hope:
    """The hope after a deferral; `attempts` are the recipient's before it.

    A message that was sent whole without a reply is never sent again in the same call: a host that is slow to reply
    would get a copy each time (RFC 1047).
    """
    if outcome.content_lost or outcome.answer_unknown:
        return Hope.NONE
    if not outcome.counts_as_attempt:
        return Hope.SOON
    if attempts >= FRESH_TRIES:
        return Hope.NONE  # also for 421: no stranger's host decides about the cost of calls for days
    return Hope.SOON if outcome.reply.code == CLOSING else Hope.LATER
