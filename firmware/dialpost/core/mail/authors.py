"""Who a message says it is from, compared with who submits it (RFC 5322 §3.6.2, RFC 6409 §6.1, §8.2).

Users who logged in must write under their own addresses: MAIL checks the envelope sender, this module the fields
that people read. A stranger at port 25 may use one of our own addresses: mail that a list or a forward sends back
does so, too, which is why such mail is only marked, unless the configuration says to refuse it. Pure; no header
makes it fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialpost.core.address import parse_mailbox
from dialpost.core.config.model import FromCheck
from dialpost.core.errors import AddressError
from dialpost.core.mail.reply import Reply

_ADDRESS = re.compile(r'(?:"(?:[^"\\]|\\.){0,128}"|(?<![^\s<>,;:()"\[\]])[^\s<>,;:()"\[\]]+)@[^\s<>,;:()"]+')
"""A word is tried once, from its beginning, and a quoted name is short (RFC 5321 §4.5.3.1.1: 64 octets). Otherwise
the time would grow with the square of a field's length, while all other sessions wait.
"""
_BARE = re.compile(
    rb"""(?P<before>\s{0,20}(?:(?:"[^"\\\x00-\x1f]{0,200}"\s{0,20}|[^<>,@;:()"\\\x00-\x1f]{0,200})<)?)"""
    rb"""(?P<name>(?!=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}){0,9})"""
    rb"""(?P<after>>?\s{0,20})\Z"""
)
_WORDS = re.compile(rb"""[^<>,;:()"\\\x00-\x1f]{1,400}""")
_IN_BRACKETS = re.compile(rb"""<[^\s<>,;:()"\\@]{1,64}@[^\s<>,;:()"\\@]{1,255}>""")
"""No part of these may match in two ways: a message may have thousands of such lines, and all other sessions
wait."""
_LEXEMES = re.compile(r'\\.?|["()]|[^\\"()]+', re.DOTALL)
"""A quoted pair, one of the characters that mean something here, or the text up to the next of these."""
_UNREADABLE = "?"
_SHOWN = 100


def addresses_in(values: Sequence[bytes], most_bytes: int) -> tuple[str, ...]:
    """Every address in some address fields; "?" for a field in which none can be read, so that it belongs to
    nobody. A value of `most_bytes` was truncated.

    Everything that looks like an address counts, even where a name should be, because a mail program may display
    it. Not email.utils.getaddresses: its result for such a field differs between Python releases.
    """
    found: list[str] = []
    for value in values:
        text = _bare(value.decode("utf-8", "replace")) if len(value) < most_bytes else ""
        found += _ADDRESS.findall(text) or [_UNREADABLE]
    return tuple(dict.fromkeys(found))


def repaired(value: bytes, domains: Sequence[str]) -> bytes:
    """The value of a From, Sender or Reply-To field without folds, in a form that every reader interprets in the
    same way.

    A name without a domain gets the first of `domains`, as Postfix completes it for its own users. Words with an @
    in front of an address in brackets are quoted, as the mail program should have done (RFC 5322 §3.2.5), unless
    one of them names an address in one of `domains`: that may be meant to be read as a colleague.
    """
    bare = _BARE.match(value)
    if bare is not None and domains and (b"<" in bare["before"]) == (b">" in bare["after"]):
        return bare["before"] + bare["name"] + b"@" + domains[0].encode() + bare["after"]
    words, bracket, address = value.rpartition(b"<")
    words, address = words.strip(), bracket + address.rstrip()
    if b"@" not in words or b"=?" in words or not (_WORDS.fullmatch(words) and _IN_BRACKETS.fullmatch(address)):
        return value
    if any(b"@" + domain.lower().encode() in words.lower() for domain in domains):
        return value
    return b' "' + words + b'" ' + address + value[len(value.rstrip()) :]


def _bare(text: str) -> str:
    """Without comments (RFC 5322 §3.2.2) and quoted names; a quoted local part is kept."""
    out, quoted, depth = [], "", 0
    for found in _LEXEMES.finditer(text):
        piece = found[0]
        if quoted:
            quoted += piece
            if piece == '"':
                out.append(quoted if text[found.end() : found.end() + 1] == "@" else " ")
                quoted = ""
        elif piece in {"(", ")"}:
            depth = max(0, depth + (1 if piece == "(" else -1))
            out.append(" ")
        elif not depth and piece == '"':
            quoted = piece
        elif not depth:
            out.append(piece)
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Named:
    """Who a message says it is from: the addresses of all its From, Sender, Resent-From and Resent-Sender fields,
    "?" for a field in which none can be read.
    """

    authors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    resent_authors: tuple[str, ...] = ()
    resent_senders: tuple[str, ...] = ()

    def answer_for(self, mode: FromCheck) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The fields, by name, that must be the user's own. Resending follows the same rules as sending (RFC 5322
        §3.6.6)."""
        if mode is FromCheck.ALLOW:
            return ()
        senders = ("Sender", self.senders), ("Resent-Sender", self.resent_senders)
        authors = ("From", self.authors), ("Resent-From", self.resent_authors)
        if mode is FromCheck.CHECK:
            return (*authors, *senders)
        return senders if self.resent_senders else (*senders, authors[1])


def user_refusal(mode: FromCheck, named: Named, is_own: Callable[[str], bool], own: str) -> Reply | None:
    """Why a user may not send this; `own` is the user's address."""
    for field, addresses in named.answer_for(mode):
        for address in addresses:
            if not is_own(address):
                shown = "" if address == _UNREADABLE else f" {address[:_SHOWN]}"
                text = f"The {field} address{shown} does not belong to your account: write as {own}"
                return Reply(550, (text,), "5.7.1")
    return None


def sender_field(mode: FromCheck, named: Named, is_own: Callable[[str], bool], own: str) -> bytes:
    """The Sender field that a user's message lacks: it names who really sent a message with somebody else as its
    author."""
    if mode is not FromCheck.SENDER or named.senders or all(map(is_own, named.authors)):
        return b""
    return f"Sender: {own}\n".encode()


def claims_to_be_ours(addresses: Sequence[str], domains: Sequence[str]) -> bool:
    """Whether one of these is in one of our domains."""
    return any(_domain(address) in domains for address in addresses)


def unverified_mark(peer_address: str) -> bytes:
    """The field that warns readers and filters that nobody logged in to send such a message."""
    literal = f"IPv6:{peer_address}" if ":" in peer_address else peer_address
    return f"X-Dialpost-Unverified: an address of this station, without a login, from [{literal}]\n".encode()


def _domain(address: str) -> str:
    try:
        return parse_mailbox(address).domain
    except AddressError:
        return address.rpartition("@")[2].strip().lower()
