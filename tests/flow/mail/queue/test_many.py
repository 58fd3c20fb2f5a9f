"""What an operator does to many messages, on a real queue and a real spool."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.control import queue as api
from dialpost.core.errors import AddressError, ControlError, NotFoundError
from dialpost.core.mail.queue.choice import Slice
from dialpost.core.mail.queue.records import BY_STATION, MessageRecord, QueueCounts, RecipientRecord, RecipientState
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue import many
from dialpost.flow.mail.queue.control import QueueControl
from fakes import FakeClock, a_record, to_mailbox, to_world

HOLD, RELEASE, RETRY, DELETE = api.Action.HOLD, api.Action.RELEASE, api.Action.RETRY, api.Action.DELETE
BODY = b"x" * 100


class Rig:
    def __init__(self, store: Store, spool: Spool) -> None:
        self.store, self.spool, self.clock = store, spool, FakeClock()
        self.called: list[str] = []
        self.many = QueueControl(
            store,
            spool,
            self.clock,
            on_work=lambda: self.called.append("work"),
            on_finished=lambda: self.called.append("finished"),
        ).many

    async def accept(self, *recipients: RecipientRecord, **changes: Any) -> MessageRecord:
        message = a_record(self.store.next_id(), *recipients, **changes)
        self.spool.path(message.queue_id).write_bytes(BODY)
        await self.store.accept(message)
        return message

    async def states(self, message: MessageRecord) -> list[str]:
        stored = await self.store.get(message.queue_id)
        assert stored is not None
        return [recipient.state.value for recipient in stored.recipients]

    async def change(self, action: api.Action, **filters: Any) -> tuple[int, int]:
        done = await self.many.change(api.ChangeParams(action=action, **filters))
        assert not done.next
        return done.messages, done.recipients


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db")
    yield Rig(store, spool)
    await store.close()
    spool.close()


async def a_few(rig: Rig) -> dict[str, MessageRecord]:
    """Four unfinished messages, and a finished one before them."""
    await rig.accept(to_world("r@x.example", state=RecipientState.RELAYED))
    unset_clock = 1_000_000  # nobody knows how old that message is
    held = to_world("r@y.example", state=RecipientState.HELD)
    for_team = to_world("s@y.example", original_address="team@clinic.example")
    return {
        "a": await rig.accept(to_world("r@x.example")),
        "b": await rig.accept(held, sender="Anna@clinic.example", received_s=1_810_000_000),
        "c": await rig.accept(for_team, sender="ben@clinic.example", size=5000, received_s=unset_clock),
        "d": await rig.accept(to_mailbox(), sender="", size=5001, received_s=1_819_000_000),
    }


CHOICES: list[tuple[dict[str, Any], str]] = [
    ({"every": True}, "abcd"),
    ({"sender": "eve@world.example"}, "a"),
    ({"sender": "@Clinic.example"}, "bc"),
    ({"sender": "<>"}, "d"),
    ({"recipient": "R@x.example"}, "a"),
    ({"recipient": "team@clinic.example"}, "c"),
    ({"recipient": "@Y.example"}, "bc"),
    ({"older_than_s": 100_000}, "bd"),
    ({"older_than_s": 99_999}, "abd"),
    ({"larger_than": 5000}, "d"),
    ({"larger_than": 4999}, "cd"),
    ({"state": api.Standing.HELD}, "b"),
    ({"state": api.Standing.WAITING}, "acd"),
    ({"sender": "@clinic.example", "larger_than": 4999, "state": api.Standing.WAITING}, "c"),
    ({"every": True, "recipient": "nobody@x.example"}, ""),
    ({"sender": "%@clinic.example"}, ""),
]


async def test_a_message_must_pass_every_filter(rig: Rig) -> None:
    made = await a_few(rig)
    for filters, chosen in CHOICES:
        wanted = [made[name] for name in chosen]
        found = await rig.many.match(api.MatchParams(action=DELETE, **filters))
        assert [one.queue_id for one in found.examples] == [one.queue_id for one in wanted], filters
        assert (found.messages, found.recipients) == (len(wanted), len(wanted)), filters
        assert (found.bytes, found.newest) == (
            sum(one.size for one in wanted),
            wanted[-1].queue_id if wanted else "",
        ), filters


async def test_what_does_not_match_is_left_alone(rig: Rig) -> None:
    made = await a_few(rig)
    assert await rig.change(DELETE, recipient="nobody@x.example") == (0, 0)
    assert rig.called == []
    assert await rig.change(DELETE, sender="@clinic.example") == (2, 2)
    assert [await rig.states(message) for message in made.values()] == [
        ["waiting"],
        ["deleted"],
        ["deleted"],
        ["waiting"],
    ]
    assert rig.called == ["finished"]
    assert rig.store.finished(9)[1:] == [made["b"].queue_id, made["c"].queue_id]


async def test_only_the_recipients_that_match_are_changed(rig: Rig) -> None:
    message = await rig.accept(to_world("a@x.example"), to_world("b@y.example"), to_world("c@y.example"))
    assert await rig.change(HOLD, recipient="@y.example") == (1, 2)
    assert await rig.states(message) == ["waiting", "held", "held"]
    assert await rig.store.counts() == QueueCounts(waiting_remote=1, held=1, bytes_waiting=80)
    assert await rig.change(RELEASE, recipient="b@y.example") == (1, 1)
    assert await rig.states(message) == ["waiting", "waiting", "held"]
    assert rig.called == ["work"]


async def test_retry_makes_waiting_mail_due_and_leaves_the_rest(rig: Rig) -> None:
    later = [to_world("a@x.example", next_try_s=9), to_world("b@y.example", next_try_s=9)]
    message = await rig.accept(*later, to_world("c@x.example", state=RecipientState.HELD, next_try_s=9))
    assert await rig.change(RETRY, recipient="@x.example") == (1, 1)
    stored = await rig.store.get(message.queue_id)
    assert stored is not None and [one.next_try_s for one in stored.recipients] == [0, 9, 9]
    assert rig.called == ["work"]


async def test_what_the_card_spoilt_stays_held(rig: Rig) -> None:
    """Only what the station held is read: any other content is checked when it is sent or delivered."""
    by_station = to_world(state=RecipientState.HELD, last_by=BY_STATION)
    good = await rig.accept(by_station, checksum=zlib.crc32(BODY))
    bad = await rig.accept(by_station, checksum=1)
    gone = await rig.accept(by_station, checksum=zlib.crc32(BODY))
    rig.spool.path(gone.queue_id).unlink()
    lost = await rig.accept(to_world("", state=RecipientState.HELD, last_by=BY_STATION), checksum=zlib.crc32(BODY))
    unread = await rig.accept(to_world(state=RecipientState.HELD), checksum=1)
    done = await rig.many.change(api.ChangeParams(action=RELEASE, every=True))
    assert (done.messages, done.recipients, done.damaged) == (2, 2, 2)
    states = [await rig.states(one) for one in (good, bad, gone, lost, unread)]
    assert states == [["waiting"], ["held"], ["held"], ["held"], ["waiting"]]


async def test_a_request_is_bounded_and_the_next_goes_on_from_there(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(many, "_SLICE", 2)
    made = [await rig.accept(to_world()) for _ in range(7)]
    found = await rig.many.match(api.MatchParams(action=DELETE, every=True))
    newcomer = await rig.accept(to_world())
    first = await rig.many.change(api.ChangeParams(action=DELETE, every=True, up_to=found.newest))
    assert (first.messages, first.next) == (5, made[4].queue_id)
    rest = await rig.many.change(
        api.ChangeParams(action=DELETE, every=True, up_to=found.newest, after=first.next.lower())
    )
    assert (rest.messages, rest.next) == (2, "")
    assert await rig.states(newcomer) == ["waiting"]


async def test_a_release_reads_no_more_bodies_in_a_request_than_it_has_time_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies are read where the station held them: a thousand large ones would take longer than a face waits."""
    monkeypatch.setattr(many, "_MOST_READ_BYTES", 150)
    body = {"size": 100, "checksum": zlib.crc32(BODY)}
    by_station = to_world(state=RecipientState.HELD, last_by=BY_STATION)
    made = [await rig.accept(by_station, **body) for _ in range(3)]
    first = await rig.many.change(api.ChangeParams(action=RELEASE, every=True))
    assert (first.messages, first.next) == (2, made[1].queue_id)
    assert [await rig.states(one) for one in made] == [["waiting"], ["waiting"], ["held"]]
    rest = await rig.many.change(api.ChangeParams(action=RELEASE, every=True, after=first.next))
    assert (rest.messages, rest.next) == (1, "")
    assert await rig.change(HOLD, every=True) == (3, 3), "what reads nothing has no such limit"
    assert await rig.change(RELEASE, every=True) == (3, 3), "nor what an operator held"


async def test_what_was_finished_while_it_was_chosen_is_neither_changed_nor_counted_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may send some of a slice between the query for it and its change."""
    monkeypatch.setattr(many, "_SLICE", 2)
    made = [await rig.accept(to_world()) for _ in range(4)]
    next_slice, asked = rig.store.many.next_slice, list[Slice | None]()

    async def sent_meanwhile(*args: Any) -> Slice | None:
        asked.append(await next_slice(*args))
        if len(asked) == 1:
            for one in made[:2]:
                await rig.store.update_recipients(one.queue_id, [to_world(state=RecipientState.RELAYED)])
        return asked[-1]

    monkeypatch.setattr(rig.store.many, "next_slice", sent_meanwhile)
    assert await rig.change(DELETE, every=True) == (2, 2)
    assert [await rig.states(one) for one in made] == [["relayed"]] * 2 + [["deleted"]] * 2
    assert rig.store.finished(9) == [one.queue_id for one in made]
    assert await rig.store.counts() == QueueCounts()


async def test_all_recipients_of_a_message_are_changed_in_one_slice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "_SLICE", 2)
    made = [await rig.accept(*(to_world(f"r{number}@x.example") for number in range(3))) for _ in range(3)]
    slices = list[int]()
    move = rig.store.many.move

    async def noted(part: Slice, *args: Any, **more: Any) -> tuple[int, int]:
        slices.append(len(part.keys))
        return await move(part, *args, **more)

    monkeypatch.setattr(rig.store.many, "move", noted)
    assert await rig.change(HOLD, every=True) == (3, 9)
    assert slices == [3, 3, 3]
    assert [await rig.states(one) for one in made] == [["held"] * 3] * 3


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"action": DELETE}, ControlError, "Nothing says which messages"),
    ({"action": HOLD, "state": api.Standing.HELD}, ControlError, "hold does nothing to held mail"),
    ({"action": RELEASE, "state": api.Standing.WAITING}, ControlError, "release does nothing to waiting mail"),
    ({"action": DELETE, "sender": "nonsense"}, AddressError, "name@domain"),
    ({"action": DELETE, "recipient": "@"}, AddressError, "a filter is name@domain"),
    ({"action": DELETE, "every": True, "up_to": "x"}, NotFoundError, "'x' is not the ID"),
    ({"action": DELETE, "every": True, "after": "x"}, NotFoundError, "'x' is not the ID"),
]


async def test_a_bad_filter_changes_nothing(rig: Rig) -> None:
    made = [await rig.accept(to_world()), await rig.accept(to_world(state=RecipientState.HELD))]
    for filters, error, said in BAD:
        with pytest.raises(error, match=said):
            await rig.many.change(api.ChangeParams(**filters))
    assert [await rig.states(message) for message in made] == [["waiting"], ["held"]]
    assert rig.called == []


async def test_without_a_set_clock_nothing_is_old(rig: Rig) -> None:
    await rig.accept(to_world())
    rig.clock.trusted = False
    with pytest.raises(ControlError, match="The clock is not set"):
        await rig.many.match(api.MatchParams(action=DELETE, older_than_s=1))
