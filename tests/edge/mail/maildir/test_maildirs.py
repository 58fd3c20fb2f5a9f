"""Mailboxes: one copy on the card, never two in a mailbox, and how full it is."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import DamagedError, NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id
from dialpost.edge.mail.maildir import Maildirs, maildirs, usage

ONE = queue_id(1)
RECEIVED = 1_820_000_000
NAME = f"{RECEIVED}.{ONE}.dialpost,S=10"


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[Maildirs]:
    made = Maildirs(tmp_path / "mail")
    made.prepare()
    made.create("anna")
    yield made
    made.close()


def body(tmp_path: Path, text: bytes = b"0123456789") -> Path:
    path = tmp_path / "body"
    path.write_bytes(text)
    return path


def contents(tmp_path: Path, account: str = "anna") -> list[str]:
    root = tmp_path / "mail" / account
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_a_mailbox_gets_a_link_under_a_name_that_says_id_and_size(boxes: Maildirs, tmp_path: Path) -> None:
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert contents(tmp_path) == [f"new/{NAME}"]
    assert (tmp_path / "mail/anna/new" / NAME).samefile(tmp_path / "body")


@pytest.mark.parametrize("place", ["new", "cur", ".Trash/cur", ".Archive.2025/new"])
async def test_a_repeat_finds_it_wherever_the_owner_put_it(boxes: Maildirs, tmp_path: Path, place: str) -> None:
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    target = tmp_path / "mail/anna" / place
    target.mkdir(parents=True, exist_ok=True)
    (tmp_path / "mail/anna/new" / NAME).rename(target / f"{NAME}:2,S")
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert contents(tmp_path) == [f"{place}/{NAME}:2,S"]


async def test_an_old_message_of_the_same_id_hides_no_new_one(boxes: Maildirs, tmp_path: Path) -> None:
    (tmp_path / "mail/anna/cur" / f"{RECEIVED - 1}.{ONE}.dialpost,S=10:2,S").touch()
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert f"new/{NAME}" in contents(tmp_path)


async def test_a_repeat_without_looking_still_makes_no_second(boxes: Maildirs, tmp_path: Path) -> None:
    item = (ONE, body(tmp_path), RECEIVED, 10, None)
    assert await boxes.deliver_many("anna", [item, item], look_for_earlier=False) == [None, None]
    assert contents(tmp_path) == [f"new/{NAME}"]


async def test_each_of_a_batch_has_its_own_answer(boxes: Maildirs, tmp_path: Path) -> None:
    good, missing = body(tmp_path), tmp_path / "missing"
    faults = await boxes.deliver_many(
        "ben",
        [
            (ONE, good, RECEIVED, 10, zlib.crc32(good.read_bytes())),
            (queue_id(2), missing, RECEIVED, 10, 1),
            (queue_id(3), good, RECEIVED, 11, None),
            (queue_id(4), good, RECEIVED, 10, zlib.crc32(b"another")),
        ],
    )
    assert [type(fault) for fault in faults] == [type(None), NotFoundError, DamagedError, DamagedError]
    assert contents(tmp_path, "ben") == [f"new/{NAME}"]


async def test_new_is_on_the_card_before_the_call_returns(
    boxes: Maildirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_link = os.link
    monkeypatch.setattr(os, "link", lambda *names: (steps.append("link"), real_link(*names)))
    monkeypatch.setattr(maildirs, "sync", lambda path: steps.append(f"sync {path.name}"))
    good = body(tmp_path)
    await boxes.deliver_many("anna", [(queue_id(n), good, RECEIVED, 10, None) for n in range(3)])
    assert steps == ["link", "link", "link", "sync new"]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
async def test_where_links_cannot_be_a_whole_copy_is_made(
    boxes: Maildirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(os, "link", no_link)
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert contents(tmp_path) == [f"new/{NAME}"]
    assert (tmp_path / "mail/anna/new" / NAME).read_bytes() == b"0123456789"


@pytest.mark.parametrize("step", ["link", "fsync"])
@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, StorageFullError), (errno.EIO, StorageError)])
async def test_a_fault_is_reported_and_the_next_try_goes_well(
    boxes: Maildirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, kind: type[StorageError]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(StorageError) as caught:
            await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert type(caught.value) is kind
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert contents(tmp_path) == [f"new/{NAME}"]


async def test_ids_are_found_in_all_folders_of_all_mailboxes(boxes: Maildirs, tmp_path: Path) -> None:
    for number, place in enumerate(["anna/new", "anna/.Sent/cur", "ben/cur"], start=1):
        (tmp_path / "mail" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "mail" / place / f"1.{queue_id(number)}.dialpost,S=1:2,").touch()
    (tmp_path / "mail/anna/cur/1700000000.M1P2.otherhost,S=5").touch()
    assert sorted(boxes.ids()) == [queue_id(1), queue_id(2), queue_id(3)]
    assert list(Maildirs(tmp_path / "nowhere").ids()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".deleted-x", "a\0b"])
def test_no_name_leads_out_of_the_root(boxes: Maildirs, name: str) -> None:
    with pytest.raises(StorageError):
        boxes.create(name)


async def test_archive_and_purge(boxes: Maildirs, tmp_path: Path) -> None:
    for _ in range(2):
        await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
        where = boxes.archive("anna")
        assert (Path(where) / "new" / NAME).exists()
    assert sorted(entry.name for entry in (tmp_path / "archive").iterdir()) == ["anna", "anna-2"]
    assert not boxes.exists("anna")
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    boxes.purge("anna")
    assert (boxes.exists("anna"), boxes.contents("anna")) == (False, (0, 0))
    boxes.close()
    assert list((tmp_path / "mail").iterdir()) == []
    for act in (boxes.archive, boxes.purge):
        with pytest.raises(NotFoundError):
            act("anna")


def test_a_start_finishes_what_a_crash_left(tmp_path: Path) -> None:
    (tmp_path / "mail/.deleted-anna/cur").mkdir(parents=True)
    (tmp_path / "mail/ben/tmp").mkdir(parents=True)
    (tmp_path / "mail/ben/tmp" / NAME).touch()
    (tmp_path / "mail/ben/tmp/1.M5.dovecot").touch()
    Maildirs(tmp_path / "mail").prepare()
    assert [str(p.relative_to(tmp_path / "mail")) for p in sorted((tmp_path / "mail").rglob("*"))] == [
        "ben",
        "ben/tmp",
        "ben/tmp/1.M5.dovecot",
    ]


async def test_usage_counts_all_folders_and_follows_every_change(boxes: Maildirs, tmp_path: Path) -> None:
    box = tmp_path / "mail/anna"
    assert (boxes.usage_bytes("anna"), boxes.usage_bytes("nobody")) == (0, 0)
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    (box / ".Sent/cur").mkdir(parents=True)
    (box / ".Sent/cur/1.M1.host:2,S").write_bytes(b"x" * 7)  # no size in its name
    (box / "cur/1.M2.host,S=100:2,S").touch()
    assert boxes.contents("anna") == (3, 117)
    assert await boxes.measure("anna") == 117
    (box / "cur/1.M2.host,S=100:2,S").unlink()
    assert await boxes.measure("anna") == 17
    assert boxes.usage_bytes("anna") == 17


async def test_no_other_programs_sum_is_believed(boxes: Maildirs, tmp_path: Path) -> None:
    (tmp_path / "mail/anna/maildirsize").write_text("1000S\n500 3\n-100 -1\n")
    await boxes.deliver("anna", body(tmp_path), ONE, RECEIVED)
    assert await boxes.measure("anna") == 10


async def test_a_directory_is_read_again_when_it_changed_and_only_then(
    boxes: Maildirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    really = usage._size
    monkeypatch.setattr(usage, "_size", lambda directory: read.append(directory.name) or really(directory))
    new, cur = (tmp_path / "mail/anna" / name for name in ("new", "cur"))
    (new / "1.M1.host,S=100").touch()
    for directory in (new, cur):
        os.utime(directory, (RECEIVED, RECEIVED))
    assert (await boxes.measure("anna"), await boxes.measure("anna"), read) == (100, 100, ["new", "cur"])
    (new / "1.M1.host,S=100").rename(cur / "1.M1.host,S=100:2,S")  # as Dovecot does
    (cur / "1.M2.host,S=50:2,S").touch()
    assert (await boxes.measure("anna"), read[2:]) == (150, ["new", "cur"])
    (cur / "1.M3.host,S=1:2,S").touch()  # perhaps within the same tick of the clock
    assert (await boxes.measure("anna"), read[4:]) == (151, ["new", "cur"])


def test_a_foreign_id_is_no_id(tmp_path: Path) -> None:
    assert maildirs._queue_id_of(f"1.{QueueId('D0000001')}.dialpost,S=1:2,S") == "D0000001"
    assert maildirs._queue_id_of("1.D0000001.otherhost,S=1") is None
