"""8-bit content made 7-bit: what a reader sees stays the same, and what must not be touched is not."""

import email
import email.policy
import email.utils
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.mail.content.downgrade import CannotDowngradeError, Downgrade, Goal, plan
from dialpost.core.mail.content.encoders import QuotedPrintable
from dialpost.core.mail.header.encoding import ascii_field
from known import is_a


def downgrade(content: bytes, block_bytes: int = 1 << 20, goal: Goal | None = None) -> bytes:
    blocks = [content[start : start + block_bytes] for start in range(0, len(content), block_bytes)]
    walker = Downgrade(plan(lambda: blocks, goal))
    return b"".join(walker.feed(block) for block in blocks) + walker.finish()


def leaves_of(content: bytes) -> list[tuple[str, bytes]]:
    """What a reader gets: type and decoded content of each leaf, line endings apart."""
    message = email.message_from_bytes(content)
    return [
        (
            part.get_content_type(),
            (is_a(bytes, part.get_payload(decode=True) or b"")).replace(b"\r\n", b"\n").rstrip(b"\n"),
        )
        for part in message.walk()
        if not part.is_multipart()
    ]


PLAIN = (
    b"MIME-Version: 1.0\nSubject: x\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: 8bit\n\n" + "Grüße aus Köln, and a long line ".encode() * 5 + b"=  \n.\nend \n"
)
MULTIPART = (
    b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="a b"\nContent-Transfer-Encoding: 8bit\n\n'
    + "Präambel\n".encode()
    + b"--a b\nContent-Type: text/plain; charset=utf-8\n\n"
    + "höhö\n".encode() * 3
    + b"\n--a b\nContent-Type: multipart/alternative; boundary=inner\n\n--inner\n\nplain ascii\n"
    b"--inner\nContent-Type: text/html; charset=koi8-r\n\n"
    + b"\xf0\xd2\xc9\xd7\xc5\xd4 " * 40
    + b"\n--inner--\n--a b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n"
    + bytes(range(128, 256)) * 3
    + b"\n--a b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    b"Subject: inside\n\n"
    + "größer\n".encode()
    + b"--a b\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--a b--\n"
)


@pytest.mark.parametrize("content", [PLAIN, MULTIPART], ids=["plain", "multipart"])
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_a_reader_sees_the_same(content: bytes, block_bytes: int) -> None:
    converted = downgrade(content, block_bytes)
    assert converted.isascii()
    assert max(map(len, converted.split(b"\n"))) <= 78
    assert leaves_of(converted) == leaves_of(content)
    assert b"Encoding: 8bit" not in converted
    assert b"Encoding: binary" not in converted


def test_text_without_mime_is_labelled() -> None:
    converted = downgrade("Subject: x\n\nGrüße\n".encode())
    message = email.message_from_bytes(converted, policy=email.policy.default)
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_charset() == "utf-8"
    assert message.get_content().replace("\r\n", "\n") == "Grüße\n"
    latin = downgrade(b"Subject: x\n\nGr\xfc\xdfe\n")
    assert b"charset=unknown-8bit" in latin


def test_the_kind_of_text_stays_where_its_character_set_is_added() -> None:
    content = b"MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n<p>\xc3\xbc\n"
    assert b"\nContent-Type: text/html; charset=utf-8\n" in downgrade(content)


def test_the_line_end_before_a_boundary_is_no_part_of_what_is_encoded() -> None:
    content = (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        + "日本語\n\n".encode()
        + b"--b--\n"
    )
    [(_, text)] = [
        (part, part.get_payload(decode=True))
        for part in email.message_from_bytes(downgrade(content)).walk()
        if not part.is_multipart()
    ]
    assert text == "日本語\r\n".encode()


def test_a_nested_message_gets_its_own_mime_version() -> None:
    converted = downgrade(MULTIPART)
    nested = converted[converted.index(b"Subject: inside") :]
    assert b"MIME-Version: 1.0\n" in nested.partition(b"\n\n")[0]


def test_mostly_foreign_text_becomes_base64_and_mostly_ascii_quoted_printable() -> None:
    head = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
    assert b"Encoding: base64" in downgrade(head + "Привет мир\n".encode())
    assert b"Encoding: quoted-printable" in downgrade(head + "a plain line with one é in it\n".encode())
    assert b"Encoding: quoted-printable" in downgrade(head + "é123456789\n".encode())
    assert b"Encoding: base64" in downgrade(head + "é12345678\n".encode())


def test_a_signed_message_without_8bit_inside_passes_and_with_it_is_refused() -> None:
    signed = (
        b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s; protocol=x\n\n"
        b"--s\nContent-Type: text/plain\n\n%b\n--s\nContent-Type: application/pgp-signature\n\nsig\n--s--\n"
    )
    assert downgrade(signed % b"all ascii") == signed % b"all ascii"
    with pytest.raises(CannotDowngradeError, match="multipart/signed"):
        downgrade(signed % b"gr\xfc\xdfe")


DEEP = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(60))


@pytest.mark.parametrize(
    "content, why",
    [
        (b"Content-Type: message/partial; id=a\n\n\xfc\n", "must not be changed"),
        ("From: <ü@example.org>\n\nx\n".encode(), "header field From"),
        (DEEP + b"\n\xfc\n", "deeply"),
        (b"X: " + b"\xfc" * 1_100_000, "too long"),
        (b"X: " + b"\xfc\n " * 400_000 + b"\n\n", "too long"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(CannotDowngradeError, match=why):
        downgrade(content)


@pytest.mark.parametrize(
    "field, decoded",
    [
        ("Subject: Grüße aus Köln und so weiter\n", "Grüße aus Köln und so weiter"),
        ("Subject: " + "ж" * 100 + "\n", "ж" * 100),
        ("Subject: zwei\n Zeilen für\n überall\n", "zwei Zeilen für überall"),
        ("From: Jörg Müller <jm@example.org>\n", "Jörg Müller <jm@example.org>"),
        ('To: "Müller, Jörg" <jm@example.org>, a@b (für alle)\n', '"Müller, Jörg" <jm@example.org>, a@b'),
    ],
)
def test_header_text_reads_the_same(field: str, decoded: str) -> None:
    done = ascii_field(field.encode())
    assert done is not None and done.isascii()
    message = email.message_from_bytes(done + b"\n", policy=email.policy.default)
    assert str(next(iter(message.values()))) == decoded


@pytest.mark.parametrize(
    "label", [b"8bits", b"7-bit", b"plain", b"8bit (gr\xf6\xdfer)", b'"8bit";', b"", b"x-uue", b"7bit", b"binary"]
)
@pytest.mark.parametrize(
    "kind", [b"text/plain; charset=iso-8859-1", b"multipart/mixed", b"multipart/mixed; boundary=b"]
)
def test_mislabelled_text_is_converted(label: bytes, kind: bytes) -> None:
    body = b"Gr\xfc\xdfe\n"
    if kind.endswith(b"=b"):
        body = b"--b\nContent-Type: text/plain; charset=iso-8859-1\n\n" + body + b"\n--b--\n"
    head = b"MIME-Version: 1.0\nContent-Type: " + kind + b"\nContent-Transfer-Encoding: " + label + b"\n\n"
    converted = downgrade(head + body)
    assert converted.isascii()
    assert [content.decode("latin-1") for _, content in leaves_of(converted)] == ["Grüße"]


@pytest.mark.parametrize("kind", [b"boundary=a b", b"boundary=other", b'boundary="x"', b"charset=utf-8"])
def test_text_behind_a_boundary_that_is_nowhere_is_no_preamble(kind: bytes) -> None:
    text = "--a b\n\nGrüße\n".encode()
    converted = downgrade(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; " + kind + b"\n\n" + text)
    assert converted.isascii()
    assert leaves_of(converted) == [("text/plain", text.rstrip(b"\n"))]


def test_a_boundary_in_pieces() -> None:
    head = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary*0="a\\"b";\n boundary*1=c\n\n'
    converted = downgrade(head + '--a"bc\nContent-Type: text/plain; charset=utf-8\n\nGrüße\n--a"bc--\n'.encode())
    assert converted.startswith(head + b'--a"bc\nContent-Type: text/plain; charset=utf-8\nContent-Transfer')


def test_raw_octets_in_encoded_parts_are_put_right() -> None:
    head = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
    quoted = downgrade(head + b"quoted-printable\n\nGr=FC\xdfe =\nab" + b"=E4" * 40 + b"\xe4\n")
    assert leaves_of(quoted)[0][1] == b"Gr\xfc\xdfe ab" + b"\xe4" * 41
    assert max(map(len, quoted.split(b"\n"))) <= 76
    based = downgrade(head + b"base64\n\nR3L8\xe4\n32U=\n")
    assert (based.isascii(), leaves_of(based)[0][1]) == (True, b"Gr\xfc\xdfe")


def test_foreign_octets_in_a_report_for_programs_become_question_marks() -> None:
    head = b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: 8bit\n\n"
    converted = downgrade(head + b"Diagnostic-Code: smtp; 550 gr\xfc\xdfe\n")
    assert converted == head.replace(b"8bit", b"7bit") + b"Diagnostic-Code: smtp; 550 gr??e\n"


def test_a_label_nobody_knows_stays_on_what_needs_no_change() -> None:
    content = b"Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n"
    assert downgrade(content) == content


LONG = b"word " * 400


@pytest.mark.parametrize("goal", [Goal(), Goal(ascii_header=False, ascii_body=False)])
@pytest.mark.parametrize("block_bytes", [7, 1 << 20])
@pytest.mark.parametrize(
    "head, body",
    [
        (b"Content-Type: text/html", b"<p>" + LONG + b"</p>\nend\n"),
        (b"X: y", LONG),
        (b"Content-Type: text/xml; charset=utf-8", LONG + b"\n" + LONG),
        (b"Content-Type: application/json", b"{" + b"x" * 3000 + b"}\n"),
        (b"Content-Type: image/png\nContent-Transfer-Encoding: base64", b"QUJD" * 500 + b"\nQUI=\n"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable", b"=C3=BC" * 500 + b"a\n"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable", b"=" + b"=3D" * 70_000),
    ],
)
def test_long_lines_are_encoded_and_read_the_same(head: bytes, body: bytes, block_bytes: int, goal: Goal) -> None:
    content = b"MIME-Version: 1.0\n" + head + b"\n\n" + body
    converted = downgrade(content, block_bytes, goal)
    assert max(map(len, converted.split(b"\n"))) <= 998
    assert leaves_of(converted) == leaves_of(content)


def test_only_the_part_with_a_long_line_is_touched() -> None:
    short = b"--b\nContent-Type: text/plain\n\n" + "Grüße\n".encode() + 2 * (b"x" * 998 + b"\n")
    content = MULTI + short + b"--b\n\n" + LONG + b"\n--b--\n"
    converted = downgrade(content, goal=Goal(ascii_header=False, ascii_body=False))
    assert converted.startswith(MULTI + short + b"--b\nContent-Transfer-Encoding: quoted-printable\n\n")


MULTI = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"


def test_a_long_line_that_must_not_be_encoded_is_broken() -> None:
    signed = b"Content-Type: multipart/signed; boundary=s; protocol=x\n\n--s\n\n" + LONG + b"\n--s--\n"
    converted = downgrade(signed)
    assert max(map(len, converted.split(b"\n"))) <= 998
    assert converted.replace(b"\n ", b" ") == signed


def test_a_long_header_is_folded_where_it_has_blanks() -> None:
    addresses = b", ".join(b"reader%d@far.example" % number for number in range(200))
    content = b"To: " + addresses + b"\nDKIM-Signature: v=1; b=" + b"x" * 1500 + b"\n\nhello\n"
    converted = downgrade(content, goal=Goal(ascii_header=False, ascii_body=False))
    assert max(map(len, converted.split(b"\n"))) <= 998
    message = email.message_from_bytes(converted)
    assert message["To"].replace("\n", "").encode() == addresses
    assert message.get_payload() == "hello\n"


@pytest.mark.parametrize(
    "field, charset, decoded",
    [
        ("Subject: Привет мир\n".encode("koi8-r"), "koi8-r", "Привет мир"),
        ("Subject: 朱镕基\n".encode("gbk"), "gb2312", "朱镕基"),
        (b"Subject: =?utf-8?q?Gr\xc3\xbc=C3=9Fe?= x\n", "", "Grüße x"),
        (b"Subject: =?iso-8859-1?q?Gr\xfc=DFe?=\n", "", "Grüße"),
        ("From: =?utf-8?q?J\xf6rg?= <jm@example.org>\n".encode("latin-1"), "", "Jörg <jm@example.org>"),
    ],
)
def test_header_text_is_read_by_the_bodys_character_set_and_wrapped_once(
    field: bytes, charset: str, decoded: str
) -> None:
    done = ascii_field(field, charset)
    assert done is not None and done.isascii() and b"unknown-8bit" not in done
    message = email.message_from_bytes(done + b"\n", policy=email.policy.default)
    assert str(next(iter(message.values()))) == decoded


def test_the_character_set_of_the_first_part_counts() -> None:
    head = "Subject: Смета\n".encode("koi8-r") + b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    content = head + b"--b\nContent-Type: text/plain; charset=koi8-r\n\n\xf0\n--b--\n"
    message = email.message_from_bytes(downgrade(content), policy=email.policy.default)
    assert message["Subject"] == "Смета"


@pytest.mark.parametrize(
    "field",
    [
        "MIME-Version: 1.0 (größer)\n",
        "Content-Type: text/plain; charset=utf-8 (Müll)\n",
        "Content-Transfer-Encoding: 8bit (größer)\n",
        "Date: Mon, 1 Jan 2024 10:00:00 +0100 (Mitteleuropäisch)\n",
        "Content-Disposition: anhängen\n",
        "Größe: 5\n",
        "List-Id: Größe <x.y>\n",
        "X: " + "ü " * 3 + "\n",
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_8bit_text_that_nothing_depends_on_stops_no_message(field: str, charset: str) -> None:
    done = ascii_field(field.encode(charset))
    assert done is not None and done.isascii()
    assert done.count(b"\n") >= 1 and done.endswith(b"\n")


def test_a_notice_is_made_7_bit_at_any_price() -> None:
    content = (
        "From: <jörg@x.example>\nContent-Type: multipart/report; boundary=r\n\n--r\n"
        "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\nX: utf-8; ü@x\n"
        "--r\nContent-Type: message/rfc822\n\nContent-Type: multipart/signed; boundary=s\n\n"
        "--s\n\nGrüße\n--s--\n--r--\n"
    ).encode()
    with pytest.raises(CannotDowngradeError):
        downgrade(content)
    converted = downgrade(content, goal=Goal(at_any_price=True))
    assert converted.isascii()
    assert b"\nContent-Transfer-Encoding: quoted-printable\n\nX: utf-8; =C3=BC@x\n" in converted
    assert b"\nGr????e\n" in converted


def test_a_file_name_without_quotes_or_half_of_them() -> None:
    for written in ("filename=Große Datei.pdf", 'filename="Große Datei.pdf', "filename*=utf-8''Große%20Datei.pdf"):
        done = ascii_field(f"Content-Disposition: attachment; {written}\n".encode())
        assert done is not None and done.isascii()
        message = email.message_from_bytes(done + b"\n")
        name: Any = message.get_param("filename", header="Content-Disposition")
        assert "Große" in email.utils.collapse_rfc2231_value(name)


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 200_000,
        b"<" * 200_000,
        b'"' * 199_999,
        b"(" * 200_000,
        b" " * 200_000,
        b"=?" * 100_000,
        b";x" * 100_000,
    ],
)
@pytest.mark.parametrize("name", [b"Subject", b"From", b"Content-Type"])
def test_a_long_field_takes_no_square_of_time(name: bytes, value: bytes) -> None:
    """It would take minutes, and the test never end."""
    ascii_field(name + b": " + value + b" \xfc\n")


def test_a_file_name_is_written_as_rfc_2231_says() -> None:
    done = ascii_field('Content-Disposition: attachment; filename="Übersicht.pdf"; size=3\n'.encode())
    assert done is not None and done.isascii()
    message = email.message_from_bytes(done + b"\n", policy=email.policy.default)
    assert message.get_filename() == "Übersicht.pdf"


def test_an_address_is_never_changed() -> None:
    assert ascii_field("From: Jörg <jörg@example.org>\n".encode()) is None
    assert ascii_field("To: jörg@example.org\n".encode()) is None
    assert ascii_field('To: "jörg"@example.org\n'.encode()) is None


def test_ascii_content_stays_byte_for_byte() -> None:
    content = b"Subject: x\nContent-Type: text/plain\n\nhello\n\nend without line end"
    assert downgrade(content) == content


@given(st.binary(max_size=300).map(lambda raw: raw.replace(b"\r", b"")), st.integers(1, 50))
def test_any_body_comes_out_as_ascii_whatever_the_split(body: bytes, block_bytes: int) -> None:
    content = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=x\nContent-Transfer-Encoding: 8bit\n\n" + body
    converted = downgrade(content, block_bytes)
    assert converted.isascii()
    assert converted == downgrade(content)
    assert leaves_of(converted)[0][1] == body.rstrip(b"\n")


PIECES = [
    b"--a\n",
    b"--a--\n",
    b"\n",
    b"\xfc\n",
    b"Content-Type: message/rfc822\n",
    b"x",
    b"MIME-Version: 1.0\n",
    b"Content-Type: multipart/mixed; boundary=a\n",
]


@given(st.lists(st.sampled_from(PIECES)))
def test_broken_structure_is_converted_or_refused(pieces: list[bytes]) -> None:
    try:
        assert downgrade(b"".join(pieces)).isascii()
    except CannotDowngradeError as error:
        assert str(error)


def test_a_character_cut_in_two_between_blocks_is_still_utf_8() -> None:
    content = b"Subject: x\n\n" + "\u00e9".encode() * 40_000 + b"\n"
    for block_bytes in (66_001, 66_002):
        assert b"charset=utf-8" in downgrade(content, block_bytes)
    assert b"charset=utf-8" not in downgrade(content.rstrip(b"\n")[:-1])


def test_a_field_without_a_name_is_shown_in_part() -> None:
    with pytest.raises(CannotDowngradeError) as caught:
        downgrade(("x" * 400 + "\xfc\n\nx\n").encode())
    assert "x" * 40 in str(caught.value) and "x" * 41 not in str(caught.value)


def test_a_carriage_return_in_a_line_is_encoded() -> None:
    assert QuotedPrintable().feed(b"a\rb\n") == b"a=0Db\n"
