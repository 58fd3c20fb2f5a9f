"""How long a line and a reply may be, and what is seen at once to be no reply."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.replies import MAX_LINE_BYTES, MAX_REPLY_BYTES, ReplyReader
from dialpost.core.mail.reply import Reply


@pytest.mark.parametrize("pieces", [1, 2])
def test_the_longest_line(pieces: int) -> None:
    line = b"250 " + b"x" * (MAX_LINE_BYTES - 6) + b"\r\n"
    half = len(line) // pieces
    reader = ReplyReader()
    [reply] = [found for at in range(0, len(line), half) for found in reader.receive(line[at : at + half])]
    assert reply == Reply(250, ("x" * (MAX_LINE_BYTES - 6),))
    for longer in (b"250 " + b"x" * (MAX_LINE_BYTES - 5) + b"\r\n", b"250 " + b"x" * (MAX_LINE_BYTES - 3)):
        with pytest.raises(ProtocolError, match="line without end"):
            list(ReplyReader().receive(longer))
    assert list(ReplyReader().receive(b"250 " + b"x" * (MAX_LINE_BYTES - 4))) == []


def test_the_longest_reply_and_the_next_one_counts_again() -> None:
    line = b"250-" + b"x" * 1018 + b"\r\n"
    assert 64 * len(line) == MAX_REPLY_BYTES
    longest = line * 63 + line.replace(b"-", b" ")
    reader = ReplyReader()
    for _ in range(2):
        [reply] = list(reader.receive(longest))
        assert len(reply.lines) == 64
    with pytest.raises(ProtocolError, match="reply is too long"):
        list(ReplyReader().receive(line * 64 + b"250 x\r\n"))
    with pytest.raises(ProtocolError, match="reply is too long"):
        list(ReplyReader().receive(line * 63 + line[:-2] + b"x\r\n"))


@cases(
    ("beginning", "may_be_one"),
    [
        (b"2", True),
        (b"25", True),
        (b"250", True),
        (b"250 ", True),
        (b"250-x", True),
        (b"250\r", True),
        (b"599 ", True),
        (b"1", False),
        (b"6", False),
        (b"2x", False),
        (b"25x", False),
        (b"250x", False),
        (b"2500", False),
        (b"SSH-2", False),
    ],
)
def test_what_can_be_no_reply_is_not_waited_for(beginning: bytes, may_be_one: bool) -> None:
    reader = ReplyReader()
    if may_be_one:
        assert list(reader.receive(beginning)) == [] and reader.holds_input
    else:
        with pytest.raises(ProtocolError, match="not SMTP"):
            list(reader.receive(beginning))
        assert not reader.holds_input


def test_how_much_of_no_reply_is_quoted() -> None:
    for said in (b"x" * 79 + b"yz\r\n", b"x" * 79 + b"yz"):
        with pytest.raises(ProtocolError) as caught:
            list(ReplyReader().receive(said))
        assert str(caught.value) == f"the server's answer is not SMTP: '{'x' * 79}y'"


def test_a_reply_in_the_middle_is_held_input() -> None:
    reader = ReplyReader()
    assert list(reader.receive(b"250-x\r\n")) == [] and reader.holds_input
    with pytest.raises(ProtocolError, match=r"\(250, then 251\)"):
        list(reader.receive(b"251 x\r\n"))


def test_tabs_stay_and_other_control_characters_are_shown_as_such() -> None:
    [reply] = list(ReplyReader().receive(b"250 a\tb\x08\x0b\x1fc\x7f \r\n"))
    assert reply.lines == ("a\tb???c?",)


def test_after_a_reply_the_next_may_be_no_longer_than_the_first() -> None:
    line = b"250-" + b"x" * 1018 + b"\r\n"
    reader = ReplyReader()
    assert len(list(reader.receive(b"250 ok\r\n"))) == 1
    assert len(line) == 1024 and MAX_REPLY_BYTES % 1024 == 0
    list(reader.receive(line * (MAX_REPLY_BYTES // 1024 - 1) + line[:-9] + b"\r\n"))
    with pytest.raises(ProtocolError, match="reply is too long"):
        list(reader.receive(b"250 xx\r\n"))
