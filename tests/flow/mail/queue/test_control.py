"""The operator's commands on a real queue, and the same through the control socket's methods."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.errors import ControlError, NotFoundError
from dialpost.core.json_value import JsonValue
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord, RecipientState
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue.control import QueueControl
from dialpost.flow.mail.queue.methods import queue_methods
from fakes import FakeClock, a_record, asked, listed, to_mailbox, to_world


class Rig:
    def __init__(self, store: Store, spool: Spool) -> None:
        self.store, self.spool = store, spool
        self.called: list[str] = []
        self.control = QueueControl(
            store,
            spool,
            FakeClock(),
            on_work=lambda: self.called.append("work"),
            on_finished=lambda: self.called.append("finished"),
        )

    async def accept(self, *recipients: RecipientRecord, **changes: object) -> MessageRecord:
        message = a_record(self.store.next_id(), *recipients, **changes)
        self.spool.path(message.queue_id).write_bytes(b"x" * 100)
        await self.store.accept(message)
        return message

    async def states(self, message: MessageRecord) -> list[str]:
        stored = await self.store.get(message.queue_id)
        assert stored is not None
        return [recipient.state.value for recipient in stored.recipients]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db")
    yield Rig(store, spool)
    await store.close()
    spool.close()


async def test_the_list_shows_what_is_unfinished(rig: Rig) -> None:
    first = await rig.accept(to_world("a@x.example"), to_world("b@x.example", state=RecipientState.RELAYED))
    await rig.accept(to_mailbox(state=RecipientState.DELIVERED))
    held = await rig.accept(to_world("c@x.example", state=RecipientState.HELD))
    views = await listed(rig.control.listing())
    assert [(view.queue_id, [one.address for one in view.recipients]) for view in views] == [
        (first.queue_id, ["a@x.example"]),
        (held.queue_id, ["c@x.example"]),
    ]
    assert views[0].recipients[0].words == "Waiting for the next call."
    assert [view.queue_id for view in await listed(rig.control.listing(held_only=True))] == [held.queue_id]
    assert [view.queue_id for view in await listed(rig.control.listing(address="A@X.example"))] == [first.queue_id]
    assert [view.queue_id for view in await listed(rig.control.listing(limit=1, offset=1))] == [held.queue_id]


async def test_a_bounce_tells_what_became_of_its_notice(rig: Rig) -> None:
    bounced = to_world("b@x.example", state=RecipientState.BOUNCED, last_by="mx", last_reply="550", last_try_s=5000)
    message = await rig.accept(bounced, sender="anna@far.example")
    notice_id = f"<{message.queue_id}.failed.abc@mail.example>"
    shown = await rig.control.show(message.queue_id)
    assert shown.recipients[0].words.endswith("A notice to the sender was queued.")
    for received_s, other_id in (
        (5001, notice_id),
        (9000, notice_id),
        (5000, notice_id.replace("failed", "delayed")),
    ):
        await rig.accept(to_world("anna@far.example"), sender="", message_id_header=other_id, received_s=received_s)
    first = (await rig.store.failure_notices(message.queue_id))[0]
    for view in (await rig.control.show(message.queue_id), (await rig.control.trace(message.queue_id))[0]):
        assert view.recipients[0].words.endswith(
            f"The notice to the sender ({first.queue_id}) waits for the next call."
        )


async def test_hold_release_delete_and_what_they_set_in_motion(rig: Rig) -> None:
    message = await rig.accept(to_world("a@x.example"), to_world("b@x.example"))
    assert (await rig.control.hold(message.queue_id)).words == f"{message.queue_id}: 2 recipients held."
    assert await rig.store.counts() == QueueCounts(held=1)
    done = await rig.control.release(message.queue_id.lower(), "A@x.EXAMPLE")
    assert (done.count, done.words) == (1, f"{message.queue_id}: 1 recipient released.")
    assert await rig.states(message) == ["waiting", "held"]
    assert (await rig.control.delete(message.queue_id)).count == 2
    assert await rig.states(message) == ["deleted", "deleted"]
    assert rig.called == ["work", "finished"]
    assert rig.store.finished(5) == [message.queue_id]


async def test_what_cannot_be_done_is_said_with_where_it_stands(rig: Rig) -> None:
    done = await rig.accept(to_mailbox(state=RecipientState.DELIVERED))
    for act in (rig.control.hold, rig.control.release, rig.control.delete, rig.control.retry):
        with pytest.raises(ControlError, match=r"no recipient that .* It is delivered\."):
            await act(done.queue_id)
    asks: list[Callable[[str], Awaitable[object]]] = [rig.control.hold, rig.control.release, rig.control.delete]
    for ask in (*asks, rig.control.retry, rig.control.show):
        for wrong in ("D0009999", "nonsense"):
            with pytest.raises(NotFoundError, match=f"There is no message '{wrong}'"):
                await ask(wrong)
    with pytest.raises(NotFoundError, match=r"has no recipient other@x\.example"):
        await rig.control.hold(done.queue_id, "other@x.example")


@pytest.mark.parametrize("left", [None, b"x"], ids=["missing", "short"])
async def test_what_has_lost_its_content_is_not_released(rig: Rig, left: bytes | None) -> None:
    message = await rig.accept(to_world(state=RecipientState.HELD))
    rig.spool.path(message.queue_id).unlink()
    if left is not None:
        rig.spool.path(message.queue_id).write_bytes(left)
    with pytest.raises(ControlError, match=r"Ask eve@world\.example to send it again"):
        await rig.control.release(message.queue_id)
    assert await rig.states(message) == ["held"]


async def test_retry_one_or_all(rig: Rig) -> None:
    later = 4_000_000_000
    messages = [await rig.accept(to_world(next_try_s=later)) for _ in range(3)]
    assert (await rig.control.retry(messages[0].queue_id)).count == 1
    assert (await rig.control.retry(None)).count == 2
    assert rig.called == ["work", "work"]


async def test_trace_by_id_address_and_message_id(rig: Rig) -> None:
    message = await rig.accept(to_world("b@xn--mnchen-3ya.example"), message_id_header="<A1@Host.example>")
    for text in (
        message.queue_id,
        " b@MÜNCHEN.example ",
        "eve@world.example",
        "<A1@Host.example>",
        "A1@Host.example",
    ):
        assert [view.queue_id for view in await rig.control.trace(text)] == [message.queue_id]
    for text in ("", "nobody@x.example"):
        with pytest.raises(NotFoundError, match="There is no record of"):
            await rig.control.trace(text)


async def test_the_methods_give_json_with_the_same_words(rig: Rig) -> None:
    message = await rig.accept(to_world(), subject="Hello")
    methods = queue_methods(rig.control)

    async def call(method: str, **params: JsonValue) -> Any:
        return await asked(methods, method, params)

    for shown in (
        await call("queue.list"),
        [await call("queue.show", queue_id=message.queue_id)],
        await call("trace", text="bob@far.example"),
    ):
        assert [view["queue_id"] for view in shown] == [message.queue_id]
        assert shown[0]["sentences"][1] == "bob@far.example: Waiting for the next call."
    held = await call("queue.hold", queue_id=message.queue_id)
    assert held == {"count": 1, "words": f"{message.queue_id}: 1 recipient held."}
    assert len(await call("queue.list", held_only=True, limit=5, offset=0)) == 1
    assert (await call("queue.release", queue_id=message.queue_id, address="bob@far.example"))["count"] == 1
    assert (await call("queue.retry"))["count"] == 0
    assert (await call("queue.delete", queue_id=message.queue_id))["count"] == 1
    for params in ({"queue_id": 7}, {}):
        with pytest.raises(ControlError, match="queue_id"):
            await call("queue.show", **params)
    with pytest.raises(NotFoundError, match="There is no message ''"):
        await call("queue.show", queue_id="")
    with pytest.raises(NotFoundError, match="There is no record of ''"):
        await call("trace", text="")
    with pytest.raises(ControlError, match="whole number"):
        await call("queue.list", limit="many")


async def test_for_a_script_the_address_is_the_address_alone(rig: Rig) -> None:
    await rig.accept(to_world("anna@x.example", original_address="team@clinic.example"), to_world("b@x.example"))
    (view,) = await listed(rig.control.listing())
    assert [(one.address, one.original_address) for one in view.recipients] == [
        ("anna@x.example", "team@clinic.example"),
        ("b@x.example", ""),
    ]
    assert view.sentences[1].startswith("anna@x.example (for team@clinic.example): ")


async def test_releasing_what_has_been_sent_asks_nobody_to_send_it_again(rig: Rig) -> None:
    """The content of finished mail is gone, which is no damage."""
    sent = await rig.accept(to_world("a@x.example", state=RecipientState.RELAYED))
    rig.spool.path(sent.queue_id).unlink()
    with pytest.raises(ControlError, match="no recipient that is held"):
        await rig.control.release(sent.queue_id)


async def test_what_the_card_spoilt_is_not_released(rig: Rig) -> None:
    message = await rig.accept(to_mailbox(state=RecipientState.HELD), checksum=zlib.crc32(b"y" * 100))
    with pytest.raises(ControlError, match="missing or damaged"):
        await rig.control.release(message.queue_id)
