"""Mailbox addresses and domain names (RFC 5321 §4.1.2, RFC 6531 §3.3, RFC 5890).

Domains are compared and stored in lower case as A-labels. Local parts are stored unchanged, and compared without
regard to case if they are ours (RFC 5321 §2.4 leaves that to the final host).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

import idna

from dialpost.core.errors import AddressError

MAX_LOCAL_OCTETS = 255
"""RFC 5321 §4.5.3.1.1 says 64, and that no limit is better: lists and forwards (VERP, SRS) exceed it."""
MAX_DOMAIN_OCTETS = 255  # RFC 5321 §4.5.3.1.2

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_STRING = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*\Z")
_DOTS_ANYWHERE = re.compile(rf"(?:{_ATEXT}|\.)+\Z")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"\Z')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A parsed address. `domain` is normalised; an address literal keeps its brackets."""

    local: str
    domain: str

    @property
    def is_ascii(self) -> bool:
        """Whether it can travel without SMTPUTF8 (RFC 6531): the domain always can, as A-labels."""
        return self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def normalise_domain(text: str) -> str:
    """The domain in lower case, as A-labels, without a final dot.

    Raises: AddressError if it is not a domain name (RFC 1035 §2.3.1, RFC 5890).
    """
    name = text.removesuffix(".").lower()
    if not name:
        raise AddressError(text, "the domain is empty")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise AddressError(text, f"not a valid international domain name ({error})") from None
    if len(name) > MAX_DOMAIN_OCTETS:
        raise AddressError(text, "the domain is longer than 255 characters")
    for label in name.split("."):
        if not _LABEL.match(label):
            raise AddressError(text, f"{label!r} can't be a part of a domain name")
    return name


def parse_mailbox(text: str) -> Mailbox:
    """Take an address apart: `local@domain`, with a quoted local part or an address literal if needed.

    A source route (`@a,@b:user@c`) is dropped (RFC 5321 §4.1.1.3). Dots where the grammar allows none (`mie..k@x`,
    `mie.@x`: some providers assigned such addresses) turn it into a quoted local part, which means the same and is
    legal everywhere (§4.1.2). Raises: AddressError.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _mailbox(text)


def _mailbox(text: str) -> Mailbox:
    address = text
    if address.startswith("@"):
        _, colon, address = address.partition(":")
        if not colon:
            raise AddressError(text, "a source route without an address")
    local, _, domain = address.rpartition("@")
    if not local:
        raise AddressError(text, "it must look like name@domain")
    if len(local.encode("utf-8", "surrogateescape")) > MAX_LOCAL_OCTETS:
        raise AddressError(text, "the part before @ is longer than 255 characters")
    if _DOTS_ANYWHERE.match(local) and not _DOT_STRING.match(local):
        local = f'"{local}"'
    if not (_DOT_STRING.match(local) or _QUOTED.match(local)):
        raise AddressError(text, "the part before @ contains characters that are not allowed there")
    if domain.startswith("["):
        return Mailbox(local, _literal(text, domain))
    return Mailbox(local, normalise_domain(domain))


_remembered = lru_cache(_mailbox)
"""The last 128: for each message the same few addresses are read many times."""
_LONGEST_REMEMBERED = 600
"""Characters: more than any address has, but for a source route, which may have any length."""


def _literal(text: str, domain: str) -> str:
    inner = domain[1:-1] if domain.endswith("]") else ""
    bare = inner[5:] if inner.lower().startswith("ipv6:") else inner
    try:
        if "%" in bare:  # a zone means something only on this machine, and may be any text
            raise ValueError(bare)
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        raise AddressError(text, "not an address literal like [192.0.2.1] or [IPv6:2001:db8::1]") from None
    return f"[IPv6:{parsed}]" if parsed.version == 6 else f"[{parsed}]"
