"""Counting what arrived: a report that can't be fooled by its own station."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError
from dialpost.sim.letters import LARGEST, Letter, is_whole, key_of, make_letters
from dialpost.sim.report import Count, Report, count, write_report


def letters(number: int, seed: int = 1, size: int | None = None) -> list[Letter]:
    return make_letters(
        "in", number, seed, sender="cleo@world.example", recipients=("anna@c.example", "bruno@c.example"), size=size
    )


def places(letter: Letter) -> list[str]:
    return [address.partition("@")[0] for address in letter.recipients]


def arrived(made: list[Letter]) -> dict[str, list[bytes]]:
    return {name: [one.content for one in made if name in places(one)] for name in ("anna", "bruno")}


def test_letters_are_the_same_for_the_same_seed_and_differ_otherwise() -> None:
    assert letters(10) == letters(10)
    assert letters(10)[:5] == letters(5)
    assert [one.content for one in letters(5)] != [one.content for one in letters(5, seed=2)]
    assert len({one.key for one in letters(50) + letters(50, seed=2)}) == 100


def test_letters_hold_what_mail_servers_stumble_over() -> None:
    whole = b"".join(one.content for one in letters(40))
    assert whole.count(b"\n") == whole.count(b"\r\n"), "CRLF only"
    for awkward in (b"\r\n.\r\n", b"\r\n..\r\n", b"\r\nFrom ", b"\r\n\r\n\r\n", "漁船".encode()):
        assert awkward in whole
    assert any(len(one.recipients) == 2 for one in letters(40))
    sizes = [len(one.content) for one in letters(200)]
    assert min(sizes) < 1500
    assert LARGEST < max(sizes) < LARGEST + 1500


def test_a_size_can_be_wanted() -> None:
    assert all(100_000 <= len(one.content) < 104_000 for one in letters(8, size=100_000))


def test_a_message_is_recognised_and_compared_byte_for_byte() -> None:
    (letter,) = letters(1)
    trace = b"Return-Path: <cleo@world.example>\nReceived: from a by b\n\tfor <x>; now\n"
    stored = trace + letter.content.replace(b"\r\n", b"\n")
    assert key_of(stored) == key_of(letter.content) == letter.key
    assert is_whole(letter, stored)
    assert is_whole(letter, letter.content)
    assert not is_whole(letter, stored[:-1])
    assert not is_whole(letter, stored.replace(b"From the", b">From the"))
    assert not is_whole(letter, b"X-Spam: yes\n" + stored)
    assert not is_whole(letter, stored + b"\n")


def test_everything_once() -> None:
    made = letters(7)
    assert count(made, arrived(made), 0, places) == Count(7, 7, 0, 0, 0)
    assert count(made, arrived(made), 0, places).is_exact


def test_a_second_copy_anywhere_is_seen() -> None:
    made = letters(7)
    there = arrived(made)
    there["anna"].append(there["anna"][0])
    assert count(made, there, 0, places).duplicates == 1
    there = arrived(made)
    only_anna = next(one for one in made if places(one) == ["anna"])
    there["bruno"].append(only_anna.content)
    assert count(made, there, 0, places).duplicates == 1, "a copy where it does not belong"


def test_a_missing_one_is_lost_unless_it_waits() -> None:
    made = letters(7)
    there = arrived(made[:-2])
    assert (count(made, there, 0, places).lost, count(made, there, 2, places).lost) == (2, 0)
    assert not count(made, there, 2, places).is_exact


def test_one_of_two_recipients_is_not_delivered() -> None:
    (both,) = [one for one in letters(5) if len(one.recipients) == 2]
    there = {"anna": [both.content], "bruno": []}
    assert count([both], there, 0, places) == Count(1, 0, 0, 0, 0)


def test_a_damaged_one_is_not_delivered() -> None:
    made = letters(3)
    there = arrived(made)
    there[places(made[0])[0]][0] = made[0].content + b"x"
    found = count(made, there, 0, places)
    assert (found.delivered, found.damaged, found.lost, found.is_exact) == (2, 1, 0, False)


NOTHING = Report(Count(0, 0, 0, 0, 0), Count(0, 0, 0, 0, 0), 0, [], [])


def test_the_file_has_what_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(path, replace(NOTHING, exit_status=0, extra={"seconds": 1.5}))
    found = json.loads(path.read_text())
    assert {"calls", "outbound", "inbound", "queue_waiting", "led_history"} <= set(found)
    assert {"expected", "delivered", "duplicates", "lost"} <= set(found["outbound"])
    assert found["seconds"] == 1.5
    assert list(tmp_path.iterdir()) == [path], "nothing beside it"


def test_a_report_that_cannot_be_written_says_so_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "r.json"
    with pytest.raises(StorageError, match="can't be written"):
        write_report(path, NOTHING)
    folder = tmp_path / "r.json"
    folder.mkdir()
    with pytest.raises(StorageError):
        write_report(folder, NOTHING)
    assert list(tmp_path.iterdir()) == [folder]
