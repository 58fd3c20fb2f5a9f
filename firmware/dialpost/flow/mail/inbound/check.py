"""Whether a mailbox can be collected: a session that logs in, lists, looks at a few headers, and takes nothing.

For doctor. A wrong host, port, login or TLS shows in the session's end; a wrong header in what the messages name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialpost.core.errors import fault_words
from dialpost.core.findings import Finding, fault, ok, warning
from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import Ended, Header, Listed
from dialpost.core.mail.inbound.owner import owner_of
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.flow.mail.inbound.session import Box, BoxSession
from dialpost.flow.mail.needs import HostAddresses

SUBJECT = "mailbox"
MOST_LOOKED_AT = 3
_HEADER_ADVICE = (
    "Ask the provider which header field has the envelope recipient, and set recipient_header of this mailbox; or "
    "set account, if all its mail is for one. Until then the postmaster gets it."
)


@dataclass(frozen=True, slots=True)
class BoxToCheck:
    """One mailbox, and what makes a session with it."""

    box: Box
    open_session: Callable[[HostTarget], BoxSession]


async def check_mailbox(one: BoxToCheck, names: HostAddresses, directory: Directory) -> Finding:
    """One finding."""
    box = one.box
    where = f"{box.name} ({box.host}, port {box.port})"
    addresses = await names.addresses(box.host)
    if not isinstance(addresses, tuple):
        return fault(SUBJECT, f"{where}: the host's name can't be looked up", "Check host and dns.servers.")
    try:
        session = one.open_session(HostTarget(box.host, addresses, box.port))
    except OSError as error:
        return fault(SUBJECT, f"{where}: {fault_words(error)}", "Check token_file of this mailbox.")
    listed, whys, ended = await _looked_at(box, session, directory)
    if ended.fate is not CollectFate.DONE or listed is None:
        make = warning if ended.fate is CollectFate.NOT_NOW else fault
        return make(SUBJECT, f"{where}: {ended.words}", ended.advice or "Try again later.")
    count = len(listed.messages)
    holds = "it is empty" if not count else "1 message is there" if count == 1 else f"{count} messages are there"
    if whys and all(whys):
        return fault(SUBJECT, f"{where}: {holds}, and the newest names no recipient: {whys[0]}", _HEADER_ADVICE)
    return ok(SUBJECT, f"{where}: the login works; {holds}")


async def _looked_at(
    box: Box, session: BoxSession, directory: Directory
) -> tuple[Listed | None, Sequence[str], Ended]:
    listed: Listed | None = None
    whys: list[str] = []
    async with contextlib.aclosing(session.events()) as events:
        async for event in events:
            if isinstance(event, Listed):
                listed = event
                for message in reversed(event.messages[-MOST_LOOKED_AT:]):
                    session.look(message.uid)
                session.quit()
            elif isinstance(event, Header):
                whys.append(owner_of(event.data, box.rule, directory).why)
            elif isinstance(event, Ended):
                return listed, whys, event
    raise AssertionError("a session ends with Ended")
