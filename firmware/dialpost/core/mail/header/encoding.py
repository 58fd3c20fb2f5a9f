"""Encoding header fields with raw 8-bit text in ASCII (RFC 2047, RFC 2231), for a next hop without 8BITMIME.

Encodes only where no guess is needed: words of running text, names and comments beside addresses, parameters such
as file names. An address itself is never changed. Text becomes UTF-8 if it is UTF-8 already or in the character set
that the body names; any other is labelled `unknown-8bit` (RFC 1428 §3).
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Callable
from urllib.parse import quote_from_bytes

from dialpost.core.mail.header.words import codec_of, readable

_ADDRESSES = frozenset(
    b"from to cc bcc sender reply-to resent-from resent-to resent-cc resent-sender resent-reply-to "
    b"disposition-notification-to return-receipt-to errors-to".split()
)
_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_TRACE_AND_IDS = frozenset(
    b"received return-path message-id references in-reply-to date resent-date resent-message-id "
    b"mime-version content-id content-transfer-encoding content-location dkim-signature "
    b"arc-seal arc-message-signature arc-authentication-results authentication-results".split()
)
_LINE = 78
_WORD_BYTES = 45  # of text in one encoded-word, so that it stays below 75 characters (RFC 2047 §2)

# Each begins at the start of a word: a field may be long, and quadratic time would be a gift to attackers.
_RUNNING_WORDS = re.compile(rb"(?<!\S)[^\s]*[\x80-\xff][^\s]*(?:[ \t\n]+[^\s]*[\x80-\xff][^\s]*)*")
_NAME_PARTS = re.compile(
    rb'(?P<quoted>"(?:[^"\\]|\\.)*")(?=[ \t\n]*(?P<local>[@.])?)'
    rb"|(?P<comment>\((?:[^()\\]|\\.)*\))"
    rb"|(?P<angle><[^<>]*>)"
    rb"|(?<![^\s\"(),:;<>@\[\]\\])(?P<words>[^\s\"(),:;<>@\[\]\\]*[\x80-\xff][^\s\"(),:;<>@\[\]\\]*"
    rb"(?:[ \t\n]+[^\s\"(),:;<>@\[\]\\]*[\x80-\xff][^\s\"(),:;<>@\[\]\\]*)*)(?=(?P<address>@)?)",
    re.DOTALL,
)
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*")|(\((?:[^()\\]|\\.)*\))', re.DOTALL)
_PARAMETER = re.compile(
    rb';[ \t\r\n]*([!#$%&+\-^_`{}|~.0-9A-Za-z]+)(\*?)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;\s]+)', re.DOTALL
)
_FILE_NAME = re.compile(rb';[ \t\r\n]*((?:file)?name)()[ \t]*=[ \t]*([^;"\s][^;"]*[^;"\s])', re.IGNORECASE)
_ENCODED_WORD = re.compile(rb"=\?[!->@-~]+\?[bBqQ]\?[^?\s]*\?=")


def ascii_field(field: bytes, body_charset: str = "") -> bytes | None:
    """The field (name, colon, value, folded lines with LF) in ASCII; None if that is impossible.

    Text that is not UTF-8 is read as `body_charset`, if possible.
    """
    if field.isascii():
        return field
    name, colon, value = field.partition(b":")
    if not colon:
        return None
    key = name.strip().lower()

    def words(text: bytes) -> bytes:
        return _encoded_words(text, body_charset)

    if key in _TRACE_AND_IDS:
        done = value
    elif key in _PARAMETERS:
        done = _COMMENT.sub(lambda found: found[1] or _question_marks(found[2]), value)
        for pattern in (_FILE_NAME, _PARAMETER):
            done = pattern.sub(lambda found: _encode_parameter(found, body_charset), done)
    else:
        done = _ENCODED_WORD.sub(lambda found: _repaired_word(found[0], body_charset), value)
        if key in _ADDRESSES:
            done = _NAME_PARTS.sub(lambda found: _encode_name_part(found, words), done)
            return name + b":" + done if done.isascii() else None
        done = _RUNNING_WORDS.sub(lambda found: words(found[0]), done)
    return _question_marks(name + b":" + done)  # nothing that a reader sees depends on the rest


def text_field(name: str, text: str) -> str:
    """A field of running text, written by this station: ASCII, folded at 78 characters (RFC 5322 §2.1.1)."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
    if text.isascii() and "=?" not in text:
        lines = textwrap.wrap(
            f"{name}: {text}", _LINE, subsequent_indent=" ", break_on_hyphens=False, break_long_words=False
        )
        if lines and lines[0] != f"{name}:" and all(len(line) <= _LINE for line in lines):
            return "\n".join(lines)
    raw = text.encode("utf-8", "replace")
    words = [base64.b64encode(piece).decode() for piece in _pieces(raw, b"utf-8", _WORD_BYTES - len(name))]
    return f"{name}: " + "\n ".join(f"=?utf-8?B?{word}?=" for word in words)


def _question_marks(text: bytes) -> bytes:
    return re.sub(rb"[\x80-\xff]", b"?", text)


def _unquoted(text: bytes) -> bytes:
    """A quoted string or comment without its marks."""
    return re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)


def _repaired_word(word: bytes, body_charset: str) -> bytes:
    """An encoded-word with raw 8-bit text inside: in ASCII, as every reader shows it."""
    return word if word.isascii() else _encoded_words(readable(word, body_charset).encode(), body_charset)


def _encode_name_part(match: re.Match[bytes], words: Callable[[bytes], bytes]) -> bytes:
    text = match[0]
    if text.isascii() or match["angle"] or match["local"] or match["address"]:
        return text  # an address with 8-bit text is left, and the whole field is then refused
    if match["quoted"]:
        return words(_unquoted(text))
    if match["comment"]:
        return b"(" + words(_unquoted(text)) + b")"
    return words(text)


def _encode_parameter(match: re.Match[bytes], body_charset: str) -> bytes:
    """RFC 2231 §4. 8-bit text in a parameter that is already encoded (`name*=`) is a mistake; it becomes %XX."""
    if match[0].isascii():
        return match[0]
    name, is_encoded, value = match.groups()
    if is_encoded:
        escaped = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % byte[0][0], value)
        return b";\n " + name + b"*=" + escaped
    if value.startswith(b'"') and value.endswith(b'"'):  # 8-bit text lies between
        value = _unquoted(value)
    value = re.sub(rb"[\r\n]+", b"", value)
    text, charset = _labelled(value, body_charset)
    return b";\n " + name + b"*=" + charset + b"''" + quote_from_bytes(text, "").encode()


def _labelled(text: bytes, body_charset: str) -> tuple[bytes, bytes]:
    """The text as UTF-8 if its character set is known; otherwise unchanged, as `unknown-8bit` (RFC 1428 §3)."""
    for codec in ("utf-8", codec_of(body_charset)):
        try:
            return text.decode(codec or "ascii").encode(), b"utf-8"
        except ValueError:  # UnicodeError is one
            continue
    return text, b"unknown-8bit"


def _encoded_words(text: bytes, body_charset: str) -> bytes:
    """The text as encoded-words, separated by folds that a reader removes again (RFC 2047 §6.2)."""
    text, charset = _labelled(text.replace(b"\n", b""), body_charset)
    words = [b"=?" + charset + b"?B?" + base64.b64encode(piece) + b"?=" for piece in _pieces(text, charset)]
    return b"\n ".join(words)


def _pieces(text: bytes, charset: bytes, size: int = _WORD_BYTES) -> list[bytes]:
    """Text in pieces that don't split a character."""
    pieces = []
    while text:
        end = min(size, len(text))
        while charset == b"utf-8" and end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces
