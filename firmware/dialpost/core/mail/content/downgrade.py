"""Converting content for the next host: 7-bit without 8BITMIME (RFC 6152 §3), lines of at most 998 octets.

Leaf parts with 8-bit text, or with longer lines (RFC 5321 §4.5.3.1.6), become quoted-printable or base64, whichever
is shorter; the labels of the parts around them and header fields with raw 8-bit text follow. Wrong labels are
corrected on the way. A reader sees the same. Content that must not be changed is left alone: the inside of a signed
part, partial messages. If such a part has a line that is too long, the line is broken as in Postfix, because it
would be refused otherwise.

There are two passes, in blocks of any size: first `plan` finds out what each leaf contains, then `Downgrade`
rewrites. Memory is bounded by the header of one part, never by the message. Content is in the stored form, with LF
line endings.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dialpost.core.mail.content.encoders import (
    Base64,
    Encoder,
    QuestionMarks,
    QuotedPrintable,
    RepairedBase64,
    RepairedQuotedPrintable,
)
from dialpost.core.mail.content.outgoing import MAX_LINE_OCTETS, LineFold
from dialpost.core.mail.content.walk import CannotDowngradeError, Part, Walker
from dialpost.core.mail.header.encoding import ascii_field

__all__ = ["CannotDowngradeError", "Downgrade", "Goal", "Leaf", "Plan", "plan"]

_HIGH = bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to become ASCII; long lines are shortened in any case.

    `at_any_price`: text that can't be converted without harm (an address, a signed part) gets question marks
    instead of an error. It is for notices: if one does not arrive, nobody finds out.
    """

    ascii_header: bool = True
    ascii_body: bool = True
    at_any_price: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one leaf part contains."""

    size: int
    eight_bit_bytes: int
    is_utf8: bool
    has_long_line: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of the first pass. `charset` is that of the first part that names one, b"" for none."""

    goal: Goal
    leaves: tuple[Leaf, ...] = ()
    charset: str = ""
    never_divided: frozenset[int] = frozenset()


class _Planner(Walker):
    """The first pass."""

    def __init__(self, goal: Goal, never_divided: frozenset[int]) -> None:
        super().__init__(never_divided)
        self.leaves: list[Leaf] = []
        self.charset = b""
        self._goal = goal
        self._part: Part | None = None
        self._forget()

    def _forget(self) -> None:
        self._size = self._eight_bit = self._line_octets = 0
        self._utf8, self._has_long_line = True, False
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def composite(self, part: Part) -> bytes:
        _header(part.fields, self._goal, "")
        return b""

    def begin_leaf(self, part: Part, *, begins_message: bool) -> bytes:
        del begins_message
        _header(part.fields, self._goal, "")
        self.charset = self.charset or part.charset
        self._part = part
        self._forget()
        return b""

    def leaf(self, piece: bytes) -> bytes:
        self._size += len(piece)
        self._line_octets += len(piece.removesuffix(b"\n"))
        self._has_long_line = self._has_long_line or self._line_octets > MAX_LINE_OCTETS
        if piece.endswith(b"\n"):
            self._line_octets = 0
        if not piece.isascii():
            assert self._part is not None
            if self._part.is_opaque and self._goal.ascii_body and not self._goal.at_any_price:
                raise CannotDowngradeError(_why_untouchable(self._part))
            self._eight_bit += len(piece) - len(piece.translate(None, _HIGH))
            self._check_utf8(piece)
        return b""

    def between(self, piece: bytes) -> bytes:
        del piece
        return b""

    def _check_utf8(self, piece: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._utf8 = False
            self._decoder.reset()

    def end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        del keep_line_end
        if self._part is not None:
            self._check_utf8(b"", final=True)
            self.leaves.append(Leaf(self._size, self._eight_bit, self._utf8, self._has_long_line))
            self._part = None
        return b""


def plan(read: Callable[[], Iterable[bytes]], goal: Goal | None = None) -> Plan:
    """Read the content once, or twice if a multipart turns out not to be one. Raises: CannotDowngradeError."""
    goal = goal or Goal()
    never_divided: frozenset[int] = frozenset()
    while True:
        planner = _Planner(goal, never_divided)
        for block in read():
            planner.feed(block)
        planner.finish()
        if not planner.undivided:
            charset = planner.charset.decode("ascii", "replace")
            return Plan(goal, tuple(planner.leaves), charset, never_divided)
        never_divided |= planner.undivided  # its text would be taken for a preamble, which nobody sees


class Downgrade:
    """The second pass, with the plan of the first: returns the content in the form for the next host."""

    def __init__(self, made: Plan) -> None:
        self._rewriter = _Rewriter(made)
        self._fold = LineFold()

    def feed(self, block: bytes) -> bytes:
        """Take the next piece; the rewritten bytes that are ready."""
        return self._fold.feed(self._rewriter.feed(block))

    def finish(self) -> bytes:
        """The rest."""
        return self._fold.feed(self._rewriter.finish()) + self._fold.finish()


class _Rewriter(Walker):
    def __init__(self, made: Plan) -> None:
        super().__init__(made.never_divided)
        self._goal, self._charset = made.goal, made.charset
        self._leaves: Iterator[Leaf] = iter(made.leaves)
        self._encoder: Encoder | None = None

    def composite(self, part: Part) -> bytes:
        return self._relabelled(part, is_wrong=not part.is_encoded and part.encoding != b"7bit")

    def begin_leaf(self, part: Part, *, begins_message: bool) -> bytes:
        leaf = next(self._leaves)
        self._encoder = _encoder(part, leaf, self._goal)
        if not isinstance(self._encoder, QuotedPrintable | Base64):
            return self._relabelled(part, is_wrong=part.encoding in (b"8bit", b"binary"))
        if part.is_broken_multipart or (part.type.startswith(b"text/") and not part.charset):
            fields = part.without(b"content-transfer-encoding", b"content-type") + _content_type(part, leaf)
        else:
            fields = part.without(b"content-transfer-encoding")
        if begins_message and not part.value(b"mime-version"):
            fields.append(b"MIME-Version: 1.0\n")
        word = b"base64" if isinstance(self._encoder, Base64) else b"quoted-printable"
        fields.append(b"Content-Transfer-Encoding: " + word + b"\n")
        return self._written(fields)

    def leaf(self, piece: bytes) -> bytes:
        return piece if self._encoder is None else self._encoder.feed(piece)

    def between(self, piece: bytes) -> bytes:
        return re.sub(rb"[\x80-\xff]", b"?", piece) if self._goal.ascii_body else piece

    def end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        encoder, self._encoder = self._encoder, None
        return b"" if encoder is None else encoder.finish(keep_line_end=keep_line_end)

    def _relabelled(self, part: Part, *, is_wrong: bool) -> bytes:
        """The header of a part that is 7-bit now, or always was."""
        if not self._goal.ascii_body or not is_wrong:
            return self._written(part.fields)
        return self._written([*part.without(b"content-transfer-encoding"), b"Content-Transfer-Encoding: 7bit\n"])

    def _written(self, fields: list[bytes]) -> bytes:
        return b"".join(_header(fields, self._goal, self._charset))


def _encoder(part: Part, leaf: Leaf, goal: Goal) -> Encoder | None:
    """How to rewrite a leaf; None if it stays as it is."""
    has_eight_bit = goal.ascii_body and leaf.eight_bit_bytes > 0
    if not (has_eight_bit or leaf.has_long_line):
        return None
    if part.is_report or part.is_opaque:
        return QuestionMarks() if has_eight_bit else None
    if part.encoding == b"base64":
        return RepairedBase64()
    if part.encoding == b"quoted-printable":
        return RepairedQuotedPrintable()
    is_text = part.type.startswith((b"text/", b"message/")) or part.is_broken_multipart  # RFC 6533 §4: global-...
    return QuotedPrintable() if is_text and leaf.eight_bit_bytes * 6 <= leaf.size else Base64()


def _content_type(part: Part, leaf: Leaf) -> list[bytes]:
    """A Content-Type that names the text's character set, as far as that is known (RFC 1428 §3)."""
    kind = b"" if part.is_broken_multipart else part.content_type.strip().rstrip(b"; ")
    if not leaf.eight_bit_bytes:
        return [b"Content-Type: " + kind + b"\n"] if kind else []
    charset = b"utf-8" if leaf.is_utf8 else b"unknown-8bit"
    return [b"Content-Type: " + (kind or b"text/plain") + b"; charset=" + charset + b"\n"]


def _header(fields: list[bytes], goal: Goal, charset: str) -> list[bytes]:
    if not goal.ascii_header:
        return fields
    return [_ascii(field, goal, charset) for field in fields]


def _ascii(field: bytes, goal: Goal, charset: str) -> bytes:
    done = ascii_field(field, charset)
    if done is not None:
        return done
    if goal.at_any_price:
        return re.sub(rb"[\x80-\xff]", b"?", field)
    name = field.partition(b":")[0][:40].decode("ascii", "replace")
    raise CannotDowngradeError(f"the header field {name} has text that can't be written in ASCII")


def _why_untouchable(part: Part) -> str:
    if part.is_too_deep:
        return "parts are nested too deeply"
    return f"it has a part ({part.type.decode('ascii')}) that must not be changed"
