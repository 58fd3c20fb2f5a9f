"""Header text as people read it, however badly it was written."""

import base64
from typing import Never

import pytest

from cases import cases
from dialpost.core.mail.header import words
from dialpost.core.mail.header.words import codec_of, readable


def b_word(charset: bytes, text: str, codec: str | None = None) -> bytes:
    return b"=?" + charset + b"?B?" + base64.b64encode(text.encode(codec or charset.decode())) + b"?="


@cases(
    ("value", "shown"),
    [
        (b"plain", "plain"),
        (b" =?utf-8?q?Gr=C3=BC=C3=9Fe?=.", "Grüße."),
        (b"(=?utf-8?q?a?=)=?utf-8?q?b_?= c", "(a)b  c"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=\n =?iso-8859-1?q?=FC?=", "abü"),
        (b"=?utf-8?q?=C3?= =?utf-8?b?vA==?=", "ü"),  # a character cut in two
        (b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?UTF8?Q?=c3=bc?=", "ü"),
        (b"=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),  # without padding
        (b"=?utf-8?B?R3LDvMOf\xffZQ=?=", "Grüße"),
        (b"=?utf-8?B?YWJjZ?=", "abc"),  # a letter that is no byte
        (b"=?utf-8?B?YWJjZGVmZ?=", "abcdef"),
        (b"=?utf-8?q?=C3?= =?iso-8859-1?q?=BC?=", "Ã¼"),
        (b"=?utf-8?q?what? no?=", "what? no"),
        (b"=?utf-8?q?Gr\xc3\xbc=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?q?=FC?=", "ü"),  # labelled wrongly
        (b"=?utf-8?q?Gr=C3=BC=C3?=", "Grü\ufffd"),  # cut off
        (b"=?iso-8859-1?q?=80=93?=", "€“"),
        (b"=?us-ascii?q?=E4?=", "ä"),
        (b"=?unknown-8bit?q?=E4?=", "ä"),
        (b"=?no-such?q?x?=", "x"),
        (b"=?hex?q?41?= =?rot13?q?a?= =?idna?q?=FF?=", "41aÿ"),
        (b_word(b"gb2312", "朱镕基", "gbk"), "朱镕基"),
        (b_word(b"ks_c_5601-1987", "똠방각하", "cp949"), "똠방각하"),
        (b_word(b"shift_jis", "髙①", "cp932"), "髙①"),
        (b_word(b"big5", "中文"), "中文"),
        (b"=?iso-2022-jp?B?GyRCLSFGfBsoQg==?=", "①日"),
        (b_word(b"windows-874", "สวัสดี", "cp874"), "สวัสดี"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße aus Köln".encode("latin-1"), "Grüße aus Köln"),
        ("Привет мир".encode("koi8-r"), "Привет мир"),
        ("Привет мир".encode("cp1251"), "Привет мир"),
        ("ъъЮ".encode("koi8-r"), "ъъЮ"),
        ("日本語のメール".encode("iso2022_jp"), "日本語のメール"),
        ("안녕".encode("iso2022_kr"), "안녕"),
        (b"=?utf\xff8?q?x?=", "=?utfÿ8?q?x?="),
        (b"=?utf-8?q?a=0D=0Ab?=", "a b"),
        (b"=?utf-8?q?=C2=9B31m?= a\x1b[31m", "31m a [31m"),
        (b"=?utf-8?q?", "=?utf-8?q?"),
    ],
)
def test_what_mail_programs_read_is_readable(value: bytes, shown: str) -> None:
    assert readable(value) == shown


@pytest.mark.parametrize(
    ("charset", "text"), [("KOI8-R", "смета"), ("windows-1250", "Łódź"), ("gb2312", "镕基"), ("iso-8859-2", "Ł")]
)
def test_raw_text_is_read_by_the_bodys_character_set(charset: str, text: str) -> None:
    assert readable(text.encode("gbk" if charset == "gb2312" else charset), charset) == text


def test_labels_are_taken_generously_but_only_character_sets() -> None:
    labels = [
        "ISO_8859-1:1987",
        "win-1251",
        "x-windows-949",
        "iso8859_15",
        "x-mac-cyrillic",
        "cp-850",
        "hz-gb-2312",
    ]
    assert [codec_of(label) for label in labels] == [
        "cp1252",
        "cp1251",
        "cp949",
        "iso8859-15",
        "mac_cyrillic",
        "cp850",
        "hz",
    ]
    others = ("hex", "rot13", "zlib", "idna", "punycode", "unicode-escape", "undefined", "mbcs", "\0")
    assert {codec_of(label) for label in others} == {""}


def test_a_fault_of_ours_stops_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(value: bytes, body_charset: str) -> Never:
        raise RuntimeError("a bug")

    monkeypatch.setattr(words, "read_words", broken)
    assert words.readable(b" caf\xe9\n x ") == "caf\ufffd  x"


@pytest.mark.parametrize(
    ("text", "label", "shown"),
    [(b"a\x81b", "windows-1252", "a\x81b"), (b"a\xff", "euc-kr", "a\ufffd"), (b"a", "no-such", "a")],
)
def test_bytes_a_character_set_leaves_open(text: bytes, label: str, shown: str) -> None:
    assert words.decoded(text, label) == shown


def test_what_is_no_character_set() -> None:
    assert words.codec_of("no-such-set") == words.codec_of("x" * 500) == words.codec_of("cp99999") == ""


def test_unlabelled_western_text_is_read_with_its_typographic_marks() -> None:
    assert words.decoded(b"\x93Caf\xe9\x94", "") == "\u201cCaf\xe9\u201d"
    assert words.decoded(b"Caf\xe9\x81", "") == "Caf\xe9\x81"


@cases(
    ("text", "shown"),
    [
        ("приветы".encode("koi8-r"), "приветы"),
        ("приветы".encode("cp1251"), "приветы"),
        ("да".encode("cp1251"), "äà"),  # two letters are too few to tell
        ("дар".encode("cp1251"), "дар"),
        ("дар abc".encode("cp1251"), "äàð abc"),  # as many 7-bit letters
        ("дар ab @[`{".encode("cp1251"), "дар ab @[`{"),  # no letters, those around A-Z and a-z
        ("дар azZ".encode("cp1251"), "äàð azZ"),
        ("дар".encode("cp1251") + b"\xab", "äàð«"),  # three in four bytes are no four in five
        ("дарит".encode("cp1251") + b"\xab", "дарит«"),
        ("дари".encode("cp1251") + b"\x80", "äàðè€"),  # 0x80 is an 8-bit character, too
        (b"\xc0\xc1\xc2\xe0\xe1\xe2", "АБВабв"),  # half and half: cp1251
    ],
)
def test_eight_bit_text_without_a_label_is_cyrillic_where_nearly_all_its_letters_are(
    text: bytes, shown: str
) -> None:
    assert words.decoded(text, "") == shown


def test_a_mark_of_the_byte_order_is_no_text() -> None:
    assert words.decoded(b"\xef\xbb\xbfa\xff", "utf-8-sig") == "a\ufffd"


def test_every_byte_of_a_two_byte_character_counts() -> None:
    for between in (b"", b" ", b"\x7f"):
        assert words.decoded(b"\x1b$B-!" + between + b"!~\x1b(B", "iso-2022-jp") == "①◇"
