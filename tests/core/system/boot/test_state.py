"""The boot state: records as U-Boot writes them, the choice of the slot, and what an update makes of it."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.system.boot.state import (
    _HIGHEST,
    FRESH,
    RECORD_BYTES,
    RECORD_OFFSETS,
    TRIES_ON_TRIAL,
    TRIES_PROVEN,
    UNKNOWN,
    BootState,
    Slot,
    choose,
    newest,
    parse,
)

A, B = Slot.A, Slot.B
slots = st.sampled_from(Slot)
states = st.builds(
    BootState,
    sequence=st.integers(0, 0xFFFFFFF0),
    first=slots,
    good=slots,
    left_a=st.integers(0, 15),
    left_b=st.integers(0, 15),
)


def _starts(state: BootState, count: int) -> tuple[str, BootState]:
    """How many starts after which nobody says that all is well: the slots started, and the state then."""
    started = ""
    for _ in range(count):
        slot, following = choose(state)
        started += slot.value
        state = following or state
    return started, state


def test_a_record_is_what_u_boot_exports() -> None:
    text = b"dp_seq=2\0dp_first=a\0dp_good=a\0dp_left_a=9\0dp_left_b=0\0\0"
    data = text + bytes(508 - len(text))
    assert FRESH.render() == zlib.crc32(data).to_bytes(4, "little") + data


def test_u_boot_sorts_the_names_otherwise() -> None:
    text = b"dp_first=b\0dp_good=a\0dp_left_a=9\0dp_left_b=2\0dp_seq=1f\0\0"
    data = text + bytes(508 - len(text))
    record = zlib.crc32(data).to_bytes(4, "little") + data
    assert parse(record) == BootState(sequence=31, first=B, good=A, left_a=9, left_b=2)


@given(states)
def test_what_is_written_is_read_back(state: BootState) -> None:
    assert parse(state.render()) == state


@given(states, st.integers(0, RECORD_BYTES * 8 - 1))
def test_one_bit_flipped_is_no_record(state: BootState, bit: int) -> None:
    record = bytearray(state.render())
    record[bit // 8] ^= 1 << bit % 8
    assert parse(bytes(record)) is None


@cases(
    "text",
    [
        b"",
        b"dp_seq=1",
        b"dp_seq=1\0dp_first=c\0dp_good=a\0dp_left_a=9\0dp_left_b=0",
        b"dp_seq=x\0dp_first=a\0dp_good=a\0dp_left_a=9\0dp_left_b=0",
        b"dp_seq=-1\0dp_first=a\0dp_good=a\0dp_left_a=9\0dp_left_b=0",
        b"dp_seq=100000000\0dp_first=a\0dp_good=a\0dp_left_a=9\0dp_left_b=0",
        b"dp_seq=1\0dp_first=a\0dp_good=a\0dp_left_a=10\0dp_left_b=0",
        b"dp_seq=1\0dp_first=a\0dp_good=a\0dp_left_a=-1\0dp_left_b=0",
        b"dp_seq=1\0dp_first=a\0dp_good=a\0dp_left_a=0\0dp_left_b=10",
        b"dp_seq=1\0dp_first=a\0dp_good=a\0dp_left_a=0\0dp_left_b=-1",
        b"dp_seq=1\0dp_first=\xe4\0dp_good=a\0dp_left_a=9\0dp_left_b=0",
        b"no equals sign",
    ],
)
def test_a_good_checksum_over_nonsense_is_no_record(text: bytes) -> None:
    data = text.ljust(508, b"\0")
    assert parse(zlib.crc32(data).to_bytes(4, "little") + data) is None


@pytest.mark.parametrize("record", [b"", bytes(RECORD_BYTES), FRESH.render()[:-1], FRESH.render() + b"\0"])
def test_a_record_of_another_size_or_empty_is_none(record: bytes) -> None:
    assert parse(record) is None


@given(states)
def test_a_change_goes_over_the_older_record(state: BootState) -> None:
    records = dict.fromkeys(RECORD_OFFSETS, bytes(RECORD_BYTES)) | {state.offset: state.render()}
    for following in (state.on_trial(B), state.proven(B), state.unusable(B)):
        assert following.offset != state.offset
        torn = records | {following.offset: following.render()[:100].ljust(RECORD_BYTES, b"\xff")}
        assert newest(list(torn.values())) == state
        assert newest(list((records | {following.offset: following.render()}).values())) == following


def test_no_valid_record() -> None:
    assert newest([bytes(512), bytes(512)]) is None
    assert _starts(UNKNOWN, 4)[0] == "abaa"


def test_a_flashed_card_starts_a_and_stays_with_it() -> None:
    assert _starts(FRESH, 30)[0] == "a" * 30


def test_an_update_that_never_proves_itself_has_three_starts() -> None:
    state = FRESH.unusable(B).on_trial(B)
    assert _starts(state, 3 + TRIES_PROVEN)[0] == "b" * TRIES_ON_TRIAL + "a" * TRIES_PROVEN


def test_after_a_rollback_the_old_slot_is_proven_and_the_wish_ends() -> None:
    started, state = _starts(FRESH.on_trial(B), 4)
    assert started == "bbba"
    state = state.proven(A)
    assert (state.first, state.good, state.left(A), state.left(B)) == (A, A, TRIES_PROVEN, 0)


def test_an_update_that_proves_itself_stays() -> None:
    started, state = _starts(FRESH.on_trial(B), 1)
    state = state.proven(B)
    assert (started, state.first, state.good, state.left(B)) == ("b", B, B, TRIES_PROVEN)
    assert _starts(state, 8)[0] == "b" * 8


def test_power_cuts_soon_after_the_start_bring_no_older_release_back() -> None:
    state = FRESH.on_trial(B).proven(B)
    for _ in range(5):
        started, state = _starts(state, 8)
        assert started == "b" * 8
        state = state.proven(B)


def test_when_nothing_is_left_the_slot_proven_last_is_started_for_ever() -> None:
    state = BootState(sequence=7, first=B, good=A, left_a=0, left_b=0)
    assert choose(state) == (A, None)


def test_proving_the_running_slot_while_an_update_waits_for_its_start_keeps_the_wish() -> None:
    state = FRESH.on_trial(B).proven(A)
    assert state.next_slot is B


def test_going_back_to_the_proven_slot_is_no_trial() -> None:
    state = FRESH.on_trial(B).on_trial(A)
    assert (state.next_slot, state.left(A)) == (A, TRIES_PROVEN)


def test_a_slot_has_the_tries_of_a_trial_unless_it_is_proven_and_has_some_left() -> None:
    for good, left_b, tries in ((A, 2, TRIES_ON_TRIAL), (B, 0, TRIES_ON_TRIAL), (B, 2, 2)):
        assert BootState(sequence=7, first=A, good=good, left_a=1, left_b=left_b).on_trial(B).left(B) == tries


def test_a_good_checksum_over_too_little_is_no_record() -> None:
    data = FRESH.render()[4:100]
    assert parse(zlib.crc32(data).to_bytes(4, "little") + data) is None


def test_the_first_state_written_goes_over_the_second_record() -> None:
    for state in (FRESH, UNKNOWN):
        _, following = choose(state)
        assert following is not None and following.offset == RECORD_OFFSETS[1]


def test_the_highest_number_is_one() -> None:
    state = BootState(sequence=_HIGHEST, first=A, good=A, left_a=15, left_b=0)
    assert parse(state.render()) == state
    assert parse(replace(state, sequence=_HIGHEST + 1).render()) is None


@given(states, st.lists(st.sampled_from(["start", "trial", "proven", "unusable"]), max_size=30), slots)
def test_the_numbers_stay_in_range_and_each_change_is_newer(state: BootState, steps: list[str], slot: Slot) -> None:
    for step in steps:
        before = state
        if step == "start":
            chosen, following = choose(state)
            assert chosen in Slot
            state = following or state
            assert following is None or following.sequence == before.sequence + 1
        else:
            change = {"trial": before.on_trial, "proven": before.proven, "unusable": before.unusable}[step]
            state = change(slot)
            assert state.sequence == before.sequence + 1
        assert 0 <= state.left_a <= 15
        assert 0 <= state.left_b <= 15
