"""What terminals, mice and telnet clients send is keys or nothing, in any pieces: never text that nobody typed."""

import pytest

from cases import cases
from dialpost.core.console.keys import Key, KeyDecoder


def keys(data: bytes) -> list[Key | str]:
    """What a decoder makes of it."""
    decoder = KeyDecoder()
    return [key for key in map(decoder.receive, data) if key is not None]


def test_a_line_feed_is_an_enter_unless_it_follows_a_return() -> None:
    assert keys(b"\n") == keys(b"\r") == keys(b"\r\n") == [Key.ENTER]
    assert keys(b"\n\n") == keys(b"\r\n\n") == [Key.ENTER] * 2


SILENT = [
    pytest.param(b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07", id="OSC 11, the background's colour, BEL"),
    pytest.param(b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\", id="OSC 10, ST"),
    pytest.param(b"\x1b]52;c;aGVsbG8=\x1b\\", id="OSC 52, the clipboard"),
    pytest.param(b"\x1b]0;\xc3\xa9\xe2\x9c\x94 title\x07", id="OSC with UTF-8, whose bytes look like ST"),
    pytest.param(b"\x1b]0;\xe2\x80\x9cquoted\xe2\x80\x9d\x07", id="OSC with quotes, whose last byte looks like ST"),
    pytest.param(b"\x9d11;rgb:0/0/0\x9c", id="OSC and ST of eight bits"),
    pytest.param(b"\xc2\x9d11;rgb:0/0/0\x1b\\", id="OSC as a character of UTF-8"),
    pytest.param(b"\x1bP1$r0m\x1b\\", id="DCS: DECRQSS"),
    pytest.param(b"\x1bP>|XTerm(390)\x1b\\", id="DCS: XTVERSION"),
    pytest.param(b"\x1bP1+r544e=787465726d\x1b\\", id="DCS: XTGETTCAP"),
    pytest.param(b"\x1bP!|00000000\x1b\\", id="DCS: DA3"),
    pytest.param(b"\x1b_Gi=31;OK\x1b\\", id="APC: kitty's graphics"),
    pytest.param(b"\x1b^private\x1b\\", id="PM"),
    pytest.param(b"\x1bXany text\tat all\x1b\\", id="SOS"),
    pytest.param(b"\x1b[M !!", id="X10 mouse"),
    pytest.param(b"\x1b[M#\xc5\x8a", id="X10 mouse, far to the right"),
    pytest.param(b"\x1b[M \xff\xff", id="X10 mouse at the edge of its coordinates"),
    pytest.param(b"\x9bM !!", id="X10 mouse, CSI of eight bits"),
    pytest.param(b"\x1b[<0;10;20M\x1b[<0;10;20m", id="SGR mouse"),
    pytest.param(b"\x1b[32;10;20M", id="urxvt mouse"),
    pytest.param(b"\x1b[?1;2c\x1b[>41;390;0c\x1b[24;80R\x1b[0n\x1b[?2026;2$y", id="DA, CPR, DSR, DECRPM"),
    pytest.param(b"\x1b[8;24;80t\x1b[I\x1b[O", id="window size, focus"),
    pytest.param(b"\x1b[[A\x1b[[E", id="F1 and F5 of the Linux console"),
    pytest.param(b"\x1b[15~\x1bOP\x1b[1;2P\x1b[97;5u", id="function keys"),
    pytest.param(b"\x1bNa\x8eb\x8fP", id="SS2, SS3"),
    pytest.param(b"\x1b(B\x1b)0\x1b#8\x1b%G", id="character sets"),
    pytest.param(b"\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17m", id="a long control sequence"),
    pytest.param(b"\x1b[1 2;3q", id="parameters behind an intermediate"),
    pytest.param(b"\xff\xfd\x03", id="telnet: DO SUPPRESS-GO-AHEAD"),
    pytest.param(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0", id="telnet: the window's size"),
    pytest.param(b"\xff\xfa\x18\x00xterm\xff\xf0\xff\xfa\x20\x0038400,38400\xff\xf0", id="telnet: type and speed"),
    pytest.param(b"\xff\xfa\x1f\x00\xff\xff\x00\x03\xff\xf0", id="telnet: 255 columns"),
    pytest.param(b"\xff\xec\x82\xac", id="telnet: EOF, the least command"),
    pytest.param(b"\xf1\x80\x80\x9b", id="a character nobody can see, whose last byte looks like CSI"),
    pytest.param(b"\xff\xf1\xff\xf9\xff\xff", id="telnet: NOP, GA, a byte of 255"),
]


@cases("data", SILENT)
def test_what_nobody_typed_gives_no_key_and_what_follows_is_read(data: bytes) -> None:
    assert keys(data) == []
    assert keys(data + b"ok\r") == ["o", "k", Key.ENTER]
    assert keys(b"a" + data + data + b"b") == ["a", "b"]


@cases("data", SILENT)
def test_cut_anywhere_and_left_so_a_pause_and_an_enter_go_on(data: bytes) -> None:
    for cut in range(1, len(data)):
        decoder = KeyDecoder()
        for byte in data[:cut]:
            decoder.receive(byte)
        decoder.pause()
        assert [decoder.receive(byte) for byte in b"y\r"] == ["y", Key.ENTER], cut


@cases(
    ("data", "expected"),
    [
        (b"\x1b[200~echo \xc3\xa9\r\x1b[201~x", [*"echo é", Key.ENTER, "x"]),
        (b"\x9flost\x9cx", ["x"]),
        (b"\xc2\x9flost\x1b\\x", ["x"]),
        (b"\xa0x", ["x"]),
        ("¿x".encode(), ["¿", "x"]),
        ("\u07ca\u0900\uff01\U0001f600x".encode(), [*"\u07ca\u0900\uff01\U0001f600x"]),
        ("\u0904\uffe6\U00010000x".encode(), [*"\u0904\uffe6\U00010000x"]),
        (b"\xc1\x9bAx", [Key.UP, "x"]),
        (b"\xf5\x9bAx", [Key.UP, "x"]),
        (b"\xf4\x8f\xbf\xbfx", ["x"]),
        (b"\xc2\xa0x", ["x"]),
        (b"\x1b[A\x9bB\xc2\x9bC\x1bOD", [Key.UP, Key.DOWN, Key.RIGHT, Key.LEFT]),
        (b"\x1b\x1b[A", [Key.UP]),
        (b"\x1b]0;lost\rx", [Key.ENTER, "x"]),
        (b"\x1bPlost\x03", [Key.INTERRUPT]),
        (b"\x1b]0;a\x1b[Ab", [Key.UP, "b"]),
        (b"\x1b[M\r", [Key.ENTER]),
        (b"\xff\x03", [Key.INTERRUPT]),
        (b"\xff\xf4", [Key.INTERRUPT]),
        (b"\xff\xfb\xff\xfd\x03a", [Key.INTERRUPT, "a"]),  # option 255, a byte of noise, a real Ctrl-C
        (b"\x1b[1\xc3\xa9", ["é"]),
    ],
)
def test_keys_within_and_behind(data: bytes, expected: list[Key | str]) -> None:
    assert keys(data) == expected


def test_a_subnegotiation_without_an_end_is_over_after_a_while() -> None:
    assert keys(b"\xff\xfa" + b"\x18" * 600 + b"\ry")[-2:] == [Key.ENTER, "y"]


def test_an_endless_string_or_subnegotiation_holds_nothing() -> None:
    for start in (b"\x1b]", b"\x1b[", b"\xff\xfa", b"\x1bP"):
        decoder = KeyDecoder()
        for byte in start + b"1" * 100_000:
            decoder.receive(byte)
        assert len(decoder._sequence) <= 16 and len(decoder._utf8) <= 4
        decoder.pause()
        assert decoder.receive(ord("x")) == "x"


def test_a_control_after_escape_is_what_the_two_mean_together() -> None:
    assert keys(b"\x1b\x7f") == [Key.KILL_WORD]


@pytest.mark.parametrize("character", ["\u00dc", "\u271c", "\U0001f71c"])
def test_a_character_s_bytes_end_no_string_but_the_byte_after_it_does(character: str) -> None:
    """Each of them ends in 0x9C, which is also ST."""
    encoded = character.encode()
    assert encoded.endswith(b"\x9c")
    assert keys(b"\x1b]0;" + encoded + b"x\x9ca") == keys(b"\x1b]0;" + encoded + b"\x9ca") == ["a"]


def test_it_is_at_rest_only_outside_of_a_sequence() -> None:
    decoder, told = KeyDecoder(), []
    for byte in b"a\x1b[A":
        told.append(decoder.is_at_rest)
        decoder.receive(byte)
    assert [*told, decoder.is_at_rest] == [True, True, False, False, True]


@pytest.mark.parametrize("command", [0xF0, 0xF1, 0xF3, 0xF9])
def test_a_telnet_command_without_more_takes_nothing_of_what_follows(command: int) -> None:
    assert keys(bytes([0xFF, command]) + b"a") == ["a"]


@cases(
    ("data", "expected"),
    [
        (b"\x1b]0;a\x08\x09\x0b\x0c\x7fb\x07c", ["c"]),  # format effectors stand in strings
        (b"\x1b]0;a\x07\x08", [Key.BACKSPACE]),
        (b"\x1b]0;a\x01", [Key.HOME]),
        (b"\x1b]0;a\x0e", [Key.DOWN]),
        (b"\x1b]0;\xc1\x9cx", ["x"]),  # 0xC1 begins no character, so 0x9C is ST
        (b"\x1b]0;\xc2\x9cx\x07", []),
        (b"\x1b]0;\xdf\x9c\x9cx", ["x"]),
        (b"\x1b]0;\xe0\x9c\x9c\x9cx", ["x"]),
        (b"\x1b]0;\xef\x9c\x9c\x9cx", ["x"]),
        (b"\x1b]0;\xf0\x9c\x9c\x9c\x9cx", ["x"]),
        (b"\x1b]0;\xf0\x9c\x9c\x9cx\x07", []),
        (b"\x1b]0;\xc2a\x9cx", ["x"]),
        (b"\r\n\n", [Key.ENTER, Key.ENTER]),
        (b"\r\x01\n", [Key.ENTER, Key.HOME, Key.ENTER]),
        (b"\x1b[M   a", ["a"]),
        (b"\x1b[1M   a", [" ", " ", " ", "a"]),
        (b"\x1b[3~\x1b[2~\x1b[1;5C\x1b[1;9C", [Key.DELETE, Key.WORD_RIGHT]),
        (b"\x1b[" + b"1" * 16 + b"~a", ["a"]),
        (b"\x1b[" + b"1" * 17 + b"~a", ["a"]),
        (b"\x1b(3a", ["a"]),
        (b"\x1b0a", ["a"]),
        (b"\x1b//0a", ["a"]),
        (b"\xff\xeca", ["a"]),
        (b"\xff\xeba", ["a"]),
        (b"\xff\xfbaa", ["a"]),
        (b"\xff\xfeaa", ["a"]),
        (b"\xff\xfaa\xff\xf0b", ["b"]),
        (b"\xff\xfaa\xf0b", []),
        (b"\xff\xfa" + b"x" * 511 + b"ab", ["b"]),
        (b"\xff\xfa" + b"x" * 510 + b"ab", []),
    ],
)
def test_where_a_string_a_sequence_or_a_command_ends(data: bytes, expected: list[Key | str]) -> None:
    assert keys(data) == expected


@cases(
    ("data", "text"),
    [
        ("a\u00fc\u20ac\U0001f600b".encode(), "a\u00fc\u20ac\U0001f600b"),
        (b"\xdf\xa5a", "\u07e5a"),  # the last first bytes of two and of three
        (b"\xef\xbc\xa1a", "\uff21a"),
        (b"\xc3a", "a"),
        (b"\xc3\xc3\xbca", "\u00fca"),
        (b"\xa0\xbfa", "a"),
        (b"\xe2\x82a", "a"),
        (b"\xf8\x88\x80\x80a", "a"),
        (b"\xed\xa0\x80a", "a"),
        (b"\xc0\xafa", "a"),
    ],
)
def test_characters_of_several_bytes(data: bytes, text: str) -> None:
    assert keys(data) == list(text)


def test_every_control_and_every_sequence_is_its_key() -> None:
    """What the common terminals send (xterm, the Linux console, screen)."""
    for data, key in (
        (b"\x01 \x1b[H \x1b[1~ \x1b[7~ \x1bOH", Key.HOME),
        (b"\x05 \x1b[F \x1b[4~ \x1b[8~ \x1bOF", Key.END),
        (b"\x02 \x1b[D \x1bOD", Key.LEFT),
        (b"\x06 \x1b[C \x1bOC", Key.RIGHT),
        (b"\x10 \x1b[A \x1bOA", Key.UP),
        (b"\x0e \x1b[B \x1bOB", Key.DOWN),
        (b"\x1bb \x1b[1;5D \x1b[1;3D", Key.WORD_LEFT),
        (b"\x1bf \x1b[1;5C \x1b[1;3C", Key.WORD_RIGHT),
        (b"\x08 \x7f", Key.BACKSPACE),
        (b"\x1b[3~", Key.DELETE),
        (b"\x0b", Key.KILL_END),
        (b"\x15", Key.KILL_ALL),
        (b"\x17 \x1b\x7f \x1b\x08", Key.KILL_WORD),
        (b"\x19", Key.YANK),
        (b"\x03", Key.INTERRUPT),
        (b"\x04", Key.END_OF_INPUT),
        (b"\x12", Key.REDRAW),
        (b"\x0c", Key.CLEAR),
        (b"\x09", Key.TAB),
        (b"\x0a \x0d", Key.ENTER),
    ):
        assert {key} == {found for sent in data.split(b" ") for found in keys(sent)}


@pytest.mark.parametrize(
    "char", [b"\xdf\x9c", b"\xe0\xa4\x9c", b"\xef\xbc\x9c", b"\xf0\x9f\x98\x9c", b"\xdf\xbf", b"\xef\xbf\x9d"]
)
def test_in_a_string_a_character_is_as_long_as_its_first_byte_says(char: bytes) -> None:
    assert keys(b"\x1b]0;" + char + b"x\x07c") == ["c"]
    assert keys(b"\x1b]0;" + char + b"\x9cc") == ["c"]


def test_only_the_bracket_of_the_linux_console_takes_one_more() -> None:
    assert keys(b"\x1b[]x") == ["x"]


def test_control_characters_are_the_keys_of_emacs_and_a_shell() -> None:
    meant = {
        "A": Key.HOME,
        "B": Key.LEFT,
        "C": Key.INTERRUPT,
        "D": Key.END_OF_INPUT,
        "E": Key.END,
        "F": Key.RIGHT,
        "H": Key.BACKSPACE,
        "I": Key.TAB,
        "J": Key.ENTER,
        "K": Key.KILL_END,
        "L": Key.CLEAR,
        "M": Key.ENTER,
        "N": Key.DOWN,
        "P": Key.UP,
        "R": Key.REDRAW,
        "U": Key.KILL_ALL,
        "W": Key.KILL_WORD,
        "Y": Key.YANK,
    }
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        assert keys(bytes((ord(letter) - 0x40,))) == ([meant[letter]] if letter in meant else []), letter
    assert keys(b"\x7f") == [Key.BACKSPACE]
