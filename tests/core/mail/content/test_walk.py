"""Stored messages taken apart: what is a boundary, a header, a leaf, and what is not."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.mail.content.walk import (
    MAX_DEPTH,
    MAX_HEADER_BYTES,
    CannotDowngradeError,
    Part,
    Walker,
)


class Notes(Walker):
    """Writes down what it meets, and gives everything back as it was."""

    def __init__(self, never_divided: frozenset[int] = frozenset()) -> None:
        super().__init__(never_divided)
        self.met: list[tuple[str, bytes]] = []

    def composite(self, part: Part) -> bytes:
        self.met.append(("composite", part.type))
        return b"".join(part.fields)

    def begin_leaf(self, part: Part, *, begins_message: bool) -> bytes:
        self.met.append(("message" if begins_message else "part", part.type))
        return b"".join(part.fields)

    def leaf(self, piece: bytes) -> bytes:
        self.met.append(("leaf", piece))
        return piece

    def between(self, piece: bytes) -> bytes:
        self.met.append(("between", piece))
        return piece

    def end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        self.met.append(("end", b"keeps" if keep_line_end else b""))
        return b""


def walked(*blocks: bytes, never_divided: frozenset[int] = frozenset()) -> Notes:
    notes = Notes(never_divided)
    out = b"".join(map(notes.feed, blocks)) + notes.finish()
    assert out == b"".join(blocks)
    return notes


MIXED = b"Content-Type: multipart/mixed; boundary=s\n\n"


def test_a_plain_message() -> None:
    assert walked(b"Subject: x\n\na\nb").met == [
        ("message", b"text/plain"),
        ("leaf", b"a\n"),
        ("leaf", b"b"),
        ("end", b"keeps"),
    ]
    assert walked(b"Subject: x\n").met == [("message", b"text/plain"), ("end", b"keeps")]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_parts_within_parts_in_any_blocks(step: int) -> None:
    content = (
        MIXED + b"before\n--s\n\nfirst\n--s \n"
        b"Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: in\n\nx\n--d--\nbetween\n"
        b"--s\nContent-Type: message/rfc822\n\nSubject: in\n\ny\n--s--\nafter\n--s\n"
    )
    notes = walked(*(content[at : at + step] for at in range(0, len(content), step)))
    assert [kind if kind in ("end", "leaf", "between") else (kind, what) for kind, what in notes.met] == [
        ("composite", b"multipart/mixed"),
        "between",
        "end",
        ("part", b"text/plain"),
        "leaf",
        "end",
        ("composite", b"multipart/digest"),
        "end",
        ("composite", b"message/rfc822"),
        ("message", b"text/plain"),
        "leaf",
        "end",
        "between",
        "end",
        ("composite", b"message/rfc822"),
        ("message", b"text/plain"),
        "leaf",
        "end",
        "between",
        "between",
        "end",
    ]
    assert notes.undivided == set()


def test_only_a_whole_line_is_a_boundary() -> None:
    long = b"x" * 70_000
    notes = walked(MIXED + b"--s\n\n" + long, b"--s\n", b" --s\n--sx\n--s--x\n- -s\n--s\n\nlast")
    assert [what for kind, what in notes.met if kind == "leaf"] == [
        long,
        b"--s\n",
        b" --s\n",
        b"--sx\n",
        b"--s--x\n",
        b"- -s\n",
        b"last",
    ]


def test_a_boundary_that_ends_in_hyphens_does_not_close() -> None:
    content = b'Content-Type: multipart/mixed; boundary="s--"\n\n--s--\n\na\n--s----\nafter'
    assert [kind for kind, _ in walked(content).met] == [
        "composite",
        "end",
        "part",
        "leaf",
        "end",
        "between",
        "end",
    ]


def test_an_outer_boundary_ends_all_that_is_inside() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=t\n\n--t\n\na\n"
    notes = walked(MIXED + b"--s\n" + inner + b"--s\n\nb\n--t\n")
    assert [what for kind, what in notes.met if kind == "leaf"] == [b"a\n", b"b\n", b"--t\n"]


def test_which_multiparts_met_no_boundary() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=t\n\nnothing\n"
    assert walked(MIXED + b"--s\n" + inner).undivided == {2}
    assert walked(MIXED + b"text\n").undivided == {1}
    again = walked(MIXED + b"text\n", never_divided=frozenset({1}))
    assert again.met[:2] == [("message", b"multipart/mixed"), ("leaf", b"text\n")] and again.undivided == set()


def nested(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (number, number) for number in range(depth)
    )


def test_how_deep_parts_are_looked_into() -> None:
    for depth, composites in ((MAX_DEPTH, MAX_DEPTH), (MAX_DEPTH + 1, MAX_DEPTH)):
        met = [kind for kind, _ in walked(nested(depth) + b"\nx").met]
        assert met.count("composite") == composites


@pytest.mark.parametrize("folded", [False, True])
def test_how_long_a_header_may_be(folded: bool) -> None:
    line = b"X: y\n" + b" " * 4 + b"\n"
    text = (
        (line * (MAX_HEADER_BYTES // len(line) + 1))[: MAX_HEADER_BYTES - 1]
        if folded
        else b"X" * (MAX_HEADER_BYTES - 1)
    )
    walked(text.rstrip(b"\n") + b"\n\nbody")
    for too_long in (text + b"XX\n", text + b"XX", text + b"X" * 9):
        with pytest.raises(CannotDowngradeError, match="too long"):
            walked(too_long)


@cases(
    ("fields", "kind", "encoding", "charset", "boundary"),
    [
        ([], b"text/html", b"7bit", b"", b""),
        ([b"Content-Type: odd\n"], b"text/plain", b"7bit", b"", b""),
        ([b'CONTENT-TYPE : Text/HTML; charset = "utf-8"\n'], b"text/html", b"7bit", b"utf-8", b""),
        ([b"Content-Type: a/b; charset*=x\n", b"Content-Type: c/d\n"], b"a/b", b"7bit", b"x", b""),
        ([b'Content-Transfer-Encoding: "Base64" (why)\n'], b"text/html", b"base64", b"", b""),
        ([b"Content-Transfer-Encoding:\n"], b"text/html", b"7bit", b"", b""),
        ([b'Content-Type: multipart/x;\n boundary="a\\"b "\n'], b"multipart/x", b"7bit", b"", b'a"b'),
        ([b'Content-Type: multipart/x; boundary*0=a; boundary*1="b c"\n'], b"multipart/x", b"7bit", b"", b"ab c"),
        (
            [b"Content-Type: multipart/x; boundary*0=a; boundary=z; boundary=y\n"],
            b"multipart/x",
            b"7bit",
            b"",
            b"z",
        ),
    ],
)
def test_what_a_header_says_of_its_part(
    fields: list[bytes], kind: bytes, encoding: bytes, charset: bytes, boundary: bytes
) -> None:
    part = Part(fields, b"text/html")
    assert (part.type, part.encoding, part.charset, part.boundary) == (kind, encoding, charset, boundary)


@cases(
    ("content_type", "encoding", "says"),
    [
        (b"multipart/mixed; boundary=s", b"", {"is_multipart"}),
        (b"multipart/mixed; boundary=s", b"base64", {"is_multipart", "is_encoded"}),
        (b"multipart/mixed", b"", {"is_broken_multipart"}),
        (b"multipart/signed; boundary=s", b"", {"is_opaque"}),
        (b"multipart/encrypted; boundary=s", b"", {"is_opaque"}),
        (b"message/partial", b"", {"is_opaque"}),
        (b"message/external-body", b"", {"is_opaque"}),
        (b"message/rfc822", b"", {"is_message"}),
        (b"message/global", b"8bit", {"is_message"}),
        (b"message/rfc822", b"quoted-printable", {"is_encoded"}),
        (b"message/delivery-status", b"", {"is_report"}),
        (b"message/disposition-notification", b"", {"is_report"}),
        (b"message/feedback-report", b"", {"is_report"}),
        (b"text/plain", b"8bits", set()),
    ],
)
def test_what_kind_of_part_it_is(content_type: bytes, encoding: bytes, says: set[str]) -> None:
    part = Part([b"Content-Type: " + content_type, b"Content-Transfer-Encoding: " + encoding], b"text/plain")
    kinds = ("is_multipart", "is_message", "is_opaque", "is_report", "is_encoded", "is_broken_multipart")
    assert {kind for kind in kinds if getattr(part, kind)} == says


def test_fields_without_some() -> None:
    part = Part([b"A: 1\n", b"b : 2\n", b"C\n", b"A: 3\n"], b"text/plain")
    assert part.without(b"a", b"c") == [b"b : 2\n"]
    assert (part.value(b"a"), part.value(b"b"), part.value(b"c")) == (b" 1", b" 2", b"")
