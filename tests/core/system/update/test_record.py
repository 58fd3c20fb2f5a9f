"""The record of an update: how it is judged, and what is reported of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState, parse

RECORD = UpdateRecord("1", UpdateState.INSTALLED, "0.3.0 of today", "0.2.0 of old", Slot.B, "boot-1")


@pytest.mark.parametrize(
    ("running", "boot", "is_well", "state"),
    [
        (Slot.A, "boot-1", True, UpdateState.INSTALLED),  # not started again yet
        (Slot.B, "boot-2", False, UpdateState.INSTALLED),  # on trial
        (Slot.B, "boot-2", True, UpdateState.PROVEN),
        (Slot.A, "boot-5", False, UpdateState.ROLLED_BACK),
        (Slot.A, "boot-5", True, UpdateState.ROLLED_BACK),
    ],
)
def test_what_a_start_says_of_it(running: Slot, boot: str, is_well: bool, state: UpdateState) -> None:
    assert RECORD.judged(running, boot, is_well=is_well) == replace(RECORD, state=state)


@pytest.mark.parametrize(
    ("running", "boot", "state"),
    [
        (Slot.A, "boot-1", UpdateState.INSTALLED),
        (Slot.B, "boot-2", UpdateState.TRYING),
        (Slot.A, "boot-5", UpdateState.ROLLED_BACK),
    ],
)
def test_how_it_stands_in_a_start(running: Slot, boot: str, state: UpdateState) -> None:
    """Whoever reads "begins with the next start (reboot)" while it runs restarts it until its tries are gone."""
    seen = RECORD.now(running, boot)
    assert seen == replace(RECORD, state=state)
    assert ("`reboot`" in seen.words) == (state is UpdateState.INSTALLED)
    assert ("do not restart" in seen.words) == (state is UpdateState.TRYING)
    # What is seen is not written: the health service's own look comes to the same from both.
    for is_well in (False, True):
        assert RECORD.judged(running, boot, is_well=is_well).state is not UpdateState.TRYING


@pytest.mark.parametrize("state", [UpdateState.ROLLED_BACK, UpdateState.FELL_BACK])
def test_what_went_back_stays_so(state: UpdateState) -> None:
    record = replace(RECORD, state=state)
    for running in Slot:
        assert record.judged(running, "boot-9", is_well=True) == record


@pytest.mark.parametrize("is_well", [False, True])
def test_what_was_proven_stays_so_while_it_runs_and_is_news_when_it_no_longer_does(is_well: bool) -> None:
    record = replace(RECORD, state=UpdateState.PROVEN)
    assert record.judged(Slot.B, "boot-9", is_well=is_well) == record
    fell = record.judged(Slot.A, "boot-9", is_well=is_well)
    assert (fell.state, fell.is_trouble) == (UpdateState.FELL_BACK, True)
    assert fell.id != record.id  # it is reported although the good news was
    assert "0.2.0 of old, the one before it, runs instead" in fell.words


@pytest.mark.parametrize("state", list(UpdateState))
def test_each_state_has_its_words_and_survives_the_card(state: UpdateState) -> None:
    record = replace(RECORD, state=state)
    assert parse(record.render()) == record
    assert record.version in record.words
    if state in {UpdateState.INSTALLED, UpdateState.TRYING}:
        assert record.letter is None
    else:
        assert record.letter is not None
        subject, text = record.letter
        assert subject and record.version in text and record.before in text


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", RECORD.render().replace(b'"b"', b'"c"'), b"\xff"])
def test_what_is_no_record(data: bytes) -> None:
    assert parse(data) is None
