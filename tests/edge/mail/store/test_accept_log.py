"""Messages that are durable by the log before their rows reach the database: nothing acknowledged gets lost between
the two, nothing finished comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.core.mail.queue.records import MessageRecord, Origin, Priority, RecipientState, SizeHold
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.spool.logged import LoggedBodies
from dialpost.edge.mail.store import Store
from dialpost.edge.mail.store import writer as store_writer
from dialpost.edge.mail.store.accept_log import note_of, rows_of
from dialpost.edge.mail.store.rows import message_row, recipient_row
from dialpost.flow.mail.queue.recovery import Recovery, RecoveryReport
from fakes import a_record, to_mailbox, to_world

LOG_BYTES = 256 * 1024
BODY = b"Subject: hello\n\nhello\n"


@dataclass
class Rig:
    """A store with its spool."""

    directory: Path
    spool: Spool
    store: Store

    @classmethod
    async def open(cls, directory: Path) -> Rig:
        spool = Spool(directory / "spool", 0, log_bytes=LOG_BYTES)
        spool.prepare()
        await asyncio.to_thread(spool.wait_for_log)
        return cls(directory, spool, await Store.open(directory / "queue.db", bodies=spool.ids, log=spool.log))

    async def close(self) -> None:
        await self.store.close()
        self.spool.close()

    async def take(self, *recipients: Any, body: bytes = BODY, **changes: Any) -> MessageRecord:
        writer = self.spool.begin(self.store.next_id())
        writer.write(body)
        size = await writer.commit()
        message = a_record(writer.queue_id, *recipients, size=size, checksum=writer.checksum, **changes)
        await self.store.accept(message)
        return message

    async def finish(self, message: MessageRecord) -> None:
        done = [replace(one, state=RecipientState.RELAYED) for one in message.recipients]
        await self.store.update_recipients(message.queue_id, done)
        self.spool.remove(message.queue_id)

    @contextlib.asynccontextmanager
    async def crashed(self) -> AsyncIterator[Rig]:
        """The station as it starts if the power fails now (what SQLite has not committed is in no file)."""
        there = Path(shutil.copytree(self.directory, self.directory.with_name(f"{self.directory.name}-crashed")))
        (there / "queue.db-shm").unlink(missing_ok=True)
        rig = await Rig.open(there)
        try:
            yield rig
        finally:
            await rig.close()
            shutil.rmtree(there)

    def rows(self) -> int:
        """The messages that the database file has: those a reader from outside sees."""
        with closing(sqlite3.connect(self.directory / "queue.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM message").fetchone()[0])

    def body(self, message: MessageRecord) -> bytes:
        with self.spool.open_body(message.queue_id) as file:
            return file.read()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    (tmp_path / "station").mkdir()
    opened = await Rig.open(tmp_path / "station")
    yield opened
    await opened.close()


async def recover(rig: Rig) -> RecoveryReport:
    return await Recovery(rig.store, rig.spool).run()


def full(message: MessageRecord) -> MessageRecord:
    """Every field has a value that is not its default."""
    return replace(
        message,
        sender="späth@world.example",
        body_type=BodyType.EIGHT_BIT,
        smtputf8=True,
        envid="id;1",
        ret=Return.HEADERS,
        priority=Priority.URGENT,
        content_digest=bytes(range(32)),
        peer="192.0.2.7",
        account="anna",
        message_id_header="<1@x>",
        subject="Grüße \udce9",
        checksum=77,
        from_box=BoxUid("clinic@pop.example", "u1", 700),
        recipients=(
            to_mailbox("anna", original_address="info@clinic.example"),
            replace(
                to_world("bob@far.example", orcpt="rfc822;b", notify=frozenset({Notify.DELAY})),
                number=1,
                size_hold=SizeHold.HELD,
                state=RecipientState.HELD,
            ),
        ),
    )


async def test_an_accepted_message_is_in_the_log_and_its_row_soon_in_the_database(rig: Rig) -> None:
    message = await rig.take()
    assert rig.rows() == 0
    assert (await rig.store.counts()).waiting_remote == 1
    assert await rig.store.get(message.queue_id) == message, "a query sees what was answered"
    assert rig.rows() == 1


async def test_rows_are_committed_together(rig: Rig) -> None:
    for _ in range(20):
        await rig.take()
    assert rig.rows() == 0
    await rig.store.remember("fact", "any other change")
    assert rig.rows() == 20


class Crowd:
    """Messages that come in at the same time; `groups` are those the log got at once."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch, gather_s: float, messages: int) -> None:
        monkeypatch.setattr(store_writer, "_GATHER_S", gather_s)
        self.rig, self.groups = rig, list[int]()
        self.arriving = [rig.spool.begin(rig.store.next_id()) for _ in range(messages)]
        append = rig.spool.log.append

        def counting(entries: Sequence[LogEntry]) -> bool:
            self.groups.append(len(entries))
            return append(entries)

        monkeypatch.setattr(rig.spool.log, "append", counting)

    async def next(self) -> asyncio.Task[None]:
        """One is complete; returns once it is submitted, and the thread could have had it."""
        writer = self.arriving.pop()
        message = a_record(writer.queue_id, size=await writer.commit())
        accepting = asyncio.create_task(self.rig.store.accept(message))
        await asyncio.sleep(0.01)
        return accepting


async def test_a_crowd_is_written_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(rig, monkeypatch, gather_s=3600, messages=4)
    accepting = [await crowd.next() for _ in range(4)]
    await asyncio.gather(*accepting)
    assert crowd.groups == [4]


async def test_a_crowd_waits_for_others_no_longer_than_a_moment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(rig, monkeypatch, gather_s=0.001, messages=4)
    await (await crowd.next())
    assert crowd.groups == [1]
    for writer in crowd.arriving:
        writer.abort()


async def test_another_change_takes_a_crowd_with_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(rig, monkeypatch, gather_s=3600, messages=6)
    accepting = [await crowd.next() for _ in range(2)]
    await rig.store.remember("fact", "committed")
    assert (crowd.groups, rig.rows()) == ([2], 2)
    last = await crowd.next()
    assert crowd.groups == [2], "the next crowd gathers"
    await rig.store._writer.close()
    await asyncio.gather(*accepting, last)
    for writer in crowd.arriving:
        writer.abort()


async def test_rows_reach_the_database_by_themselves(rig: Rig) -> None:
    await rig.take()
    async with asyncio.timeout(60):
        while not rig.rows():
            await asyncio.sleep(0.05)


async def test_a_crash_loses_nothing_that_was_acknowledged(rig: Rig) -> None:
    early = await rig.take(to_mailbox("anna"))
    await rig.store.remember("fact", "committed")
    late = [await rig.take(to_world()) for _ in range(3)]
    async with rig.crashed() as after:
        assert after.store.opening_report == ()
        report = await recover(after)
        assert (report.set_aside, report.unconfirmed, report.held, report.faults) == (0, 0, 0, [])
        for message in (early, *late):
            assert await after.store.get(message.queue_id) == message
            assert after.body(message) == BODY
        assert (await after.store.counts()).waiting_remote == 3
        assert after.store.next_id() > late[-1].queue_id


async def test_a_message_comes_back_from_its_note_as_it_was(rig: Rig) -> None:
    message = full(a_record(rig.store.next_id()))
    writer = rig.spool.begin(message.queue_id)
    await writer.commit()
    await rig.store.accept(message)
    async with rig.crashed() as after:
        found = await after.store.get(message.queue_id)
    assert found == await rig.store.get(message.queue_id)
    assert found == replace(message, subject="Grüße \ufffd\ufffd\ufffd")


def test_a_note_that_is_not_ours() -> None:
    message = full(a_record("D0000001"))
    note = note_of(message)
    assert rows_of(note) == (message_row(message), [recipient_row(message, one) for one in message.recipients])
    for spoilt in (b"", b"[]", b"\xff", b"{}", b"[[1], []]", b"[1, 2]", note[:-1], note.replace(b"192.0", b"\xff")):
        assert rows_of(spoilt) is None, spoilt
    assert rows_of(note.replace(b'"0102', b'"0x02').replace(b'"0001', b'"0x01')) is None
    row = note.decode()
    assert rows_of(row.replace('"anna"', "5").encode()) is None
    assert rows_of(row[: row.index("],[[")].encode() + b"],[]]") is None


async def test_what_is_finished_does_not_come_back(rig: Rig) -> None:
    kept, done = await rig.take(), await rig.take()
    await rig.finish(done)
    async with rig.crashed() as after:
        report = await recover(after)
        found = await after.store.get(done.queue_id)
        assert found is not None
        assert [one.state for one in found.recipients] == [RecipientState.RELAYED]
        assert report.removed == 1, "its body was still in the log"
        assert set(after.spool.ids()) == {kept.queue_id}


async def test_a_pruned_message_does_not_come_back(rig: Rig) -> None:
    kept, done = await rig.take(), await rig.take()
    await rig.finish(done)
    assert await rig.store.prune(2_000_000_000) == 1
    async with rig.crashed() as after:
        assert await after.store.get(done.queue_id) is None
        assert await after.store.get(kept.queue_id) == kept
        assert after.body(kept) == BODY


async def test_mail_is_accepted_while_many_become_files(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before rows are deleted, all bodies in the log become files."""
    await rig.finish(await rig.take())
    waiting = [await rig.take() for _ in range(20)]
    taken: list[asyncio.Task[MessageRecord]] = []
    in_log: list[int] = []
    loop, real = asyncio.get_running_loop(), rig.spool.log.settle

    def settle(numbers: Sequence[int] | None = None) -> None:
        in_log.append(len(rig.spool.log.notes()))
        if numbers is not None:
            loop.call_soon_threadsafe(lambda: taken.append(asyncio.create_task(rig.take())))
        real(numbers)

    monkeypatch.setattr("dialpost.edge.mail.store.threads._SETTLED_AT_ONCE", 8)
    monkeypatch.setattr(rig.spool.log, "settle", settle)
    assert await rig.store.prune(2_000_000_000) == 1
    assert in_log == [20, 12 + 1, 4 + 2, 3]
    waiting += await asyncio.gather(*taken)
    async with rig.crashed() as after:
        assert (await recover(after)).sentences == ()
        assert {name for name, _ in await after.store.unfinished(None, 99)} == {one.queue_id for one in waiting}


async def test_without_anything_to_delete_the_log_stays_as_it_is(rig: Rig) -> None:
    await rig.take()
    assert await rig.store.prune(2_000_000_000) == 0
    assert len(rig.spool.log.notes()) == 1


async def test_a_repeat_is_recognised_after_a_crash(rig: Rig) -> None:
    """The client never saw the 250 and sends it again."""
    digest = bytes(range(32))
    first = await rig.take(content_digest=digest, origin=Origin.OUTSIDE, peer="192.0.2.7")
    async with rig.crashed() as after:
        again = replace(first, queue_id=after.store.next_id())
        earlier = await after.store.accept_unless_repeat(again, 0, of_same_peer=True, not_of=set())
        assert earlier == first.queue_id
        assert await after.store.get(again.queue_id) is None


async def test_a_stop_leaves_files_and_rows(rig: Rig, tmp_path: Path) -> None:
    messages = [await rig.take() for _ in range(3)]
    await rig.store.close()
    assert {message.queue_id for message in messages} <= {path.name for path in (rig.directory / "spool").iterdir()}
    again = await Rig.open(rig.directory)
    assert again.spool.log.notes() == []
    assert [await again.store.get(message.queue_id) for message in messages] == messages
    await again.close()


async def test_a_log_that_is_full_costs_nothing_but_files(rig: Rig) -> None:
    messages = [await rig.take(body=bytes([n]) * 5000) for n in range(120)]
    assert len(list((rig.directory / "spool").iterdir())) > 20
    async with rig.crashed() as after:
        assert (await recover(after)).sentences == ()
        assert [after.body(message) for message in messages] == [bytes([n]) * 5000 for n in range(120)]
        assert [await after.store.get(message.queue_id) for message in messages] == messages


async def test_a_lost_database_beside_a_log_in_use(rig: Rig) -> None:
    """Its messages may have been delivered: nobody knows."""
    message = await rig.take()
    there = Path(shutil.copytree(rig.directory, rig.directory.with_name("lost")))
    for name in ("queue.db", "queue.db-wal", "queue.db-shm"):
        (there / name).unlink(missing_ok=True)
    after = await Rig.open(there)
    assert "1 message is held because the queue database lost the entries" in after.store.opening_report[-1]
    assert (await recover(after)).sentences == ()
    found = await after.store.get(message.queue_id)
    assert found is not None
    (recipient,) = found.recipients
    assert (recipient.state, recipient.address) == (RecipientState.HELD, message.recipients[0].address)
    assert "may have been delivered already" in recipient.last_reply
    assert after.body(message) == BODY
    await after.store.set_state(message.queue_id, frozenset({RecipientState.HELD}), RecipientState.WAITING)
    assert (await after.store.counts()).waiting_remote == 1
    await after.close()
    again = await Rig.open(there)
    assert again.store.opening_report == ()
    await again.close()


async def test_a_note_that_cannot_be_read_leaves_the_body(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.edge.mail.store.store.note_of", lambda _: b"spoilt")
    await rig.take()
    async with rig.crashed() as after:
        report = await recover(after)
        assert report.unconfirmed == 1
        (aside,) = after.directory.rglob("set-aside/**/*.eml")
        assert aside.read_bytes() == BODY


async def test_a_full_card_keeps_no_station_from_starting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is lost, and there is no room to make a file of what the log holds and can't be understood."""
    monkeypatch.setattr("dialpost.edge.mail.store.store.note_of", lambda _: b"spoilt")
    message = await rig.take()
    there = Path(shutil.copytree(rig.directory, rig.directory.with_name("lost")))
    for name in ("queue.db", "queue.db-wal", "queue.db-shm"):
        (there / name).unlink(missing_ok=True)

    def fail(*_: object) -> None:
        raise StorageFullError("the card is full")

    with monkeypatch.context() as patched:
        patched.setattr(LoggedBodies, "settle", fail)
        after = await Rig.open(there)
        assert len((await recover(after)).faults) == 1
        assert after.body(message) == BODY
        await after.close()
    again = await Rig.open(there)
    assert (await recover(again)).set_aside == 1
    await again.close()


class Failing:
    """A connection whose next statements of a kind fail, as on a full card."""

    def __init__(self, connection: sqlite3.Connection, times: int) -> None:
        self._connection, self.times = connection, times
        self.fails: Callable[[str, tuple[Any, ...]], bool] = lambda statement, values: statement == "COMMIT"

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self.times and self.fails(statement, values):
            self.times -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def make_commits_fail(store: Store, monkeypatch: pytest.MonkeyPatch, times: int) -> Failing:
    failing = Failing(store._connection, times)
    monkeypatch.setattr(store._writer, "_connection", failing)
    return failing


async def test_an_answered_message_survives_a_failed_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    message = await rig.take()
    make_commits_fail(rig.store, monkeypatch, 2)
    for _ in range(2):
        with pytest.raises(StorageError):
            await rig.store.remember("fact", "not written")
    assert rig.rows() == 0
    await rig.store.remember("fact", "written")
    assert await rig.store.get(message.queue_id) == message
    assert (await rig.store.counts()).waiting_remote == 1, "counted once"


async def test_changes_made_again_in_part_are_no_transaction(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [await rig.take(), await rig.take()]
    failing = make_commits_fail(rig.store, monkeypatch, 1)
    with pytest.raises(StorageError):
        await rig.store.remember("fact", "not written")
    second = message_row(messages[1])
    failing.fails, failing.times = lambda statement, values: values == (second,), 1
    with pytest.raises(StorageError):
        await rig.store._writer.settle()
    assert failing.times == 0
    await rig.store.remember("fact", "written")
    assert [await rig.store.get(message.queue_id) for message in messages] == messages


async def test_no_more_is_accepted_for_a_database_that_cannot_be_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await rig.take()
    failing = make_commits_fail(rig.store, monkeypatch, 1_000_000)
    async with asyncio.timeout(60):
        while True:  # until the commit that was due anyway has failed
            try:
                await rig.take()
            except StorageError:
                break
            await asyncio.sleep(0.05)
    failing.times = 0
    assert await rig.store.get(first.queue_id) == first
    assert (await rig.store.counts()).waiting_remote == rig.rows()


async def test_a_card_that_fails_in_the_log_stores_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await rig.take()

    def fail(entries: object) -> None:
        raise StorageError("the card is worn out")

    monkeypatch.setattr(rig.spool.log, "append", fail)
    with pytest.raises(StorageError, match="worn out"):
        await rig.take()
    monkeypatch.undo()
    after = await rig.take()
    known = [message.queue_id for message in await rig.store.find("eve@world.example", 99)]
    assert known == [after.queue_id, before.queue_id]
    assert (await rig.store.counts()).waiting_remote == 2


async def test_rows_that_are_too_long_for_the_log(rig: Rig) -> None:
    message = await rig.take(*(to_world(f"{'x' * 60}{number}@far.example") for number in range(400)))
    assert (rig.rows(), rig.spool.log.notes()) == (1, [])
    async with rig.crashed() as after:
        assert (await recover(after)).sentences == ()
        assert await after.store.get(message.queue_id) == message
        assert after.body(message) == BODY


async def test_a_repeat_in_a_group_that_fails_stays_a_repeat(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = await rig.take(content_digest=bytes(range(32)), origin=Origin.OUTSIDE)
    real, calls = rig.spool.log.append, 0

    def fail_once(entries: Sequence[LogEntry]) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StorageError("a fault of the card")
        return real(entries)

    monkeypatch.setattr(rig.spool.log, "append", fail_once)
    has_begun, may_go_on = threading.Event(), threading.Event()
    waiting = rig.store._writer.submit(lambda _: (has_begun.set(), may_go_on.wait()))
    await asyncio.to_thread(has_begun.wait)  # what is submitted now is one group
    taking = asyncio.create_task(rig.take())
    await asyncio.sleep(0)
    writer = rig.spool.begin(rig.store.next_id())
    writer.write(BODY)
    await writer.commit()
    again = replace(earlier, queue_id=writer.queue_id)
    repeat = asyncio.create_task(rig.store.accept_unless_repeat(again, 0, of_same_peer=True, not_of=set()))
    await asyncio.sleep(0)
    may_go_on.set()
    await waiting
    assert await repeat == earlier.queue_id
    await taking
    assert calls == 2, "of the group, and of the new message alone"


async def test_of_many_at_once_only_the_wrong_one_fails(rig: Rig) -> None:
    async def one(number: int) -> QueueId | None:
        message = a_record(rig.store.next_id(), size=4)
        writer = rig.spool.begin(message.queue_id)
        writer.write(b"body")
        await writer.commit()
        if number == 3:
            message = replace(message, recipients=())
        with contextlib.suppress(StorageError):
            await rig.store.accept(message)
            return message.queue_id
        return None

    given = await asyncio.gather(*(one(number) for number in range(8)))
    assert [number for number, name in enumerate(given) if name is None] == [3]
    async with rig.crashed() as after:
        assert (await recover(after)).sentences == ()
        assert {name for name, _ in await after.store.unfinished(None, 99)} == set(given) - {None}


async def test_a_heard_answer_is_noted_without_a_flush_of_its_own(rig: Rig) -> None:
    message = await rig.take(content_digest=bytes(range(32)), origin=Origin.OUTSIDE)
    await rig.store.answer_heard(message.queue_id)
    assert rig.rows() == 0
    again = replace(message, queue_id=rig.store.next_id())
    assert await rig.store.accept_unless_repeat(again, 0, of_same_peer=True, not_of=set()) is None


async def test_a_message_and_the_note_that_it_was_taken_never_come_apart(rig: Rig) -> None:
    await rig.take(to_mailbox("anna"), from_box=BoxUid("clinic@pop.example", "u1", 700))
    taken = {"u1": BoxNote(BoxState.TAKEN, 700)}
    async with rig.crashed() as after:
        assert after.rows() == 1
        assert await after.store.boxes.of("clinic@pop.example") == taken
    assert await rig.store.boxes.of("clinic@pop.example") == taken
