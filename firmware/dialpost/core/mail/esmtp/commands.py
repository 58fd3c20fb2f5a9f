"""MAIL and RCPT lines for one server: only parameters it offers, nothing that could break a line.

Addresses were checked when the message was accepted. Here they are checked again for anything that would let an
address say something else on the wire (a line ending, a space, a bracket).
"""

from __future__ import annotations

import re

from dialpost.core.address import normalise_domain
from dialpost.core.errors import AddressError
from dialpost.core.mail.envelope import Envelope, Notify, Recipient
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.reply import Reply

_LOCAL = re.compile(
    r'(?:[^\s"\\<>\x00-\x20\x7f-\x9f\ud800-\udfff]+'
    r'|"(?:[^"\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|\\[\x20-\x7e])*")\Z'
)
_DOMAIN = re.compile(r'[^\s"\\<>@\x00-\x20\x7f-\x9f\ud800-\udfff]+\Z')
_VALUE = re.compile(r"[\x21-\x7e]+\Z")  # xtext is a part of this (RFC 3461 §4)
_UTF8_VALUE = re.compile(r"[^\s\x00-\x20\x7f-\x9f\ud800-\udfff]+\Z")
_NOTIFY_ORDER = (Notify.NEVER, Notify.SUCCESS, Notify.FAILURE, Notify.DELAY)


def wire_address(address: str, *, utf8: bool) -> str | Reply:
    """The address as it may be sent: without SMTPUTF8 the domain as A-labels (RFC 6531 §3.2).

    If it can't be sent, the refusal as a `Reply`: 553 5.1.3 or 553 5.6.7.
    """
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    if not at and address.lower() == "postmaster":
        return address  # RFC 5321 §4.5.1: the one name without a domain
    if not _LOCAL.match(local) or not _DOMAIN.match(domain):
        return Reply(553, (f"{address!r} can't be written as an address",), "5.1.3")
    if utf8 or address.isascii():
        return address
    if not local.isascii():
        return Reply(553, ("The next mail host can't take addresses in this script (no SMTPUTF8)",), "5.6.7")
    try:
        return f"{local}@{normalise_domain(domain)}"
    except AddressError as error:
        return Reply(553, (str(error),), "5.1.3")


def mail_line(
    envelope: Envelope, sender: str, offered: Extensions, *, size: int, eight_bit: bool, utf8: bool
) -> bytes:
    """`MAIL FROM:` with what the server offers. `sender` is the wire form, "" for the null sender."""
    words = [f"MAIL FROM:<{sender}>"]
    if offered.size and size:
        words.append(f"SIZE={size}")
    if eight_bit and offered.eight_bit:
        words.append("BODY=8BITMIME")
    if utf8:
        words.append("SMTPUTF8")
    if offered.dsn:
        if envelope.ret is not None:
            words.append(f"RET={envelope.ret.value}")
        if envelope.envid is not None and _VALUE.match(envelope.envid):
            words.append(f"ENVID={envelope.envid}")
    return " ".join(words).encode()


def rcpt_line(recipient: Recipient, address: str, offered: Extensions, *, utf8: bool) -> bytes:
    """`RCPT TO:` with NOTIFY and ORCPT if the server offers DSN (RFC 3461 §4.1, §4.2)."""
    words = [f"RCPT TO:<{address}>"]
    if offered.dsn:
        if recipient.notify:
            asked = [item.value for item in _NOTIFY_ORDER if item in recipient.notify]
            words.append("NOTIFY=" + ",".join(asked))
        orcpt = recipient.orcpt
        if orcpt is not None and (_UTF8_VALUE if utf8 else _VALUE).match(orcpt):
            words.append(f"ORCPT={orcpt}")
    return " ".join(words).encode()
