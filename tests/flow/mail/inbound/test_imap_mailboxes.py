"""Collecting a mailbox by IMAP, with the real intake, spool and queue: each message once, and each byte once."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from box_rig import CONFIG, Rig, Session, letter
from dialpost.core.mail.inbound.boxes import BoxState
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.partial import LEAST_KEPT_BYTES
from dialpost.core.mail.inbound.picking import MOST_TRIES
from imap_model import ALL, Box

CUTS = int(os.environ.get("DIALPOST_TEST_CUTS") or 100)
"""Byte positions at which the line is cut."""
CALLS = 5
ALONE = replace(CONFIG, smtp=replace(CONFIG.smtp, duplicate_window_hours=0))  # only the UIDs tell
BIG = letter("big", text=base64.encodebytes(random.Random(5).randbytes(1_460_000)).decode().replace("\n", "\r\n"))


def cut(rig: Rig, after: float, *, is_cancelled: bool = False) -> None:
    """The line of the next session breaks after as many bytes."""

    def cut_it(session: Session) -> None:
        session.cut_after, session.is_cancelled = after, is_cancelled
        rig.on_session = lambda session: None

    rig.on_session = cut_it


async def call(rig: Rig, box: Box, key: str = "box") -> int:
    """One call; the bytes that crossed the line."""
    await asyncio.wait({asyncio.ensure_future(rig.collector(key=key, there=box).collect())})
    return rig.sessions[-1].moved


async def test_a_server_that_only_says_that_it_has_deleted_is_not_asked_for_the_mail_again(tmp_path: Path) -> None:
    async with Rig(tmp_path, config=ALONE) as rig:
        box = Box(keeps_deleted=True)
        box.add(letter("one"))
        assert [(await rig.collector(there=box).collect()).messages for _ in range(3)] == [1, 0, 0]
        assert len(box.messages) == 1 and set(rig.copies().values()) == {1}


async def test_a_boxs_mail_comes_in_once_and_is_deleted_there(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        box.add(letter("long", text="x" * 5000 + "\r\n"))
        box.add(letter("short", "ben@clinic.example"))
        box.add(b"Importance: high\r\n" + letter("urgent", text="x" * 9000 + "\r\n"))
        result = await rig.collector(there=box).collect()
        assert (result.fate, result.messages, result.held, result.left) == (CollectFate.DONE, 3, 0, 0)
        assert [message.subject for message in rig.accepted] == ["urgent", "long", "short"]
        assert rig.copies()["ben", "short"] == 1 and set(rig.copies().values()) == {1}
        assert box.messages == []
        assert len(await rig.store.boxes.of("clinic@pop")) == 3, "a server may only say that it has deleted"
        assert (await rig.collector(there=box).collect()).fate is CollectFate.NOTHING
        assert await rig.store.boxes.of("clinic@pop") == {}, "what is gone for good is forgotten"
        assert not (tmp_path / "partials").exists()


async def test_one_message_that_can_not_be_served_stops_no_other(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        for number in range(3):
            box.add(letter(f"m{number}"))
        broken = ("UID FETCH 2 ", "UID FETCH 1:3 (UID BODY")
        rig.answers = lambda command: b"%t NO broken\r\n" if command.startswith(broken) else None
        result = await rig.collector(there=box).collect()
        assert (result.fate, result.messages, result.left) == (CollectFate.DONE, 2, 1)
        assert box.uids == [2]


async def test_a_message_at_which_the_server_gives_up_stops_no_other(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        for number in range(4):
            box.add(letter(f"m{number}"))

        def give_up(command: str) -> bytes | None:
            asked = command.split("(", maxsplit=1)[0]
            return b"* BYE internal error\r\n" if "BODY.PEEK[]" in command and "1" in asked else None

        rig.answers = give_up
        for _ in range(MOST_TRIES + 2):
            await rig.collector(there=box).collect()
        assert rig.copies() == Counter({("anna", f"m{number}"): 1 for number in (1, 2, 3)})
        [note] = (await rig.store.boxes.of("clinic@pop")).values()
        assert note.state is BoxState.HELD and "internal error" in note.why


async def test_a_server_that_numbers_its_messages_a_second_time(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        box.add(letter("kept"))
        rig.answers = lambda command: b"%t NO not now\r\n" if command.startswith("UID STORE") else None
        await rig.collector(there=box).collect()
        assert box.uids == [1], "taken, and not deleted"
        box.uid_validity, rig.answers = 8, lambda command: None
        await rig.collector(there=box).collect()
        assert rig.copies() == Counter({("anna", "kept"): 1}) and box.messages == []


async def test_a_message_under_the_uid_of_a_cut_one_begins_at_its_first_byte(tmp_path: Path) -> None:
    async with Rig(tmp_path, offers=tuple(offer for offer in ALL if "COMPRESS" not in offer)) as rig:
        first, second = (letter("x", text=digit * 20_000 + "\r\n") for digit in "12")
        box = Box()
        box.add(first)
        cut(rig, 15_000)
        await call(rig, box)
        assert not rig.accepted and len(list((tmp_path / "partials").iterdir())) == 2
        box.messages[0].content = second
        moved = await call(rig, box)
        [message] = rig.accepted
        assert rig.body(message).replace(b"\n", b"\r\n").endswith(b"2" * 20_000 + b"\r\n")
        assert moved > len(second) and list((tmp_path / "partials").iterdir()) == [] == box.messages


async def test_a_message_that_ends_within_the_overlap_is_fetched_whole(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        box.add(letter("x", text=random.Random(7).randbytes(20_000).hex() + "\r\n"))
        cut(rig, 15_000)
        await call(rig, box)
        kept = (await rig.partials.kept("box", {"7.1": len(box.messages[0].content)}))["7.1"].length
        box.messages[0].size = len(box.messages[0].content)
        true = box.messages[0].content = box.messages[0].content[: kept - 100]
        await call(rig, box)
        [message] = rig.accepted
        assert rig.body(message).rstrip(b"\n").endswith(true[-50:]) and box.messages == []


async def test_a_stop_in_a_big_message_keeps_what_came(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = Box()
        box.add(BIG)
        cut(rig, 800_000, is_cancelled=True)
        await call(rig, box)
        moved = await call(rig, box)
        assert rig.copies() == Counter({("anna", "big"): 1})
        assert moved < 0.6 * len(zlib.compress(BIG))


async def test_two_megabytes_over_five_cut_calls_move_hardly_more_than_their_compressed_bytes(
    tmp_path: Path,
) -> None:
    compressed = len(zlib.compress(BIG, 6))
    assert len(BIG) > 1_950_000 and compressed < 0.8 * len(BIG)
    places = random.Random(2)
    async with Rig(tmp_path) as rig:
        box = Box()
        box.add(BIG)
        moved = 0
        for number in range(CALLS):
            cut(rig, compressed // (CALLS + 1) + places.randrange(-20_000, 20_000), is_cancelled=number % 2 == 0)
            moved += await call(rig, box)
            assert rig.accepted == []
        moved += await call(rig, box)
        [message] = rig.accepted
        assert rig.body(message).replace(b"\n", b"\r\n").endswith(BIG[BIG.index(b"\r\n\r\n") :])
        assert box.messages == []
        assert moved <= 1.05 * compressed


@pytest.mark.parametrize(
    "offers", [ALL, tuple(offer for offer in ALL if offer not in {"COMPRESS=DEFLATE", "UIDPLUS"})]
)
async def test_cut_anywhere_nothing_is_lost_and_nothing_comes_twice(
    tmp_path: Path, offers: tuple[str, ...]
) -> None:
    """The line is cut at a random byte of a session; then calls follow until the box is empty."""
    seed = random.Random(15)
    async with Rig(tmp_path, config=ALONE, offers=offers) as rig:
        resumed = 0
        for number in range(CUTS // 2):
            rig.accepted.clear()
            box = Box()
            texts = [seed.randbytes(seed.choice([20, 200, 4000])).hex() for _ in range(4)]
            for index, text in enumerate(texts):
                to = seed.choice(["anna", "ben", "team"]) + "@clinic.example"
                box.add(letter(f"c{number}m{index}", to, f"{text}\r\n"))
            wanted = {f"c{number}m{index}" for index in range(4)}
            after = seed.randrange(1, 1200 + sum(len(text) for text in texts))
            cut(rig, after, is_cancelled=number % 2 == 0)
            for _ in range(3):
                await call(rig, box, f"box{number}")
                resumed += any(path.suffix == ".kept" for path in (tmp_path / "partials").glob("*"))
            assert box.messages == [], f"cut after {after}"
            assert {subject for _, subject in rig.copies()} == wanted, f"cut after {after}"
            assert set(rig.copies().values()) == {1}, f"cut after {after}"
            assert await rig.store.boxes.of(f"box{number}") == {}
        assert resumed > CUTS // 20 and LEAST_KEPT_BYTES < 8000
        assert list((tmp_path / "partials").iterdir()) == []
