"""The letter about a message that stays at the provider."""

from dialpost.core.mail.inbound.letter import author_of, held_letter, subject_of

HEADER = b"From: =?utf-8?q?J=C3=BCrgen?= <j@far.example>\r\nSubject: Pictures\r\n of\x1b[31m us\r\n\r\nbody\r\n"


def test_who_and_what_are_read_and_harmless() -> None:
    assert author_of(HEADER) == "Jürgen <j@far.example>"
    assert subject_of(HEADER).startswith("Pictures of") and "\x1b" not in subject_of(HEADER)
    assert (author_of(b""), subject_of(b"\r\n")) == ("", "")


def test_the_letter_says_how_to_get_it() -> None:
    subject, words = held_letter("eve@far.example", "Pictures", 2_000_000, "big", "a1b2c3d4")
    assert subject == "A message from eve@far.example waits at the provider"
    for part in ("From:    eve@far.example", "Subject: Pictures", "2.0 MB", "It is big.", "fetch a1b2c3d4"):
        assert part in words
    assert max(map(len, words.split("\n"))) <= 72


def test_without_an_author_and_a_subject() -> None:
    subject, words = held_letter("", "", 5, "big", "x")
    assert "somebody" in subject and "(not given)" in words and "Subject" not in words
