"""Who waits for a change of the inbound side is woken by it, and by nothing else."""

import asyncio

import pytest

from dialpost.flow.mail.incoming.inbound_activity import InboundActivity


@pytest.mark.parametrize(
    ("happening", "wakes"),
    [("opened", True), ("closed", True), ("message_in", True), ("spoke", False), ("moved", False)],
)
async def test_what_wakes_whoever_waits(happening: str, wakes: bool) -> None:
    activity = InboundActivity(lambda: 5.0)
    waiters = [asyncio.create_task(activity.changed()) for _ in range(2)]
    await asyncio.sleep(0)
    getattr(activity, happening)(*([3] if happening == "moved" else []))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [waiter.done() for waiter in waiters] == [wakes, wakes]
    assert activity.last_activity_s == 5.0
    for waiter in waiters:
        waiter.cancel()


async def test_a_change_is_reported_once() -> None:
    activity = InboundActivity(lambda: 5.0)
    activity.opened()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(activity.changed(), 0.01)
