"""ATRN over the client's core: asked once, answered by anything, and turned round by 250 alone."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from dialpost.core.config.model import AuthMechanism, TlsMode
from dialpost.core.mail.esmtp.client import EsmtpClient
from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.esmtp.wire import AtrnAnswered, Ended, Event
from dialpost.core.mail.smtp_target import ConnectSettings, SessionFate

SETTINGS = ConnectSettings(helo="station.example", tls=TlsMode.NONE)
GREETING = b"220 mail.example ESMTP\r\n250-mail.example\r\n250 ATRN\r\n"


def open_session() -> EsmtpClient:
    core = EsmtpClient(SETTINGS, "mail.example")
    for line in GREETING.splitlines(keepends=True):
        core.data_to_send()
        core.receive(line)
    assert core.is_idle and core.extensions.atrn
    return core


def fed(core: EsmtpClient, data: bytes, *, bytewise: bool) -> list[Event]:
    pieces = [bytes([byte]) for byte in data] if bytewise else [data]
    return [event for piece in pieces for event in core.receive(piece)]


@pytest.mark.parametrize("bytewise", [False, True])
def test_after_250_all_that_comes_belongs_to_a_server(bytewise: bool) -> None:
    core = open_session()
    core.atrn(("a.example", "b.example"))
    assert core.data_to_send() == b"ATRN a.example,b.example\r\n"
    due = core.waiting_for
    assert due is not None and (due.what, due.limit_s, due.least_s) == ("ATRN", 600.0, 30.0)
    assert not core.is_idle
    [answer] = fed(core, b"250 OK now reversing the connection\r\nEHLO mail.ex", bytewise=bytewise)
    assert isinstance(answer, AtrnAnswered) and answer.reply.code == 250
    assert core.phase is Phase.TURNED and core.waiting_for is None
    assert fed(core, b"ample\r\nMAIL", bytewise=bytewise) == []
    assert (core.take_turned_input(), core.take_turned_input()) == (b"EHLO mail.example\r\nMAIL", b"")
    assert core.data_to_send() == b""


def test_no_domain_named_means_those_of_the_login() -> None:
    core = open_session()
    core.atrn(())
    assert core.data_to_send() == b"ATRN\r\n"


@pytest.mark.parametrize("code", [251, 354, 450, 451, 453, 500, 502, 503, 530, 535])
def test_any_other_answer_leaves_the_session_as_it_is(code: int) -> None:
    core = open_session()
    core.atrn(())
    core.data_to_send()
    [answer] = core.receive(f"{code} so be it\r\n".encode())
    assert isinstance(answer, AtrnAnswered) and answer.reply.code == code
    assert core.phase is Phase.OPEN and core.is_idle
    [ended] = core.quit()
    assert isinstance(ended, Ended) and ended.fate is SessionFate.DONE


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        (b"421 closing\r\n", SessionFate.CLOSED),
        (b"nonsense\r\n", SessionFate.LOST),
        (b"250-" + b"x" * 5000, SessionFate.LOST),
    ],
)
def test_a_server_that_gives_no_answer(said: bytes, fate: SessionFate) -> None:
    core = open_session()
    core.atrn(())
    core.data_to_send()
    [ended] = core.receive(said)
    assert isinstance(ended, Ended) and ended.fate is fate


def test_a_250_before_the_question_has_left_is_no_answer() -> None:
    core = open_session()
    core.atrn(())
    [ended] = core.receive(b"250 OK now reversing the connection\r\n")
    assert isinstance(ended, Ended) and ended.fate is SessionFate.LOST


def test_a_login_by_scram_and_a_server_that_skips_its_proof() -> None:
    settings = replace(SETTINGS, user="user", password="pencil", auth=AuthMechanism.AUTO)
    core = EsmtpClient(settings, "mail.example", nonce="rOprNGfwEbeRWgbNEkqO")
    challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    script = [b"220 x\r\n", b"250-x\r\n250 AUTH CRAM-MD5 SCRAM-SHA-256\r\n"]
    script += [b"334 " + base64.b64encode(challenge) + b"\r\n", b"235 welcome\r\n"]
    sent, events = [], []
    for said in script:
        events = core.receive(said)
        sent.append(core.data_to_send().split(b" ")[0])
    assert sent[1] == b"AUTH"
    [ended] = events
    assert isinstance(ended, Ended) and ended.reason == "the server does not prove that it knows the password"
