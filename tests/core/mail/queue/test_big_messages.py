"""Which big messages wait, until when, and the notes about them."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cases import cases
from dialpost.core.config.line import BudgetConfig
from dialpost.core.mail.queue.big_messages import (
    NoteFrame,
    as_held,
    held_words,
    is_open,
    may_tell,
    recipients_note,
    sender_words,
    until_change_s,
)
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord, RecipientState, SizeHold
from fakes import a_record, to_mailbox, to_world

NIGHT = BudgetConfig(big_message_bytes=500_000, big_windows=("22:00-06:00",))
ALWAYS_BY_HAND = BudgetConfig(big_message_bytes=500_000)
BERLIN = ZoneInfo("Europe/Berlin")


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-24T{clock}")


def big(*recipients: RecipientRecord, **changes: Any) -> MessageRecord:
    values = {"wire_size": 2_100_000, "sender": "anna@clinic.example", "origin": Origin.SUBMITTED}
    return a_record("D0000012", *recipients, **(values | changes))


@pytest.mark.parametrize(
    ("clock", "is_it"),
    [("21:59", False), ("22:00", True), ("23:59:59", True), ("00:00", True), ("05:59:59", True), ("06:00", False)],
)
def test_a_window_over_midnight(clock: str, is_it: bool) -> None:
    assert is_open(NIGHT, at(clock)) is is_it


@pytest.mark.parametrize(("clock", "is_it"), [("11:59", False), ("12:00", True), ("12:59", True), ("13:00", False)])
def test_a_window_by_day(clock: str, is_it: bool) -> None:
    config = BudgetConfig(big_message_bytes=1, big_windows=("22:00-06:00", "12:00-13:00"))
    assert is_open(config, at(clock)) is is_it


def test_without_a_known_hour_nothing_big_goes_and_without_a_limit_everything() -> None:
    assert not is_open(NIGHT, None)
    assert not is_open(ALWAYS_BY_HAND, at("12:00"))
    assert is_open(BudgetConfig(), None)


def test_when_to_look_again() -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
    assert until_change_s(NIGHT, noon, UTC) == 10 * 3600
    assert until_change_s(NIGHT, noon + 10 * 3600, UTC) == 8 * 3600
    assert until_change_s(ALWAYS_BY_HAND, noon, UTC) is None
    # 02:00 on the night the clocks go back in Berlin: 06:00 is five hours away, not four.
    night = datetime(2026, 10, 25, 2, tzinfo=BERLIN).timestamp()
    assert until_change_s(NIGHT, night, BERLIN) == 5 * 3600


def test_what_comes_in_too_big_is_held_for_the_world_only() -> None:
    held = as_held(big(to_world(), to_mailbox()), NIGHT, at("12:00"))
    assert [(one.state, one.size_hold) for one in held.recipients] == [
        (RecipientState.HELD, SizeHold.HELD),
        (RecipientState.WAITING, SizeHold.NONE),
    ]
    fits = big(wire_size=500_000)
    assert as_held(fits, NIGHT, at("12:00")) is fits
    message = big()
    assert as_held(message, NIGHT, at("23:00")) is message
    assert as_held(message, BudgetConfig(), None) is message


def test_words_for_the_queue() -> None:
    assert held_words(NIGHT, "D0000012") == (
        "held: larger than 500 kB; goes between 22:00 and 06:00, or release it with "
        "`dialpost queue release D0000012`"
    )
    assert held_words(ALWAYS_BY_HAND, "D0000012") == (
        "held: larger than 500 kB; release it with `dialpost queue release D0000012`"
    )


def test_words_for_the_sender() -> None:
    said = sender_words(NIGHT, big())
    assert "2.1 MB" in said
    assert "over 500 kB are held back. It goes between 22:00 and 06:00" in said
    assert "dialpost queue release D0000012" in said
    assert "It goes when the operator releases it. Ask the operator" in sender_words(ALWAYS_BY_HAND, big())


@cases(
    ("field", "may"),
    [
        (b"Subject: x-rays", True),
        (b"Auto-Submitted: no", True),
        (b"Auto-Submitted: auto-replied", False),
        (b"Auto-Submitted: other", False),
        (b"Auto-Submitted: auto-generated; x=y", False),
        (b"List-Id: <team.clinic.example>", False),
        (b"List-Unsubscribe: <mailto:x@y>", False),
        (b"Precedence: Bulk", False),
        (b"Precedence: list", False),
        (b"Precedence: first-class", True),
    ],
)
def test_nobody_is_told_of_what_a_machine_sent(field: bytes, may: bool) -> None:
    assert may_tell(big(), b"From: anna@clinic.example\n" + field + b"\n\nList-Id: in the body\n") is may


def test_nobody_is_told_of_notices_and_of_what_passes_through() -> None:
    assert not may_tell(big(sender=""), b"\n")
    assert not may_tell(big(origin=Origin.OUTSIDE), b"\n")
    assert not may_tell(big(origin=Origin.STATION), b"\n")
    assert may_tell(big(origin=Origin.LAN), b"\n")


def note(message: MessageRecord, config: BudgetConfig = NIGHT) -> bytes:
    frame = NoteFrame("mail.clinic.example", "Tue, 24 Nov 2026 12:00:00 +0100", "D0000012.abc")
    return recipients_note(message, message.recipients, config, frame)


def test_the_note_to_the_recipient() -> None:
    raw = note(big(subject="X-rays of Tuesday"))
    assert len(raw) < 1000
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["To"] == "bob@far.example"
    assert read["Reply-To"] == "anna@clinic.example"
    assert read["Auto-Submitted"] == "auto-generated"
    body = read.get_content()
    assert "Subject: X-rays of Tuesday" in body
    assert "2.1 MB" in body
    assert "It is sent between 22:00 and 06:00" in body
    assert not read.defects


def test_recipients_learn_nothing_of_each_other() -> None:
    raw = note(big(to_world(), to_world("secret@far.example")))
    assert b"undisclosed-recipients:;" in raw
    assert b"secret" not in raw


def test_nothing_of_the_message_breaks_out_of_the_note() -> None:
    read = email.message_from_bytes(note(big(subject="Grüße", sender="jörg@clinic.example")))
    assert read["Subject"].startswith("=?utf-8?")
    assert read["Content-Transfer-Encoding"] == "8bit"
    assert note(big(), ALWAYS_BY_HAND).find(b"when the operator there releases it") > 0


def test_what_was_held_under_another_configuration_says_so() -> None:
    assert held_words(BudgetConfig(), "D0000012").startswith("held for its size until the station restarts")
