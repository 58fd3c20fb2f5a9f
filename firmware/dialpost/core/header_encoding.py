"""Header fields with raw 8-bit text made ASCII (RFC 2047, RFC 2231), for a next hop without 8BITMIME.

Only what can be done without a guess is done: words of running text, names and comments beside
addresses, parameters such as file names. An address itself is never changed. Text that is UTF-8 is
labelled so; any other is `unknown-8bit` (RFC 1428 §3).
"""

from __future__ import annotations

import base64
import re
from urllib.parse import quote_from_bytes

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
_WORD_BYTES = 45  # of text in one encoded-word, so that it stays under 75 characters (RFC 2047 §2)

_RUNNING_WORDS = re.compile(rb"[^\s]*[\x80-\xff][^\s]*(?:[ \t\n]+[^\s]*[\x80-\xff][^\s]*)*")
_NAME_PARTS = re.compile(
    rb'(?P<quoted>"(?:[^"\\]|\\.)*")(?=[ \t\n]*(?P<local>[@.])?)'
    rb"|(?P<comment>\((?:[^()\\]|\\.)*\))"
    rb"|(?P<angle><[^>]*>)"
    rb"|(?P<words>[^\s\"(),:;<>@\[\]\\]*[\x80-\xff][^\s\"(),:;<>@\[\]\\]*"
    rb"(?:[ \t\n]+[^\s\"(),:;<>@\[\]\\]*[\x80-\xff][^\s\"(),:;<>@\[\]\\]*)*)(?=(?P<address>@)?)",
    re.DOTALL,
)
_PARAMETER = re.compile(
    rb';[ \t\r\n]*([!#$%&+\-^_`{}|~.0-9A-Za-z]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;\s]+)', re.DOTALL
)


def ascii_field(field: bytes) -> bytes | None:
    """The field (name, colon, value, folded lines with LF) in ASCII; None where that can't be done."""
    if field.isascii():
        return field
    name, colon, value = field.partition(b":")
    if not colon or not name.isascii():
        return None
    key = name.strip().lower()
    if key in _TRACE_AND_IDS:
        done = re.sub(rb"[\x80-\xff]", b"?", value)  # nothing a reader sees hangs on it
    elif key in _PARAMETERS:
        done = _PARAMETER.sub(_encode_parameter, value)
    elif key in _ADDRESSES:
        done = _NAME_PARTS.sub(_encode_name_part, value)
    else:
        done = _RUNNING_WORDS.sub(lambda match: _encoded_words(match[0]), value)
    return name + b":" + done if done.isascii() else None


def _encode_name_part(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if text.isascii() or match["angle"] or match["local"] or match["address"]:
        return text  # an address with 8-bit text stays, and the field is then refused as a whole
    if match["quoted"]:
        return _encoded_words(re.sub(rb"\\(.)", rb"\1", text[1:-1]))
    if match["comment"]:
        return b"(" + _encoded_words(re.sub(rb"\\(.)", rb"\1", text[1:-1])) + b")"
    return _encoded_words(text)


def _encode_parameter(match: re.Match[bytes]) -> bytes:
    if match[0].isascii():
        return match[0]
    value = match[2]
    if value.startswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
    value = re.sub(rb"[\r\n]+", b"", value)
    return b";\n " + match[1] + b"*=" + charset_of(value).encode() + b"''" + quote_from_bytes(value, "").encode()


def charset_of(text: bytes) -> str:
    """`utf-8` where it is that, else `unknown-8bit` (RFC 1428 §3)."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown-8bit"
    return "utf-8"


def _encoded_words(text: bytes) -> bytes:
    """The text as encoded-words, parted by folds that a reader takes out again (RFC 2047 §6.2)."""
    text = text.replace(b"\n", b"")
    charset = charset_of(text).encode()
    words = [b"=?" + charset + b"?B?" + base64.b64encode(piece) + b"?=" for piece in _pieces(text, charset)]
    return b"\n ".join(words)


def _pieces(text: bytes, charset: bytes) -> list[bytes]:
    """Text in pieces that don't cut a character in two."""
    pieces = []
    while text:
        end = min(_WORD_BYTES, len(text))
        while charset == b"utf-8" and end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces
