"""Laying out what commands print: tables, sizes, ages. Plain text, no colour needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from dialpost.core.amounts import moment_words, size_words, span_words
from dialpost.core.columns import cut, pad, width, wrap
from dialpost.core.control.calls import Call, Etrn
from dialpost.core.control.shapes import to_json
from dialpost.core.json_value import JsonValue
from dialpost.core.printable import for_json, one_line

_NARROWEST = 8
"""No column of a table gets narrower than that."""
_LAST_COLUMN = 20
"""The width reserved for the last column, if it needs it."""
_LONGEST_INPUT = 65_536


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, widest: int = 44) -> str:
    """Columns padded to their widest cell; a cell over `widest` ends in "…" (the last column may be wider).

    On a terminal the widest columns are narrowed until the table fits; the last is wrapped between words.
    """
    return Table(headers, widest=widest).lines(rows)


class Table:
    """The same, a page at a time: a column never gets narrower from one page to the next."""

    def __init__(self, headers: Sequence[str], *, widest: int = 44) -> None:
        self._headers, self._widest = headers, widest
        self._widths: list[int] = [0] * len(headers)
        self._is_begun = False

    def lines(self, rows: Sequence[Sequence[object]]) -> str:
        """The next rows, the first time below their headers."""
        cells = [[one_line(cell) for cell in row] for row in (rows if self._is_begun else [self._headers, *rows])]
        self._is_begun = True
        last = len(self._headers) - 1
        self._widths = [max([before, *(width(row[i]) for row in cells)]) for i, before in enumerate(self._widths)]
        widths = [*(min(each, self._widest) for each in self._widths[:last]), self._widths[last]]
        columns = terminal_columns()
        if columns:
            wanted = min(widths[last], _LAST_COLUMN)
            while sum(widths[:last]) + 2 * last + wanted > columns and max(widths[:last], default=0) > _NARROWEST:
                widths[widths.index(max(widths[:last]))] -= 1
        lines = []
        for row in cells:
            lead = "".join(
                pad(cut(cell, each), each) + "  " for cell, each in zip(row[:last], widths, strict=False)
            )
            lines += _broken(lead, row[last], columns, width(lead))
        return "\n".join(lines)


def fitted(text: str, indent: int = 0) -> str:
    """A line wrapped between words to fit the terminal; unwrapped if there is none."""
    words = text.lstrip(" ")
    return "\n".join(_broken(text[: len(text) - len(words)], words, terminal_columns(), indent))


def terminal_columns() -> int:
    """How wide the terminal is; 0 if the output goes elsewhere: output to a file or a pipe is not wrapped."""
    if not sys.stdout.isatty():
        return 0
    import shutil  # with its compressors, which most commands never need

    return shutil.get_terminal_size().columns


def _broken(lead: str, text: str, columns: int, indent: int) -> list[str]:
    """The rows of a line: the first begins with `lead`, the others with `indent` spaces."""
    if not columns or width(lead + text) <= columns or indent > columns - _NARROWEST:
        return [(lead + text).rstrip()]
    first, *rest = wrap(text, columns - max(width(lead), indent))
    return [lead + first, *(" " * indent + row for row in rest)]


size = size_words
"""A number of bytes for people."""


span = span_words
"""A length of time for people."""


def moment(unix_s: float) -> str:
    """A moment in local time, "never" for 0."""
    return moment_words(unix_s, tz=None) if unix_s else "never"


def commit_moment(when_s: int, *, clock_trusted: bool) -> str:
    """When a configuration was committed, in local time, with a remark if the clock was wrong."""
    shown = moment_words(when_s, tz=None)
    return shown if clock_trusted else f"{shown} (the clock was wrong)"


def count(number: int, one: str, many: str | None = None) -> str:
    """ "1 message", "3 messages"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def etrn_lines(answer: Etrn) -> list[str]:
    """The provider's answer for one name, in its own words, and what to do about it."""
    said = one_line(" ".join(str(part) for part in (answer.code, answer.text) if part))
    lines = [f"ETRN      {answer.domain}: {said}"]
    return [*lines, f"          {answer.advice}"] if answer.advice else lines


def inbound_lines(call: Call) -> list[str]:
    """What ATRN and mailboxes brought in a call, why these ways were taken, and what to do."""
    lines = [f"Inbound   {one_line(why)}" for why in call.inbound_why]
    for one in call.inbound:
        lines.append(f"Inbound   {one_line(one.sentence)}")
        lines += [f"          {one.advice}"] if one.advice else []
    return lines


def ask_secret(prompt: str) -> str:
    """A line typed without echo: at the terminal, or at the console in which this command runs."""
    import getpass

    asked: str = getattr(sys.stdin, "ask_secret", getpass.getpass)(prompt)
    return asked


def input_line() -> str:
    """One line of standard input, longer than any password. Raises: EOFError if there is none."""
    line = sys.stdin.readline(_LONGEST_INPUT)
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def print_answer(answer: object) -> None:
    """An answer of the control API, or a command's own shape, for scripts: see docs/control-api.md."""
    print_json(to_json(answer))


def print_json(value: JsonValue) -> None:
    """For scripts: indented, sorted, and harmless in itself. Nothing folds, cuts or replaces parts of it
    afterwards, or it would no longer be JSON. If the output can't represent UTF-8, characters outside ASCII are
    escaped.
    """
    out = getattr(sys.stdout, "stream", sys.stdout)
    out.write(_json_text(value, out) + "\n")


def print_answers(pages: Iterable[Sequence[object]]) -> None:
    """One list for scripts, printed as its pages come: the same text as if it were printed whole."""
    out = getattr(sys.stdout, "stream", sys.stdout)
    lead = "["
    for page in pages:
        if page:
            out.write(lead + _json_text(to_json(page), out).removeprefix("[").removesuffix("\n]"))
            lead = ","
    out.write("[]\n" if lead == "[" else "\n]\n")


def _json_text(value: JsonValue, out: object) -> str:
    is_utf8 = "utf" in (getattr(out, "encoding", None) or "utf-8").lower()
    return json.dumps(for_json(value), indent=2, sort_keys=True, ensure_ascii=not is_utf8)
