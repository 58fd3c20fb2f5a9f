"""The header fields that we add (RFC 5321 §4.4, RFC 3848, RFC 6531 §3.7.3, RFC 6409 §8), with LF line endings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.session import Peer

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_HELO = 100
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.:_\[\]-]+")


@lru_cache(maxsize=4)
def date_text(unix_s: int) -> str:
    """A date as RFC 5322 §3.3 writes it, in UTC, whatever the locale."""
    when = datetime.fromtimestamp(unix_s, UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day} {_MONTHS[when.month - 1]} {when.year:04d} "
        f"{when.hour:02d}:{when.minute:02d}:{when.second:02d} +0000"
    )


def received(peer: Peer, hostname: str, queue_id: QueueId, received_s: int, only_recipient: str | None) -> bytes:
    """Our Received field. `only_recipient` is named if there is just one: several would reveal blind copies."""
    helo = _NOT_IN_A_NAME.sub("?", peer.helo[:_MAX_HELO]) or "unknown"  # the peer's claim: never trusted
    literal = f"IPv6:{peer.address}" if ":" in peer.address else peer.address
    secured = f" (using {peer.tls})" if peer.tls else ""
    target = f" for <{only_recipient}>" if only_recipient else ""
    return (
        f"Received: from {helo} ([{literal}]){secured}\n"
        f"\tby {hostname} with {peer.protocol} id {queue_id}{target};\n"
        f"\t{date_text(received_s)}\n"
    ).encode()


def return_path(sender: str) -> bytes:
    """The Return-Path field of final delivery (RFC 5321 §4.4)."""
    return f"Return-Path: <{sender}>\n".encode()


def date(received_s: int) -> bytes:
    """A Date field, if a submitted message has none (RFC 6409 §8.1)."""
    return f"Date: {date_text(received_s)}\n".encode()


def message_id(hostname: str, queue_id: QueueId, received_s: int) -> bytes:
    """A Message-ID field, if a submitted message has none (RFC 6409 §8.3); queue ids are never reused."""
    return f"Message-ID: {message_id_text(hostname, queue_id, received_s)}\n".encode()


def message_id_text(hostname: str, queue_id: QueueId, received_s: int) -> str:
    """Its value."""
    return f"<{queue_id}.{received_s}@{hostname}>"
