"""DNS answers as values, and what follows from them: the hosts to try, or why there are none.

RFC 5321 §5.1 (MX order, the implicit MX, ourselves in the list), RFC 7505 (null MX). A host that definitely does
not exist is a refusal; anything that may be the name server's own problem only makes mail wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from dialpost.core.mail.outcomes import Deferred, Refused
from dialpost.core.mail.reply import Reply

MAX_HOSTS = 5
"""The most hosts of one domain tried in a row; RFC 5321 §5.1 requires at least two addresses."""


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record; `host` in lower case without the final dot, so "" is the null MX's "."."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class NoSuchName:
    """NXDOMAIN. `certain`: the answer came from a server in a position to know (see `edge/mail/resolver`)."""

    name: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class NoRecords:
    """The name exists but has no record of the kind asked for. `certain` as in `NoSuchName`."""

    name: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class DnsTrouble:
    """No answer, or one that says nothing about the name (SERVFAIL, REFUSED ...). `why` is in plain words."""

    name: str
    why: str


DnsProblem = NoSuchName | NoRecords | DnsTrouble
MxAnswer = tuple[MxRecord, ...] | DnsProblem
AddressAnswer = tuple[str, ...] | DnsProblem
TxtAnswer = tuple[str, ...] | DnsProblem


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why there is no host to offer mail to. `counts_as_attempt` is for a temporary `reply`.

    A permanent `reply` that is not `certain` is believed once two attempts have got it.
    """

    reply: Reply
    certain: bool = True
    counts_as_attempt: bool = True

    def outcome(self, attempts: int, by: str) -> Deferred | Refused:
        """The outcome for a recipient tried `attempts` times before; `by` is this station's name."""
        if not self.reply.is_permanent:
            return Deferred(self.reply, by, counts_as_attempt=self.counts_as_attempt)
        if self.certain or attempts > 0:
            return Refused(self.reply, by)
        text = f"{self.reply.text} (to be asked once more)"
        enhanced = "4" + self.reply.status()[1:]
        return Deferred(Reply(450, (text,), enhanced), by)


def mx_hosts(
    domain: str, answer: MxAnswer, own_names: Set[str], rank: Callable[[str], float]
) -> tuple[str, ...] | NoWay:
    """The hosts to try for `domain`, in order (RFC 5321 §5.1), or why there are none.

    `own_names` are this station's host names in lower case. `rank` gives each host its place among equals:
    random, but the same for one host during a flush, so that domains with the same hosts share a connection.
    """
    match answer:
        case NoSuchName(certain=certain):
            return NoWay(no_such_domain(domain), certain)
        case DnsTrouble(why=why):
            return NoWay(dns_trouble(domain, why), counts_as_attempt=False)
        case NoRecords():
            answer = (MxRecord(0, domain),)  # the implicit MX
    if [record.host for record in answer] == [""]:
        return NoWay(Reply(556, (f"{domain} says that it accepts no mail (null MX)",), "5.1.10"))
    records = [record for record in answer if record.host]
    own = [record.preference for record in records if record.host in own_names]
    if own:  # hosts of our own preference or worse would only send it back to us
        records = [record for record in records if record.preference < min(own)]
    if not records:
        text = (
            f"Mail for {domain} is directed to this station ({', '.join(sorted(own_names))}), which "
            "does not know the domain; its operator can add it to station.domains, or its owner correct the MX"
        )
        return NoWay(Reply(554, (text,), "5.4.6"))
    ordered = sorted(records, key=lambda record: (record.preference, rank(record.host)))
    return tuple(dict.fromkeys(record.host for record in ordered))[:MAX_HOSTS]


def no_addresses(domain: str, problems: Sequence[DnsProblem]) -> NoWay:
    """None of a domain's mail hosts has an address: `problems` are the findings, one for each host.

    RFC 5321 §5.1: unusable MX records "MUST be reported as an error"; 5.4.4 is RFC 3463's "unable to route".
    """
    troubles = [problem for problem in problems if isinstance(problem, DnsTrouble)]
    if troubles:
        return NoWay(dns_trouble(troubles[0].name, troubles[0].why), counts_as_attempt=False)
    certain = all(problem.certain for problem in problems if not isinstance(problem, DnsTrouble))
    names = {problem.name for problem in problems}
    if names == {domain}:
        text = f"{domain} has no mail host: neither an MX nor an address record"
    else:
        text = f"No mail host of {domain} has an address ({', '.join(sorted(names))})"
    return NoWay(Reply(550, (text,), "5.4.4"), certain)


def no_such_domain(domain: str) -> Reply:
    """The recipient's domain does not exist (RFC 3463 X.1.2)."""
    return Reply(550, (f"The domain {domain} does not exist",), "5.1.2")


def dns_trouble(name: str, why: str) -> Reply:
    """DNS could not say (RFC 3463 X.4.3)."""
    return Reply(451, (f"The name server could not be queried about {name}: {why}",), "4.4.3")
