"""What DNS says about where a domain's mail goes, as values, and the order to try hosts in.

RFC 5321 §5.1 (MX, then address records), RFC 7505 (null MX), RFC 3463 (status codes). DNS trouble is never a
refusal: the mail waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialpost.core.outcomes import Deferred, Refused
from dialpost.core.reply import Reply


@dataclass(frozen=True, slots=True)
class MxHost:
    """One MX record: the lower the preference, the sooner it is tried."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class MxFound:
    """The domain's MX records; `hosts` is () where it has none but exists."""

    hosts: tuple[MxHost, ...]


@dataclass(frozen=True, slots=True)
class NullMx:
    """A single `0 .`: the domain takes no mail at all (RFC 7505 §3)."""


@dataclass(frozen=True, slots=True)
class NoSuchName:
    """NXDOMAIN: the name does not exist."""


@dataclass(frozen=True, slots=True)
class DnsTrouble:
    """No usable answer (time-out, SERVFAIL, REFUSED, no server set ...); `why` in plain words."""

    why: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """A host's IP addresses as text; () where the name exists but has none."""

    addresses: tuple[str, ...]


MxAnswer = MxFound | NullMx | NoSuchName | DnsTrouble
AddressAnswer = Addresses | NoSuchName | DnsTrouble

Shuffle = Callable[[list[MxHost]], None]
"""Like random.shuffle: puts equals in a random order, in place."""


def order(hosts: Sequence[MxHost], shuffle: Shuffle) -> list[MxHost]:
    """By preference, equals in random order, so that load is shared (RFC 5321 §5.1)."""
    mixed = list(hosts)
    shuffle(mixed)
    return sorted(mixed, key=lambda record: record.preference)


def better_than_us(ordered: Sequence[MxHost], own_names: frozenset[str]) -> list[MxHost]:
    """Those we may send to: where we are listed ourselves, only better ones than us (RFC 5321 §5.1)."""
    ours = [record.preference for record in ordered if record.host in own_names]
    return [record for record in ordered if not ours or record.preference < min(ours)]


def no_such_domain(domain: str, by: str) -> Refused:
    """NXDOMAIN for the domain."""
    return Refused(Reply(550, (f"There is no domain {domain}. Is the address spelt right?",), "5.1.2"), by)


def takes_no_mail(domain: str, by: str) -> Refused:
    """Null MX (RFC 7505 §4.1)."""
    return Refused(Reply(556, (f"{domain} does not take mail at all (null MX).",), "5.1.10"), by)


def no_host(domain: str, by: str) -> Refused:
    """The domain exists but nothing in DNS takes its mail: neither MX nor address."""
    return Refused(Reply(550, (f"{domain} has no host that takes mail (no MX and no address).",), "5.4.4"), by)


def loops_back(domain: str, by: str) -> Refused:
    """The best MX is this station, but the domain is not among its own."""
    text = f"DNS says mail for {domain} belongs here, but it is not among station.domains of this station."
    return Refused(Reply(554, (text,), "5.4.6"), by)


def dns_trouble(name: str, why: str, by: str) -> Deferred:
    """Name service gave no answer: no attempt is used up, because no server was asked."""
    text = f"Name service does not answer for {name}: {why}"
    return Deferred(Reply(451, (text,), "4.4.3"), by, counts_as_attempt=False)
