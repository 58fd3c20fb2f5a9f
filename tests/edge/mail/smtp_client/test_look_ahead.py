"""The message fetched ahead: submitted only while the core can take one more."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

from dialpost.edge.mail.smtp_client.content import Content
from dialpost.edge.mail.smtp_client.driver import SessionDriver
from dialpost.edge.mail.smtp_client.message_sender import MessageSender


async def test_recipients_taken_up_again_go_before_the_message_fetched_meanwhile() -> None:
    """A server that took a part of the recipients gets the rest as another message (RFC 5321 §4.5.3.1.10)."""
    submitted: list[object] = []
    core = SimpleNamespace(
        is_over=False,
        is_idle=False,
        can_submit=False,
        submit=lambda message, facts: submitted.append(message) or [],
    )
    talk = SimpleNamespace(core=core, tell=lambda events: None, wake=lambda: None)

    async def nothing() -> None:
        return None

    mail = MessageSender(cast(SessionDriver, talk), nothing, lambda message, outcomes: nothing())
    fetched = cast(Content, SimpleNamespace(message="the next one", facts=None))
    mail._fetching = asyncio.ensure_future(asyncio.sleep(0, fetched))
    await mail._fetching
    mail._look_ahead()
    assert submitted == []
    core.can_submit = True
    mail._look_ahead()
    assert submitted == ["the next one"]
