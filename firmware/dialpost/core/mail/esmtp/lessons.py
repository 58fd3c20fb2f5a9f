"""Extensions that a host offers but does not support: learnt once, then not used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from enum import Enum

from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.reply import Reply


class Lesson(Enum):
    """An extension that the host offered and that did not work: the next session does without it."""

    NO_CHUNKING = "it offers CHUNKING but does not keep to it"
    NO_PIPELINING = "it loses commands that are sent together, or answers them out of order"
    NO_SIZE = "it offers SIZE but refuses it with MAIL"
    NO_DSN = "it offers DSN but refuses its parameters"


PARAMETERS = (Lesson.NO_SIZE, Lesson.NO_DSN)
"""What can be left out of the same dialogue, in this order: neither changes the content."""
_PARAMETER_CODES = frozenset({501, 504, 555})
"""RFC 5321 §4.1.1.11: 555; §4.2.2: 504; 501 is what some hosts say instead, and may mean the address as well."""


def may_mean_parameters(reply: Reply) -> bool:
    """Whether a refusal of MAIL or RCPT may be about its parameters."""
    return reply.code in _PARAMETER_CODES


def without(offered: Extensions, lessons: Collection[Lesson]) -> Extensions:
    """What is left of an offer."""
    if not lessons:
        return offered
    return replace(
        offered,
        chunking=offered.chunking and Lesson.NO_CHUNKING not in lessons,
        pipelining=offered.pipelining and Lesson.NO_PIPELINING not in lessons,
        size=offered.size and Lesson.NO_SIZE not in lessons,
        dsn=offered.dsn and Lesson.NO_DSN not in lessons,
    )
