"""What is kept of a message that was cut: its note on the card, and the proof that it is the same message."""

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.inbound.partial import OVERLAP_BYTES, Kept, Overlap, resume_at

KEPT = Kept("office", "7.12", 2_000_000, 70_000, "ab" * 32)


def test_a_note_comes_back() -> None:
    assert Kept.from_text(KEPT.to_text()) == KEPT


@cases(
    "text",
    [
        "",
        "[]",
        "\x00",
        '{"box": "a"}',
        KEPT.to_text()[:-5],
        KEPT.to_text().replace("70000", '"x"'),
        KEPT.to_text().replace("70000", "-1"),
        KEPT.to_text().replace("2000000", "null"),
    ],
)
def test_a_damaged_note_is_none(text: str) -> None:
    assert Kept.from_text(text) is None


def test_it_belongs_to_one_message() -> None:
    assert KEPT.is_of("office", "7.12", 2_000_000)
    assert not any(
        (
            KEPT.is_of("shop", "7.12", 2_000_000),
            KEPT.is_of("office", "8.12", 2_000_000),
            KEPT.is_of("office", "7.12", 1),
        )
    )


@given(st.binary(max_size=900), st.integers(0, 900), st.integers(1, 300))
def test_the_same_message_goes_on_and_only_new_bytes_count(content: bytes, length: int, step: int) -> None:
    length = min(length, len(content))
    at = resume_at(length)
    assert length - at == min(length, OVERLAP_BYTES)
    overlap = Overlap(content[at:length])
    new = b""
    for start in range(at, len(content), step):
        taken = overlap.take(content[start : start + step])
        assert taken is not None
        new += taken
    assert content[:length] + new == content
    assert overlap.is_proved


def test_another_message_is_noticed_at_its_first_different_byte() -> None:
    overlap = Overlap(b"abcdef")
    assert overlap.take(b"abc") == b"" and not overlap.is_proved
    assert overlap.take(b"dex") is None
