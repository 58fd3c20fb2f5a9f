"""The wiring of what fetches mail from the provider: ATRN, mailboxes, and the plan that chooses among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.plan import boxes_for, boxes_for_accounts, is_plain
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.flow.line.call.inbound_plan import InboundPlan, Make
from dialpost.flow.mail.inbound.atrn import AtrnCollector
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from dialpost.flow.memory import Memory
from dialpost.provider_mailboxes import ProviderMail


def inbound_plan(
    client: SmtpClient,
    resolver: Resolver,
    troubles: HostTroubles,
    store: Memory,
    boxes: ProviderMail,
    soon: Callable[[Callable[[], Awaitable[None]]], None],
) -> InboundPlan | None:
    """The plan for calls; None if ETRN is all there is."""
    config = boxes.config
    if is_plain(config):
        return None
    atrn = AtrnCollector(config, client, resolver, troubles)
    make: dict[Way, Make] = {
        Way.ATRN: lambda: (atrn,),
        Way.IMAP: partial(boxes.collectors, boxes_for(config, Way.IMAP)),
        Way.POP3: partial(boxes.collectors, boxes_for(config, Way.POP3)),
    }
    plan = InboundPlan(config, store, make, beside=partial(boxes.collectors, boxes_for_accounts(config)), soon=soon)
    soon(plan.recall)
    return plan
