"""A POP3 session with a server that says anything: it ends once, keeps little, and shows nothing that harms."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.inbound.dialogue import (
    BoxEvent,
    BoxLogin,
    Complete,
    Content,
    Ended,
    Failed,
    Header,
    Listed,
    StartTls,
)
from dialpost.core.mail.inbound.pop3.client import Pop3Dialogue
from dialpost.sim.pop3 import Box, Manners, Pop3Server
from fuzzing import fuzz

LOGIN = BoxLogin("clinic", "secret", TlsMode.NONE, clear_password=True)
MAIL = {"a": b"Subject: a\r\n\r\n.dot\r\n", "b": b"Subject: b\r\n\r\n" + b"text\r\n" * 30}
SAID = st.one_of(
    st.sampled_from(
        [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b"-ERR [IN-USE] busy\r\n",
            b"+ \r\n",
            b"+ PDEuMkB4Pg==\r\n",
            b".\r\n",
            b"..\r\n",
            b"1 120\r\n",
            b"1 -5\r\n",
            b"1 a\r\n",
            b"99999999999999999999 a\r\n",
            b"STLS\r\n",
            b"SASL CRAM-MD5 SCRAM-SHA-256\r\n",
            b"Subject: x\r\n\r\n",
            b"\x1b[2J\r\n",
            b"x" * 5000,
            b"\n",
            b"\r",
        ]
    ),
    st.binary(max_size=30),
)
CHANGES = st.sampled_from(["as it is", "cut", "insert", "instead", "twice"])


def act(dialogue: Pop3Dialogue, event: BoxEvent) -> list[BoxEvent]:
    """What a collector would do, in short."""
    if isinstance(event, StartTls):
        return dialogue.tls_established(verified=True)
    if isinstance(event, Listed):
        for message in event.messages[:3]:
            dialogue.fetch(message.uid)
        dialogue.quit()
    if isinstance(event, Complete):
        dialogue.delete([event.uid])
    return []


def check(events: list[BoxEvent]) -> None:
    ends = [event for event in events if isinstance(event, Ended)]
    assert len(ends) == 1 and events[-1] is ends[0]
    assert (ends[0].words + ends[0].advice).isprintable()
    done = [event.uid for event in events if isinstance(event, Complete | Failed)]
    assert len(done) == len(set(done))
    for event in events:
        if isinstance(event, Listed):
            assert all(words.isprintable() for words in event.skipped)
            assert all(message.size >= 0 and message.uid.isprintable() for message in event.messages)
        if isinstance(event, Header):
            assert len(event.data) <= 65_536


def take(dialogue: Pop3Dialogue, events: list[BoxEvent], came: list[BoxEvent]) -> None:
    queue = list(came)
    while queue:
        event = queue.pop(0)
        events.append(event)
        queue = [*act(dialogue, event), *queue]


@fuzz(st.lists(SAID, max_size=30), st.sampled_from(list(TlsMode)), st.integers(1, 9), examples=400)
def test_any_bytes_end_a_session_once(said: list[bytes], tls: TlsMode, step: int) -> None:
    dialogue = Pop3Dialogue(replace(LOGIN, tls=tls), lambda: "nonce")
    events: list[BoxEvent] = []
    stream = b"+OK <1.2@x>\r\n" * (step % 2) + b"".join(said)
    for at in range(0, len(stream), step * 50):
        take(dialogue, events, dialogue.receive(stream[at : at + step * 50]))
        dialogue.data_to_send()
    take(dialogue, events, dialogue.eof())
    check(events)


@fuzz(
    st.lists(st.tuples(CHANGES, SAID, st.integers(0, 300)), max_size=20),
    st.booleans(),
    st.integers(1, 100),
    examples=400,
)
def test_a_server_that_goes_wrong_anywhere_completes_nothing_that_is_not_whole(
    changes: list[tuple[str, bytes, int]], is_pipelined: bool, step: int
) -> None:
    server = Pop3Server(Box(dict(MAIL)), Manners() if is_pipelined else Manners(capa=("USER", "UIDL", "TOP")))
    dialogue = Pop3Dialogue(LOGIN, lambda: "nonce")
    events: list[BoxEvent] = []
    is_changed = False
    down = server.greeting()
    for turn in range(40):
        what, said, at = changes[turn] if turn < len(changes) else ("as it is", b"", 0)
        is_changed = is_changed or (what != "as it is" and at <= len(down))
        if at <= len(down):
            down = {
                "as it is": down,
                "cut": down[:at],
                "insert": down[:at] + said + down[at:],
                "instead": said,
                "twice": down + down,
            }[what]
        for start in range(0, len(down), step):
            take(dialogue, events, dialogue.receive(down[start : start + step]))
        up = dialogue.data_to_send()
        if dialogue.is_over or not up:
            break
        down = server.receive(up)
    take(dialogue, events, dialogue.eof())
    check(events)
    for uid, content in MAIL.items():
        got = b"".join(event.data for event in events if isinstance(event, Content) and event.uid == uid)
        if not is_changed:
            assert got == content and Complete(uid) in events
