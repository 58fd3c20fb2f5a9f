"""Servers that leave the protocol: the client ends at once, reads no more, and says what it saw."""

from pathlib import Path

import pytest

import crooked_peer
from crooked_peer import FLOOD_BYTES, Step, play
from dialpost.core.config.model import TlsMode
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.outcomes import Deferred, Delivered, Refused
from dialpost.core.mail.smtp_target import EtrnDialogue, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from known import is_a
from smtp_model import ALL, ModelServer

USUAL = Step(keeps=True)
PHASES = {"greeting": 0, "EHLO": 1, "MAIL": 2, "content": 3}
"""How many steps go well before (MAIL, RCPT and DATA leave together)."""
NO_SMTP = {
    "http": b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "no line end": b"SSH-2.0",
    "unended line": b"220 " + b"x" * 5000,
    "changing code": b"250-a\r\n550 b\r\n",
    "garbage": b"\x00\xff\x16\x03\x01 garbage\r\n",
    "too long": b"250-" + b"x" * 500 + b"\r\n",
}
QUICK_S = 10.0


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("said", NO_SMTP)
def test_a_server_that_leaves_the_protocol_is_left_at_once(tmp_path: Path, phase: str, said: str) -> None:
    data = NO_SMTP[said] * (200 if said == "too long" else 1)
    done = play(tmp_path, [*[USUAL] * PHASES[phase], Step(data)], messages=1)
    assert done.end.fate is SessionFate.LOST
    assert done.took_s < QUICK_S
    assert any(
        word in is_a(SessionEnd, done.end).reason
        for word in ("not SMTP", "without end", "changed the code", "too long")
    )
    assert "\r" not in is_a(SessionEnd, done.end).reason and "\x00" not in is_a(SessionEnd, done.end).reason
    assert all(isinstance(outcome, Deferred) for _, outcomes in done.reports for outcome in outcomes)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "flood", [b"x" * 10_000, b"250-" + b"y" * 4000 + b"\r\n", b"250-\r\n", b"220 x\r\n", b"\r\n"]
)
def test_a_flood_is_not_read(tmp_path: Path, phase: str, flood: bytes) -> None:
    done = play(tmp_path, [*[USUAL] * PHASES[phase], Step(flood, then="flood")], messages=1)
    assert done.bytes_down < 400_000 < FLOOD_BYTES
    assert done.took_s < QUICK_S
    assert not any(isinstance(outcome, Refused) for _, outcomes in done.reports for outcome in outcomes)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("drip", [b"250-" + b"x" * 3000, b"250-a\r\n" * 3000])
def test_an_answer_that_trickles_has_no_more_time_than_one_that_does_not_come(
    tmp_path: Path, phase: str, drip: bytes
) -> None:
    done = play(tmp_path, [*[USUAL] * PHASES[phase], Step(drip, then="trickle")], messages=1, pipelining=False)
    assert done.end.fate is SessionFate.LOST
    assert "within 300 s" in is_a(SessionEnd, done.end).reason or (
        phase == "content" and "within 120 s" in is_a(SessionEnd, done.end).reason
    )
    assert done.took_s < 310


@pytest.mark.parametrize("said", NO_SMTP)
def test_the_same_at_etrn(tmp_path: Path, said: str) -> None:
    data = NO_SMTP[said] * (200 if said == "too long" else 1)
    for before in range(3):
        done = play(tmp_path, [*[USUAL] * before, Step(data)], etrn=("a.example", "b.example"), offers=("ETRN",))
        assert (done.end.fate, is_a(EtrnDialogue, done.end).answers) == (SessionFate.LOST, ())
        assert done.took_s < QUICK_S


def test_garbage_instead_of_good_bye_is_no_fault(tmp_path: Path) -> None:
    done = play(tmp_path, [*[USUAL] * 4, Step(b"HTTP/1.1 400\r\n")], messages=1)
    assert (done.end.fate, is_a(SessionEnd, done.end).messages) == (SessionFate.DONE, 1)


# What loses commands that are sent together


class Box:
    """Passes on the first command of a packet only, as some firewalls do."""

    def __init__(self, model: ModelServer) -> None:
        self.model = model
        self.receive_all = model.receive

    def receive(self, data: bytes) -> bytes:
        line, end, rest = data.partition(b"\r\n")
        if self.model._mode != "command" or not rest:
            return self.receive_all(data)
        return self.receive_all(line + end)


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(offers: tuple[str, ...]) -> ModelServer:
        model = crooked_peer_model(offers)
        model.receive = Box(model).receive  # type: ignore[method-assign]
        return model

    crooked_peer_model = ModelServer
    monkeypatch.setattr(crooked_peer, "ModelServer", make)


def test_a_box_that_swallows_commands_is_noticed_and_remembered(tmp_path: Path, swallowing: None) -> None:
    client = SmtpClient()
    first = play(tmp_path, [], offers=("PIPELINING",), client=client)
    assert all(isinstance(outcome, Delivered) for _, outcomes in first.reports for outcome in outcomes)
    assert (len(first.reports), first.peer.delivered, first.peer.connections) == (2, 2, 2)
    assert (
        is_a(SessionEnd, first.end).learnt
        == "it loses commands that are sent together, or answers them out of order"
    )
    assert first.took_s < 70
    assert next(iter(client._lessons.values()))


def test_content_that_was_sent_whole_behind_swallowed_commands_is_not_sent_twice_in_one_go(
    tmp_path: Path, swallowing: None
) -> None:
    client = SmtpClient()
    done = play(tmp_path, [], offers=ALL, client=client, messages=1)
    [(_, outcomes)] = done.reports
    assert [isinstance(one, Deferred) and one.answer_unknown for one in outcomes] == [True, True]
    assert done.peer.connections == 1
    assert next(iter(client._lessons.values()))


def test_what_was_learnt_holds_for_the_next_session_with_the_host(tmp_path: Path, swallowing: None) -> None:
    client = SmtpClient()
    first = play(tmp_path, [], offers=("PIPELINING",), client=client)
    client._lessons = {
        ("mail.example", port): lessons for port in range(65_536) for lessons in client._lessons.values()
    }
    second = play(tmp_path, [], offers=("PIPELINING",), client=client)
    assert (second.took_s, is_a(SessionEnd, second.end).learnt, second.peer.connections) == (0, "", 1)
    assert (is_a(SessionEnd, first.end).messages, is_a(SessionEnd, second.end).messages) == (2, 2)


@pytest.mark.parametrize(
    "answers",
    [
        b"250 ok\r\n503 need MAIL\r\n503 need MAIL\r\n503 need RCPT\r\n",
        b"503 need RCPT\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
        b"354 go\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
        b"250 ok\r\n250 ok\r\n354 go on\r\n250 ok\r\n",
        b"500 what\r\n" * 4,
    ],
)
def test_answers_out_of_order_make_the_client_go_on_without_groups(tmp_path: Path, answers: bytes) -> None:
    done = play(tmp_path, [USUAL, USUAL, Step(answers)])
    assert done.peer.connections == 2
    assert done.took_s < QUICK_S
    assert [[type(one) for one in outcomes] for _, outcomes in done.reports] == [[Delivered, Delivered]] * 2
    assert done.end.fate is SessionFate.DONE


def test_a_host_that_hangs_in_both_ways_is_not_remembered_as_one_that_loses_commands(tmp_path: Path) -> None:
    client = SmtpClient()
    done = play(tmp_path, [USUAL, USUAL, Step(then="mute"), USUAL, USUAL, Step(then="mute")], client=client)
    assert (done.end.fate, is_a(SessionEnd, done.end).learnt) == (SessionFate.LOST, "")
    assert [len(outcomes) for _, outcomes in done.reports] == [2, 2]
    assert not any(client._lessons.values())
    assert done.took_s < 370


def test_what_fell_and_finds_no_second_session_is_told_all_the_same(tmp_path: Path) -> None:
    done = play(tmp_path, [USUAL, USUAL, Step(b"250 ok\r\n503 x\r\n"), Step(b"421 busy\r\n", then="close")])
    assert done.peer.connections == 2
    assert [[type(one) for one in outcomes] for _, outcomes in done.reports] == [[Deferred, Deferred]] * 2
    assert sorted(queue_id for queue_id, _ in done.reports) == sorted(done.offered)


def test_what_one_plainer_session_taught_is_not_forgotten_because_the_next_teaches_more(tmp_path: Path) -> None:
    client = SmtpClient()
    out_of_order = Step(b"503 need RCPT\r\n250 ok\r\n250 ok\r\n")
    script = [USUAL, USUAL, out_of_order, *[USUAL] * 5, Step(b"500 what\r\n")]
    done = play(tmp_path, script, client=client, offers=ALL, messages=1)
    assert [[command.partition(" ")[0] for command in model.commands][:5] for model in done.peer.models[1:]] == [
        ["EHLO", "MAIL", "RCPT", "RCPT", "BDAT"],
        ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"],
    ]
    assert list(client._lessons.values()) == [{Lesson.NO_PIPELINING, Lesson.NO_CHUNKING}]
    assert is_a(SessionEnd, done.end).messages == 1


def test_a_host_that_refuses_what_it_offers_gets_the_mail_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        return "555 5.5.4 Unsupported option" if verb == "MAIL" and "SIZE=" in argument else None

    monkeypatch.setattr(crooked_peer, "ModelServer", lambda offers: ModelServer(offers, answers))
    client = SmtpClient()
    first = play(tmp_path, [], client=client)
    assert [[type(one) for one in outcomes] for _, outcomes in first.reports] == [[Delivered, Delivered]] * 2
    assert (first.peer.connections, is_a(SessionEnd, first.end).learnt) == (
        1,
        "it offers SIZE but refuses it with MAIL",
    )
    assert list(client._lessons.values()) == [{Lesson.NO_SIZE}]
    client._lessons = {("mail.example", port): {Lesson.NO_SIZE} for port in range(65_536)}
    second = play(tmp_path, [], client=client)
    assert (is_a(SessionEnd, second.end).messages, is_a(SessionEnd, second.end).learnt) == (2, "")
    assert not any("SIZE=" in command for model in second.peer.models for command in model.commands)


# Where TLS is to begin

IN_CLEAR = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b"220 mail.example ESMTP\r\n",
    b"\x16\x03\x03\xff\xff" + b"x" * 70_000,
    b"\0",
]


@pytest.mark.parametrize("said", IN_CLEAR)
@pytest.mark.parametrize("then", ["", "flood", "mute", "trickle"])
@pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_no_tls_where_it_should_be_ends_in_bounded_time_and_memory(
    tmp_path: Path, said: bytes, then: str, tls: TlsMode
) -> None:
    before = [] if tls is TlsMode.IMPLICIT else [USUAL, USUAL, Step(b"220 go\r\n")]
    done = play(tmp_path, [*before, Step(said, then=then)], messages=1, offers=("STARTTLS",), tls=tls)
    assert done.end.fate in {SessionFate.NEEDS_OPERATOR, SessionFate.LOST}
    assert not is_a(SessionEnd, done.end).ready and done.reports == []
    assert done.took_s <= 181
    assert done.bytes_down < 800_000


@pytest.mark.parametrize("answer", [b"454 no\r\n", b"354 what\r\n", b"502 what\r\n", b"junk\r\n"])
def test_a_crooked_answer_to_starttls_sends_nothing_in_clear_that_needs_protection(
    tmp_path: Path, answer: bytes
) -> None:
    done = play(tmp_path, [USUAL, USUAL, Step(answer)], messages=1, offers=("STARTTLS",), tls=TlsMode.STARTTLS)
    assert not is_a(SessionEnd, done.end).ready and done.reports == []
    assert not any("MAIL" in command for model in done.peer.models for command in model.commands)
