"""A damaged queue database: set aside, what can be read is saved, nothing acknowledged is given up in silence."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.core.errors import DamagedError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_number
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.edge.mail.store import Store, opening, queries, rehearsal, schema
from fakes import a_record, to_mailbox, to_world

LONG_REPLY = "450 4.7.1 " + "wait " * 400  # spills over a page


async def reopen(directory: Path, bodies: list[QueueId]) -> Store:
    return await Store.open(directory / "queue.db", bodies=lambda: bodies)


async def filled(directory: Path, count: int = 60) -> tuple[Store, list[MessageRecord]]:
    """A store with `count` waiting messages, one of them with a long row, and one finished."""
    store = await Store.open(directory / "queue.db")
    made = [
        a_record(store.next_id(), to_world(f"r{n}@x.example"), to_mailbox("anna"), subject="S" * 80)
        for n in range(count)
    ]
    for message in made:
        await store.accept(message)
    tried = replace(made[3].recipients[0], attempts=4, last_reply=LONG_REPLY)
    await store.update_recipients(made[3].queue_id, [tried])
    made[3] = replace(made[3], recipients=(tried, made[3].recipients[1]))
    done = [replace(recipient, state=RecipientState.DELIVERED, attempts=1) for recipient in made[5].recipients]
    await store.update_recipients(made[5].queue_id, done)
    made[5] = replace(made[5], recipients=tuple(done))
    await store.remember("learnt", "42")
    await store.save_call({"result": "connected"})
    return store, made


def crash_copy(directory: Path, target: Path) -> Path:
    """The files as a power cut would leave them now."""
    target.mkdir()
    for name in ("queue.db", "queue.db-wal"):
        if (directory / name).exists():
            shutil.copyfile(directory / name, target / name)
    return target


def names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


async def all_there(store: Store, made: list[MessageRecord]) -> None:
    assert [await store.get(message.queue_id) for message in made] == made


async def test_a_power_cut_is_no_damage(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    copy = crash_copy(tmp_path, tmp_path / "cut")
    await store.close()
    after = await reopen(copy, [message.queue_id for message in made])
    assert after.opening_report == ()
    await all_there(after, made)
    assert after.bodies_known_from <= made[0].queue_id
    assert after.first_new_id > made[-1].queue_id
    await after.close()
    assert names(copy) == {"queue.db"}


def spoil_head(directory: Path, what: bytes = bytes(100)) -> None:
    with (directory / "queue.db").open("r+b") as file:
        file.write(what)


@pytest.mark.parametrize(
    "what", [bytes(100), b"not a database, " * 6, bytes(schema.PAGE_BYTES)], ids=["zeros", "text", "a whole page"]
)
async def test_a_lost_head_costs_nothing(tmp_path: Path, what: bytes) -> None:
    store, made = await filled(tmp_path)
    await store.close()
    spoil_head(tmp_path, what)
    unfinished = [message.queue_id for message in made if message is not made[5]]
    after = await reopen(tmp_path, unfinished)
    assert "set aside as queue.db.damaged-1" in after.opening_report[0]
    await all_there(after, made)
    assert await after.recall("learnt") == "42"
    assert [call["result"] for call in await after.calls(5)] == ["connected"]
    assert (await after.counts()).waiting_remote == len(made) - 1
    assert after.bodies_known_from == after.first_new_id > made[-1].queue_id
    await after.close()
    assert names(tmp_path) == {"queue.db", "queue.db.damaged-1"}
    again = await reopen(tmp_path, unfinished)
    assert again.opening_report == ()
    await all_there(again, made)
    await again.close()


@pytest.mark.parametrize("is_left", [True, False])
async def test_a_length_nobody_has_memory_for_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_left: bool
) -> None:
    """SQLite has one error for a spoilt length and for a machine without memory: that one is no damage."""
    store, made = await filled(tmp_path)
    await store.close()
    connect = schema.connect
    asked = []

    def out_of_memory_once(path: Path, **how: bool) -> sqlite3.Connection:
        asked.append(path)
        if len(asked) == 1:
            raise MemoryError
        return connect(path, **how)

    monkeypatch.setattr(schema, "connect", out_of_memory_once)
    monkeypatch.setattr(opening, "_is_memory_left", lambda: is_left)
    if not is_left:
        with pytest.raises(MemoryError):
            await reopen(tmp_path, [])
        assert names(tmp_path) == {"queue.db"}
        return
    after = await reopen(tmp_path, [message.queue_id for message in made if message is not made[5]])
    assert "set aside as queue.db.damaged-1" in after.opening_report[0]
    await all_there(after, made)
    await after.close()


async def test_a_lost_head_is_repaired_by_the_log_where_that_has_it(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    directory = crash_copy(tmp_path, tmp_path / "cut")
    await store.close()
    spoil_head(directory)
    after = await reopen(directory, [message.queue_id for message in made])
    await all_there(after, made)
    await after.close()


async def test_lost_pages_cost_only_their_rows(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    await store.close()
    size = (tmp_path / "queue.db").stat().st_size
    spoilt = random.Random(7).sample(range(1, size // schema.PAGE_BYTES), 6)
    with (tmp_path / "queue.db").open("r+b") as file:
        for page in spoilt:
            file.seek(page * schema.PAGE_BYTES)
            file.write(b"\xff" * schema.PAGE_BYTES)
    after = await reopen(tmp_path, [message.queue_id for message in made])
    assert "damaged" in after.opening_report[0]
    found = [await after.get(message.queue_id) for message in made]
    whole = [message for message, stored in zip(made, found, strict=True) if stored == message]
    assert len(made) - 30 <= len(whole) < len(made)
    partial = [stored for stored, message in zip(found, made, strict=True) if stored not in (None, message)]
    named = " ".join(after.opening_report)
    assert [message.queue_id for message in partial if message and message.queue_id not in named] == []
    await after.close()


async def test_no_database_at_all_but_bodies(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    await store.close()
    (tmp_path / "queue.db").write_bytes(b"")
    after = await reopen(tmp_path, [made[-1].queue_id])
    assert (queue_number(after.first_new_id) or 0) > (queue_number(made[-1].queue_id) or 0)
    assert after.bodies_known_from == after.first_new_id
    await after.close()


async def test_a_foreign_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_text("Dear diary, today ...\n" * 100)
    store = await reopen(tmp_path, [])
    assert "not a database" in store.opening_report[0]
    await store.accept(a_record(store.next_id()))
    await store.close()
    other = sqlite3.connect(tmp_path / "queue.db.damaged-1.copy")
    other.close()
    assert (tmp_path / "queue.db.damaged-1").read_text().startswith("Dear diary")


async def test_another_programs_database_in_its_place(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "queue.db")
    connection.execute("CREATE TABLE wine (year)")
    connection.close()
    store = await reopen(tmp_path, [])
    assert "it is not a queue database" in store.opening_report[0]
    await store.close()


async def test_a_database_whose_making_was_cut_off_is_no_damage(tmp_path: Path) -> None:
    schema.connect(tmp_path / "queue.db").close()  # the page with its name is there, its tables are not
    assert (tmp_path / "queue.db").stat().st_size == schema.PAGE_BYTES
    shutil.copyfile(tmp_path / "queue.db", tmp_path / "kept")
    store = await reopen(tmp_path, [])
    assert store.opening_report == ()
    await store.accept(a_record(store.next_id()))
    await store.close()
    (tmp_path / "queue.db").unlink()
    (tmp_path / "kept").rename(tmp_path / "queue.db")
    after = await reopen(tmp_path, [QueueId("D0000001")])  # a body: it was more than begun
    assert "it is not a queue database" in after.opening_report[0]
    await after.close()


def used(log: Path) -> int:
    """The length of a log without the zeros that no frame was written to."""
    return len(log.read_bytes().rstrip(b"\0"))


@pytest.mark.parametrize("place", ["head", "middle"])
async def test_a_spoilt_log_costs_only_what_is_on_the_spoilt_pages(tmp_path: Path, place: str) -> None:
    store, made = await filled(tmp_path)
    directory = crash_copy(tmp_path, tmp_path / "cut")
    await store.close()
    log = directory / "queue.db-wal"
    original = log.read_bytes()
    with log.open("r+b") as file:
        file.seek(0 if place == "head" else used(log) // 2)
        file.write(b"\xaa" * 200)
    after = await reopen(directory, [message.queue_id for message in made])
    assert "its log" in after.opening_report[0]
    await all_there(after, made)  # every row was in another version of its page, too
    await after.close()
    kept = (directory / "queue.db.damaged-1-wal").read_bytes()
    assert (len(kept), kept[-500:]) == (len(original), original[-500:])


async def test_a_commit_cut_off_is_no_damage(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    directory = crash_copy(tmp_path, tmp_path / "cut")
    await store.close()
    log = directory / "queue.db-wal"
    with log.open("r+b") as file:
        file.truncate(used(log) - 700)
    after = await reopen(directory, [message.queue_id for message in made])
    assert after.opening_report == ()
    await all_there(after, made)  # the last commit was a call's record
    await after.close()


async def test_a_missing_log_is_noticed(tmp_path: Path) -> None:
    store, made = await filled(tmp_path)
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    lost = a_record(store.next_id())
    await store.accept(lost)
    directory = crash_copy(tmp_path, tmp_path / "cut")
    await store.close()
    (directory / "queue.db-wal").unlink()
    after = await reopen(directory, [message.queue_id for message in [*made, lost]])
    assert "queue.db-wal) is missing" in after.opening_report[0]
    assert after.bodies_known_from == after.first_new_id > lost.queue_id  # so the body is set aside, not removed
    await after.close()


async def test_what_is_waiting_without_its_body_is_left_out_of_the_rescue(tmp_path: Path) -> None:
    store, made = await filled(tmp_path, 6)
    await store.close()
    spoil_head(tmp_path)
    after = await reopen(tmp_path, [message.queue_id for message in made[1:]])
    assert "1 entry was left out, because the message is no longer on the card" in " ".join(after.opening_report)
    assert await after.get(made[0].queue_id) is None
    await all_there(after, made[1:])
    await after.close()


@pytest.mark.parametrize("moment", range(1, 6))
async def test_a_rescue_cut_off_goes_on_at_the_next_start(
    tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = await filled(tmp_path)
    await store.close()
    spoil_head(tmp_path)
    bodies = [message.queue_id for message in made]
    calls = 0
    real = {name: getattr(Path, name) for name in ("rename", "replace", "unlink")}

    class PowerCut(BaseException):
        pass

    def counted(name: str) -> object:
        def act(self: Path, *args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            if calls == moment:
                raise PowerCut
            return real[name](self, *args, **kwargs)

        return act

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(Path, name, counted(name))
        with pytest.raises(PowerCut):
            await reopen(tmp_path, bodies)
    after = await reopen(tmp_path, bodies)
    await all_there(after, made)
    await after.close()


async def test_damage_met_at_work_is_an_error_and_is_looked_into_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = await filled(tmp_path, 6)

    def malformed(*_: object) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(queries, "one_message", malformed)
        with pytest.raises(DamagedError, match="sets it aside"):
            await store.get(made[0].queue_id)
    await store.close()
    assert "queue.db.check" in names(tmp_path)
    after = await reopen(tmp_path, [message.queue_id for message in made])
    await all_there(after, made)
    await after.close()
    assert names(tmp_path) == {"queue.db"}


async def test_one_spoilt_row_stops_neither_the_queue_nor_its_own_message(tmp_path: Path) -> None:
    store, made = await filled(tmp_path, 6)
    store._connection.execute(
        "UPDATE message SET origin = 77, extra = '{', subject = cast(x'ff41' AS TEXT) WHERE id = 2"
    )
    store._connection.execute(
        "UPDATE recipient SET last_by = cast(x'ff' AS TEXT), flags = 'x' WHERE key / 1048576 = 2"
    )
    await store.save_call({"result": "connected"})
    store._connection.execute("UPDATE call SET record = '{' WHERE number = 1")
    batch = await store.remote_batch(None, 2_000_000_000, 10, set())
    assert [message.queue_id for message in batch] == [
        message.queue_id for message in made if message is not made[5]
    ]
    assert batch[1].subject == "\N{REPLACEMENT CHARACTER}A"
    assert [call["number"] for call in await store.calls(5)] == [2]
    await store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 77",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 5",
        "DROP TABLE recipient",
        "DROP INDEX recipient_line",
    ],
)
async def test_a_spoilt_schema_is_damage(tmp_path: Path, statement: str) -> None:
    store, made = await filled(tmp_path, 6)
    await store.close()
    connection = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    connection.execute(statement)
    connection.close()
    after = await reopen(tmp_path, [message.queue_id for message in made])
    assert "was damaged" in after.opening_report[0]
    if "TABLE" not in statement:
        await all_there(after, made)
    await after.close()


@pytest.mark.parametrize("kept", [None, 0, 31, 32, 900], ids=lambda kept: f"{kept} bytes")
@pytest.mark.parametrize("zeros", [0, 40_000])
async def test_a_log_that_lost_all_it_held_is_missing(tmp_path: Path, kept: int | None, zeros: int) -> None:
    first, made = await filled(tmp_path)
    cut = crash_copy(tmp_path, tmp_path / "cut")
    await first.close()
    used = await reopen(cut, [message.queue_id for message in made])  # what is in the log goes into the database
    directory = crash_copy(cut, tmp_path / "spoilt")
    await used.close()
    with closing(sqlite3.connect(directory / "queue.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    head = wal_head(tmp_path)
    log = directory / "queue.db-wal"
    if kept is None:
        log.unlink(missing_ok=True)
    else:
        log.write_bytes(head[: min(kept, 32)].ljust(kept, b"\0") + bytes(zeros if kept >= 32 else 0))
    after = await reopen(directory, [message.queue_id for message in made])
    assert ["missing or empty" in sentence for sentence in after.opening_report] == [True]
    assert after.bodies_known_from == after.first_new_id > made[-1].queue_id  # no body counts as never acknowledged
    await after.close()


def wal_head(directory: Path) -> bytes:
    """The first 32 bytes of a log SQLite has just begun."""
    with closing(schema.connect(directory / "other.db")) as connection:
        connection.execute("CREATE TABLE one (two)")
        return (directory / "other.db-wal").read_bytes()[:32]


@pytest.mark.parametrize("fault", [MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "damaged")])
async def test_a_release_on_trial_leaves_a_damaged_queue_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """An update must not be rolled back because the card damaged a page that its first look meets."""
    store, _ = await filled(tmp_path)
    await store.close()

    def damaged(path: Path, **how: bool) -> sqlite3.Connection:
        raise fault

    monkeypatch.setattr(schema, "connect", damaged)
    assert rehearsal.format_waits(tmp_path / "queue.db")
    assert "can't be brought to its new format" in rehearsal.rehearse(tmp_path / "queue.db")


async def test_a_question_that_meets_a_length_nobody_has_memory_for_finds_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = await filled(tmp_path)

    def no_memory(path: Path, **how: bool) -> sqlite3.Connection:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(schema, "connect", no_memory)
        with pytest.raises(DamagedError, match="more memory than there is"):
            await store.get(made[0].queue_id)
    await store.close()
