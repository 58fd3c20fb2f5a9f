"""Laying out what commands print: tables, sizes, ages. Plain text, no colour needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from dialpost.core.amounts import moment_words, size_words
from dialpost.core.columns import cut, pad, width, wrap
from dialpost.core.control.calls import Etrn
from dialpost.core.control.shapes import to_json
from dialpost.core.json_value import JsonValue
from dialpost.core.printable import for_json, one_line

_NARROWEST = 8
"""No column of a table gets narrower than that."""
_LAST_COLUMN = 20
"""So much room is made for the last one, if it needs it."""
_LONGEST_INPUT = 65_536
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, widest: int = 44) -> str:
    """Columns padded to their widest cell; one over `widest` ends in "…" (the last may be wider).

    On a terminal the widest columns give way until the table fits; the last is broken between its words.
    """
    cells = [[one_line(cell) for cell in row] for row in [headers, *rows]]
    last = len(headers) - 1
    widths = [max(width(row[i]) for row in cells) for i in range(len(headers))]
    widths[:last] = [min(each, widest) for each in widths[:last]]
    columns = terminal_columns()
    if columns:
        wanted = min(widths[last], _LAST_COLUMN)
        while sum(widths[:last]) + 2 * last + wanted > columns and max(widths[:last], default=0) > _NARROWEST:
            widths[widths.index(max(widths[:last]))] -= 1
    lines = []
    for row in cells:
        lead = "".join(pad(cut(cell, each), each) + "  " for cell, each in zip(row[:last], widths, strict=False))
        lines += _broken(lead, row[last], columns, width(lead))
    return "\n".join(lines)


def fitted(text: str, indent: int = 0) -> str:
    """A line as it fits the terminal, broken between words; whole where there is none."""
    words = text.lstrip(" ")
    return "\n".join(_broken(text[: len(text) - len(words)], words, terminal_columns(), indent))


def terminal_columns() -> int:
    """How wide the terminal is; 0 where the output goes elsewhere: a file or a pipe is not broken into rows."""
    if not sys.stdout.isatty():
        return 0
    import shutil  # with its compressors, which most commands never need

    return shutil.get_terminal_size().columns


def _broken(lead: str, text: str, columns: int, indent: int) -> list[str]:
    """The rows of a line: `lead` stands in the first, `indent` blanks in the later ones."""
    if not columns or width(lead + text) <= columns or indent > columns - _NARROWEST:
        return [(lead + text).rstrip()]
    first, *rest = wrap(text, columns - max(width(lead), indent))
    return [lead + first, *(" " * indent + row for row in rest)]


size = size_words
"""A number of bytes for people."""


def span(seconds: float) -> str:
    """A length of time for people, two units at most: 45 s, 3 min, 2 h 10 min, 5 d 3 h."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        hours, minutes = divmod(whole // _MINUTE, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(whole // _HOUR, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def moment(unix_s: float) -> str:
    """A moment in local time, "never" for 0."""
    return moment_words(unix_s, tz=None) if unix_s else "never"


def count(number: int, one: str, many: str | None = None) -> str:
    """ "1 message", "3 messages"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def etrn_lines(answer: Etrn) -> list[str]:
    """What the provider answered for one name, in its own words, and what to do about it."""
    said = one_line(" ".join(str(part) for part in (answer.code, answer.text) if part))
    lines = [f"ETRN      {answer.domain}: {said}"]
    return [*lines, f"          {answer.advice}"] if answer.advice else lines


def ask_secret(prompt: str) -> str:
    """A line typed without echo: at the terminal, or at the console this command runs in."""
    import getpass

    asked: str = getattr(sys.stdin, "ask_secret", getpass.getpass)(prompt)
    return asked


def input_line() -> str:
    """One line of standard input, as long as nobody's password is. Raises: EOFError where there is none."""
    line = sys.stdin.readline(_LONGEST_INPUT)
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def print_answer(answer: object) -> None:
    """An answer of the control API, or a shape of a command's own, for scripts: see docs/control-api.md."""
    print_json(to_json(answer))


def print_json(value: JsonValue) -> None:
    """For scripts: indented, sorted, UTF-8, harmless by itself: a line cut on its way would be no JSON."""
    out = getattr(sys.stdout, "stream", sys.stdout)
    out.write(json.dumps(for_json(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n")
