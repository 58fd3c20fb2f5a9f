"""The wiring of what fetches mail from the provider: ATRN, mailboxes, and the plan that chooses among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dialpost.core.config.model import Config
from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.plan import is_plain
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.flow.line.call.inbound_plan import InboundPlan, Make
from dialpost.flow.mail.inbound.atrn import AtrnCollector
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from dialpost.flow.memory import Memory


def inbound_plan(
    config: Config,
    client: SmtpClient,
    resolver: Resolver,
    troubles: HostTroubles,
    store: Memory,
    soon: Callable[[Callable[[], Awaitable[None]]], None],
) -> InboundPlan | None:
    """The plan for calls; None if ETRN is all there is."""
    if is_plain(config):
        return None
    atrn = AtrnCollector(config, client, resolver, troubles)
    make: dict[Way, Make] = {Way.ATRN: lambda: (atrn,), Way.IMAP: tuple, Way.POP3: tuple}
    plan = InboundPlan(config, store, make, soon=soon)
    soon(plan.recall)
    return plan
