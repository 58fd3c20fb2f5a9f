"""What responses say: tags, conditions, response codes, and the attributes of FETCH (RFC 9051 §7, §9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.imap.reader import Literal, Part, Response, Streamed
from dialpost.core.printable import one_line, printable

MAX_DEPTH = 16
"""Lists in lists in a FETCH response; what the station asks for has three."""
CONDITIONS = frozenset({"OK", "NO", "BAD", "BYE", "PREAUTH"})

Value = bytes | None | Streamed | list["Value"]
"""An atom or a string, NIL, content that was handed on, or a list."""

_TOKEN = re.compile(
    rb"""\ *(?:
        (?P<open>\() | (?P<close>\))
        | "(?P<quoted>(?:[^"\\\r\n]|\\["\\])*)"
        | (?P<atom>[^\ ()"\[]*\[[^\]\[]{0,500}\][^\ ()"\[]*|[^\ ()"]+)
    )""",
    re.VERBOSE,
)
_CODE = re.compile(r"\[([A-Za-z0-9-]+)(?: ([^\]]*))?\] ?")
_NUMBER = re.compile(rb"\d{1,19}\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: `tag` is "*" for one that answers nothing, "+" for a request to go on.

    `word` is its condition (OK, NO ...) or its name, in capitals; `number` comes before the name (12 EXISTS).
    `code` and `code_value`: its response code, as in [UIDNEXT 5]. `text` is for people.
    """

    tag: str
    word: str
    number: int = 0
    code: str = ""
    code_value: str = ""
    text: str = ""

    def __str__(self) -> str:
        """The server's words, for an operator."""
        return one_line(f"{self.word} {self.text}".strip())


def text_of(raw: bytes) -> str:
    """A server's words: they go into logs and terminals, so without what would act there."""
    return printable(raw.decode("utf-8", "replace")).strip()


def read_answer(response: Response) -> Answer:
    """The tag and the gist of a response. Raises: ProtocolError if it can't be one."""
    tag, _, rest = response.head.partition(b" ")
    if tag[:1] == b"+":
        return Answer("+", "", text=text_of(response.head[1:]))
    name, _, after = rest.lstrip().partition(b" ")
    if not tag or not name:
        raise ProtocolError(f"the server's answer is not IMAP: {text_of(response.head[:80])!r}")
    word = text_of(name).upper()
    if word in CONDITIONS:
        return _condition(text_of(tag), word, text_of(after))
    number = 0
    if _NUMBER.match(name):
        number = int(name)
        word = text_of(after.split(b" ", 1)[0]).upper()
    return Answer(text_of(tag), word, number, text=text_of(after))


def _condition(tag: str, word: str, text: str) -> Answer:
    found = _CODE.match(text)
    if found is None:
        return Answer(tag, word, text=text)
    return Answer(tag, word, code=found[1].upper(), code_value=found[2] or "", text=text[found.end() :])


def read_capabilities(answer: Answer) -> frozenset[str] | None:
    """The capabilities that an answer lists, as a response of its own or as a code; None if it lists none."""
    if answer.word == "CAPABILITY":
        return frozenset(answer.text.upper().split())
    if answer.code == "CAPABILITY":
        return frozenset(answer.code_value.upper().split())
    return None


def read_attributes(response: Response) -> dict[str, Value]:
    """The attributes of a FETCH response, by their names in capitals; also of the first part of one.

    The section of a name is as the server writes it: BODY[HEADER.FIELDS (SUBJECT)]<0>. Raises: ProtocolError.
    """
    values = _values(response.parts)
    listed = next((value for value in values if isinstance(value, list)), [])
    attributes: dict[str, Value] = {}
    for name, value in zip(listed[::2], listed[1::2], strict=False):
        if isinstance(name, bytes):
            attributes[text_of(name).upper()] = value
    return attributes


def number_of(value: Value) -> int:
    """The number that an attribute has. Raises: ProtocolError if it has none."""
    if isinstance(value, bytes) and _NUMBER.match(value):
        return int(value)
    raise ProtocolError("the server sends no number where one belongs")


def _values(parts: tuple[Part, ...]) -> list[Value]:
    """The values in a response; lists that are still open count as they are."""
    outermost: list[Value] = []
    open_lists = [outermost]
    for part in parts:
        if isinstance(part, bytes):
            _scan(part, open_lists)
        else:
            open_lists[-1].append(part.data if isinstance(part, Literal) else part)
    return outermost


def _scan(text: bytes, open_lists: list[list[Value]]) -> None:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if not text[at:].strip(b" "):
                return
            raise ProtocolError(f"the server's answer is not IMAP: {text_of(text[at : at + 80])!r}")
        at = found.end()
        if found["open"]:
            if len(open_lists) > MAX_DEPTH:
                raise ProtocolError("the server sends lists without end")
            inner: list[Value] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif found["close"]:
            if len(open_lists) == 1:
                raise ProtocolError("the server closes a list that it did not open")
            open_lists.pop()
        else:
            open_lists[-1].append(_string(found))


def _string(found: re.Match[bytes]) -> bytes | None:
    if found["quoted"] is not None:
        return re.sub(rb"\\(.)", rb"\1", found["quoted"])
    return None if found["atom"].upper() == b"NIL" else found["atom"]
