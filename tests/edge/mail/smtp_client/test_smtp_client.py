"""The ESMTP client on sockets: one connection, look-ahead, time-outs, faults of the card, cancellation."""

import asyncio
import dataclasses
import time
import tracemalloc
import zlib
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client import MAX_ADDRESSES, SmtpClient
from dialpost.edge.mail.smtp_client.content import Content, Reader
from known import is_a
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer
from smtp_peer import SETTINGS, Peer, Queue

RETURN_PATH = b"Return-Path: <a@b>\n"
IMPATIENT = dataclasses.replace(SETTINGS, timeout_scale=0.01)


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Any]:
    def make(
        number: int,
        body: bytes = b"Subject: x\n\nhello\n",
        recipients: tuple[str, ...] = ("bob@example.org",),
        **more: Any,
    ) -> OutgoingMessage:
        path: Path = tmp_path / f"m{number}"
        path.write_bytes(RETURN_PATH + body)
        envelope = Envelope("anna@clinic.example", tuple(Recipient(address) for address in recipients))
        wire_size = len(body) + body.count(b"\n")
        message = OutgoingMessage(QueueId(f"q{number}"), envelope, wire_size, path, len(RETURN_PATH))
        return dataclasses.replace(message, **more)

    return make


async def send(
    target: HostTarget, queue: Queue, settings: ConnectSettings = SETTINGS, client: SmtpClient | None = None
) -> SessionEnd:
    return await (client or SmtpClient()).send(target, settings, queue.next_message, queue.on_outcome)


def kinds(queue: Queue) -> list[tuple[str, list[tuple[str, int]]]]:
    return [
        (queue_id, [(type(outcome).__name__, outcome.reply.code) for outcome in outcomes])
        for queue_id, outcomes in queue.reports
    ]


# Sending


BYE = b"221 2.0.0 Bye\r\n"
"""The answer to QUIT, which nobody waits for."""


@pytest.mark.parametrize(
    "offers", [ALL, WITHOUT_CHUNKING, ("8BITMIME",)], ids=["chunks", "pipelining", "lock-step"]
)
async def test_messages_go_out_in_order_over_one_connection(
    store: Callable[..., Any], offers: tuple[str, ...]
) -> None:
    peer = Peer(ModelServer(offers))
    queue = Queue(store(number) for number in range(7))
    client = SmtpClient()
    async with peer.serving() as target:
        end = await send(target, queue, client=client)
        await peer.quiet()
    assert (end.fate, end.messages, end.ready, end.connected) == (SessionFate.DONE, 7, True, True)
    assert kinds(queue) == [(f"q{number}", [("Delivered", 250)]) for number in range(7)]
    assert [taken.content for taken in peer.model.delivered] == [b"Subject: x\r\n\r\nhello\r\n"] * 7
    assert peer.model.violations == []
    assert peer.connections == 1
    assert (end.bytes_up, client.bytes_up) == (peer.bytes_in, peer.bytes_in)
    assert (end.bytes_down, client.bytes_down) == (peer.bytes_out - len(BYE),) * 2


async def test_content_and_the_next_envelope_leave_in_one_write(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    queue = Queue(store(number) for number in range(3))
    async with peer.serving() as target:
        end = await send(target, queue)
        await peer.quiet()
    mail = b"MAIL FROM:<anna@clinic.example> SIZE=21\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    content = b"Subject: x\r\n\r\nhello\r\n.\r\n"
    assert peer.reads == [b"EHLO station.example\r\n", mail, content + mail, content + mail, content, b"QUIT\r\n"]
    assert end.idle_round_trips == 3


async def test_chunking_waits_for_nothing(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(ALL))
    queue = Queue(store(number) for number in range(3))
    async with peer.serving() as target:
        end = await send(target, queue)
    assert end.idle_round_trips == 0
    assert len(peer.model.delivered) == 3


async def test_nothing_to_send_is_a_session_without_mail() -> None:
    peer = Peer(ModelServer())
    async with peer.serving() as target:
        end = await send(target, Queue([]))
        await peer.quiet()
    assert (end.fate, end.messages) == (SessionFate.DONE, 0)
    assert peer.model.commands == ["EHLO station.example", "QUIT"]


async def test_a_message_that_comes_late_still_goes_over_this_connection(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    queue = Queue([store(1)])

    async def on_outcome(message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        await queue.on_outcome(message, outcomes)
        if message.queue_id == "q1":
            queue.left.append(store(2))

    async with peer.serving() as target:
        await SmtpClient().send(target, SETTINGS, queue.next_message, on_outcome)
    assert [queue_id for queue_id, _ in queue.reports] == ["q1", "q2"]
    assert peer.connections == 1


async def test_reporting_holds_up_neither_the_line_nor_the_order(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(ALL))
    queue = Queue(store(number) for number in range(5))
    release = asyncio.Event()

    async def on_outcome(message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        await release.wait()
        await queue.on_outcome(message, outcomes)

    async with peer.serving() as target:
        sending = asyncio.create_task(SmtpClient().send(target, SETTINGS, queue.next_message, on_outcome))
        while len(peer.model.delivered) < 5:
            await asyncio.sleep(0.01)
        assert queue.reports == []
        release.set()
        await sending
    assert [queue_id for queue_id, _ in queue.reports] == [f"q{number}" for number in range(5)]


async def test_a_large_message_takes_little_memory(store: Callable[..., Any], tmp_path: Path) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING), discard=True)
    big = store(1)
    with big.body.open("ab") as file:
        for _ in range(200):
            file.write((b"x" * 75 + b"\n") * 1380)
    queue = Queue([dataclasses.replace(big, wire_size=21_000_000)])
    async with peer.serving() as target:
        tracemalloc.start()
        end = await send(target, queue)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kinds(queue) == [("q1", [("Delivered", 250)])]
    assert end.bytes_up > 21_000_000
    assert peak < 2_000_000


# Lines and servers that fail


async def test_no_answer_in_time_defers_and_closes(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"DATA"
    queue = Queue([store(1), store(2)])
    async with peer.serving() as target:
        began = time.monotonic()
        end = await send(target, queue, dataclasses.replace(IMPATIENT, pipelining=False))
    assert end.fate is SessionFate.LOST
    assert "no answer to DATA within 1 s" in end.reason
    assert 1.1 < time.monotonic() - began < 10
    assert kinds(queue) == [("q1", [("Deferred", 451)]), ("q2", [("Deferred", 451)])]


async def test_a_slow_line_is_no_reason_to_give_up_but_a_stuck_one_is(store: Callable[..., Any]) -> None:
    settings = dataclasses.replace(SETTINGS, timeout_scale=0.01)  # 1.8 s for each block
    peer = Peer(ModelServer(WITHOUT_CHUNKING), discard=True, read_bytes=16_384, pause_s=0.04)
    peer.small_buffers = True
    queue = Queue([store(1, b"y" * 76 * 15_000 + b"\n")])
    async with peer.serving() as target:
        began = time.monotonic()
        end = await send(target, queue, settings)
    assert end.fate is SessionFate.DONE
    assert time.monotonic() - began > 1.9

    peer = Peer(ModelServer(WITHOUT_CHUNKING), discard=True)
    peer.small_buffers, peer.stop_reading_after = True, 100_000
    queue = Queue([store(2, (b"y" * 75 + b"\n") * 120_000)])
    async with peer.serving() as target:
        end = await send(target, queue, settings)
    assert end.fate is SessionFate.LOST
    assert "content was not accepted within 2 s" in end.reason
    assert kinds(queue) == [("q2", [("Deferred", 451)])]
    assert not is_a(Deferred, queue.reports[0][1][0]).answer_unknown


async def test_a_line_lost_after_the_final_dot_leaves_the_answer_unknown(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.drop_at = b"\r\n.\r\n"
    queue = Queue([store(1, recipients=("a@x.example", "b@x.example"))])
    async with peer.serving() as target:
        end = await send(target, queue)
    assert end.fate is SessionFate.LOST
    [(_, outcomes)] = queue.reports
    assert [isinstance(outcome, Deferred) and outcome.answer_unknown for outcome in outcomes] == [True, True]
    assert outcomes[0].reply.enhanced == "4.4.2"


async def test_a_message_fetched_when_the_session_ends_is_put_back(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING, lambda verb, *_: "421 4.3.2 enough" if verb == "MAIL" else None))
    queue = Queue([store(number) for number in range(4)])
    async with peer.serving() as target:
        end = await send(target, queue)
    assert (end.fate, end.ready) == (SessionFate.CLOSED, True)
    asked_for = 4 - len(queue.left)
    assert kinds(queue) == [(f"q{number}", [("Deferred", 421)]) for number in range(asked_for)]
    counts = [is_a(Deferred, outcomes[0]).counts_as_attempt for _, outcomes in queue.reports]
    assert counts == [True] + [False] * (asked_for - 1)


async def test_no_connection_takes_no_message(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer())
    queue = Queue([store(1)])
    async with peer.serving() as target:
        pass
    end = await send(target, queue)
    assert (end.fate, end.ready, end.connected) == (SessionFate.UNREACHABLE, False, False)
    assert end.reply is not None and end.reply.is_transient
    assert "mail.example (127.0.0.1, port" in end.reason
    assert (queue.asked, queue.reports) == (0, [])
    nowhere = await send(HostTarget("mail.example", (), 25), queue)
    assert (nowhere.fate, nowhere.reason) == (SessionFate.UNREACHABLE, "no address is known for mail.example")


async def test_the_next_address_is_tried_where_one_does_not_serve(store: Callable[..., Any]) -> None:
    model = ModelServer(answers=lambda verb, _, before: "421 busy" if (verb, before) == ("", 0) else None)
    peer = Peer(model)
    queue = Queue([store(1)])
    async with peer.serving() as target:
        twice = dataclasses.replace(target, addresses=("127.0.0.1", "127.0.0.1"))
        end = await send(twice, queue)
        await peer.quiet()
    assert (end.fate, end.messages, peer.connections) == (SessionFate.DONE, 1, 2)
    assert end.bytes_down == peer.bytes_out - len(BYE)


async def test_a_host_with_many_addresses_does_not_hold_the_line_for_all_of_them() -> None:
    peer = Peer(ModelServer(answers=lambda verb, *_: "421 busy" if verb == "" else None))
    async with peer.serving() as target:
        many = dataclasses.replace(target, addresses=("127.0.0.1",) * (MAX_ADDRESSES + 2))
        end = await send(many, Queue([]))
    assert (end.fate, peer.connections) == (SessionFate.NOT_SERVED, MAX_ADDRESSES)


@pytest.mark.parametrize("greeting", ["554 no", "421 busy"])
async def test_a_server_that_does_not_serve_gets_no_message_and_bounces_none(
    store: Callable[..., Any], greeting: str
) -> None:
    peer = Peer(ModelServer(answers=lambda verb, *_: greeting if verb == "" else None))
    queue = Queue([store(1)])
    async with peer.serving() as target:
        end = await send(target, queue)
    assert (end.fate, end.ready, str(end.reply)) == (SessionFate.NOT_SERVED, False, greeting)
    assert greeting in end.reason
    assert (queue.asked, queue.reports) == (0, [])


async def test_what_a_server_said_is_not_hidden_by_an_address_that_is_dead(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(answers=lambda verb, *_: "421 busy" if verb == "" else None))
    async with peer.serving() as target:
        dead = dataclasses.replace(target, addresses=("127.0.0.1", "127.0.0.77"))
        end = await send(dead, Queue([store(1)]))
    assert (end.fate, str(end.reply)) == (SessionFate.NOT_SERVED, "421 busy")


async def test_chunking_that_is_broken_is_not_used_again(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(ALL, lambda verb, *_: "502 what" if verb == "LAST" else None))
    client, queue = SmtpClient(), Queue([store(1)])
    async with peer.serving() as target:
        first = await send(target, queue, client=client)
        peer.model = ModelServer(ALL)
        queue.left.append(store(2))
        second = await send(target, queue, client=client)
    assert (first.fate, second.fate) == (SessionFate.DONE, SessionFate.DONE)
    assert (first.learnt, second.learnt) == ("it offers CHUNKING but does not keep to it", "")
    assert "DATA" in peer.model.commands
    assert kinds(queue) == [("q1", [("Delivered", 250)]), ("q2", [("Delivered", 250)])]


# The card


async def test_a_message_that_cannot_be_read_is_deferred_and_the_others_go(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer())
    missing, short = store(1), store(2)
    missing.body.unlink()
    queue = Queue([missing, dataclasses.replace(short, wire_size=500), store(3)])
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Deferred", 451)]), ("q2", [("Deferred", 451)]), ("q3", [("Delivered", 250)])]
    texts = [outcomes[0].reply.text for _, outcomes in queue.reports[:2]]
    assert "missing" in texts[0] and "damaged" in texts[1]


@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING], ids=["chunks", "pipelining"])
async def test_a_message_cut_short_while_it_is_sent_is_never_taken_for_whole(
    store: Callable[..., Any], offers: tuple[str, ...]
) -> None:
    peer = Peer(ModelServer(offers))
    big = store(1, (b"z" * 75 + b"\n") * 20_000)
    queue = Queue([big, store(2)])

    def truncate(read: bytes) -> None:
        if b"z" * 75 in read:
            with big.body.open("r+b") as file:
                file.truncate(100_000)

    peer.on_read = truncate
    async with peer.serving() as target:
        await send(target, queue)
    assert [len(taken.content) < 100 for taken in peer.model.delivered] == [True] * len(peer.model.delivered)
    [(queue_id, outcomes), *_] = queue.reports
    assert queue_id == "q1" and isinstance(outcomes[0], Deferred)


async def test_8bit_content_is_converted_where_the_server_lacks_8bitmime(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(("PIPELINING", "SIZE")))
    queue = Queue([store(1, "Subject: Grüße\n\nhöhö, and some more of it, mostly plain\n".encode())])
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Delivered", 250)])]
    [taken] = peer.model.delivered
    assert taken.content.isascii()
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in taken.content
    assert f"SIZE={len(taken.content)}" in peer.model.commands[1]
    assert "BODY" not in peer.model.commands[1]


async def test_smtputf8_without_need_is_no_reason_to_bounce(store: Callable[..., Any]) -> None:
    """Declared SMTPUTF8, but only names and text are 8-bit: they can be written in ASCII."""
    message = store(1, "From: Jörg <j@x.example>\nSubject: Grüße\n\nhöhö, mostly plain text here\n".encode())
    message = dataclasses.replace(message, envelope=dataclasses.replace(message.envelope, smtputf8=True))
    for offers in (("8BITMIME",), ("PIPELINING",), ("8BITMIME", "SMTPUTF8")):
        peer, queue = Peer(ModelServer(offers)), Queue([message])
        async with peer.serving() as target:
            await send(target, queue)
        assert kinds(queue) == [("q1", [("Delivered", 250)])]
        [taken] = peer.model.delivered
        header, _, body = taken.content.partition(b"\r\n\r\n")
        assert (header.isascii(), body.isascii()) == ("SMTPUTF8" not in offers, "8BITMIME" not in offers)
    needs_it = store(2, "From: <jörg@x.example>\n\nhöhö\n".encode(), envelope=message.envelope)
    for offers in (("8BITMIME",), ("PIPELINING",)):
        peer, queue = Peer(ModelServer(offers)), Queue([needs_it])
        async with peer.serving() as target:
            await send(target, queue)
        assert queue.reports[0][1][0].reply.enhanced == "5.6.9"


@pytest.mark.parametrize("offers", [ALL, ("PIPELINING",)])
async def test_no_line_is_longer_than_a_server_must_take(
    store: Callable[..., Any], offers: tuple[str, ...]
) -> None:
    long_line = "größer " * 400
    peer = Peer(ModelServer(offers))
    queue = Queue([store(1, f"X: {'a ' * 900}\nSubject: x\n\n{long_line}\n".encode()), store(2)])
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Delivered", 250)]), ("q2", [("Delivered", 250)])]
    content = peer.model.delivered[0].content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert is_a(bytes, message_from_bytes(content).get_payload(decode=True)).decode().splitlines() == [long_line]
    assert f"SIZE={len(content)}" in peer.model.commands[1] or "SIZE" not in peer.model.commands[1]


async def test_a_notice_is_never_given_up_because_of_its_content(store: Callable[..., Any]) -> None:
    content = "To: <jörg@x.example>\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nü\n--s--\n".encode()
    notice = Envelope("", (Recipient("bob@example.org"),), smtputf8=True)
    for offers in (("PIPELINING",), ("8BITMIME",)):
        peer, queue = Peer(ModelServer(offers)), Queue([store(1, content, envelope=notice)])
        async with peer.serving() as target:
            await send(target, queue)
        assert kinds(queue) == [("q1", [("Delivered", 250)])]


async def test_8bit_content_that_cannot_be_converted_is_refused(store: Callable[..., Any]) -> None:
    signed = b"Content-Type: multipart/signed; boundary=s\n\n--s\n\n\xfc\n--s--\n"
    peer = Peer(ModelServer(("PIPELINING",)))
    queue = Queue([store(1, signed, recipients=("a@x.example", "b@x.example")), store(2)])
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Refused", 554)] * 2), ("q2", [("Delivered", 250)])]
    refused = queue.reports[0][1][0]
    assert isinstance(refused, Refused) and refused.reply.enhanced == "5.6.3"
    assert peer.model.delivered[0].recipients == ("bob@example.org",)
    at_home = Peer(ModelServer(("8BITMIME",)))
    queue = Queue([store(3, signed)])
    async with at_home.serving() as target:
        await send(target, queue)
    assert at_home.model.delivered[0].content == signed.replace(b"\n", b"\r\n")


# The caller


async def test_a_cancelled_send_reports_what_was_answered_and_nothing_more(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"never"
    queue = Queue([store(number) for number in range(3)])

    async def next_message() -> OutgoingMessage | None:
        if len(queue.left) == 1:
            await asyncio.sleep(3600)
        return await queue.next_message()

    async with peer.serving() as target:
        sending = asyncio.create_task(SmtpClient().send(target, SETTINGS, next_message, queue.on_outcome))
        while len(queue.reports) < 2:
            await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(peer.gone.wait(), 60)
    assert [queue_id for queue_id, _ in queue.reports] == ["q0", "q1"]


async def test_a_send_cancelled_in_the_middle_reports_nothing_of_what_is_under_way(
    store: Callable[..., Any],
) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"\r\n.\r\n"
    queue = Queue([store(1)])
    async with peer.serving() as target:
        sending = asyncio.create_task(send(target, queue))
        await asyncio.wait_for(peer.muted.wait(), 60)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(peer.gone.wait(), 60)
    assert queue.reports == []


@pytest.mark.parametrize("where", ["next_message", "on_outcome"])
async def test_a_fault_of_the_caller_comes_back_to_it(store: Callable[..., Any], where: str) -> None:
    peer = Peer(ModelServer())
    queue = Queue([store(1), store(2)])

    async def broken(*_: tuple[Delivered] | OutgoingMessage) -> Never:
        raise ZeroDivisionError

    calls: dict[str, Any] = {"next_message": queue.next_message, "on_outcome": queue.on_outcome, where: broken}
    async with peer.serving() as target:
        with pytest.raises(ZeroDivisionError):
            await SmtpClient().send(target, SETTINGS, calls["next_message"], calls["on_outcome"])
        await asyncio.wait_for(peer.gone.wait(), 60)


# ETRN


async def test_etrn_in_the_servers_words() -> None:
    words = {"a.example": "251 2.0.0 nothing", "@b.example": "458 4.3.0 not now", "#c": "250 2.0.0 started"}
    peer = Peer(ModelServer(("PIPELINING", "ETRN"), lambda verb, argument, _: words.get(argument)))
    async with peer.serving() as target:
        dialogue = await SmtpClient().etrn(target, SETTINGS, list(words))
        await peer.quiet()
    assert [(name, str(reply)) for name, reply in dialogue.answers] == list(words.items())
    assert (dialogue.error, dialogue.offered, dialogue.fate) == (None, True, SessionFate.DONE)
    assert dialogue.bytes_up == peer.bytes_in


async def test_etrn_not_supported_is_asked_once_though_not_offered() -> None:
    peer = Peer(ModelServer(("PIPELINING",), lambda verb, *_: "502 5.5.1 no ETRN here" if verb == "ETRN" else None))
    async with peer.serving() as target:
        dialogue = await SmtpClient().etrn(target, SETTINGS, ["a.example", "b.example"])
    assert [(name, str(reply)) for name, reply in dialogue.answers] == [("a.example", "502 5.5.1 no ETRN here")]
    assert (dialogue.error, dialogue.offered) == (None, False)


EARLY = dataclasses.replace(SETTINGS, early_etrn=True)


async def test_etrn_may_come_before_ehlo_where_neither_tls_nor_a_login_is_needed() -> None:
    peer = Peer(ModelServer(("PIPELINING", "ETRN")))
    async with peer.serving() as target:
        usual = await SmtpClient().etrn(target, SETTINGS, ["a.example"])
        await peer.quiet()
        early = await SmtpClient().etrn(target, EARLY, ["a.example"])
        await peer.quiet()
    assert usual.may_be_early and not usual.early_failed and usual.address == "127.0.0.1"
    assert (early.error, early.early_failed, early.may_be_early) == (None, False, False)
    assert [str(reply) for _, reply in early.answers] == ["250 2.0.0 Queuing started"]
    assert peer.model.commands == ["EHLO station.example", "ETRN a.example", "QUIT", "ETRN a.example", "QUIT"]
    async with Peer(ModelServer(())).serving() as target:
        assert not (await SmtpClient().etrn(target, SETTINGS, ["a.example"])).may_be_early


async def test_etrn_before_ehlo_that_fails_is_reported_as_such() -> None:
    asked_for = Peer(
        ModelServer(("ETRN",), lambda verb, _, n: "503 EHLO first" if (verb, n) == ("ETRN", 0) else None)
    )
    async with asked_for.serving() as target:
        dialogue = await SmtpClient().etrn(target, EARLY, ["a.example"])
    assert (dialogue.fate, dialogue.early_failed) == (SessionFate.DONE, True)
    assert [reply.code for _, reply in dialogue.answers] == [250]
    dropped = Peer(ModelServer(("ETRN",)))
    dropped.drop_at = b"ETRN"
    async with dropped.serving() as target:
        dialogue = await SmtpClient().etrn(target, EARLY, ["a.example"])
    assert (dialogue.fate, dialogue.early_failed) == (SessionFate.LOST, True)
    assert not (await SmtpClient().etrn(target, EARLY, ["a.example"])).early_failed  # nobody is there


async def test_etrn_cut_off_says_what_was_answered_and_why_no_more() -> None:
    peer = Peer(ModelServer(("ETRN",), lambda verb, _, n: "421 4.3.2 bye" if (verb, n) == ("ETRN", 1) else None))
    async with peer.serving() as target:
        dialogue = await SmtpClient().etrn(target, SETTINGS, ["a.example", "b.example", "c.example"])
    assert [name for name, _ in dialogue.answers] == ["a.example"]
    assert dialogue.error == "the server closes the connection: 421 4.3.2 bye"
    unreachable = await SmtpClient().etrn(target, SETTINGS, ["a.example"])
    assert unreachable.fate is SessionFate.UNREACHABLE
    assert unreachable.error is not None and "mail.example" in unreachable.error


async def test_a_delivered_outcome_names_the_host_and_its_words(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer())
    queue = Queue([store(1)])
    async with peer.serving() as target:
        await send(target, queue)
    [(_, [outcome])] = queue.reports
    assert isinstance(outcome, Delivered)
    assert (str(outcome.reply), outcome.by, outcome.dsn_passed_on) == ("250 2.0.0 Taken", "mail.example", True)


def flip(path: Path, offset: int) -> None:
    """A bit of the card."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x04
    path.write_bytes(data)


def checked(message: OutgoingMessage) -> OutgoingMessage:
    """As the queue hands it over: with what its body was when it was stored."""
    return dataclasses.replace(message, checksum=zlib.crc32(is_a(Path, message.body).read_bytes()))


BIG = b"Subject: x\n\n" + b"a line of text\n" * 10_000


@pytest.mark.parametrize("offset", [3, len(RETURN_PATH) + 10, 80_000, -2])
@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING], ids=["BDAT", "DATA"])
async def test_a_body_with_a_flipped_bit_is_not_offered(
    store: Callable[..., Any], offset: int, offers: tuple[str, ...]
) -> None:
    peer = Peer(ModelServer(offers))
    messages = [checked(store(number, BIG)) for number in range(3)]
    flip(is_a(Path, messages[1].body), offset)
    queue = Queue(messages)
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Deferred", 451)]), ("q0", [("Delivered", 250)]), ("q2", [("Delivered", 250)])]
    lost = queue.reports[0][1][0]
    assert isinstance(lost, Deferred)
    assert (lost.content_lost, "damaged on the card" in lost.reply.text) == (True, True)
    assert len(peer.model.delivered) == 2


@pytest.mark.parametrize("offset", [3, len(RETURN_PATH) + 10, 80_000, -2])
@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING], ids=["BDAT", "DATA"])
async def test_a_bit_that_flips_while_it_is_sent_is_not_sent_either(
    store: Callable[..., Any], offset: int, offers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_open = Content.open

    def damaged_open(content: Content) -> Reader:
        if content.message.queue_id == "q1":
            flip(is_a(Path, content.message.body), offset)
        return whole_open(content)

    monkeypatch.setattr(Content, "open", damaged_open)
    peer = Peer(ModelServer(offers))
    queue = Queue([checked(store(number, BIG)) for number in range(2)])
    async with peer.serving() as target:
        await send(target, queue)
    reports = dict(queue.reports)
    assert [is_a(Deferred, outcome).content_lost for outcome in reports["q1"]] == [True]
    assert [type(outcome) for outcome in reports["q0"]] == [Delivered]
    assert len(peer.model.delivered) == 1  # never the damaged one


async def test_what_an_earlier_release_queued_has_no_checksum_and_goes(store: Callable[..., Any]) -> None:
    peer = Peer(ModelServer(ALL))
    message = store(1, BIG)
    flip(message.body, 80_000)
    queue = Queue([message])
    async with peer.serving() as target:
        await send(target, queue)
    assert kinds(queue) == [("q1", [("Delivered", 250)])]
