"""Notes about messages in mailboxes, as the store keeps them."""

from cases import cases
from dialpost.core.mail.inbound.boxes import BoxNote, BoxState


@cases(
    "note",
    [
        BoxNote(BoxState.TAKEN, 700),
        BoxNote(BoxState.HELD, 7, "é@x", "Grüße", ("a@b", "c@d"), "big", 3, True, 99),
    ],
)
def test_a_note_is_read_as_it_was_written(note: BoxNote) -> None:
    assert BoxNote.from_text(note.to_text()) == note


@cases("text", ["", "7", "{}", '{"state":"gone"}', '{"state":["taken"]}', "[]"])
def test_what_is_no_note_is_none(text: str) -> None:
    assert BoxNote.from_text(text) is None


def test_a_damaged_value_becomes_a_harmless_one() -> None:
    text = '{"state":"held","size":"big","for":"anna","tries":null}'
    assert BoxNote.from_text(text) == BoxNote(BoxState.HELD, 0)
