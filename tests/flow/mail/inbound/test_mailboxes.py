"""Collecting a mailbox by POP3, with the real intake, spool and queue: each message once, whatever happens."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from box_rig import CONFIG, Rig, Session, letter
from dialpost.core.mail.inbound.boxes import BoxNote, BoxState
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.owner import OwnerRule
from dialpost.core.mail.inbound.picking import MOST_TRIES, Limits
from dialpost.core.mail.mx import DnsTrouble
from dialpost.sim.pop3 import Box, Manners, Pop3Server

CUTS = int(os.environ.get("DIALPOST_TEST_CUTS") or 100)
"""Byte positions at which the line is cut."""
ANNA = OwnerRule(address="anna@clinic.example")


async def test_a_boxs_mail_comes_in_once_and_is_deleted_there(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.there.add(letter("long", text="x" * 5000 + "\r\n"))
        rig.there.add(letter("short", "ben@clinic.example"))
        result = await rig.collect()
        assert (result.fate, result.messages, result.held, result.left) == (CollectFate.DONE, 2, 0, 0)
        assert [message.subject for message in rig.accepted] == ["short", "long"], "the smallest first"
        assert rig.copies() == Counter({("anna", "long"): 1, ("ben", "short"): 1})
        assert rig.there.messages == {}
        assert await rig.store.boxes.of("clinic@pop") == {}, "what is gone for good is forgotten"
        assert rig.activity.messages == 2
        assert (await rig.collect()).fate is CollectFate.NOTHING


async def test_what_the_station_adds_and_removes(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.there.add(letter("hello"))
        await rig.collect()
        [message] = rig.accepted
        head = rig.body(message).decode()
        assert head.startswith(
            "Return-Path: <eve@far.example>\nReceived: from pop.provider.example ([192.0.2.1])\n"
        )
        assert "with POP3 id" in head and head.count("Return-Path") == 1
        assert message.sender == "eve@far.example"


async def test_two_recipients_of_one_message_get_a_copy_each(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        for to in ("anna", "ben"):
            rig.there.add(letter("both", f"{to}@clinic.example"))
        assert (await rig.collect()).messages == 2
        assert rig.copies() == Counter({("anna", "both"): 1, ("ben", "both"): 1})


async def test_the_same_message_under_another_uid_is_recognised(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.there.add(letter("moved"), "old")
        await rig.collect()
        rig.there.add(letter("moved"), "new")
        await rig.collect()
        assert rig.copies() == Counter({("anna", "moved"): 1})
        assert rig.there.messages == {}
        for uid in ("one", "two"):  # no Received line: a device that meant it twice
            rig.there.add(b"Subject: alarm\r\n\r\nfire\r\n", uid)
        await rig.collect(ANNA)
        assert rig.copies()["anna", "alarm"] == 2


async def test_mail_for_nobody_is_the_postmasters_and_never_bounces(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.there.add(letter("lost", "gone@clinic.example"))
        await rig.collect()
        [message] = rig.accepted
        assert [one.local_account for one in message.recipients] == ["anna"]
        assert "X-Dialpost-Reason: for the postmaster because nobody here has" in rig.body(message).decode()


async def test_no_account_is_judged_while_the_list_is_repaired(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.accounts.is_restored = True
        rig.there.add(letter("wait", "gone@clinic.example"))
        result = await rig.collect()
        assert (result.fate, result.messages, result.left) == (CollectFate.NOT_NOW, 0, 1)
        assert len(rig.there.messages) == 1 and rig.accepted == []


async def test_a_stranger_with_our_address_is_marked_and_not_refused(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.there.add(letter("boss", sender="ben@clinic.example"))
        await rig.collect()
        [message] = rig.accepted
        assert b"X-Dialpost-Unverified:" in rig.body(message)


async def test_a_loop_is_held_there_for_the_operator(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        hops = b"".join(b"Received: from a by b with ESMTP id %d\r\n" % number for number in range(120))
        rig.there.add(letter("loop").replace(b"From: ", hops + b"From: "), "u")
        result = await rig.collect()
        assert (result.messages, result.left) == (0, 1)
        note = (await rig.store.boxes.of("clinic@pop"))["u"]
        assert note.state is BoxState.HELD and "Mail loop" in note.why
        again = await rig.collect()
        assert (again.messages, again.held, again.fate) == (0, 1, CollectFate.DONE)
        assert rig.there.retrieved == ["u"], "not fetched a second time"


async def test_a_big_message_stays_there_until_its_hour_or_the_operator(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.limits = Limits(50_000_000, 1000)
        rig.there.add(letter("small"))
        rig.there.add(letter("big", text="x" * 2000 + "\r\n"), "big")
        for _ in range(2):
            result = await rig.collect()
        assert (result.held, result.fate) == (1, CollectFate.DONE)
        [(address, subject, words)] = rig.letters.written
        assert address == "anna@clinic.example" and "eve@far.example" in subject
        assert "Subject: big" in words and "dialpost inbound fetch" in words
        assert rig.there.retrieved == ["u0000001"]
        rig.limits = Limits(50_000_000, None)
        assert (await rig.collect()).messages == 1
        assert rig.copies()["anna", "big"] == 1


async def test_what_the_operator_wants_is_fetched_or_deleted(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.limits = Limits(1000, None)
        for uid in ("get", "drop"):
            rig.there.add(letter(uid, text="x" * 2000 + "\r\n"), uid)
        await rig.collect()
        notes = await rig.store.boxes.of("clinic@pop")
        changes = {"get": BoxState.WANTED, "drop": BoxState.UNWANTED}
        await rig.store.boxes.note(
            "clinic@pop", {uid: replace(notes[uid], state=state) for uid, state in changes.items()}
        )
        assert (await rig.collect()).messages == 1
        assert rig.copies() == Counter({("anna", "get"): 1})
        assert rig.there.messages == {} and await rig.store.boxes.of("clinic@pop") == {}


async def test_a_full_mailbox_leaves_its_mail_there_and_stops_nobody_else(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.accounts.quota_bytes = 1000
        rig.there.add(letter("big", text="x" * 2000 + "\r\n"), "big")
        rig.there.add(letter("small"))
        assert (await rig.collect()).messages == 1
        assert (await rig.store.boxes.of("clinic@pop"))["big"].tries == 1


async def test_a_message_the_provider_cannot_serve_is_held_in_the_end(tmp_path: Path) -> None:
    async with Rig(tmp_path, manners=Manners(refuses=("bad",))) as rig:
        rig.there.add(letter("bad"), "bad")
        rig.there.add(letter("good"))
        for _ in range(MOST_TRIES):
            result = await rig.collect()
            assert result.left == 1
        assert rig.copies() == Counter({("anna", "good"): 1})
        note = (await rig.store.boxes.of("clinic@pop"))["bad"]
        assert note.state is BoxState.HELD and "no such message" in note.why


async def test_a_malformed_line_is_said(tmp_path: Path) -> None:
    def malformed(command: str, line: bytes) -> bytes:
        return b"1 \x1b[31m" if command == "UIDL" and line.startswith(b"1 ") else line

    async with Rig(tmp_path, manners=Manners(item=malformed)) as rig:
        rig.there.add(letter("bad"))
        rig.there.add(letter("good"))
        result = await rig.collect()
        assert result.messages == 1 and "1 listed in no usable form" in result.words
        assert "\x1b" not in result.words


async def test_a_uid_that_came_back_for_another_message_is_another_message(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.store.boxes.note("clinic@pop", {"u": BoxNote(BoxState.TAKEN, 7)})
        rig.there.add(letter("new"), "u")
        await rig.collect()
        assert rig.copies() == Counter({("anna", "new"): 1})


async def test_somebody_else_who_empties_the_box_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(tmp_path) as rig:
        rig.limits = Limits(1000, None)
        uid = rig.there.add(letter("big", text="x" * 2000 + "\r\n"))
        await rig.collect()
        del rig.there.messages[uid]
        assert "another program" in (await rig.collect()).advice
        assert "mailbox: another program empties it, too mailbox=office" in caplog.text
        assert (await rig.collect()).advice == ""


async def test_a_long_box_takes_several_sessions(tmp_path: Path) -> None:
    async with Rig(tmp_path, manners=Manners(capa=("USER", "TOP", "PIPELINING"))) as rig:  # without UIDL: 20 each
        for number in range(45):
            rig.there.add(letter(f"m{number}"))
        result = await rig.collect()
        assert (result.messages, result.fate, len(rig.sessions)) == (45, CollectFate.DONE, 3)
        assert rig.there.messages == {} and set(rig.copies().values()) == {1}


async def test_a_server_that_only_claims_to_delete_does_not_keep_the_line_up(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        for number in range(150):
            rig.there.add(letter(f"kept {number}"), f"kept-{number}")
        kept = dict(rig.there.messages)

        def put_back(session: Session) -> None:
            assert len(rig.sessions) < 9, "a session for the same messages again and again"
            rig.there.messages.update(kept)
            session.server = Pop3Server(rig.there, rig.manners)

        rig.on_session = put_back
        result = await rig.collect()
        assert result.fate is CollectFate.DONE
        assert len(rig.sessions) == 2
        assert set(rig.copies().values()) == {1}


async def test_a_stop_ends_after_the_current_message(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        for number in range(30):
            rig.there.add(letter(f"m{number}"))
        collector = rig.collector()
        rig.on_accepted = lambda message: collector.stop()
        result = await collector.collect()
        assert (result.messages, result.fate) == (8, CollectFate.CUT), "what came in one piece with it is taken"
        rig.on_accepted = lambda message: None
        await rig.collect()
        assert set(rig.copies().values()) == {1} and len(rig.copies()) == 30


async def test_a_name_that_cannot_be_looked_up(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        collector = rig.collector()

        class Nowhere:
            async def addresses(self, host: str) -> DnsTrouble:
                return DnsTrouble(host, "no answer")

        collector._addresses = Nowhere()
        result = await collector.collect()
        assert result.fate is CollectFate.UNREACHABLE and "pop.provider.example" in result.words


@pytest.mark.parametrize("is_pipelined", [True, False])
async def test_cut_anywhere_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path, is_pipelined: bool) -> None:
    """The line is cut at a random byte of a session; then calls follow until the box is empty."""
    seed = random.Random(15)
    manners = Manners() if is_pipelined else Manners(capa=("USER", "UIDL", "TOP"))
    alone = replace(CONFIG, smtp=replace(CONFIG.smtp, duplicate_window_hours=0))  # only the UIDs tell
    async with Rig(tmp_path, manners=manners, config=alone) as rig:
        for cut in range(CUTS // 2):
            rig.accepted.clear()
            there = Box()
            for number in range(4):
                there.add(letter(f"c{cut}m{number}", seed.choice(["anna", "ben", "team"]) + "@clinic.example"))
            wanted = {f"c{cut}m{number}" for number in range(4)}
            key = f"box{cut}"
            after = seed.randrange(1, 1300)  # a session moves some 1,270 bytes

            def cut_first(session: Session, after: int = after, is_cancelled: bool = cut % 2 == 0) -> None:
                session.cut_after, session.is_cancelled = after, is_cancelled
                rig.on_session = lambda session: None

            rig.on_session = cut_first
            for _ in range(3):
                collecting = asyncio.ensure_future(rig.collector(key=key, there=there).collect())
                await asyncio.wait({collecting})
            assert there.messages == {}, f"cut after {after}"
            assert {subject for _, subject in rig.copies()} == wanted, f"cut after {after}"
            assert set(rig.copies().values()) == {1}, f"cut after {after}"
