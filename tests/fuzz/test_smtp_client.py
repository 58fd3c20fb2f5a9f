"""The whole ESMTP client against a server that leaves the protocol at any point and in any way.

It ends in bounded time and memory, with one outcome for each recipient of each message it took; nothing counts as
delivered that the server did not take, nothing is bounced that it did not refuse.
"""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from crooked_peer import USUAL, Step, play
from dialpost.core.config.model import AuthMechanism
from dialpost.core.mail.outcomes import Delivered, Refused
from dialpost.core.mail.smtp_target import EtrnDialogue
from fuzzing import fuzz
from known import is_a
from smtp_model import ALL, WITHOUT_CHUNKING

CODES = st.one_of(
    st.integers(200, 599).map(str),
    st.sampled_from(
        ["220", "235", "250", "334", "354", "421", "451", "452", "500", "502", "503", "535", "550", "552"]
    ),
    st.sampled_from(["100", "600", "000", "25", "2500"]),
)
TEXT = st.one_of(
    st.text(max_size=30), st.sampled_from(["ok", "5.1.1 no", "SIZE 10", "PIPELINING", "AUTH PLAIN", "=="])
)
LINE = st.builds(lambda code, mark, text: f"{code}{mark}{text}", CODES, st.sampled_from(" -"), TEXT)
LINES = st.lists(LINE, min_size=1, max_size=5).map(
    lambda lines: "\r\n".join([*lines, ""]).encode("utf-8", "replace")
)
GOOD = st.builds(
    lambda code, text: f"{code} {text}\r\n".encode(), CODES, st.sampled_from(["ok", "5.1.1 no", "PDFAeD4="])
)
NO_SMTP = st.sampled_from(
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x16\x03\x01\x02\x00",
        b"250-a\r\n550 b\r\n",
        b"x" * 5000,
        b"250-" * 2000,
        b"250 ok\n",
        b"\r\n",
        b"250\r\n",
        b"2",
        b"250-a\r\n" * 9000,
    ]
)
SAID = st.one_of(GOOD, GOOD, LINES, NO_SMTP, st.binary(max_size=40), st.just(b""))
STEPS = st.one_of(
    st.just(USUAL),
    st.just(USUAL),
    st.builds(
        Step,
        SAID,
        keeps=st.booleans(),
        then=st.sampled_from(["", "", "", "close", "mute", "flood", "trickle"]),
        delay_s=st.sampled_from([0.0, 0.0, 0.0, 45.0, 90.0, 290.0, 700.0]),
    ),
)
OFFERS = st.sampled_from(
    [ALL, WITHOUT_CHUNKING, ("8BITMIME",), ("PIPELINING", "AUTH CRAM-MD5 PLAIN LOGIN"), ("CHUNKING",), ("SIZE 5",)]
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "user": st.just("anna"),
        "password": st.just("geheim"),
        "clear_password": st.booleans(),
        "auth": st.sampled_from(AuthMechanism),
        "pipelining": st.just(False),
    },
)
BOUND_S = 4 * 3600.0
READ_BYTES = 600_000
"""Three connections may each read what one reply may have, and what came with it."""


@fuzz(st.lists(STEPS, max_size=14), OFFERS, st.integers(0, 4), st.integers(1, 3), SETTINGS, examples=400)
def test_any_server_ends_in_outcomes_that_are_true(
    script: list[Step],
    offers: tuple[str, ...],
    messages: int,
    recipients: int,
    settings: dict[str, Any],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = play(Path(folder), script, offers=offers, messages=messages, recipients=recipients, **settings)
    assert done.took_s < BOUND_S
    assert done.bytes_down < READ_BYTES
    assert sorted(queue_id for queue_id, _ in done.reports) == sorted(done.offered)
    assert all(len(outcomes) == recipients for _, outcomes in done.reports)
    outcomes = [outcome for _, each in done.reports for outcome in each]
    sent = [queue_id for queue_id, each in done.reports if any(isinstance(one, Delivered) for one in each)]
    assert len(sent) <= done.peer.took
    for outcome in outcomes:
        if isinstance(outcome, Delivered):
            assert outcome.reply.is_completion
        if isinstance(outcome, Refused) and outcome.by == "mail.example":
            assert str(outcome.reply.code) in done.peer.codes()
            assert outcome.reply.code not in {502, 503, 530, 534, 535, 538}


@fuzz(st.lists(STEPS, max_size=10), st.sampled_from([("ETRN",), ("PIPELINING",)]), SETTINGS, examples=200)
def test_any_etrn_host_ends_in_answers_that_were_given(
    script: list[Step], offers: tuple[str], settings: dict[str, Any]
) -> None:
    names = ("a.example", "@b.example", "#c")
    with tempfile.TemporaryDirectory() as folder:
        done = play(Path(folder), script, offers=offers, etrn=names, **settings)
    assert done.took_s < BOUND_S
    assert done.bytes_down < READ_BYTES
    assert [name for name, _ in is_a(EtrnDialogue, done.end).answers] == list(
        names[: len(is_a(EtrnDialogue, done.end).answers)]
    )
    assert {str(reply.code) for _, reply in is_a(EtrnDialogue, done.end).answers} <= done.peer.codes()
