"""Where is my message, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from cases import cases
from dialpost.core.mail.envelope import Notify
from dialpost.core.mail.queue.records import Origin, Priority, RecipientRecord, RecipientState, SizeHold
from dialpost.core.mail.queue.trace import arrival, fate, recipient_name, trace, when
from fakes import a_record, to_mailbox, to_world

NOON = 1_823_083_200  # 2027-10-09 12:00 UTC
TRIED: dict[str, Any] = {
    "attempts": 2,
    "last_try_s": NOON,
    "last_by": "mx.far.example",
    "last_reply": "450 4.2.0 Not now",
}
LAST = "(2 tries so far; last answer on 2027-10-09 12:00 from mx.far.example: 450 4.2.0 Not now)"
STATES = RecipientState

FATES = [
    (to_world(), "Waiting for the next call."),
    (to_world(**TRIED), f"Waiting for the next call {LAST}."),
    (
        to_world(**TRIED, answer_unknown=True),
        f"Waiting for the next call {LAST}. It was sent in full, but no answer came back: the receiver may "
        "already have it.",
    ),
    (
        to_world(last_reply="421 down", last_by="mx", last_try_s=NOON),
        "Waiting for the next call (last answer on 2027-10-09 12:00 from mx: 421 down).",
    ),
    (to_mailbox(), "On its way into the mailbox of anna."),
    (
        to_mailbox(attempts=1, last_reply="452 4.2.2 full", last_by="station", next_try_s=NOON),
        "The mailbox of anna could not take it (1 try; station answered: 452 4.2.2 full); next try on "
        "2027-10-09 12:00.",
    ),
    (to_world(state=STATES.HELD), "Held by the operator until it is released."),
    (to_world(state=STATES.HELD, **TRIED), f"Held by the operator until it is released {LAST}."),
    (
        to_world(state=STATES.HELD, last_by="this station", last_reply="Its content is missing on the card."),
        "Held by the station: Its content is missing on the card.",
    ),
    (
        to_mailbox(state=STATES.DELIVERED, last_try_s=NOON),
        "Delivered into the mailbox of anna on 2027-10-09 12:00.",
    ),
    (
        to_mailbox(state=STATES.DELIVERED, last_try_s=77),
        "Delivered into the mailbox of anna at an unknown time (the clock was not set).",
    ),
    (
        to_world(state=STATES.RELAYED, last_by="mx", last_reply="250 2.0.0 Ok", last_try_s=NOON),
        "Handed over to mx on 2027-10-09 12:00; it answered: 250 2.0.0 Ok",
    ),
    (
        to_world(state=STATES.BOUNCED, last_by="mx", last_reply="550 5.1.1 Who?", last_try_s=NOON),
        "Given up on 2027-10-09 12:00: mx answered: 550 5.1.1 Who?. A notice to the sender was queued.",
    ),
    (
        to_world(
            state=STATES.BOUNCED, last_by="mx", last_reply="550", last_try_s=NOON, notify=frozenset({Notify.NEVER})
        ),
        "Given up on 2027-10-09 12:00: mx answered: 550. The sender had asked for no notice.",
    ),
    (to_world(state=STATES.DELETED), "Deleted by the operator."),
]


@cases(("recipient", "words"), FATES, ids=[words[:40] for _, words in FATES])
def test_fate(recipient: RecipientRecord, words: str) -> None:
    assert fate(a_record("D0000001", recipient), recipient, tz=UTC) == words


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (to_world("eve@world.example"), "{} waits for the next call."),
        (to_mailbox("eve", original_address="eve@world.example"), "{} is on its way."),
        (to_world("eve@world.example", state=STATES.RELAYED), "The sender was notified on 2027-10-09 12:00."),
        (to_world("Eve@world.example", state=STATES.BOUNCED), "{} could not be delivered either."),
        (to_world("eve@world.example", state=STATES.HELD), "{} is held."),
        (to_world("eve@world.example", state=STATES.DELETED), "{} was deleted by the operator."),
        (to_mailbox("chief", state=STATES.DELIVERED), "The postmaster was notified on 2027-10-09 12:00."),
    ],
)
def test_the_sender_was_told_only_once_the_notice_was_handed_over(reader: RecipientRecord, words: str) -> None:
    bounced = to_world(state=STATES.BOUNCED, last_by="mx", last_reply="550", last_try_s=NOON)
    notice = a_record("D0000002", replace(reader, last_try_s=NOON), sender="")
    told = words.format("The notice to the sender (D0000002)")
    assert fate(a_record("D0000001", bounced), bounced, notice=notice, tz=UTC).endswith(f"550. {told}")


def test_the_first_reader_of_a_notice_says_whose_it_is() -> None:
    bounced = to_world(state=STATES.BOUNCED, last_by="mx", last_reply="550", last_try_s=NOON)
    notice = a_record("D0000002", to_world("eve@world.example"), to_world("chief@clinic.example"), sender="")
    told = fate(a_record("D0000001", bounced), bounced, notice=notice, tz=UTC)
    assert told.endswith("The notice to the sender (D0000002) waits for the next call.")


@pytest.mark.parametrize("unix_s", [2**40, 2**62, 2**80])
def test_a_moment_the_card_spoilt_is_unknown(unix_s: int) -> None:
    assert when(unix_s, UTC) == "at an unknown time (the clock was not set)"


def test_every_state_has_words() -> None:
    told = {recipient.state for recipient, _ in FATES}
    assert told == set(RecipientState)


def test_nobody_is_told_about_a_bounce() -> None:
    message = a_record("D0000001", to_world(state=STATES.BOUNCED, last_reply="550", last_try_s=NOON), sender="")
    assert fate(message, message.recipients[0], tz=UTC).endswith(
        "the station answered: 550. Nobody got a notice: the message was itself one."
    )


def test_what_sends_is_named() -> None:
    message = a_record("D0000001")
    assert fate(message, message.recipients[0], waits_for="the next try") == "Waiting for the next try."


def test_the_whole_story() -> None:
    message = a_record(
        "D0000012",
        to_world(),
        to_mailbox(original_address="info@clinic.example"),
        sender="anna@clinic.example",
        subject="Grüße",
        size=4321,
        received_s=NOON,
        origin=Origin.SUBMITTED,
        account="anna",
        peer="192.168.1.9",
        priority=Priority.URGENT,
    )
    assert trace(message, tz=UTC) == [
        'D0000012 "Grüße" from anna@clinic.example, urgent, 4.3 kB: accepted on 2027-10-09 12:00 from anna\'s mail '
        "program (192.168.1.9).",
        "bob@far.example: Waiting for the next call.",
        "anna@clinic.example (for info@clinic.example): On its way into the mailbox of anna.",
    ]


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin.LAN, "from the local network (10.0.0.1)"),
        (Origin.OUTSIDE, "from outside (10.0.0.1)"),
        (Origin.STATION, "from the station itself"),
        (Origin.SUBMITTED, "from a user's mail program (10.0.0.1)"),
    ],
)
def test_where_it_came_from(origin: Origin, words: str) -> None:
    message = a_record("D0000001", sender="", origin=origin, peer="10.0.0.1", received_s=NOON, size=99)
    expected = f"D0000001 from a mail system (no sender: a notice), 99 B: accepted on 2027-10-09 12:00 {words}."
    assert arrival(message, UTC) == expected


def test_mail_held_for_its_size_says_what_it_waits_for() -> None:
    held = to_world(state=STATES.HELD, size_hold=SizeHold.HELD)
    assert fate(a_record("D0000001", held), held, size_hold="held: too big") == "Held: too big"


def test_a_recipient_that_can_not_be_read() -> None:
    assert recipient_name(to_world("")) == "(unreadable)"
