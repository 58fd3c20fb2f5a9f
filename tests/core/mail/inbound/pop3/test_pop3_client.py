"""POP3 sessions with the simulated provider: whole, byte by byte, and with servers that break the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from cases import cases
from dialpost.core.config.model import TlsMode
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import (
    BoxEvent,
    BoxLogin,
    Complete,
    Content,
    Deleted,
    Ended,
    Failed,
    Header,
    Listed,
    StartTls,
)
from dialpost.core.mail.inbound.pop3.answers import MAX_STATUS_BYTES
from dialpost.core.mail.inbound.pop3.client import Pop3Dialogue
from dialpost.core.mail.inbound.pop3.listing import Listing
from dialpost.sim.pop3 import Box, Manners, Pop3Server

LOGIN = BoxLogin("clinic", "secret", TlsMode.NONE, clear_password=True)
MAIL = {
    "a": b"Subject: one\r\n\r\n.a dot\r\n..two\r\n",
    "b": b"Subject: two\r\n\r\n" + b"text\r\n" * 400,
    "c": b"Subject: three\r\n\r\nno end",
}
PLAIN = Manners(capa=("USER", "UIDL", "TOP"))


def box(messages: dict[str, bytes] = MAIL) -> Box:
    return Box(dict(messages))


@dataclass
class Talk:
    """A dialogue and a server; `act` is the collector's part, called with each event."""

    dialogue: Pop3Dialogue
    server: Pop3Server
    step: int = 0  # 0: everything at once
    events: list[BoxEvent] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    act: Callable[[BoxEvent, Pop3Dialogue], None] = lambda event, dialogue: None

    def run(self) -> Talk:
        self.hear(self.server.greeting())
        while not self.dialogue.is_over and (data := self.dialogue.data_to_send()):
            self.sent.append(data)
            due = self.dialogue.waiting_for
            assert due is not None and due.limit_s <= 300, "a server that says nothing now would never be left"
            self.hear(self.server.receive(data))
        return self

    def hear(self, data: bytes) -> None:
        step = self.step or len(data) or 1
        for start in range(0, len(data), step):
            self.take(self.dialogue.receive(data[start : start + step]))

    def take(self, events: Sequence[BoxEvent]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, StartTls):
                self.server.tls_established()
                self.take(self.dialogue.tls_established(verified=True))
            self.act(event, self.dialogue)

    @property
    def ended(self) -> Ended:
        [ended] = [event for event in self.events if isinstance(event, Ended)]
        return ended

    @property
    def listed(self) -> Listed:
        [listed] = [event for event in self.events if isinstance(event, Listed)]
        return listed

    def of(self, uid: str) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Content) and event.uid == uid)


def fetch_all(event: BoxEvent, dialogue: Pop3Dialogue) -> None:
    if isinstance(event, Listed):
        for message in event.messages:
            dialogue.fetch(message.uid)
        if not event.messages:
            dialogue.quit()
    if isinstance(event, Complete):
        dialogue.delete([event.uid])
        if event.uid == "c":
            dialogue.quit()


def leave(event: BoxEvent, dialogue: Pop3Dialogue) -> None:
    if isinstance(event, Listed):
        dialogue.quit()


def talk(
    manners: Manners = PLAIN,
    *,
    act: Callable[[BoxEvent, Pop3Dialogue], None] = fetch_all,
    login: BoxLogin = LOGIN,
    step: int = 0,
    of: Box | None = None,
    trace: Callable[[str], None] | None = None,
) -> Talk:
    dialogue = Pop3Dialogue(login, lambda: "nonce", trace=trace)
    return Talk(dialogue, Pop3Server(box() if of is None else of, manners), step, act=act).run()


@cases(("manners", "step"), [(manners, step) for manners in (PLAIN, Manners()) for step in (0, 1, 7)])
def test_everything_is_fetched_and_deleted(manners: Manners, step: int) -> None:
    there = box()
    done = talk(manners, step=step, of=there)
    assert {uid: done.of(uid) for uid in MAIL} == MAIL | {"c": MAIL["c"] + b"\r\n"}
    assert done.events[-2:] == [Deleted(("a", "b", "c")), Ended(CollectFate.DONE)]
    assert there.messages == {}
    assert done.dialogue.receive(b"+OK more\r\n") == []


def test_pipelining_saves_round_trips_and_nothing_else() -> None:
    trips = [len(talk(manners).sent) for manners in (PLAIN, Manners())]
    assert trips == [11, 6]


def test_an_empty_box_is_left_at_once() -> None:
    done = talk(of=Box())
    assert done.events == [Listed(()), Ended(CollectFate.DONE)]
    assert (done.dialogue.most_taken, done.dialogue.most_taken_bytes) == (100, 4_000_000)


def test_a_header_alone_is_looked_at() -> None:
    def look(event: BoxEvent, dialogue: Pop3Dialogue) -> None:
        if isinstance(event, Listed):
            assert dialogue.can_ask
            dialogue.look("b")
            dialogue.look("a")
            dialogue.quit()
            assert not dialogue.can_ask

    done = talk(replace(PLAIN, refuses=("a",)), act=look)
    assert [event for event in done.events if isinstance(event, Header | Failed)] == [
        Header("b", b"Subject: two\r\n\r\n"),
        Failed("a", "-ERR no such message"),
    ]


def test_one_message_that_cannot_be_served_stops_no_other() -> None:
    done = talk(replace(PLAIN, refuses=("b",)))
    assert [event for event in done.events if isinstance(event, Complete | Failed)] == [
        Complete("a"),
        Failed("b", "-ERR no such message"),
        Complete("c"),
    ]
    assert done.ended.fate is CollectFate.DONE


def in_box(manners: Manners = PLAIN) -> tuple[Pop3Dialogue, Pop3Server]:
    """A session in which the box has been listed."""
    dialogue, server = Pop3Dialogue(LOGIN, lambda: "nonce"), Pop3Server(box(), manners)
    events = dialogue.receive(server.greeting())
    while not any(isinstance(event, Listed) for event in events):
        events = dialogue.receive(server.receive(dialogue.data_to_send()))
    return dialogue, server


def test_what_is_not_confirmed_is_not_gone() -> None:
    dialogue, _ = in_box()
    dialogue.delete(["a", "unknown"])
    dialogue.quit()
    assert dialogue.data_to_send() == b"DELE 1\r\n"
    assert dialogue.receive(b"-ERR locked\r\n") == []
    assert dialogue.data_to_send() == b"QUIT\r\n"
    words = "-ERR [SYS/TEMP] not all deleted"
    assert dialogue.receive(words.encode() + b"\r\n") == [Ended(CollectFate.DONE, words)]


@cases("is_eof", [True, False])
def test_a_connection_lost_after_quit_has_lost_only_the_certainty(is_eof: bool) -> None:
    dialogue, _ = in_box()
    dialogue.quit()
    [ended] = dialogue.eof() if is_eof else dialogue.failed("reset")
    assert isinstance(ended, Ended) and ended.fate is CollectFate.DONE
    assert dialogue.eof() == []


# -- what the server may list


def test_identical_copies_share_a_uid_and_are_fetched_once() -> None:
    def twins(command: str, line: bytes) -> bytes:
        return line.replace(b"2 b", b"2 a") if command == "UIDL" else line

    there = box()
    done = talk(replace(PLAIN, item=twins), of=there)
    assert [message.uid for message in done.listed.messages] == ["a", "c"]
    assert there.messages == {}


@cases(
    ("command", "line"),
    [
        ("UIDL", b"2"),
        ("UIDL", b"two b"),
        ("UIDL", b"2 " + b"x" * 300),
        ("UIDL", b"2 " + b"x" * 5000),
        ("UIDL", b"2 \x1b[31mb"),
        ("UIDL", b""),
        ("LIST", b"2 -20"),
        ("LIST", b"2"),
        ("LIST", b"2 " + b"9" * 30),
        ("LIST", b"-2 20"),
    ],
)
def test_a_malformed_line_skips_its_message(command: str, line: bytes) -> None:
    def malformed(asked: str, given: bytes) -> bytes:
        return line if asked == command and given.startswith(b"2 ") else given

    for manners in (PLAIN, Manners()):
        done = talk(replace(manners, item=malformed))
        assert [message.uid for message in done.listed.messages] == ["a", "c"]
        assert len(done.listed.skipped) == 1 and not done.listed.is_whole
        assert "\x1b" not in done.listed.skipped[0]
        assert done.ended.fate is CollectFate.DONE


def test_many_malformed_lines_are_counted() -> None:
    many = box({f"m{number}": b"x\r\n" for number in range(30)})
    done = talk(replace(PLAIN, item=lambda command, line: b"?" if command == "UIDL" else line), act=leave, of=many)
    assert (len(done.listed.skipped), done.listed.skipped[-1]) == (21, "and 10 more")


def test_a_message_in_one_list_only_is_skipped() -> None:
    def missing(command: str, line: bytes) -> bytes:
        return b"7 70" if command == "LIST" and line.startswith(b"2 ") else line

    done = talk(replace(PLAIN, item=missing))
    assert [message.uid for message in done.listed.messages] == ["a", "c"]
    assert done.listed.skipped == ("the server's lists name different messages (2 of them in one only)",)


def test_only_so_many_messages_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.core.mail.inbound.pop3.listing.MOST_MESSAGES", 3)
    listing = Listing()
    for number in range(4):
        listing.size_line(b"%d 10" % number)
        listing.uid_line(b"%d u%d" % (number, number))
    found = listing.result()
    assert (len(found.messages), found.is_whole) == (3, False)


@cases(
    "manners",
    [
        Manners(capa=("USER", "TOP")),
        Manners(capa=("USER", "TOP", "PIPELINING")),
        Manners(has_uidl=False),
        Manners(has_uidl=False, capa=("USER", "UIDL", "TOP")),
        Manners(has_capa=False, has_uidl=False),
    ],
)
def test_without_uidl_the_digest_of_the_header_names_a_message(manners: Manners) -> None:
    def second(event: BoxEvent, dialogue: Pop3Dialogue) -> None:
        if isinstance(event, Listed):
            dialogue.fetch(event.messages[1].uid)
        if isinstance(event, Complete):
            dialogue.quit()

    one, two = talk(manners, act=second), talk(manners, act=second)
    assert one.listed == two.listed and len({message.uid for message in one.listed.messages}) == 3
    assert one.of(one.listed.messages[1].uid) == MAIL["b"]
    assert (one.dialogue.most_taken, one.dialogue.most_taken_bytes) == (20, 500_000)


def test_a_message_without_a_top_is_skipped() -> None:
    done = talk(Manners(has_uidl=False, refuses=("b",)), act=leave)
    assert (len(done.listed.messages), done.listed.skipped[0]) == (2, "message 2: -ERR no such message")


def test_a_server_with_neither_uidl_nor_top_is_of_no_use() -> None:
    done = talk(Manners(capa=("USER",)))
    assert done.ended.fate is CollectFate.NEEDS_OPERATOR and "IMAP" in done.ended.advice


def test_a_box_that_cannot_be_listed_is_for_later() -> None:
    dialogue = Pop3Dialogue(LOGIN, lambda: "nonce")
    words = "-ERR [SYS/TEMP] the index is being rebuilt"
    events = dialogue.receive(f"+OK\r\n-ERR\r\n+OK\r\n+OK\r\n+OK\r\n.\r\n{words}\r\n".encode())
    assert events == [Ended(CollectFate.NOT_NOW, words)]


# -- getting in


@cases(
    ("capa", "login", "used"),
    [
        (("USER",), LOGIN, b"APOP "),
        (("SASL PLAIN CRAM-MD5",), LOGIN, b"AUTH CRAM-MD5\r\n"),
        ((), replace(LOGIN, clear_password=False), b"APOP "),
    ],
)
def test_a_challenge_comes_before_a_password_in_clear_text(
    capa: tuple[str, ...], login: BoxLogin, used: bytes
) -> None:
    done = talk(Manners(capa=("UIDL", "TOP", *capa)), login=login)
    assert done.ended.fate is CollectFate.DONE
    assert any(line.startswith(used) for line in done.sent)


def test_without_a_challenge_the_password_is_sent_if_that_is_allowed() -> None:
    for capa in (("UIDL", "USER"), ("UIDL",), ("UIDL", "SASL PLAIN")):
        manners = Manners(capa=capa, greeting=b"+OK ready")
        assert talk(manners).ended.fate is CollectFate.DONE
        assert talk(manners, login=replace(LOGIN, clear_password=False)).ended.fate is CollectFate.NEEDS_OPERATOR


def test_inside_tls_the_password_itself_is_shortest() -> None:
    login = replace(LOGIN, tls=TlsMode.STARTTLS, clear_password=False)
    done = talk(Manners(has_stls=True, capa=("UIDL", "SASL PLAIN")), login=login)
    assert done.ended.fate is CollectFate.DONE
    assert any(line.startswith(b"AUTH PLAIN ") for line in done.sent)


@cases(
    ("tls", "manners", "fate"),
    [
        (TlsMode.STARTTLS, PLAIN, CollectFate.NEEDS_OPERATOR),
        (TlsMode.STARTTLS, replace(PLAIN, has_capa=False), CollectFate.NEEDS_OPERATOR),
        (TlsMode.STARTTLS, replace(PLAIN, has_capa=False, has_stls=True), CollectFate.DONE),
        (TlsMode.STARTTLS, replace(PLAIN, has_stls=True), CollectFate.DONE),
        (TlsMode.OPPORTUNISTIC, PLAIN, CollectFate.DONE),
        (TlsMode.OPPORTUNISTIC, replace(PLAIN, has_stls=True), CollectFate.DONE),
        (TlsMode.NONE, replace(PLAIN, has_stls=True), CollectFate.DONE),
    ],
)
def test_tls_as_configured(tls: TlsMode, manners: Manners, fate: CollectFate) -> None:
    done = talk(manners, login=replace(LOGIN, tls=tls))
    assert done.ended.fate is fate
    is_secret = any(isinstance(event, StartTls) for event in done.events)
    assert is_secret == (manners.has_stls and tls is not TlsMode.NONE)


def test_tls_that_is_refused_after_it_was_offered() -> None:
    for tls, fates in ((TlsMode.STARTTLS, [CollectFate.NEEDS_OPERATOR]), (TlsMode.OPPORTUNISTIC, [])):
        dialogue = Pop3Dialogue(replace(LOGIN, tls=tls), lambda: "nonce")
        events = dialogue.receive(b"+OK\r\n+OK\r\nSTLS\r\nUSER\r\n.\r\n-ERR not today\r\n")
        assert [event.fate for event in events if isinstance(event, Ended)] == fates


@cases("late", [b"", b"+OK injected\r\n"])
def test_clear_text_after_stls_is_an_attack(late: bytes) -> None:
    dialogue = Pop3Dialogue(replace(LOGIN, tls=TlsMode.STARTTLS), lambda: "nonce")
    events = dialogue.receive(b"+OK\r\n+OK\r\nSTLS\r\n.\r\n+OK begin\r\n" + late)
    assert dialogue.waiting_for is None
    events += [] if late else dialogue.receive(b"+OK injected\r\n")
    assert events[-1] == Ended(CollectFate.CUT, "the server sent clear text after it agreed to STLS")


def test_a_handshake_that_fails_needs_the_operator() -> None:
    dialogue = Pop3Dialogue(replace(LOGIN, tls=TlsMode.IMPLICIT), lambda: "nonce", verified=True)
    [ended] = dialogue.tls_failed("wrong certificate")
    assert isinstance(ended, Ended)
    assert (ended.fate, ended.words) == (CollectFate.NEEDS_OPERATOR, "wrong certificate")


@cases(
    ("answer", "fate"),
    [
        (b"-ERR [AUTH] wrong", CollectFate.LOGIN_REFUSED),
        (b"-ERR wrong", CollectFate.LOGIN_REFUSED),
        (b"-ERR [IN-USE] another session", CollectFate.NOT_NOW),
        (b"-ERR [LOGIN-DELAY] too soon", CollectFate.NOT_NOW),
        (b"-ERR [SYS/TEMP] broken", CollectFate.NOT_NOW),
        (b"-ERR [SYS/PERM] broken", CollectFate.NEEDS_OPERATOR),
        (b"-ERR \x1b[2Jwrong", CollectFate.LOGIN_REFUSED),
    ],
)
def test_each_refusal_of_a_login_has_its_meaning(answer: bytes, fate: CollectFate) -> None:
    for manners in (PLAIN, Manners(greeting=b"+OK")):
        done = talk(replace(manners, login_answer=answer))
        assert done.ended.fate is fate
        assert "\x1b" not in done.ended.words
        assert bool(done.ended.advice) == (fate is CollectFate.LOGIN_REFUSED or b"IN-USE" in answer)


def test_a_name_that_is_refused_ends_the_login() -> None:
    for manners in (b"", b"PIPELINING\r\n"):
        dialogue = Pop3Dialogue(LOGIN, lambda: "nonce")
        events = dialogue.receive(b"+OK\r\n+OK\r\nUSER\r\n" + manners + b".\r\n-ERR no such user\r\n-ERR\r\n")
        [ended] = events
        assert isinstance(ended, Ended)
        assert (ended.fate, ended.words) == (CollectFate.LOGIN_REFUSED, "-ERR no such user")


def test_no_way_to_log_in_is_the_operators() -> None:
    login = replace(LOGIN, clear_password=False)
    done = talk(replace(PLAIN, greeting=b"+OK ready"), login=login)
    assert done.ended.fate is CollectFate.NEEDS_OPERATOR and "USER" in done.ended.words
    done = talk(replace(PLAIN, greeting=b"+OK", capa=()), login=login)
    assert "offers nothing" in done.ended.words


# -- servers that break the rules


@cases(
    ("greeting", "fate", "advice"),
    [
        (b"220 mx.provider.example ESMTP", CollectFate.NEEDS_OPERATOR, "SMTP"),
        (b"* OK IMAP4rev1", CollectFate.NEEDS_OPERATOR, "IMAP"),
        (b"SSH-2.0-OpenSSH", CollectFate.NEEDS_OPERATOR, "port"),
        (b"-ERR too many connections", CollectFate.NOT_NOW, ""),
    ],
)
def test_another_servers_greeting_is_recognised(greeting: bytes, fate: CollectFate, advice: str) -> None:
    for step in (0, 1):
        done = talk(replace(PLAIN, greeting=greeting), step=step)
        assert done.ended.fate is fate and advice in done.ended.advice


def test_a_server_that_says_nothing_may_want_tls_first() -> None:
    dialogue = Pop3Dialogue(LOGIN, lambda: "nonce")
    assert dialogue.waiting_for is not None and dialogue.waiting_for.what == "the greeting"
    [ended] = dialogue.failed("no answer in time")
    assert isinstance(ended, Ended) and ended.fate is CollectFate.UNREACHABLE
    assert ended.words == "no answer in time (the greeting)" and "implicit" in ended.advice


@cases(
    ("input", "words"),
    [
        (b"+OK\r\n" + b"x" * (MAX_STATUS_BYTES + 1), "the server sends a line without end"),
        (b"+OK\r\nfoo\r\n", "the server's answer is not POP3: 'foo'"),
        (b"+OK\r\n+OK\r\n" + b"X\r\n" * 101, "the server sends a list without end"),
        (b"+OK\r\n-ERR\r\n+OK\r\n+OK\r\n+OK\r\n.\r\n+OK\r\n.\r\n+OK\r\n", "the server says unasked: +OK"),
        (b"+OK\r\n-ERR\r\n+OK\r\n+ YQ==\r\n", "the server asks for more than USER has"),
        (b"+OK\r\n-ERR\r\n+OK\r\n+ ?\r\n", "the server's challenge is not base64"),
    ],
)
def test_a_server_out_of_step_is_left(input: bytes, words: str) -> None:
    for step in (len(input), 1):
        dialogue = Pop3Dialogue(LOGIN, lambda: "nonce")
        events = [e for at in range(0, len(input), step) for e in dialogue.receive(input[at : at + step])]
        assert events[-1] == Ended(CollectFate.CUT, words)


def test_a_message_without_end_is_left_and_never_complete() -> None:
    done = talk(replace(PLAIN, has_dot=False), of=box({"a": b"Subject: x\r\n\r\ntext\r\n"}))
    waiting = done.dialogue.waiting_for
    assert waiting is not None and (waiting.what, waiting.limit_s) == ("RETR", 180.0)
    done.take(done.dialogue.receive(b"more\r\n" * 20_000))
    assert done.ended == Ended(CollectFate.CUT, "the server sends far more than the size it gave")
    assert not any(isinstance(event, Complete) for event in done.events)


def test_a_cut_message_is_not_complete() -> None:
    done = talk(replace(PLAIN, has_dot=False), of=box({"a": b"x\r\n"}))
    done.take(done.dialogue.eof())
    assert done.ended == Ended(CollectFate.CUT, "the server closed the connection (RETR)")


def test_wrongly_stuffed_dots_do_not_end_a_message_early() -> None:
    content = b"Subject: x\r\n\r\n.hidden\r\n\n.\nmore\r\n"
    done = talk(replace(PLAIN, stuffs=False), of=box({"c": content}))
    assert done.of("c") == content.replace(b"\r\n.", b"\r\n")
    assert done.ended.fate is CollectFate.DONE


def test_the_trace_has_no_secrets() -> None:
    told: list[str] = []
    talk(replace(PLAIN, greeting=b"+OK"), trace=told.append)
    assert "> PASS ..." in told and not any("secret" in line for line in told)
    assert "secret" not in repr(LOGIN)
