"""Which ways the provider's mail takes in a call, in which order, and what follows if one is not supported.

`inbound.use = auto`: ETRN on every connect, as without any other setting; ATRN instead where [atrn] has a login for
the same provider. Where one is not supported (500, 502, not in EHLO), the next of ATRN, IMAP, POP3 that is
configured follows in the same call, and calls after that begin with what worked; now and then one asks from the
beginning. "Not now" (4xx) changes nothing: the provider is asked again in the next call. Where ETRN promised mail
in some calls in a row and nobody came, the next way is used beside it. Anything else in `inbound.use` is what each
call does, all of it.

Mailboxes that belong to one account are no part of that order: every call reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dialpost.core.config.model import Config, InboundUse, MailboxConfig, MailboxKind
from dialpost.core.config.trust import plain_host
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.core.mail.inbound.collected import Way

SILENT_CALLS = 3
"""This many calls in a row without the mail that ETRN promised make the next way worth its cost."""
RECHECK_CALLS = 10
"""After this many calls a provider is asked again for what it did not support."""
WAY_OF = {MailboxKind.IMAP: Way.IMAP, MailboxKind.POP3: Way.POP3}


@dataclass(frozen=True, slots=True)
class Learnt:
    """What calls taught about one provider.

    `works`: the way that works where one before it is not supported. `silent_calls`: calls in a row in which ETRN
    promised mail and nobody came. `rested_calls`: calls since it was last asked from the beginning.
    """

    works: Way | None = None
    silent_calls: int = 0
    rested_calls: int = 0

    def to_json(self) -> dict[str, JsonValue]:
        """For the store."""
        works = None if self.works is None else self.works.value
        return {"works": works, "silent": self.silent_calls, "rested": self.rested_calls}

    @classmethod
    def from_json(cls, value: JsonObject) -> Learnt:
        """Restored from `to_json`. Raises: ValueError."""
        works, counts = value.get("works"), [value.get(key, 0) for key in ("silent", "rested")]
        silent, rested = (count if isinstance(count, int) else 0 for count in counts)
        return cls(None if works is None else Way(works), silent, rested)


@dataclass(frozen=True, slots=True)
class Plan:
    """`begin` starts with the call, all at once; `reserve` follows one after the other where that is not supported.

    `why` is a sentence where the call does not begin with ETRN alone, else "".
    """

    begin: tuple[Way, ...]
    reserve: tuple[Way, ...] = ()
    why: str = ""


def provider_of(config: Config) -> str:
    """The name under which what is learnt is kept."""
    return plain_host(config.etrn_host or config.atrn_host)


def is_plain(config: Config) -> bool:
    """Whether there is nothing but ETRN: then there is nothing to plan."""
    return config.inbound.use == (InboundUse.AUTO,) and not config.atrn.user and not config.inbound.mailbox


def boxes_for(config: Config, way: Way) -> tuple[MailboxConfig, ...]:
    """The mailboxes that this way reads: in auto, those with a domain's mail."""
    of_kind = [box for box in config.inbound.mailbox if WAY_OF[box.kind] is way]
    return tuple(box for box in of_kind if not (_is_auto(config) and box.account))


def boxes_for_accounts(config: Config) -> tuple[MailboxConfig, ...]:
    """The mailboxes that every call reads beside any plan."""
    return tuple(box for box in config.inbound.mailbox if box.account and _is_auto(config))


def make_plan(config: Config, learnt: Learnt) -> Plan:
    """What a call begins with."""
    if not _is_auto(config):
        ways = tuple(Way(use.value) for use in config.inbound.use)
        return Plan(ways, why=f"As configured: {_listed(ways)}.")
    ways = _in_order(config)
    if not ways:
        return Plan(())
    if learnt.works in ways[1:] and learnt.rested_calls < RECHECK_CALLS:
        at = ways.index(learnt.works)
        why = f"{_listed(ways[:at])} not supported by the provider in an earlier call; {ways[at].words} is used."
        return Plan((ways[at],), ways[at + 1 :], why)
    if ways[0] is Way.ETRN and len(ways) > 1 and learnt.silent_calls >= SILENT_CALLS:
        why = (
            f"The provider promised mail (ETRN) in {learnt.silent_calls} calls, and nobody came: it may not know "
            f"this station's address. {ways[1].words} is used, too."
        )
        return Plan(ways[:2], ways[2:], why)
    why = "" if ways[0] is Way.ETRN else f"{ways[0].words}, as configured."
    return Plan(ways[:1], ways[1:], why)


def etrn_not_supported(answers: tuple[EtrnAnswer, ...]) -> bool:
    """Whether the provider has no ETRN at all: not that it refuses, or refuses a name."""
    return bool(answers) and all(answer.outcome is EtrnOutcome.NOT_DONE for answer in answers)


def after_call(
    plan: Plan, learnt: Learnt, *, worked: Way | None, etrn_promised: bool, etrn_brought: bool, is_cut: bool
) -> Learnt:
    """What a call adds. `worked`: the way of the order that was supported, None if none was asked to its end."""
    order = (*plan.begin, *plan.reserve)
    silent = learnt.silent_calls
    if etrn_brought or (worked is not None and Way.ETRN not in order):
        silent = 0
    elif etrn_promised and not is_cut:
        silent += 1
    if worked is None:
        return replace(learnt, silent_calls=silent)
    rested = learnt.rested_calls + 1 if worked is learnt.works and plan.begin == (worked,) else 0
    return Learnt(None if worked is Way.ETRN else worked, silent, rested)


def _is_auto(config: Config) -> bool:
    return config.inbound.use == (InboundUse.AUTO,)


def _in_order(config: Config) -> tuple[Way, ...]:
    """The ways of `auto` that are configured, first the one to try first."""
    has_atrn, host = bool(config.atrn.user), plain_host(config.etrn.host)
    has_etrn = config.etrn_wanted and bool(config.etrn_host)
    ways = [Way.ETRN] if has_etrn else []
    if has_atrn:
        is_instead = not host or host == plain_host(config.atrn_host)
        ways.insert(0 if is_instead else len(ways), Way.ATRN)
    ways += [way for way in (Way.IMAP, Way.POP3) if boxes_for(config, way)]
    return tuple(ways)


def _listed(ways: tuple[Way, ...]) -> str:
    return " and ".join(way.words for way in ways)
