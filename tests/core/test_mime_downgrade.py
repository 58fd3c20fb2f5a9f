"""8-bit content made 7-bit: what a reader sees stays the same, and what must not be touched is not."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.header_encoding import ascii_field
from dialpost.core.mime_downgrade import CannotDowngradeError, Downgrade, plan


def downgrade(content: bytes, block_bytes: int = 1 << 20) -> bytes:
    blocks = [content[start : start + block_bytes] for start in range(0, len(content), block_bytes)]
    walker = Downgrade(plan(blocks))
    return b"".join(walker.feed(block) for block in blocks) + walker.finish()


def leaves_of(content: bytes) -> list[tuple[str, bytes]]:
    """What a reader gets: type and decoded content of each leaf, line ends apart."""
    message = email.message_from_bytes(content)
    return [
        (part.get_content_type(), (part.get_payload(decode=True) or b"").replace(b"\r\n", b"\n").rstrip(b"\n"))
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
def test_a_reader_sees_the_same(content, block_bytes):
    converted = downgrade(content, block_bytes)
    assert converted.isascii()
    assert max(map(len, converted.split(b"\n"))) <= 78
    assert leaves_of(converted) == leaves_of(content)
    assert b"Encoding: 8bit" not in converted
    assert b"Encoding: binary" not in converted


def test_text_without_mime_is_labelled():
    converted = downgrade("Subject: x\n\nGrüße\n".encode())
    message = email.message_from_bytes(converted, policy=email.policy.default)
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_charset() == "utf-8"
    assert message.get_content().replace("\r\n", "\n") == "Grüße\n"
    latin = downgrade(b"Subject: x\n\nGr\xfc\xdfe\n")
    assert b"charset=unknown-8bit" in latin


def test_a_nested_message_gets_its_own_mime_version():
    converted = downgrade(MULTIPART)
    nested = converted[converted.index(b"Subject: inside") :]
    assert b"MIME-Version: 1.0\n" in nested.partition(b"\n\n")[0]


def test_mostly_foreign_text_becomes_base64_and_mostly_ascii_quoted_printable():
    head = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
    assert b"Encoding: base64" in downgrade(head + "Привет мир\n".encode())
    assert b"Encoding: quoted-printable" in downgrade(head + "a plain line with one é in it\n".encode())


def test_a_signed_message_without_8bit_inside_passes_and_with_it_is_refused():
    signed = (
        b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s; protocol=x\n\n"
        b"--s\nContent-Type: text/plain\n\n%b\n--s\nContent-Type: application/pgp-signature\n\nsig\n--s--\n"
    )
    assert downgrade(signed % b"all ascii") == signed % b"all ascii"
    with pytest.raises(CannotDowngradeError, match="multipart/signed"):
        downgrade(signed % b"gr\xfc\xdfe")


@pytest.mark.parametrize(
    "content, why",
    [
        (b"Content-Type: multipart/mixed\n\n\xfc\n", "no boundary"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n\xfc\n", "marked as base64"),
        (b"Content-Type: message/partial; id=a\n\n\xfc\n", "must not be encoded"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: x-uue\n\n\xfc\n", "marked as x-uue"),
        ("From: <ü@example.org>\n\nx\n".encode(), "header field From"),
        (b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(60)), "deeply"),
        (b"X: " + b"\xfc" * 1_100_000, "too long"),
        (b"X: " + b"\xfc\n " * 400_000 + b"\n\n", "too long"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(content, why):
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
def test_header_text_reads_the_same(field, decoded):
    done = ascii_field(field.encode())
    assert done is not None and done.isascii()
    message = email.message_from_bytes(done + b"\n", policy=email.policy.default)
    assert str(next(iter(message.values()))) == decoded


def test_a_file_name_is_written_as_rfc_2231_says():
    done = ascii_field('Content-Disposition: attachment; filename="Übersicht.pdf"; size=3\n'.encode())
    assert done is not None and done.isascii()
    message = email.message_from_bytes(done + b"\n", policy=email.policy.default)
    assert message.get_filename() == "Übersicht.pdf"


def test_an_address_is_never_changed():
    assert ascii_field("From: Jörg <jörg@example.org>\n".encode()) is None
    assert ascii_field("To: jörg@example.org\n".encode()) is None
    assert ascii_field('To: "jörg"@example.org\n'.encode()) is None


def test_ascii_content_stays_byte_for_byte():
    content = b"Subject: x\nContent-Type: text/plain\n\nhello\n\nend without line end"
    assert downgrade(content) == content


@given(st.binary(max_size=300).map(lambda raw: raw.replace(b"\r", b"")), st.integers(1, 50))
def test_any_body_comes_out_as_ascii_whatever_the_split(body, block_bytes):
    content = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=x\nContent-Transfer-Encoding: 8bit\n\n" + body
    converted = downgrade(content, block_bytes)
    assert converted.isascii()
    assert converted == downgrade(content)
    assert leaves_of(converted)[0][1] == body.rstrip(b"\n")


PIECES = [b"--a\n", b"--a--\n", b"\n", b"\xfc\n", b"Content-Type: message/rfc822\n", b"x", b"MIME-Version: 1.0\n",
          b"Content-Type: multipart/mixed; boundary=a\n"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)))
def test_broken_structure_is_converted_or_refused(pieces):
    try:
        assert downgrade(b"".join(pieces)).isascii()
    except CannotDowngradeError as error:
        assert str(error)
