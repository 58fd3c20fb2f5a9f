"""The envelope of a message: who sent it, who is to get it, and what the relay was asked to do.

Addresses are text. The null sender is "" (never "<>"). A domain is stored in lower case and, unless the message is
SMTPUTF8, as A-labels; a local part is stored unchanged (RFC 5321 §2.3.11).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

QueueId = NewType("QueueId", str)
"""Identifies one accepted message permanently: letters and digits, safe in a file name, never reused."""


class BodyType(Enum):
    """What the content may contain (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Notify(Enum):
    """When a sender wants a delivery status notification for a recipient (RFC 3461 §4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Return(Enum):
    """How much of the message a failure notice is to contain (RFC 3461 §4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient as the sender named it.

    `notify` is None if NOTIFY was not given. `orcpt` is the ORCPT value byte for byte, still xtext-encoded
    ("rfc822;Bob+40x"), or None.
    """

    address: str
    notify: frozenset[Notify] | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything about a message that is not its content.

    `envid` is the ENVID value byte for byte, still xtext-encoded. `auth` is the MAIL AUTH= value. `declared_bytes`
    is SIZE= (RFC 1870), 0 if it was not given.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    body_type: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    envid: str | None = None
    ret: Return | None = None
    auth: str | None = None
    declared_bytes: int = field(default=0, compare=False)
