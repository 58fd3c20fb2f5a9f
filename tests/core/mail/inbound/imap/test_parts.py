"""The parts of the IMAP client: names and sets, compression, phases, logins, pieces of messages."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.model import TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.imap.deflate import PIECE_BYTES, Deflater, Inflater
from dialpost.core.mail.inbound.imap.jobs import AHEAD_BYTES, Job, Stand
from dialpost.core.mail.inbound.imap.jobs import PIECE_BYTES as ASKED_BYTES
from dialpost.core.mail.inbound.imap.login import Login, LoginWay, ways_to_log_in
from dialpost.core.mail.inbound.imap.phases import TABLE, Phase, Step, after
from dialpost.core.mail.inbound.imap.settings import ImapSettings, folder_name, number_set, quoted

SETTINGS = ImapSettings("imap.example", 993, "anna", "geheim", nonce="rOprNGfwEbeRWgbNEkqO")
TOKEN = ImapSettings("imap.example", 993, "anna", token="t0ken")

# Names and sets


def test_settings_never_show_a_secret() -> None:
    shown = repr(ImapSettings("h", 1, "anna", "geheim", "t0ken", tls=TlsMode.NONE))
    assert shown == "ImapSettings(host='h', port=1, tls=none, user='anna')"


@cases(
    ("name", "wire"),
    [
        ("INBOX", b'"INBOX"'),
        ('a "b\\c', b'"a \\"b\\\\c"'),
        ("R&D", b'"R&-D"'),
        ("Entwürfe", b'"Entw&APw-rfe"'),
        ("~peter/mail/台北/日本語", b'"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),  # RFC 3501 §5.1.3
    ],
)
def test_a_folders_name(name: str, wire: bytes) -> None:
    assert folder_name(name) == wire


@cases("text", ["ü", "a\r\nb", "a\0b"])
def test_what_can_not_be_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        quoted(text)


@cases(
    ("numbers", "shown"),
    [((), b""), ((5,), b"5"), ((3, 1, 2, 2), b"1:3"), ((1, 3, 4, 9), b"1,3:4,9")],
)
def test_a_set_of_numbers(numbers: tuple[int, ...], shown: bytes) -> None:
    assert number_set(numbers) == shown


# Compression


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 40))
def test_what_is_packed_arrives(pieces: list[bytes], step: int) -> None:
    deflater, inflater = Deflater(), Inflater()
    packed = b"".join(deflater.pack(piece) for piece in pieces)
    arrived = [part for at in range(0, len(packed), step) for part in inflater.receive(packed[at : at + step])]
    assert b"".join(arrived) == b"".join(pieces)


def test_a_bomb_comes_in_pieces() -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = stream.compress(b"\0" * 10_000_000) + stream.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 12_000
    pieces = Inflater().receive(bomb)
    assert max(len(next(pieces)) for _ in range(20)) == PIECE_BYTES


def test_compression_that_is_broken_or_ends() -> None:
    with pytest.raises(ProtocolError, match="is broken"):
        list(Inflater().receive(b"\xff\xff\xff"))
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    ended = Inflater().receive(stream.compress(b"x") + stream.flush())
    assert next(ended) == b"x"
    with pytest.raises(ProtocolError, match="ended its compression"):
        next(ended)


# Phases


def test_the_table_is_total_and_every_phase_reachable() -> None:
    assert set(TABLE) == set(Phase)
    assert all(set(row) == set(Step) for row in TABLE.values())
    seen = {Phase.GREETING}
    while more := {after(phase, step) for phase in seen for step in Step} - seen:
        seen |= more
    assert seen == set(Phase)
    assert all(after(phase, Step.ENDED) is Phase.OVER for phase in Phase)


# Logins

ALL = frozenset({"AUTH=PLAIN", "AUTH=CRAM-MD5", "AUTH=SCRAM-SHA-256", "AUTH=OAUTHBEARER", "AUTH=XOAUTH2"})
PROVING, CLEAR = [LoginWay.SCRAM, LoginWay.CRAM_MD5], [LoginWay.PLAIN, LoginWay.COMMAND]


@cases(
    ("offered", "tls", "verified", "ways"),
    [
        (ALL, True, True, [*CLEAR, *PROVING]),
        (ALL, True, False, [*PROVING, *CLEAR]),
        (ALL, False, False, PROVING),
        (ALL | {"LOGINDISABLED"}, True, True, [LoginWay.PLAIN, *PROVING]),
        (frozenset(), True, True, [LoginWay.COMMAND]),
        (frozenset(), False, False, []),
    ],
)
def test_ways_to_log_in(offered: frozenset[str], tls: bool, verified: bool, ways: list[LoginWay]) -> None:
    assert list(ways_to_log_in(SETTINGS, offered, tls=tls, verified=verified)) == ways


def test_a_password_in_clear_is_the_owners_choice_and_a_token_needs_proof_of_the_server() -> None:
    clear = ImapSettings("h", 143, "anna", "geheim", clear_password=True)
    assert list(ways_to_log_in(clear, frozenset(), tls=False, verified=False)) == [LoginWay.COMMAND]
    tokens = [LoginWay.OAUTHBEARER, LoginWay.XOAUTH2]
    assert list(ways_to_log_in(TOKEN, ALL, tls=True, verified=True)) == tokens
    assert list(ways_to_log_in(TOKEN, ALL, tls=True, verified=False)) == []


def test_a_password_that_can_not_be_quoted_needs_another_way() -> None:
    foreign = ImapSettings("h", 993, "anna", "gehörig")
    assert list(ways_to_log_in(foreign, frozenset(), tls=True, verified=True)) == []


@cases(
    ("way", "settings", "line"),
    [
        (LoginWay.PLAIN, SETTINGS, b"AUTHENTICATE PLAIN AGFubmEAZ2VoZWlt"),
        (LoginWay.COMMAND, SETTINGS, b'LOGIN "anna" "geheim"'),
        (LoginWay.CRAM_MD5, SETTINGS, b"AUTHENTICATE CRAM-MD5"),
        (
            LoginWay.OAUTHBEARER,
            TOKEN,
            b"AUTHENTICATE OAUTHBEARER "
            + base64.b64encode(b"n,a=anna,\1host=imap.example\1port=993\1auth=Bearer t0ken\1\1"),
        ),
        (
            LoginWay.XOAUTH2,
            TOKEN,
            b"AUTHENTICATE XOAUTH2 " + base64.b64encode(b"user=anna\1auth=Bearer t0ken\1\1"),
        ),
    ],
)
def test_the_first_line_of_a_login(way: LoginWay, settings: ImapSettings, line: bytes) -> None:
    assert Login(way, settings).begin(initial=True) == line
    later = Login(way, settings)
    first, _, response = line.partition(b" ")[2].partition(b" ")
    if way in {LoginWay.COMMAND, LoginWay.CRAM_MD5}:
        assert later.begin(initial=False) == line
    else:
        assert later.begin(initial=False) == b"AUTHENTICATE " + first
        assert later.respond("") == response
    assert later.is_trusted


def test_cram_md5_answers_the_challenge() -> None:
    settings = ImapSettings("h", 143, "tim", "tanstaaftanstaaf")  # RFC 2195 §2
    login = Login(LoginWay.CRAM_MD5, settings)
    login.begin(initial=True)
    challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    assert base64.b64decode(login.respond(challenge)) == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_scram_is_trusted_only_after_the_servers_proof() -> None:
    login = Login(LoginWay.SCRAM, ImapSettings("h", 993, "user", "pencil", nonce=SETTINGS.nonce))
    login.begin(initial=True)
    challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert b",p=dHzbZapWIk4jUhN" in base64.b64decode(login.respond(base64.b64encode(challenge).decode()))
    assert not login.is_trusted
    proof = base64.b64encode(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").decode()
    assert login.respond(proof) == b""
    assert login.is_trusted
    with pytest.raises(ProtocolError, match="more than SCRAM-SHA-256 has"):
        login.respond(proof)


@cases(("way", "answer"), [(LoginWay.OAUTHBEARER, b"AQ=="), (LoginWay.XOAUTH2, b"")])
def test_a_refused_token_is_answered_and_its_reason_kept(way: LoginWay, answer: bytes) -> None:
    login = Login(way, TOKEN)
    login.begin(initial=True)
    assert login.respond(base64.b64encode(b'{"status":"401\x1b"}').decode()) == answer
    assert login.refusal == '{"status":"401?"}'


@cases("challenge", ["=", "Zm9v"])
def test_a_challenge_that_should_not_come(challenge: str) -> None:
    login = Login(LoginWay.PLAIN, SETTINGS)
    login.begin(initial=True)
    with pytest.raises(ProtocolError, match=r"not base64|asks for more than PLAIN has"):
        login.respond(challenge)


# Pieces of messages


def play(job: Job, content: bytes) -> tuple[bytes, int]:
    """What a server that has this content brings, with the window full; and how many pieces were asked for."""
    came, asked = b"", 0
    while job.stand is Stand.COMING:
        pieces = []
        while not job.is_asked:
            pieces.append(job.ask())
        asked += len(pieces)
        for at, count in pieces:
            data = content[at : at + count]
            if job.takes(at, len(data)):
                came += data
            job.answered(at, count, len(data))
    return came, asked


@cases(
    ("true", "said", "pieces"),
    [
        (1200, 1200, 1),
        (0, 0, 1),
        (ASKED_BYTES - 1, ASKED_BYTES - 1, 1),
        (ASKED_BYTES, ASKED_BYTES, 2),
        (200_000, 200_000, 4),
        (1000, 1200, 2),  # fewer than said: the end is looked for
        (1500, 1200, 3),
        (1500, 0, 3),
        (100_000, 200_000, 4),
        (300_000, 100_000, 7),
    ],
)
def test_a_message_comes_whole_whatever_size_the_server_says(true: int, said: int, pieces: int) -> None:
    content = bytes(index % 251 for index in range(true))
    job = Job.of(5, said, 0)
    assert play(job, content) == (content, pieces)
    assert job.stand is Stand.COMPLETE


@cases("offset", [0, 1, 1199, 1200])
def test_a_message_goes_on_at_its_byte(offset: int) -> None:
    job = Job.of(5, 1200, offset)
    assert play(job, b"x" * 1200) == (b"x" * (1200 - offset), 1)
    assert job.stand is Stand.COMPLETE


def test_a_server_that_hands_out_nothing() -> None:
    job = Job.of(5, 1200, 0)
    assert play(job, b"") == (b"", 1)
    assert job.stand is Stand.MISSING


def test_a_gap_in_a_message_is_never_closed_over() -> None:
    job = Job.of(5, 200_000, 0)
    first, second = job.ask(), job.ask()
    assert job.takes(first[0], 1000)
    job.answered(*first, 1000)
    assert not job.takes(second[0], 5)
    assert not job.takes(second[0] + 5, 0)
    job.answered(*second, 5)
    assert job.stand is Stand.BROKEN and "left out a part" in job.words


def test_a_refusal_keeps_its_first_words() -> None:
    job = Job.of(5, 200_000, 0)
    job.ask()
    job.ask()
    job.refused("NO first")
    assert job.stand is Stand.COMING and job.is_asked
    job.refused("NO second")
    assert (job.stand, job.words) == (Stand.BROKEN, "NO first")


def test_the_window_holds_several_pieces() -> None:
    assert AHEAD_BYTES >= 2 * ASKED_BYTES
