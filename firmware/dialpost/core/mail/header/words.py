"""Header text as people read it: encoded-words and raw 8-bit text, however badly written (RFC 2047).

It is for display only (a subject in a list, the words of a trace), so nothing here raises: unreadable text is shown
as well as possible. Labels are interpreted generously, as in mail programs: each character set as its superset, and
text without a label in the one that the body names.
"""

from __future__ import annotations

import binascii
import codecs
import re

_WORD = re.compile(rb"=\?([!->@-~]{1,60})\?([bBqQ])\?([^\x00-\x1f]*?)\?=")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ESCAPED = re.compile(rb"\x1b[$(]")
_JIS_TWO_BYTE = re.compile(rb"\x1b\$(?:[@B]|\(D)(.*?)(?=\x1b|\Z)", re.DOTALL)
_OTHER_ESCAPES = re.compile(rb"\x1b(?:\([BJIH]|\$[@B]|\$\(D)")

_MOST_BYTES = 4000

_GB, _KOREAN, _JAPANESE = "gb18030", "cp949", "cp932"
_SUPERSETS = {
    "usascii": "utf-8", "ascii": "utf-8", "utf8": "utf-8", "unicode11utf8": "utf-8", "cp65001": "utf-8",
    "iso88591": "cp1252", "latin1": "cp1252", "l1": "cp1252", "cp819": "cp1252", "ansi": "cp1252",
    "iso88599": "cp1254", "latin5": "cp1254", "iso88598i": "iso8859-8", "iso88598e": "iso8859-8",
    "iso88596i": "iso8859-6", "iso88596e": "iso8859-6", "tis620": "cp874", "iso885911": "cp874",
    "windows874": "cp874",
    "gb2312": _GB, "gb231280": _GB, "gbk": _GB, "xgbk": _GB, "cp936": _GB, "windows936": _GB, "euccn": _GB,
    "chinese": _GB, "csgb2312": _GB, "big5": "big5hkscs", "cnbig5": "big5hkscs", "xbig5": "big5hkscs",
    "hzgb2312": "hz",
    "ksc56011987": _KOREAN, "ksc56011989": _KOREAN, "ksc5601": _KOREAN, "ks5601": _KOREAN, "euckr": _KOREAN,
    "cp949": _KOREAN,
    "korean": _KOREAN, "isoir149": _KOREAN, "uhc": _KOREAN, "windows949": _KOREAN, "ms949": _KOREAN,
    "shiftjis": _JAPANESE, "sjis": _JAPANESE, "xsjis": _JAPANESE, "windows31j": _JAPANESE, "mskanji": _JAPANESE,
    "eucjp": "euc_jis_2004", "xeucjp": "euc_jis_2004", "ujis": "euc_jis_2004",
    "koi8": "koi8-r", "xmaccyrillic": "mac_cyrillic", "macintosh": "mac_roman", "xmacroman": "mac_roman",
}  # fmt: skip
"""The normalised name for a label, in lower case without punctuation."""

_CHARACTER_SET = re.compile(
    r"utf(?:7|8|8sig|16|16le|16be|32|32le|32be)|iso8859\d{1,2}|latin\d{1,2}|cp\d{3,5}|ibm\d{3}"
    r"|koi8[rut]|gb18030|big5(?:hkscs)?|johab|hz|iso2022kr|eucjis2004|mac\w{3,12}"
    r"|viscii|kz1048|ptcp154|tis620|thai|arabic|greek8?|hebrew|cyrillic"
)
"""Labels that name a character set: Python has other codecs, too, none of which is for foreign text."""


def readable(value: bytes, body_charset: str = "") -> str:
    """The text of a header field's value (folds and all), on one line. Never raises."""
    try:
        return read_words(value, body_charset)
    except Exception:  # a bug of ours: a name in a list must not stop mail
        return _UNPRINTABLE.sub(" ", value[:_MOST_BYTES].decode("ascii", "replace")).strip()


def read_words(value: bytes, body_charset: str) -> str:
    """`readable` without its safety net."""
    value = value[:_MOST_BYTES].replace(b"\r", b"").replace(b"\n", b"")
    parts: list[str] = []
    pending, label, end = b"", "", 0  # a character may be split between words: decode them together
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        name = found[1].partition(b"*")[0].decode("ascii", "replace")  # RFC 2231 §5: a language may follow
        if pending and (name != label or not _is_gap(between)):
            parts.append(decoded(pending, label))
            pending = b""
        if not (end and _is_gap(between)):
            parts.append(_raw(between, body_charset))
        pending += _unwrapped(found[2], found[3])
        label, end = name, found.end()
    if pending:
        parts.append(decoded(pending, label))
    parts.append(_raw(value[end:], body_charset))
    return _UNPRINTABLE.sub(" ", "".join(parts)).strip()


def _is_gap(text: bytes) -> bool:
    """RFC 2047 §6.2: white space between two encoded-words is not shown, nor is an empty gap."""
    return not text.strip(b" \t")


def _unwrapped(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"bB":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
        letters = letters[:-1] if len(letters) % 4 == 1 else letters
        return binascii.a2b_base64(letters + b"==")  # the most that can be missing
    text = text.replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda pair: bytes([int(pair[1], 16)]), text)


def decoded(text: bytes, label: str) -> str:
    """Text in the character set of that label, or in the likeliest one if it isn't. Never raises."""
    codec = codec_of(label)
    if codec:
        strict = _strictly(text, codec)
        if strict is not None:
            return strict
        if codec.startswith("iso2022_jp"):
            return _japanese(text)
    in_utf8 = text.decode("utf-8", "replace")
    if "\ufffd" not in in_utf8 or (codec == "utf-8" and not in_utf8.replace("\ufffd", "").isascii()):
        return in_utf8
    if not codec or codec == "utf-8":
        return _guessed(text)
    if codec.startswith("cp125"):
        return text.decode("latin-1")  # the few bytes that the superset leaves undefined
    return text.decode(codec, "replace")


def codec_of(label: str) -> str:
    """Python's name for the character set (its superset) that a label means; "" if it means none."""
    named = label.lower()[:60].partition(":")[0]  # as in iso_8859-1:1987
    plain = re.sub(r"[^a-z0-9]", "", named)
    if plain not in _SUPERSETS:
        plain = plain.removeprefix("x").replace("windows", "cp").replace("win", "cp")
    if plain in _SUPERSETS:
        return _SUPERSETS[plain]
    if plain.startswith("iso2022jp"):
        return "iso2022_jp_ext"
    if not _CHARACTER_SET.fullmatch(plain):
        return ""
    for name in (plain, named):
        try:
            return codecs.lookup(name).name
        except (LookupError, ValueError):
            continue
    return ""


def _strictly(text: bytes, codec: str) -> str | None:
    try:
        return text.decode(codec)
    except ValueError:  # UnicodeDecodeError is one
        return None


def _raw(text: bytes, body_charset: str) -> str:
    """Text outside encoded-words, which has no label."""
    if _ESCAPED.search(text):
        return decoded(text, "iso-2022-kr" if b"\x1b$)C" in text else "iso-2022-jp")
    if text.isascii():
        return text.decode("ascii")
    as_utf8 = _strictly(text, "utf-8")
    return decoded(text, body_charset) if as_utf8 is None else as_utf8


def _guessed(text: bytes) -> str:
    """Unlabelled 8-bit text: Cyrillic if nearly all its letters are 8-bit, otherwise Western."""
    high = [byte for byte in text if byte >= 0x80]
    letters = sum(1 for byte in text if 0x41 <= byte & 0xDF <= 0x5A)
    if sum(byte >= 0xC0 for byte in high) > max(2, letters, len(high) * 0.8):
        is_koi8 = sum(byte < 0xE0 for byte in high) * 2 > len(
            high
        )  # its small letters have the codes of cp1251's capitals
        return text.decode("koi8-r" if is_koi8 else "cp1251", "replace")
    return _strictly(text, "cp1252") or text.decode("latin-1")


def _japanese(text: bytes) -> str:
    """ISO-2022-JP with the characters that makers added to it (row 13: circled digits and the like)."""

    def two_byte(found: re.Match[bytes]) -> bytes:
        return bytes(byte | 0x80 for byte in found[1] if 0x21 <= byte <= 0x7E)

    return _OTHER_ESCAPES.sub(b"", _JIS_TWO_BYTE.sub(two_byte, text)).decode("euc_jis_2004", "replace")
