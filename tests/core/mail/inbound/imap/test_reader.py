"""An IMAP server's responses: whole, byte by byte, and from servers that never come to an end."""

import pytest

from cases import cases
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.imap.answers import (
    Answer,
    Value,
    number_of,
    read_answer,
    read_attributes,
    read_capabilities,
)
from dialpost.core.mail.inbound.imap.reader import (
    MAX_LITERALS,
    MAX_RESPONSE_BYTES,
    Content,
    ContentBegins,
    Item,
    Literal,
    Response,
    ResponseReader,
    Streamed,
)

STREAM = (
    b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready {3}\r\n"
    b'* 12 FETCH (UID 34 FLAGS (\\Seen $X) BODY[HEADER.FIELDS (PRIORITY "X-Y")] {4+}\r\nab\r\n'
    b' BODY[]<0> ~{6}\r\nx)\r\n{9 INTERNALDATE "a \\"b" X NIL)\r\n'
    b"* 3 FETCH (BODY[] {0}\r\n UID 4)\n"
    b"+ go {1}\r\n"
    b"a1 OK done\r\n"
)


def read(stream: bytes, step: int) -> list[Item]:
    """Every item, with pieces of content joined."""
    reader = ResponseReader()
    items: list[Item] = []
    for at in range(0, len(stream), step):
        for item in reader.receive(stream[at : at + step]):
            before = items[-1] if items else None
            if isinstance(item, Content) and isinstance(before, Content):
                items[-1] = Content(before.data + item.data)
            else:
                items.append(item)
    assert not reader.holds_input
    return items


@cases("step", [1, 2, 3, 7, 1000])
def test_a_stream_in_any_split(step: int) -> None:
    head = b'* 12 FETCH (UID 34 FLAGS (\\Seen $X) BODY[HEADER.FIELDS (PRIORITY "X-Y")] '
    before = (head, Literal(b"ab\r\n"), b" BODY[]<0> ")
    assert read(STREAM, step) == [
        Response((b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready {3}",)),
        ContentBegins(Response(before), 6),
        Content(b"x)\r\n{9"),
        Response((*before, Streamed(6), b' INTERNALDATE "a \\"b" X NIL)')),
        ContentBegins(Response((b"* 3 FETCH (BODY[] ",)), 0),
        Response((b"* 3 FETCH (BODY[] ", Streamed(0), b" UID 4)")),
        Response((b"+ go {1}",)),
        Response((b"a1 OK done",)),
    ]


def test_the_attributes_of_a_whole_response_and_of_its_first_part() -> None:
    _, begins, _, whole, *_ = read(STREAM, 1000)
    assert isinstance(begins, ContentBegins) and isinstance(whole, Response)
    expected: dict[str, Value] = {
        "UID": b"34",
        "FLAGS": [b"\\Seen", b"$X"],
        'BODY[HEADER.FIELDS (PRIORITY "X-Y")]': b"ab\r\n",
    }
    assert read_attributes(begins.response) == expected
    assert read_attributes(whole) == {
        **expected,
        "BODY[]<0>": Streamed(6),
        "INTERNALDATE": b'a "b',
        "X": None,
    }


def test_content_outside_a_fetch_is_held_and_bounded() -> None:
    assert read(b"* LIST BODY[] {2}\r\nab\r\n", 1) == [Response((b"* LIST BODY[] ", Literal(b"ab"), b""))]


@cases(
    ("line", "answer"),
    [
        (b"* OK [UIDNEXT 5] next", Answer("*", "OK", code="UIDNEXT", code_value="5", text="next")),
        (b"a7 no [ALERT] \x1b[2Jgone", Answer("a7", "NO", code="ALERT", text="?[2Jgone")),
        (b"a7 BAD what", Answer("a7", "BAD", text="what")),
        (b"* BYE", Answer("*", "BYE")),
        (b"* 12 EXISTS", Answer("*", "EXISTS", 12, text="EXISTS")),
        (b"* SEARCH 1 2", Answer("*", "SEARCH", text="1 2")),
        (b"+ Zm9v", Answer("+", "", text="Zm9v")),
        (b"+", Answer("+", "")),
    ],
)
def test_what_a_line_says(line: bytes, answer: Answer) -> None:
    assert read_answer(Response((line,))) == answer


def test_the_words_of_an_answer() -> None:
    assert str(read_answer(Response((b"a7 NO [X] not now",)))) == "NO not now"
    assert len(str(read_answer(Response((b"a7 NO " + b"x" * 9000,))))) < 400


@cases("line", [b"", b"HTTP/1.1", b" x", b"* "])
def test_what_is_not_imap(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not IMAP"):
        read_answer(Response((line,)))


@cases(
    ("line", "listed"),
    [
        (b"* CAPABILITY IMAP4rev1 idle", frozenset({"IMAP4REV1", "IDLE"})),
        (b"a1 OK [CAPABILITY A B] in", frozenset({"A", "B"})),
        (b"a1 OK in", None),
        (b"* CAPABILITY " + b"X" * 900 + b" COMPRESS=DEFLATE", frozenset({"X" * 900, "COMPRESS=DEFLATE"})),
    ],
)
def test_capabilities(line: bytes, listed: frozenset[str] | None) -> None:
    assert read_capabilities(read_answer(Response((line,)))) == listed


@cases(
    ("text", "attributes"),
    [
        (b"* 1 FETCH (UID 5", {"UID": b"5"}),
        (b"* 1 FETCH ()", {}),
        (b"* 1 FETCH (UID)", {}),
        (b"* 1 FETCH ((UID 5) x)", {}),
        (b"* 1 FETCH", {}),
        (b'* 1 FETCH (body[] "")   ', {"BODY[]": b""}),
        (b"* 1 FETCH (X[ 5)", {"X[": b"5"}),
    ],
)
def test_attributes(text: bytes, attributes: dict[str, Value]) -> None:
    assert read_attributes(Response((text,))) == attributes


@cases("text", [b"* 1 FETCH )", b'* 1 FETCH ("', b"* 1 FETCH " + b"(" * 40])
def test_attributes_that_are_none(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_attributes(Response((text,)))


def test_a_number_is_one() -> None:
    assert number_of(b"17") == 17
    none: list[Value] = [b"", b"-1", b"9" * 20, None, [b"1"]]
    for value in none:
        with pytest.raises(ProtocolError, match="no number"):
            number_of(value)


@cases(
    ("endless", "says"),
    [
        (b"x" * (MAX_RESPONSE_BYTES + 1), "without end"),
        (b"* X {4294967296}\r\n", "announces 4294967296 bytes"),
        (b"* 1 FETCH (BODY[TEXT] {4294967296}\r\n", "announces 4294967296 bytes"),
        (b"* X {60000}\r\n" + b"x" * 60_000 + b" {60000}\r\n", "without end"),
        (b"* X {0}\r\n" + b" {0}\r\n" * 2 * MAX_LITERALS, "without end"),
    ],
)
def test_what_never_ends_is_refused_and_nothing_of_it_kept(endless: bytes, says: str) -> None:
    reader = ResponseReader()
    with pytest.raises(ProtocolError, match=says):
        list(reader.receive(endless))
    assert not reader.holds_input
    assert list(reader.receive(b"a1 OK\r\n")) == []


def test_a_content_of_4_gb_is_announced_and_not_held() -> None:
    reader = ResponseReader()
    (begins,) = reader.receive(b"* 1 FETCH (BODY[] {4294967296}\r\n")
    assert isinstance(begins, ContentBegins) and begins.length == 4_294_967_296
    for _ in range(3):
        assert list(reader.receive(b"x" * 60_000)) == [Content(b"x" * 60_000)]


def test_what_follows_an_item_may_be_taken_unread() -> None:
    reader = ResponseReader()
    items = reader.receive(b"a1 OK\r\n\x00\xffrest")
    assert next(items) == Response((b"a1 OK",))
    assert reader.take_unread() == b"\x00\xffrest"
    assert list(items) == []
