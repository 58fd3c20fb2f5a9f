"""Whose is a message from a mailbox that holds a whole domain's mail?

Only the envelope recipient counts, as the provider noted it on delivery. To and Cc say nothing about it (Bcc,
mailing lists). A sender can write any field, too, but only below the Received line with which the provider accepted
the message: every server adds one on top (RFC 5321 §4.4). So a field counts if it stands above the topmost Received
line. One kind of Received line does not end that part: a hand-over by LMTP, which is for use within one network
only (RFC 2033 §5), so the line below it is the provider's, too (a mail store behind the provider's own MTA).

Whether a line is such a hand-over is read from the part that its writer controls; whatever a sender can slip into
it (the name in HELO, a fold) only makes it count as foreign. Names of hosts prove nothing: a sender can write them
(decision 55).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.address import parse_mailbox
from dialpost.core.errors import AddressError
from dialpost.core.mail.accounts import POSTMASTER, Directory, Local, NotLocal, Unknown
from dialpost.core.mail.header.scan import fields_of
from dialpost.core.printable import one_line

RECIPIENT_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
"""Delivered-To first: where the provider expands an alias into several copies, it alone tells them apart."""
LONGEST_HEADER = 65_536
"""Bytes of a header that are read to find the owner; the provider's own lines are its first."""

_LISTS = frozenset({b"envelope-to", b"x-envelope-to"})
"""Fields that name every recipient of the copy. Of the others each line is one step of one recipient's delivery,
and the topmost is the last."""
_WITH = re.compile(rb"\bwith[ \t\n]+([^ \t\n;()]+)", re.IGNORECASE)
_LMTP = re.compile(rb"(?:utf8)?lmtps?a?", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_MOST_ADDRESSES = 100
_REASON_FIELD = "X-Dialpost-Reason"


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """How a mailbox's mail finds its owner.

    `address`: all of it is for this one, "" if the header says. `prefixes`: what qmail may have put before the name
    in Delivered-To, without the hyphen (its virtualdomains).
    """

    address: str = ""
    headers: tuple[str, ...] = RECIPIENT_HEADERS
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of_box(cls, address: str, header: str, user: str, domains: Sequence[str]) -> OwnerRule:
        """For a mailbox of the configuration; `user` is its login, `domains` are the station's."""
        names = (user, user.partition("@")[0], *domains, *(domain.partition(".")[0] for domain in domains))
        known = tuple(dict.fromkeys(name.lower() for name in names if name))
        return cls(address, (header,) if header else RECIPIENT_HEADERS, known)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who gets a message. `sender` is the envelope sender, "" if the provider noted none.

    `unknown` are addresses in our domains that nobody has. `why`: the reason, in words, if the postmaster gets it
    for want of a recipient; "" otherwise.
    """

    recipients: tuple[str, ...]
    sender: str
    unknown: tuple[str, ...] = ()
    why: str = ""


def owner_of(header: bytes, rule: OwnerRule, directory: Directory) -> Owner:
    """The owner, from the beginning of a message (either line ending). Recipients are always local."""
    fields = _provider_fields(header.replace(b"\r\n", b"\n"))
    sender = _sender(fields or ())
    if rule.address and isinstance(directory.resolve(rule.address), Local):
        return Owner((rule.address,), sender)
    if rule.address:
        return _postmaster(
            directory, sender, f"this mailbox is for {rule.address}, and nobody here has that address"
        )
    if fields is None:
        return _postmaster(directory, sender, "it has no Received line, so any of its fields may be the sender's")
    named = _named(fields, rule, directory)
    if not named:
        return _postmaster(directory, sender, _why_nobody(fields, rule))
    known = tuple(one for one in named if isinstance(directory.resolve(one), Local))
    unknown = tuple(one for one in named if one not in known)
    if not unknown:
        return Owner(known, sender)
    shown = one_line(", ".join(unknown))
    why = f"nobody here has the address {shown}"
    return Owner((*known, _postmaster_address(directory)), sender, unknown, why)


def reason_field(why: str) -> bytes:
    """The field that tells the postmaster why; with a LF line ending."""
    text = one_line(why).encode("ascii", "replace").decode()
    return f"{_REASON_FIELD}: for the postmaster because {text}\n".encode() if why else b""


def without_return_path(head: bytes) -> bytes:
    """The beginning of a message without the Return-Path of the delivery before ours (RFC 5321 §4.4)."""
    lines = head.splitlines(keepends=True)
    for at, line in enumerate(lines):
        name = line.partition(b":")[0].rstrip().lower()
        if name == b"received" or not line.strip():
            break
        if name == b"return-path":
            end = at + 1
            while end < len(lines) and lines[end][:1] in {b" ", b"\t"}:
                end += 1
            return b"".join((*lines[:at], *lines[end:]))
    return head


def _postmaster(directory: Directory, sender: str, why: str) -> Owner:
    return Owner((_postmaster_address(directory),), sender, why=why)


def _postmaster_address(directory: Directory) -> str:
    return f"{POSTMASTER}@{directory.domains[0]}"


def _provider_fields(header: bytes) -> list[tuple[bytes, bytes]] | None:
    """The fields above the line with which the provider accepted the message; None without any Received line."""
    trusted: list[tuple[bytes, bytes]] | None = None
    pending: list[tuple[bytes, bytes]] = []
    for name, value in fields_of(header[:LONGEST_HEADER]):
        if name != b"received":
            pending.append((name, value))
            continue
        trusted = [*(trusted or ()), *pending]
        pending = []
        if not _is_hand_over(value):
            break
    return trusted


def _is_hand_over(received: bytes) -> bool:
    """Whether every protocol named before the date is LMTP. "with cipher" names none."""
    named = [word for word in _WITH.findall(received.partition(b";")[0]) if word.lower() != b"cipher"]
    return bool(named) and all(_LMTP.fullmatch(word) for word in named)


def _sender(fields: Sequence[tuple[bytes, bytes]]) -> str:
    """The address of the topmost Return-Path."""
    for name, value in fields:
        if name == b"return-path":
            addresses = _addresses(value)
            return addresses[0] if addresses else ""
    return ""


def _named(fields: Sequence[tuple[bytes, bytes]], rule: OwnerRule, directory: Directory) -> tuple[str, ...]:
    """The addresses in our domains that the first telling header names."""
    for header in rule.headers:
        wanted = header.lower().encode()
        found: list[str] = []
        for name, value in fields:
            if name == wanted and (wanted in _LISTS or not found):
                addresses = (_without_prefix(one, rule, directory) for one in _addresses(value))
                found += [one for one in addresses if not isinstance(directory.resolve(one), NotLocal)]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def _without_prefix(address: str, rule: OwnerRule, directory: Directory) -> str:
    """Without what qmail adds for a virtual domain: "example.org-anna@example.org" is Anna's."""
    if not isinstance(directory.resolve(address), Unknown):
        return address
    local, _, domain = address.rpartition("@")
    for prefix in rule.prefixes:
        for start in (f"{prefix}-", f"mbox-{prefix}-"):
            if local.lower().startswith(start) and len(local) > len(start):
                return f"{local[len(start) :]}@{domain}"
    return address


def _addresses(value: bytes) -> list[str]:
    """The addresses in a field: in angle brackets or bare, with comments, several behind commas."""
    text = value.decode("utf-8", "replace").replace("\n", " ")
    found: list[str] = []
    for part in _COMMENT.sub(" ", text).split(",")[:_MOST_ADDRESSES]:
        before, opening, inside = part.partition("<")
        candidate = inside.partition(">")[0].strip() if opening else before.strip()
        try:
            found.append(str(parse_mailbox(candidate)))
        except AddressError:
            continue
    return found


def _why_nobody(fields: Sequence[tuple[bytes, bytes]], rule: OwnerRule) -> str:
    wanted = {header.lower().encode() for header in rule.headers}
    seen = [b"%s: %s" % (name, value.strip()) for name, value in fields if name in wanted]
    if not seen:
        names = " or ".join(rule.headers)
        return f"the provider noted no envelope recipient (no {names} above its Received line)"
    shown = one_line(b"; ".join(seen).decode("utf-8", "replace"))
    return f"what the provider noted names no address of this station ({shown})"
