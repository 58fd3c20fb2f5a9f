"""The line editor on a model of a VT100 and of a dumb terminal: what is shown, what is taken, what noise does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.console.editor import (
    Completion,
    Event,
    InputEnded,
    Interrupted,
    Line,
    LineEditor,
    Mode,
    TooLong,
    columns,
)
from dialpost.core.console.keys import Key
from dialpost.core.console.line_text import LONGEST
from screen import Screen

WORDS = ("show", "shutdown", "set", "commit")
UP, DOWN, RIGHT, LEFT, HOME, END, DELETE = (
    b"\x1b[A",
    b"\x1b[B",
    b"\x1b[C",
    b"\x1b[D",
    b"\x1b[H",
    b"\x1bOF",
    b"\x1b[3~",
)


class Words:
    """Completes and explains the first word."""

    def complete(self, before: str) -> Completion:
        found = tuple(word for word in WORDS if word.startswith(before))
        if len(found) == 1:
            return Completion(found[0][len(before) :] + " ")
        return Completion(choices=found)

    def help(self, before: str) -> Sequence[str]:
        return () if before.count('"') % 2 else ("one of:", *(f"  {word}" for word in WORDS))


def talk(
    *pieces: bytes, mode: Mode = Mode.COMMAND, editor: LineEditor | None = None, screen: Screen | None = None
) -> tuple[list[Event], Screen]:
    """Feed pieces; the events and what the screen shows. The output is fetched after every piece."""
    editor = editor or LineEditor()
    screen = screen or Screen()
    events: list[Event] = []
    editor.begin("> ", mode, Words())
    screen.show(editor.data_to_send())
    for piece in pieces:
        editor.receive(piece)
        while (event := editor.event()) is not None:
            events.append(event)
            editor.begin("> ", mode, Words())
        screen.show(editor.data_to_send())
    return events, screen


def bytewise(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


@cases(
    ("typed", "line"),
    [
        (b"show\r", "show"),
        (b"shwo\b\bow\r", "show"),
        (b"shwo\x7f\x7fow\r", "show"),
        (b"how" + HOME + b"s\r", "show"),
        (b"sow" + LEFT + LEFT + b"h" + END + b"!\r", "show!"),
        (b"sxhow" + HOME + RIGHT + DELETE + b"\r", "show"),
        (b"show junk\x17all\r", "show all"),
        (b"junk\x15show\r", "show"),
        (b"show junk\x01\x06\x06\x06\x06\x0b\r", "show"),
        (b"abc\x15\x19\x19\r", "abcabc"),
        (b"two words" + b"\x1bb" + b"x" + b"\x1bf" + b"y\r", "two xwordsy"),
        (b"a\x04\x01\x04b\r", "b"),  # Ctrl-D deletes under the cursor while there is a line
        ("größe\r".encode(), "größe"),
        (b"com\t\r", "commit "),
        (b"sh\tow\r", "show"),  # ambiguous: nothing is put in
        (b'name?"a?b"\r', 'name"a?b"'),  # help outside quotes, a character inside
        (b"a\x16?b\r", "a?b"),
    ],
)
def test_a_line_is_edited(typed: bytes, line: str) -> None:
    for pieces in ([typed], bytewise(typed)):
        assert talk(*pieces)[0] == [Line(line)]


def test_cr_lf_and_crlf_end_a_line_once_each() -> None:
    for pieces in ([b"a\rb\nc\r\nd\r\n\r\n"], bytewise(b"a\rb\nc\r\nd\r\n\r\n")):
        assert talk(*pieces)[0] == [Line("a"), Line("b"), Line("c"), Line("d"), Line("")]


def test_ctrl_c_drops_the_line_and_ctrl_d_ends_the_input() -> None:
    assert talk(b"junk\x03ok\r\x04")[0] == [Interrupted(), Line("ok"), InputEnded()]
    assert talk(b"junk\x03")[1].rows()[0] == "> junk^C"
    assert talk(b"\x04")[1].rows()[0].rstrip() == ">"


def test_the_history_is_walked_and_keeps_what_was_being_typed() -> None:
    events, _ = talk(b"one\rtwo\rtwo\r", UP, UP, DOWN, DOWN, b"dra", UP, UP, UP, b"!\r", UP, b"\r")
    assert events == [Line("one"), Line("two"), Line("two"), Line("one!"), Line("one!")]
    events, _ = talk(b"one\rdraft", UP, DOWN, b"\r")
    assert events == [Line("one"), Line("draft")]


def test_answers_secrets_and_texts_have_no_history_and_no_help() -> None:
    for mode in (Mode.ANSWER, Mode.SECRET, Mode.TEXT):
        assert talk(b"one?\r" + UP + b"\r", mode=mode)[0] == [Line("one?"), Line("")]


def test_a_secret_leaves_no_trace() -> None:
    _, screen = talk(b"geheim\b\bim\x1b[Dx\x12", b"\x0c", mode=Mode.SECRET)
    assert screen.rows() == ["> "]
    assert "geheim" not in screen.everything
    for letter in "geheimx":
        assert letter not in screen.everything


def test_what_is_typed_ahead_waits_for_its_question() -> None:
    editor, screen = LineEditor(), Screen()
    editor.begin("> ", Mode.COMMAND)
    editor.receive(b"set ppp.password\rsecret\rsecret\rshow\r")
    found = []
    for mode in (Mode.COMMAND, Mode.SECRET, Mode.SECRET, Mode.COMMAND):
        editor.begin("> ", mode)
        found.append(editor.event())
        screen.show(editor.data_to_send())
    assert found == [Line("set ppp.password"), Line("secret"), Line("secret"), Line("show")]
    assert screen.rows() == ["> set ppp.password", ">", ">", "> show", ""]


def test_a_tab_in_a_pasted_text_is_a_character() -> None:
    assert talk(b"a\tb\r", mode=Mode.TEXT)[0] == [Line("a\tb")]


def test_choices_and_help_are_shown_under_the_line_which_goes_on() -> None:
    _, screen = talk(b"sh\t")
    assert screen.rows() == ["> sh", "show      shutdown", "> sh"]
    _, screen = talk(b"s", b"?")
    assert screen.rows() == ["> s", "one of:", *(f"  {word}" for word in WORDS), "> s"]


@pytest.mark.parametrize("width", [20, 40, 80, 132])
def test_a_long_line_stays_in_its_row(width: int) -> None:
    editor, screen = LineEditor(width=width), Screen(width)
    text = "".join(chr(ord("a") + index % 26) for index in range(300))
    events, _ = talk(*bytewise(text.encode()), *[LEFT] * 200, b"X", HOME, b"Y", editor=editor, screen=screen)
    assert events == [] and len(screen.rows()) == 1 and len(screen.rows()[0]) < width
    assert screen.rows()[0].startswith("> Yabc") and screen.rows()[0].endswith(">")
    events, _ = talk(b"\r", editor=editor, screen=screen)
    assert screen.cursor[1] == 2  # after the prompt of the next line


def test_a_too_long_line_is_refused_whole_and_the_next_is_as_ever() -> None:
    assert talk(b"x" * (LONGEST + 1) + b"\rshow\r")[0] == [TooLong(), Line("show")]
    assert talk(b"x" * LONGEST + b"\r")[0] == [Line("x" * LONGEST)]


def test_few_bytes_are_sent() -> None:
    editor = LineEditor()
    editor.begin("dialpost> ")
    editor.data_to_send()
    for typed, most in ((b"show station", 12), (b"\b", 3), (LEFT, 1), (LEFT * 5, 4), (b"\x01", 12), (b"\x05", 12)):
        editor.receive(typed)
        assert editor.event() is None
        assert len(editor.data_to_send()) <= most
    editor.receive(b"\x15" + b"y" * 60 + b"\x15" + b"show")  # only the difference in the end is sent
    assert editor.event() is None
    assert len(editor.data_to_send()) <= 30


def test_a_paste_of_200_lines_is_taken_whole_and_each_is_shown_once() -> None:
    lines = [f'key_{index} = "value {index}"' for index in range(200)]
    for end in ("\r", "\n", "\r\n"):
        data = "".join(line + end for line in lines).encode()
        for pieces in ([data], bytewise(data)):
            events, screen = talk(*pieces, mode=Mode.TEXT)
            assert events == [Line(line) for line in lines]
            assert screen.rows() == [*(f"> {line}" for line in lines), "> "]


def test_output_in_between_leaves_the_line_as_it_was() -> None:
    editor, screen = LineEditor(), Screen()
    talk(b"sho", editor=editor, screen=screen)
    editor.interject(b"somebody committed\r\n")
    screen.show(editor.data_to_send())
    assert screen.rows() == ["somebody committed", "> sho"]
    editor.receive(b"w\r")
    assert editor.event() == Line("show")


# -- a dumb terminal ------------------------------------------------------------------------------------------


def test_a_dumb_terminal_is_sent_no_escape_sequence_and_shows_the_same() -> None:
    editor, screen = LineEditor(dumb=True), Screen()
    typed = [b"shwo", b"\b\b", b"ow", b"\x17", b"set x", UP, b"\t", b"?", LEFT, HOME, b"\x0c", b"\r"]
    events, _ = talk(*typed, editor=editor, screen=screen)
    assert events == [Line("set x")]
    assert "\x1b" not in screen.everything
    assert screen.rows()[-2:] == ["> set x", "> "]


def test_more_than_ascii_goes_only_to_a_terminal_that_shows_it() -> None:
    for dumb in (False, True):
        for utf8, shown in ((True, "jos\u00e9".encode()), (False, b"jos?")):
            editor = LineEditor(dumb=dumb, utf8=utf8)
            editor.begin("jos\u00e9> ")
            assert shown in editor.data_to_send(), (dumb, utf8)
    editor = LineEditor()
    editor.begin("jos\u00e9> ")
    assert b"jos?" in editor.data_to_send(), "unless somebody says so"


def test_a_long_line_on_a_dumb_terminal_wraps_and_is_erased_across_rows() -> None:
    editor, screen = LineEditor(width=20, dumb=True), Screen(20)
    talk(*bytewise(b"a" * 50), b"\b" * 40, b"b", editor=editor, screen=screen)
    assert screen.rows()[-1] == "> " + "a" * 10 + "b"


# -- noise ----------------------------------------------------------------------------------------------------


@cases(
    "noise",
    [
        b"\x00",
        b"\xff",
        b"\x80\xbf",
        b"\xc3",
        b"\xe2\x82",
        b"\x1b[",
        b"\x1b[12;",
        b"\x1bO",
        b"\x1b",
        b"\x1b[9999999999999999999999",
        b"\x00\x00\x00",
        b"\xf8\xfe",
        b"\x1c\x1d\x1e\x1f",
    ],
)
def test_noise_before_a_line_end_costs_at_most_what_it_is(noise: bytes) -> None:
    for pieces in ([noise + b"\rshow\r"], bytewise(noise + b"\rshow\r")):
        events, _ = talk(*pieces)
        assert events[-1] == Line("show")


def test_a_pause_ends_a_broken_sequence() -> None:
    editor = LineEditor()
    editor.begin("> ")
    editor.receive(b"\x1b[")
    assert editor.event() is None
    editor.pause()
    editor.receive(b"Ab\r")
    assert editor.event() == Line("Ab")


_PIECES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [
                UP,
                DOWN,
                LEFT,
                RIGHT,
                HOME,
                END,
                DELETE,
                b"\t",
                b"?",
                b"\b",
                b"show ",
                b"\x15",
                b"\x0b",
                b"\x19",
                b"\x17",
                b"\x1bb",
                "ü".encode(),
                "漢".encode(),
                b"x" * 90,
            ]
        ),
    ),
    max_size=40,
)


@given(_PIECES, st.sampled_from([20, 33, 80]), st.booleans())
def test_whatever_comes_the_screen_shows_the_line(pieces: list[bytes], width: int, utf8: bool) -> None:
    """The row on the screen is what an editor that was never seen before would draw."""
    editor, screen = LineEditor(width=width, utf8=utf8), Screen(width)
    talk(*pieces, editor=editor, screen=screen)
    last, row, column = screen.rows()[-1], screen.cursor[0], screen.cursor[1]
    assert row == len(screen.rows()) - 1 and len(last) < width
    before = editor._line.text, editor._line.cursor
    editor.receive(b"\x12")  # redraw
    assert editor.event() is None
    screen.show(editor.data_to_send())
    assert (screen.rows()[-1].rstrip(), screen.cursor[1]) == (last.rstrip(), column)
    assert before == (editor._line.text, editor._line.cursor)


@given(_PIECES, st.booleans(), st.sampled_from(list(Mode)))
def test_whole_and_byte_by_byte_are_the_same(pieces: list[bytes], dumb: bool, mode: Mode) -> None:
    data = b"".join(pieces) + b"\r"
    whole, _ = talk(data, editor=LineEditor(dumb=dumb), mode=mode)
    single, _ = talk(*bytewise(data), editor=LineEditor(dumb=dumb), mode=mode)
    assert whole == single


@given(_PIECES)
def test_nothing_is_ever_asked_of_the_terminal(pieces: list[bytes]) -> None:
    _, screen = talk(*pieces)
    for query in ("\x1b[6n", "\x1b[c", "\x1b[0c", "\x1bZ", "\x1b[5n", "\x05"):
        assert query not in screen.everything


def test_what_was_typed_ahead_can_be_dropped() -> None:
    editor = LineEditor()
    assert not editor.has_input
    editor.receive(b"show\x1b")
    assert editor.has_input
    editor.drop_input()
    assert not editor.has_input
    events, _ = talk(b"[Aset\r", editor=editor)
    assert events == [Line("[Aset")], "the escape was dropped with the rest"


def test_a_line_can_be_forgotten() -> None:
    editor = LineEditor()
    talk(b"show\r", b"set password x\r", editor=editor)
    editor.forget_newest()
    assert talk(UP + b"\r", editor=editor)[0] == [Line("show")]


def test_one_key_outside_of_a_line() -> None:
    editor = LineEditor()
    assert editor.key() is None
    editor.receive(b"\x1b[Aq")
    assert (editor.key(), editor.keys_pressed) == (Key.UP, 1)
    assert (editor.key(), editor.key()) == ("q", None)
    assert editor.keys_pressed == 2


def test_tab_rings_where_nothing_can_be_completed() -> None:
    editor = LineEditor()
    editor.begin("> ", Mode.ANSWER, Words())
    editor.receive(b"\t")
    assert editor.event() is None
    assert b"\a" in editor.data_to_send()


def test_before_it_asks_it_says_and_takes_nothing() -> None:
    editor = LineEditor()
    assert editor.data_to_send() == b""
    editor.receive(b"show\r")
    assert editor.event() is None
    editor.begin("> ")
    assert editor.event() == Line("show")


def test_the_cursor_of_a_secret_stands_behind_the_prompt_whatever_was_typed() -> None:
    _, screen = talk(b"gehe", b"\x1b[D", b"im", mode=Mode.SECRET)
    assert screen.cursor == (0, 2)
    _, shown = talk(b"gehe", b"\x1b[D", mode=Mode.ANSWER)
    assert shown.cursor == (0, 5)


@cases(
    ("key", "rings"),
    [
        (b"\b", True),
        (LEFT, True),
        (RIGHT, True),
        (UP, True),
        (DOWN, True),
        (b"\x0b", True),
        (b"\x19", True),
        (b"a", False),
        (b"\x12", False),
        (b"\x0c", False),
        (b"\r", False),
    ],
)
def test_a_key_that_does_nothing_rings_once(key: bytes, rings: bool) -> None:
    editor = LineEditor()
    editor.begin("> ")
    for _ in range(2):
        editor.receive(key)
        editor.event()
        assert (b"\a" in editor.data_to_send()) is rings
        editor.begin("> ")
    editor.receive(key * 3)
    editor.event()
    assert editor.data_to_send().count(b"\a") == rings


def test_how_many_keys_were_pressed() -> None:
    editor = LineEditor()
    editor.begin("> ")
    editor.receive(b"ab\x1b[Cc\x00\xff\xf1\r")
    editor.event()
    assert editor.keys_pressed == 5
    editor.receive(b"x")
    assert editor.key() == "x" and editor.keys_pressed == 6


@pytest.mark.parametrize(
    ("words", "width", "rows"),
    [
        (["a", "b", "c"], 80, ["a  b  c"]),
        (["a", "b", "c"], 9, ["a  c", "b"]),
        (["a", "b", "c"], 10, ["a  b  c"]),
        (["abcdef", "b"], 5, ["abcdef", "b"]),
        (["abc", "d", "e", "f", "g"], 16, ["abc  e    g", "d    f"]),
    ],
)
def test_choices_side_by_side_are_read_downwards(words: list[str], width: int, rows: list[str]) -> None:
    assert columns(words, width) == rows


def test_ctrl_l_clears_the_screen_and_ctrl_r_only_draws_the_row_again() -> None:
    for byte, clears in ((b"\x0c", True), (b"\x12", False)):
        editor = LineEditor()
        editor.begin("> ", Mode.COMMAND, Words())
        editor.receive(b"show")
        assert editor.event() is None
        editor.data_to_send()
        editor.receive(byte)
        assert editor.event() is None
        sent = editor.data_to_send()
        assert sent.endswith(b"> show") and (b"\x1b[2J" in sent) is clears, byte
