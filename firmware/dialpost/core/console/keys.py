"""Turns a terminal's bytes into keys: control characters, escape sequences, UTF-8, and what a telnet client sends
in between.

Input may be split anywhere. A terminal answers queries that an earlier program sent, and reports its mouse: such
sequences are consumed whole by the grammar of ECMA-48, never typed as text. Anything that no real terminal sends
(line noise, NULs from a BREAK, broken sequences, bytes that are not UTF-8) yields no key and does no harm. An
escape sequence ends at the latest at the next control character that can't be part of one, or at `pause`: noise
never swallows an Enter. Sources of the sequences: ECMA-48 §5.3 to §5.6, DEC VT100 and VT220, xterm and the Linux
console; RFC 854, RFC 855.
"""

from __future__ import annotations

from enum import Enum

_LONGEST_SEQUENCE = 16


class Key(Enum):
    """What a key does."""

    ENTER = "enter"
    BACKSPACE = "backspace"
    DELETE = "delete"
    LEFT = "left"
    RIGHT = "right"
    WORD_LEFT = "word left"
    WORD_RIGHT = "word right"
    UP = "up"
    DOWN = "down"
    HOME = "home"
    END = "end"
    TAB = "tab"
    KILL_END = "kill to the end"
    KILL_ALL = "kill the line"
    KILL_WORD = "kill the word before"
    YANK = "put back what was killed"
    INTERRUPT = "interrupt"
    END_OF_INPUT = "end of input"
    REDRAW = "redraw"
    CLEAR = "clear the screen"


_CONTROLS = {
    0x01: Key.HOME,
    0x02: Key.LEFT,
    0x03: Key.INTERRUPT,
    0x04: Key.END_OF_INPUT,
    0x05: Key.END,
    0x06: Key.RIGHT,
    0x08: Key.BACKSPACE,
    0x09: Key.TAB,
    0x0A: Key.ENTER,
    0x0B: Key.KILL_END,
    0x0C: Key.CLEAR,
    0x0D: Key.ENTER,
    0x0E: Key.DOWN,
    0x10: Key.UP,
    0x12: Key.REDRAW,
    0x15: Key.KILL_ALL,
    0x17: Key.KILL_WORD,
    0x19: Key.YANK,
    0x7F: Key.BACKSPACE,
}
_FINALS = {
    "A": Key.UP,
    "B": Key.DOWN,
    "C": Key.RIGHT,
    "D": Key.LEFT,
    "H": Key.HOME,
    "F": Key.END,
}
_TILDES = {"1": Key.HOME, "7": Key.HOME, "4": Key.END, "8": Key.END, "3": Key.DELETE}
_WORDWISE = {"1;5C": Key.WORD_RIGHT, "1;5D": Key.WORD_LEFT, "1;3C": Key.WORD_RIGHT, "1;3D": Key.WORD_LEFT}
_AFTER_ESCAPE = {"b": Key.WORD_LEFT, "f": Key.WORD_RIGHT, "\x7f": Key.KILL_WORD, "\x08": Key.KILL_WORD}


_LINUX_FUNCTION_KEY = "["
"""The Linux console's F1 to F5 are ESC [ [ A to E: a final byte followed by one more."""
_MOUSE = "M"
"""ESC [ M without parameters: X10's mouse report, followed by three bytes of any value from 0x20."""
_MOUSE_BYTES = 3


class _State(Enum):
    GROUND = "ground"
    ESCAPE = "after ESC"
    ESCAPE_MORE = "after ESC and intermediate bytes"  # ECMA-35 §13.2: ESC ( B
    CONTROL = "after CSI"
    IGNORED = "in a control sequence that is too long"
    ONE_MORE = "after SS2, or a function key of the Linux console"
    SINGLE = "after SS3"
    STRING = "in an OSC, DCS, APC, PM or SOS, up to ST or BEL"
    MOUSE = "in the bytes behind ESC [ M"
    IAC = "after telnet's IAC"
    OPTION = "after IAC WILL, WONT, DO or DONT"
    SUBNEGOTIATION = "after IAC SB, up to IAC SE"
    SUBNEGOTIATION_IAC = "after IAC in a subnegotiation"


_INTRODUCERS = {
    "[": _State.CONTROL,
    "O": _State.SINGLE,
    "N": _State.ONE_MORE,
    "]": _State.STRING,
    "P": _State.STRING,
    "_": _State.STRING,
    "^": _State.STRING,
    "X": _State.STRING,
}
"""What follows ESC. The same plus 0x40 is the introducer as a single 8-bit byte (ECMA-48 §5.3)."""
_IN_STRINGS = frozenset({0x08, 0x09, 0x0B, 0x0C})
"""Format effectors a string may contain (ECMA-48 §5.6). CR and LF end it here: an Enter matters more."""
_BEL, _ESC, _IAC = 0x07, 0x1B, 0xFF
_IP, _SB, _SE, _WILL, _DONT = 0xF4, 0xFA, 0xF0, 0xFB, 0xFE
_LEAST_COMMAND = 0xEC  # EOF, RFC 1184
_LONGEST_SUBNEGOTIATION = 512

_TELNET = frozenset({_State.IAC, _State.OPTION, _State.SUBNEGOTIATION, _State.SUBNEGOTIATION_IAC})


class KeyDecoder:
    """One terminal's stream. `receive` returns the keys (a `Key`, or a printable character) that one byte
    yields."""

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._sequence = ""
        self._left = 0
        self._utf8 = b""
        self._after_cr = False

    @property
    def is_at_rest(self) -> bool:
        """Whether the next byte begins something new."""
        return self._state is _State.GROUND and not self._utf8

    def receive(self, byte: int) -> Key | str | None:
        """The key that this byte completes, None if there is none."""
        after_cr, self._after_cr = self._after_cr, False
        if self._state in _TELNET:
            return self._telnet(byte)
        if byte == _IAC and self._state is not _State.MOUSE:
            self._state, self._utf8 = _State.IAC, b""
            return None
        if byte == 0x0A and after_cr:  # CR LF is one Enter
            return None
        if byte < 0x20 or byte == 0x7F:
            return self._control(byte)
        if self._state is _State.GROUND:
            return self._text(byte)
        return self._in_sequence(byte)

    def pause(self) -> None:
        """Nothing came for a while: an unfinished sequence will not be completed. (No terminal pauses within a
        key.)"""
        self._state, self._utf8 = _State.GROUND, b""

    def _telnet(self, byte: int) -> Key | str | None:
        """What a telnet client says to its server is not for us (RFC 854): it came through the cable at the
        port."""
        state, self._state = self._state, _State.GROUND
        if state is _State.IAC:
            if byte < _LEAST_COMMAND:
                return self.receive(byte)  # it was noise
            if _WILL <= byte <= _DONT:
                self._state = _State.OPTION
            elif byte == _SB:
                self._state, self._left = _State.SUBNEGOTIATION, _LONGEST_SUBNEGOTIATION
            return Key.INTERRUPT if byte == _IP else None
        if state is _State.OPTION or (state is _State.SUBNEGOTIATION_IAC and byte == _SE):
            return None
        self._left -= 1
        if self._left > 0:
            ends = state is _State.SUBNEGOTIATION and byte == _IAC
            self._state = _State.SUBNEGOTIATION_IAC if ends else _State.SUBNEGOTIATION
        return None

    def _control(self, byte: int) -> Key | None:
        state, self._state = self._state, _State.GROUND
        self._utf8 = b""
        if byte == _ESC:
            self._state = _State.ESCAPE  # of ST too: its backslash yields no key
            return None
        if state is _State.STRING:
            if byte == _BEL:
                return None
            if byte in _IN_STRINGS or byte == 0x7F:
                self._state = state
                return None
        if state is _State.ESCAPE and chr(byte) in _AFTER_ESCAPE:
            return _AFTER_ESCAPE[chr(byte)]
        self._after_cr = byte == 0x0D
        return _CONTROLS.get(byte)

    def _in_sequence(self, byte: int) -> Key | str | None:
        char = chr(byte)
        state, self._state = self._state, _State.GROUND
        if state is _State.MOUSE:
            self._left -= 1
            self._state = state if self._left else _State.GROUND
            return None
        if state is _State.STRING:
            self._state = _State.GROUND if byte == 0x9C and not self._utf8 else state
            self._in_string(byte)
            return None
        if byte >= 0x80:  # not part of any sequence: the unfinished one was noise
            return self._text(byte) if state is not _State.ESCAPE else None
        if state in {_State.ESCAPE, _State.ESCAPE_MORE}:
            return self._after_escape(state, char)
        if state is _State.SINGLE:
            return _FINALS.get(char)
        return self._in_control(state, char) if state is not _State.ONE_MORE else None

    def _in_string(self, byte: int) -> None:
        """ST as one byte also occurs in UTF-8 characters: it ends the string only if it is not part of one."""
        if byte >= 0xC2:
            self._utf8, self._left = b"?", 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        elif self._utf8 and byte >= 0x80:
            self._left -= 1
            self._utf8 = b"?" if self._left else b""
        else:
            self._utf8 = b""

    def _after_escape(self, state: _State, char: str) -> Key | None:
        if char < "0":
            self._state = _State.ESCAPE_MORE
            return None
        if state is _State.ESCAPE_MORE:
            return None
        if char in _INTRODUCERS:
            self._begin(_INTRODUCERS[char])
            return None
        return _AFTER_ESCAPE.get(char)

    def _begin(self, state: _State) -> None:
        self._state, self._sequence, self._utf8 = state, "", b""

    def _in_control(self, state: _State, char: str) -> Key | None:
        """ECMA-48 §5.4: parameter bytes, intermediate bytes, one final byte from @ to ~."""
        if char < "@":
            is_too_long = state is _State.IGNORED or len(self._sequence) >= _LONGEST_SEQUENCE
            self._state = _State.IGNORED if is_too_long else _State.CONTROL
            self._sequence += "" if is_too_long else char
            return None
        if state is _State.IGNORED:
            return None
        if char == "~":
            return _TILDES.get(self._sequence)
        if self._sequence:
            return _WORDWISE.get(self._sequence + char)
        if char == _MOUSE:
            self._state, self._left = _State.MOUSE, _MOUSE_BYTES
        elif char == _LINUX_FUNCTION_KEY:
            self._state = _State.ONE_MORE
        return _FINALS.get(char)

    def _text(self, byte: int) -> str | None:
        if byte < 0x80:
            self._utf8 = b""
            return chr(byte)
        if not self._utf8 and byte < 0xA0:
            self._c1(byte)
            return None
        if byte >= 0xC0 or not self._utf8:
            self._utf8 = bytes((byte,)) if 0xC2 <= byte <= 0xF4 else b""
            return None
        self._utf8 += bytes((byte,))
        wanted = 2 if self._utf8[0] < 0xE0 else 3 if self._utf8[0] < 0xF0 else 4
        if len(self._utf8) < wanted:
            return None
        data, self._utf8 = self._utf8, b""
        char = data.decode("utf-8", "ignore")
        if len(char) == 1 and ord(char) < 0xA0:
            self._c1(ord(char))
            return None
        return char if len(char) == 1 and char.isprintable() else None

    def _c1(self, code: int) -> None:
        """An 8-bit control, or the same as a UTF-8 character: it may introduce a sequence."""
        introduced = _INTRODUCERS.get(chr(code - 0x40))
        if introduced is not None:
            self._begin(introduced)
