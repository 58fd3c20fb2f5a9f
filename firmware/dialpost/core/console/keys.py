"""Bytes of a terminal to keys: control characters, VT100 sequences, UTF-8.

Fed in any pieces. What no terminal of ours sends (line noise, NULs from a BREAK, broken escape sequences, bytes
that are no UTF-8) gives no key and does no harm; an escape sequence ends at the latest at the next control
character, or at `pause`, so that noise never swallows an Enter.
Source of the sequences: ECMA-48 §5.4, DEC VT100 and VT220, xterm and the Linux console.
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
    0x01: Key.HOME, 0x02: Key.LEFT, 0x03: Key.INTERRUPT, 0x04: Key.END_OF_INPUT, 0x05: Key.END, 0x06: Key.RIGHT,
    0x08: Key.BACKSPACE, 0x09: Key.TAB, 0x0A: Key.ENTER, 0x0B: Key.KILL_END, 0x0C: Key.CLEAR, 0x0D: Key.ENTER,
    0x0E: Key.DOWN, 0x10: Key.UP, 0x12: Key.REDRAW, 0x15: Key.KILL_ALL, 0x17: Key.KILL_WORD, 0x19: Key.YANK,
    0x7F: Key.BACKSPACE,
}  # fmt: skip
_FINALS = {
    "A": Key.UP, "B": Key.DOWN, "C": Key.RIGHT, "D": Key.LEFT, "H": Key.HOME, "F": Key.END,
}  # fmt: skip
_TILDES = {"1": Key.HOME, "7": Key.HOME, "4": Key.END, "8": Key.END, "3": Key.DELETE}
_WORDWISE = {"1;5C": Key.WORD_RIGHT, "1;5D": Key.WORD_LEFT, "1;3C": Key.WORD_RIGHT, "1;3D": Key.WORD_LEFT}
_AFTER_ESCAPE = {"b": Key.WORD_LEFT, "f": Key.WORD_RIGHT, "\x7f": Key.KILL_WORD, "\x08": Key.KILL_WORD}


class _State(Enum):
    GROUND = "ground"
    ESCAPE = "after ESC"
    SEQUENCE = "after ESC ["
    SINGLE = "after ESC O"


class KeyDecoder:
    """One terminal's stream. `receive` gives the keys (a `Key`, or a printable character) of one byte."""

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._sequence = ""
        self._utf8 = b""
        self._after_cr = False

    def receive(self, byte: int) -> Key | str | None:
        """The key that this byte completes, None if it completes none."""
        after_cr, self._after_cr = self._after_cr, False
        if byte == 0x0A and after_cr:  # CR LF is one Enter
            return None
        if byte < 0x20 or byte == 0x7F:
            return self._control(byte)
        if self._state is _State.GROUND:
            return self._text(byte)
        return self._in_sequence(byte)

    def pause(self) -> None:
        """Nothing came for a while: what was begun will not be finished. (No terminal pauses within a key.)"""
        self._state, self._utf8 = _State.GROUND, b""

    def _control(self, byte: int) -> Key | None:
        state, self._state = self._state, _State.GROUND
        self._utf8 = b""
        if byte == 0x1B:
            self._state = _State.ESCAPE
            return None
        if state is _State.ESCAPE and chr(byte) in _AFTER_ESCAPE:
            return _AFTER_ESCAPE[chr(byte)]
        self._after_cr = byte == 0x0D
        return _CONTROLS.get(byte)

    def _in_sequence(self, byte: int) -> Key | None:
        char = chr(byte)
        state, self._state = self._state, _State.GROUND
        if state is _State.ESCAPE:
            if char in "[O":
                self._state = _State.SEQUENCE if char == "[" else _State.SINGLE
                self._sequence = ""
                return None
            return _AFTER_ESCAPE.get(char)
        if state is _State.SEQUENCE and 0x20 <= byte < 0x40 and len(self._sequence) < _LONGEST_SEQUENCE:
            self._sequence += char
            self._state = state
            return None
        if char == "~":
            return _TILDES.get(self._sequence)
        if self._sequence:
            return _WORDWISE.get(self._sequence + char)
        return _FINALS.get(char)

    def _text(self, byte: int) -> str | None:
        if byte < 0x80:
            self._utf8 = b""
            return chr(byte)
        if byte >= 0xC0 or not self._utf8:
            self._utf8 = bytes((byte,)) if 0xC2 <= byte <= 0xF4 else b""
            return None
        self._utf8 += bytes((byte,))
        wanted = 2 if self._utf8[0] < 0xE0 else 3 if self._utf8[0] < 0xF0 else 4
        if len(self._utf8) < wanted:
            return None
        data, self._utf8 = self._utf8, b""
        char = data.decode("utf-8", "ignore")
        return char if len(char) == 1 and char.isprintable() else None
