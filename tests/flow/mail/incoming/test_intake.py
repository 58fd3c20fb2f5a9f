"""Taking mail in: decisions, and a message's way to the card, on a real spool and a real queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.config.model import Config, FromCheck, OwnSenders, RelayConfig, SmtpConfig, StationConfig
from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.envelope import Envelope, Notify, QueueId, Recipient
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.queue.records import MessageRecord, Origin, Priority, RecipientState
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener, Peer
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.spool.writer import SpoolWriter
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.incoming.connection_pools import Pool
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.intake import Intake
from dialpost.flow.mail.incoming.message import Incoming
from fakes import FakePace
from known import known

HOST = "mail.clinic.example"
CONFIG = Config(
    station=StationConfig(hostname=HOST, domains=("clinic.example", "second.example")),
    smtp=SmtpConfig(max_connections=4, max_connections_per_peer=2, login_failures=2, login_pause_s=60),
    relay=RelayConfig(networks=("10.0.0.0/8",), provider_networks=("10.9.0.0/16",)),
)
OUTSIDE = Peer("192.0.2.1", Listener.MX, "x.example", "ESMTP")
LAN = replace(OUTSIDE, address="10.0.0.5", interface="eth0")
PROVIDER = replace(OUTSIDE, address="10.9.0.5")
ANNA = Peer("192.0.2.9", Listener.SUBMISSIONS, "phone", "ESMTPSA", "TLSv1.3", account="anna")
NOW_S = 1_700_000_000


class Accounts:
    """A fixed directory; every password is "right"."""

    is_restored = False

    def __init__(self) -> None:
        self.directory = Directory(
            accounts={name: Account(name) for name in ("anna", "ben")},
            aliases={
                alias.address: alias
                for alias in (
                    Alias("staff@clinic.example", ("anna", "ben")),
                    Alias("away@clinic.example", ("ben", "ben@far.example")),
                    Alias("gone@clinic.example", ("out@far.example",)),
                )
            },
            domains=("clinic.example", "second.example"),
            hostname=HOST,
        )
        self.quotas: dict[str, int] = {}

    async def verify(self, name: str, password: str) -> Account | None:
        await asyncio.sleep(0)  # as a derivation in a thread does
        return self.directory.accounts.get(name) if password == "right" else None

    def quota_of(self, name: str) -> int:
        return self.quotas.get(name, 0)

    def delete(self, name: str) -> None:
        accounts = {key: value for key, value in self.directory.accounts.items() if key != name}
        self.directory = replace(self.directory, accounts=accounts)


class Caller:
    """A connection whose answer is being made."""

    is_waiting, is_idle, progress_s = False, False, 0.0

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def give_way(self, reply: Reply) -> None:
        raise AssertionError("it is busy")


class Mailboxes:
    async def measure(self, account: str) -> int:
        return 1000


class Rig:
    """An intake on a real card. `now_s` and `monotonic_s` are its clocks."""

    def __init__(self, store: Store, spool: Spool, config: Config) -> None:
        self.store, self.spool, self.accounts = store, spool, Accounts()
        self.now_s, self.monotonic_s = NOW_S, 0.0
        self.told: list[MessageRecord] = []
        self.activity = InboundActivity(lambda: self.monotonic_s)
        self.trust = LineTrust(config)
        self.intake = Intake(
            config,
            self.accounts,
            store,
            spool,
            Mailboxes(),
            activity=self.activity,
            pace=FakePace(),
            on_accepted=self.told.append,
            monotonic=lambda: self.monotonic_s,
            wall_clock=lambda: self.now_s,
            line_trust=self.trust,
        )

    async def sink(
        self,
        peer: Peer = OUTSIDE,
        to: tuple[Recipient | str, ...] = ("anna@clinic.example",),
        sender: str = "a@world.example",
        **more: Any,
    ) -> Incoming:
        envelope = Envelope(sender, tuple(Recipient(one) if isinstance(one, str) else one for one in to), **more)
        sink = await self.intake.begin(peer, envelope)
        assert isinstance(sink, Incoming), sink
        return sink

    async def take(
        self,
        content: bytes = b"Subject: x\r\n\r\nhello\r\n",
        peer: Peer = OUTSIDE,
        pieces: list[bytes] | None = None,
        ending: str = "",
        **more: Any,
    ) -> tuple[Reply, MessageRecord | None, bytes]:
        """Submit a message; returns reply, record and body. `ending`: what is seen of the client afterwards."""
        sink = await self.sink(peer, **more)
        if ending == "did not wait":
            sink.left()
        for piece in pieces or [content]:
            sink.write(piece)
        reply = await sink.finish()
        if ending in {"acknowledged", "spoke"}:
            sink.seen(spoke=ending == "spoke")
        if ending:
            sink.left()
        queue_id = QueueId(reply.text.rpartition(" ")[2])
        record = await self.store.get(queue_id) if reply.code == 250 else None
        body = b""
        if record is not None:
            with self.spool.open_body(queue_id) as file:
                body = file.read()
        return reply, record, body

    async def may_send(self, peer: Peer, recipient: str, sender: str = "a@world.example", declared: int = 0) -> str:
        envelope = Envelope(sender, (), declared_bytes=declared)
        reply = await self.intake.rcpt_to(peer, envelope, Recipient(recipient))
        return "yes" if reply is None else f"{reply.code} {reply.enhanced}"


MakeRig = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def make_rig(tmp_path: Path) -> AsyncIterator[MakeRig]:
    async with contextlib.AsyncExitStack() as stack:
        made: list[Rig] = []

        async def make(config: Config = CONFIG) -> Rig:
            spool = Spool(tmp_path / f"spool{len(made)}", 0)
            spool.prepare()
            store = await Store.open(tmp_path / f"queue{len(made)}.db", wall_clock=lambda: NOW_S)
            stack.push_async_callback(store.close)
            stack.callback(spool.close)
            made.append(Rig(store, spool, config))
            return made[-1]

        yield make


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig()


# Who may send what to whom


@pytest.mark.parametrize(
    ("recipient", "outside", "inside"),
    [
        ("anna@clinic.example", "yes", "yes"),
        ("ANNA+shop@second.example", "yes", "yes"),
        ("nobody@second.example", "550 5.1.1", "550 5.1.1"),
        ("Anna+shop@Clinic.example", "yes", "yes"),
        ("staff@clinic.example", "yes", "yes"),
        ("gone@clinic.example", "yes", "yes"),
        ("nobody@clinic.example", "550 5.1.1", "550 5.1.1"),
        ("postmaster", "yes", "yes"),
        ("postmaster@second.example", "yes", "yes"),
        (f"postmaster@{HOST}", "yes", "yes"),
        ("bob@far.example", "554 5.7.1", "yes"),
        ("anna@clinic.example.evil.example", "554 5.7.1", "yes"),
        ("bob%far.example@clinic.example", "550 5.1.1", "550 5.1.1"),
        ('"bob@far.example"@clinic.example', "550 5.1.1", "550 5.1.1"),
        ("far.example!bob@clinic.example", "550 5.1.1", "550 5.1.1"),
        (f"bob%far.example@{HOST}", "554 5.7.1", "yes"),
        ("bob%far.example@[127.0.0.1]", "554 5.7.1", "yes"),
    ],
)
async def test_who_may_send_to_whom(rig: Rig, recipient: str, outside: str, inside: str) -> None:
    answers = [await rig.may_send(peer, recipient) for peer in (OUTSIDE, PROVIDER, LAN, ANNA)]
    # (a user who logged in comes from anywhere; what a router would do with a remote % is not ours to judge)
    assert answers == [outside, outside, inside, inside]


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("anna@clinic.example", None),
        ("Anna+x@clinic.example", None),
        ("staff@clinic.example", None),
        ("", None),  # a receipt (RFC 8098 §2.1)
        ("ben@clinic.example", "553 5.7.1"),
        ("gone@clinic.example", "553 5.7.1"),
        ("anna@world.example", "553 5.7.1"),
    ],
)
async def test_a_user_sends_as_themselves_on_every_port(rig: Rig, sender: str, expected: str | None) -> None:
    for listener in Listener:
        reply = await rig.intake.mail_from(replace(ANNA, listener=listener), Envelope(sender, ()), 0)
        assert (reply and f"{reply.code} {reply.enhanced}") == expected


def test_only_the_office_and_users_may_leave_out_our_domain(rig: Rig) -> None:
    assert [rig.intake.home(peer) for peer in (LAN, ANNA, OUTSIDE, PROVIDER)] == [
        "clinic.example",
        "clinic.example",
        "",
        "",
    ]


async def test_without_a_login_any_sender_may_write_to_us(rig: Rig) -> None:
    for sender in ("anna@clinic.example", "x@world.example", ""):
        assert await rig.intake.mail_from(OUTSIDE, Envelope(sender, ()), 0) is None


@pytest.mark.parametrize("sender", ["anna@clinic.example", ""])
@pytest.mark.parametrize("change", ["deleted", "disabled"])
async def test_an_account_closed_since_the_login_sends_no_more(rig: Rig, change: str, sender: str) -> None:
    if change == "deleted":
        rig.accounts.delete("anna")
    else:
        closed = dict(rig.accounts.directory.accounts) | {"anna": Account("anna", enabled=False)}
        rig.accounts.directory = replace(rig.accounts.directory, accounts=closed)
    reply = await rig.intake.mail_from(ANNA, Envelope(sender, ()), 0)
    assert reply is not None and str(reply).startswith("550 5.7.1")


async def test_the_card_is_asked_before_the_content_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.spool, "free_bytes", lambda: 5000)
    replies = [await rig.intake.mail_from(OUTSIDE, Envelope("a@b.example", ()), size) for size in (0, 4999, 5000)]
    assert [reply and str(reply)[:9] for reply in replies] == [None, None, "452 4.3.1"]


async def test_a_full_mailbox_is_asked_to_come_later_unless_another_has_room(rig: Rig) -> None:
    rig.accounts.quotas = {"anna": 1000}
    assert [await rig.may_send(OUTSIDE, to) for to in ("anna@clinic.example", "staff@clinic.example")] == [
        "452 4.2.2",
        "yes",
    ]
    rig.accounts.quotas = {"anna": 1001}
    assert await rig.may_send(OUTSIDE, "anna@clinic.example") == "yes"


async def test_a_mailbox_takes_no_more_than_it_can_hold_though_nothing_was_delivered_yet(rig: Rig) -> None:
    rig.accounts.quotas = {"anna": 100_000}
    replies = [(await rig.take(b"Subject: x\r\n\r\n" + 21_000 * b"x" + b"\r\n"))[0] for _ in range(12)]
    assert [str(reply)[:9] for reply in replies] == 4 * ["250 2.0.0"] + 8 * ["452 4.2.2"]
    assert len(list(rig.spool.ids())) == 4
    await rig.store.set_state(rig.told[0].queue_id, {RecipientState.WAITING}, RecipientState.HELD)
    assert await rig.may_send(OUTSIDE, "anna@clinic.example", declared=21_000) == "452 4.2.2"
    await rig.store.set_state(rig.told[0].queue_id, {RecipientState.HELD}, RecipientState.DELETED)
    assert await rig.may_send(OUTSIDE, "anna@clinic.example", declared=21_000) == "yes"


async def test_what_is_too_big_for_every_mailbox_behind_an_address_is_deferred_at_rcpt(rig: Rig) -> None:
    rig.accounts.quotas = {"anna": 100_000, "ben": 200_000}
    sizes = (99_000, 99_001, 199_000, 5_000_000)
    assert [await rig.may_send(OUTSIDE, "anna@clinic.example", declared=size) for size in sizes] == [
        "yes",
        "452 4.2.2",
        "452 4.2.2",
        "452 4.2.2",
    ]
    assert [await rig.may_send(OUTSIDE, "staff@clinic.example", declared=size) for size in sizes] == [
        "yes",
        "yes",
        "yes",
        "452 4.2.2",
    ]
    assert (
        await rig.may_send(OUTSIDE, "away@clinic.example", declared=5_000_000) == "yes"
    )  # it goes to the world, too


async def test_sessions_at_the_same_time_do_not_fill_the_same_room(rig: Rig) -> None:
    rig.accounts.quotas = {"anna": 100_000, "ben": 100_000}
    first = await rig.sink(declared_bytes=60_000)
    assert await rig.may_send(OUTSIDE, "anna@clinic.example", declared=60_000) == "452 4.2.2"
    refused = await rig.intake.begin(
        OUTSIDE, Envelope("", (Recipient("anna@clinic.example"),), declared_bytes=60_000)
    )
    assert isinstance(refused, Reply) and (refused.code, refused.enhanced) == (452, "4.2.2")
    both = await rig.sink(to=("anna@clinic.example", "ben@clinic.example"), declared_bytes=60_000)
    assert await rig.may_send(OUTSIDE, "ben@clinic.example", declared=60_000) == "452 4.2.2"
    both.abort()
    first.abort()
    sinks = [await rig.sink() for _ in range(4)]  # SIZE= not given: the content tells
    for sink in sinks:
        sink.write(b"Subject: x\r\n\r\n" + 45_000 * b"x" + b"\r\n")
    replies = await asyncio.gather(*(sink.finish() for sink in sinks))
    assert sorted(reply.code for reply in replies) == [250, 250, 452, 452]
    assert rig.intake._rooms.expected_bytes == 0 and not rig.intake._rooms._reserved


async def test_the_card_has_room_for_all_that_is_coming_in(rig: Rig) -> None:
    free = rig.spool.free_bytes()
    envelope = Envelope("a@world.example", ())
    assert await rig.intake.mail_from(OUTSIDE, envelope, free // 2) is None
    sink = await rig.sink(declared_bytes=free // 2)
    assert str(await rig.intake.mail_from(OUTSIDE, envelope, free * 6 // 10)).startswith("452 4.3.1")
    sink.abort()
    assert await rig.intake.mail_from(OUTSIDE, envelope, free * 6 // 10) is None


async def test_connections_are_limited_in_total_and_per_peer(rig: Rig) -> None:
    callers = [Caller(replace(OUTSIDE, address=address)) for address in ("a", "a", "a", "b", "b", "c")]
    answers = [rig.intake.connected(caller) for caller in callers]
    assert [answer and str(answer)[:9] for answer in answers] == [None, None, "421 4.7.0", None, None, "421 4.7.0"]
    rig.intake.disconnected(callers[0])
    assert rig.intake.connected(callers[-1]) is None


@pytest.mark.parametrize(
    ("peer", "pool"),
    [
        (LAN, Pool.LAN),
        (ANNA, Pool.USERS),
        (replace(LAN, interface="ppp0"), Pool.PROVIDER),
        (replace(OUTSIDE, interface="ppp0"), Pool.PROVIDER),
        (replace(OUTSIDE, interface="eth0"), Pool.STRANGERS),
    ],
)
async def test_who_came_over_the_line_takes_the_providers_places(rig: Rig, peer: Peer, pool: Pool) -> None:
    assert rig.intake._pool(peer) is pool


async def test_logins_are_slowed_down_per_address(rig: Rig) -> None:
    async def login(peer: Peer, password: str) -> str:
        answer = await rig.intake.login(replace(peer, account=None), "anna", password)
        return answer if isinstance(answer, str) else str(answer)[:9]

    assert [await login(ANNA, password) for password in ("x", "right", "x", "x", "right")] == [
        "535 5.7.8",
        "anna",
        "535 5.7.8",
        "535 5.7.8",
        "454 4.7.0",
    ]
    assert await login(LAN, "right") == "anna"
    rig.monotonic_s += 60
    assert await login(ANNA, "right") == "anna"


@pytest.mark.parametrize(
    ("acts_as", "answer"),
    [
        ("anna", "anna"),
        ("Anna@CLINIC.example", "anna"),
        ("ben@clinic.example", "535 5.7.8"),
        ("nobody", "535 5.7.8"),
    ],
)
async def test_who_logs_in_acts_for_themselves_by_any_of_their_names(rig: Rig, acts_as: str, answer: str) -> None:
    got = await rig.intake.login(replace(ANNA, account=None), "anna", "right", acts_as)
    assert (got if isinstance(got, str) else str(got)[:9]) == answer


async def test_guesses_at_the_same_moment_are_counted_one_by_one(rig: Rig) -> None:
    async def guess(password: str) -> str | Reply:
        return await rig.intake.login(replace(ANNA, account=None), "anna", password)

    answers = await asyncio.gather(*(guess(str(number)) for number in range(6)))
    assert [str(answer)[:9] for answer in answers] == ["535 5.7.8"] * 2 + ["454 4.7.0"] * 4


# What is stored


async def test_a_message_from_outside_for_a_mailbox(rig: Rig) -> None:
    reply, record, body = await rig.take(b"From: a\r\nSubject: x\r\n\r\n.dot\r\nbare\nlf\rcr\r\n")
    assert record is not None
    assert str(reply) == f"250 2.0.0 Ok: queued as {record.queue_id}"
    prefix = b"Return-Path: <a@world.example>\n"
    received = (
        b"Received: from x.example ([192.0.2.1])\n"
        b"\tby mail.clinic.example with ESMTP id %s for <anna@clinic.example>;\n"
        b"\tTue, 14 Nov 2023 22:13:20 +0000\n" % record.queue_id.encode()
    )
    assert body == prefix + received + b"From: a\nSubject: x\n\n.dot\nbare\nlf cr\n"
    assert (record.size, record.local_prefix) == (len(body), len(prefix))
    assert record.wire_size == len(body[len(prefix) :].replace(b"\n", b"\r\n"))
    assert (record.origin, record.peer, record.account) == (Origin.OUTSIDE, "192.0.2.1", None)
    assert [(one.address, one.local_account) for one in known(record).recipients] == [
        ("anna@clinic.example", "anna")
    ]
    assert rig.told == [record]


async def test_no_return_path_where_nobody_here_gets_it(rig: Rig) -> None:
    _, record, body = await rig.take(peer=LAN, to=("bob@far.example",))
    assert body.startswith(b"Received: ")
    assert record is not None
    assert (record.local_prefix, record.recipients[0].local_account) == (0, None)


@pytest.mark.parametrize(("peer", "added"), [(OUTSIDE, False), (LAN, True), (ANNA, True)])
async def test_date_and_message_id_are_added_to_what_is_handed_in(rig: Rig, peer: Peer, added: bool) -> None:
    _, record, body = await rig.take(b"Subject: x\r\n\r\nhello\r\n", peer=peer, to=("anna@clinic.example",))
    message = message_from_bytes(body)
    assert (message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000") == added
    assert record is not None
    expected = f"<{record.queue_id}.{NOW_S}@{HOST}>" if added else None
    assert (message["Message-ID"], record.message_id_header or None) == (expected, expected)
    _, record, body = await rig.take(b"Date: d\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n", peer=peer)
    assert message_from_bytes(body).get_all("Date") == ["d"]
    assert record is not None
    assert record.message_id_header == "<1@x>"


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (b"", b"\n"),
        (b"\r\n", b"\n"),
        (b"hello\r\n", b"\nhello\n"),
        (b"hello", b"\nhello\n"),
        (b"\r\nFrom: body\r\n", b"\nFrom: body\n"),
        (b"A: b", b"A: b\n\n"),
        (b"A: b\r", b"A: b\n\n"),
        (b"A: b\r\nhello\r\n", b"A: b\n\nhello\n"),
        (b" hello\r\n", b"\n hello\n"),
        (b"A: b\r\r\n\r\r\nhello\r\r\n", b"A: b\n\nhello\n"),
    ],
)
async def test_our_header_is_never_taken_for_the_messages_body_nor_the_other_way(
    rig: Rig, content: bytes, stored: bytes
) -> None:
    _, record, body = await rig.take(content)
    assert body.endswith(b"+0000\n" + stored)
    assert record is not None
    assert record.wire_size == len(body[record.local_prefix :].replace(b"\n", b"\r\n"))


async def test_any_split_stores_the_same(make_rig: MakeRig) -> None:
    content = b"Subject: x\r\nX: y\r\n\r\nhello\r\r\n\nend\r\n"
    one, other = await make_rig(), await make_rig()
    whole = await one.take(content)
    bytewise = await other.take(pieces=[content[at : at + 1] for at in range(len(content))])
    assert whole == bytewise


async def test_a_header_longer_than_64_kb_passes(rig: Rig) -> None:
    content = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 100) for number in range(2000)) + b"\r\nhello\r\n"
    pieces = [content[at : at + 999] for at in range(0, len(content), 999)]
    _, record, body = await rig.take(pieces=pieces)
    assert body.endswith(content.replace(b"\r\n", b"\n"))
    assert record is not None
    assert record.size == len(body)


@pytest.mark.parametrize("step", [7, 65_536])
async def test_what_stands_behind_64_kb_of_header_is_seen(rig: Rig, step: int) -> None:
    names = b",\r\n ".join(b"Reader %d <reader%d@far.example>" % (number, number) for number in range(2600))
    content = b"To: " + names + b"\r\nDate: d\r\nMessage-ID: <1@x>\r\nSubject: seen\r\n\r\nhello\r\n"
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    _, record, body = await rig.take(pieces=pieces, peer=LAN)
    message = message_from_bytes(body)
    assert (message.get_all("Date"), message.get_all("Message-ID")) == (["d"], ["<1@x>"])
    assert record is not None
    assert (record.subject, record.message_id_header) == ("seen", "<1@x>")
    assert body.endswith(content.replace(b"\r\n", b"\n"))


async def test_hops_behind_64_kb_of_header_end_a_loop_too(rig: Rig) -> None:
    content = b"X: " + b"x" * 70_000 + b"\r\n" + b"Received: x\r\n" * 101 + b"\r\nhello\r\n"
    reply, _, _ = await rig.take(content)
    assert (reply.code, reply.enhanced) == (554, "5.4.6")


async def test_an_empty_message_id_is_one(rig: Rig) -> None:
    _, record, body = await rig.take(b"Message-ID:\r\nSubject: x\r\n\r\n", peer=LAN)
    assert message_from_bytes(body).get_all("Message-ID") == [""]
    assert record is not None
    assert record.message_id_header == ""


@pytest.mark.parametrize("subject", [b"=?utf\xff8?q?x?=", b"=?idna?q?=FF?=", b"=?\x00?q?x?=", b"=?utf-16?b?/w==?="])
async def test_no_subject_delays_a_message(rig: Rig, subject: bytes) -> None:
    reply, _, _ = await rig.take(b"Subject: " + subject + b"\r\n\r\nhello\r\n")
    assert reply.code == 250


async def test_the_subject_of_a_message_from_an_mbox_file_is_its_subject(rig: Rig) -> None:
    content = b"From anna@x.example Mon Jan  1 10:00:00 2024\r\nSubject: x\r\nDate: d\r\n\r\nhello\r\n"
    _, record, body = await rig.take(content, peer=LAN)
    message = message_from_bytes(body)
    assert record is not None
    assert (record.subject, message["Subject"], message.get_all("Date")) == ("x", "x", ["d"])
    assert message["X-Mailbox-Line"] == "From anna@x.example Mon Jan  1 10:00:00 2024"
    assert message.get_payload() == "hello\n"


async def test_what_was_asked_of_the_relay_is_kept_and_priority_read(rig: Rig) -> None:
    asked = Recipient("bob@far.example", frozenset({Notify.NEVER}), "rfc822;B+2Bob")
    _, record, _ = await rig.take(
        b"Subject: =?utf-8?q?=C3=84?=\r\nImportance: high\r\n\r\n", peer=ANNA, to=(asked,), envid="E+2B"
    )
    assert record is not None
    assert (record.recipients[0].notify, record.recipients[0].orcpt, record.envid) == (
        asked.notify,
        asked.orcpt,
        "E+2B",
    )
    assert (record.priority, record.subject, record.account) == (Priority.URGENT, "Ä", "anna")


async def test_groups_and_forwards_are_taken_apart_each_place_once(rig: Rig) -> None:
    to = ("staff@clinic.example", "anna@clinic.example", "away@clinic.example", "gone@clinic.example")
    _, record, _ = await rig.take(to=to)
    assert [
        (one.number, one.address, one.local_account, one.original_address) for one in known(record).recipients
    ] == [
        (0, "staff@clinic.example", "anna", None),
        (1, "staff@clinic.example", "ben", None),
        (2, "ben@far.example", None, "away@clinic.example"),
        (3, "out@far.example", None, "gone@clinic.example"),
    ]


async def test_a_mailbox_deleted_since_rcpt_is_nobodys_silent_loss(rig: Rig) -> None:
    sink = await rig.sink(to=("anna@clinic.example", "ben@clinic.example"))
    rig.accounts.delete("ben")
    sink.write(b"Subject: x\r\n\r\n")
    assert str(await sink.finish()).startswith("451 4.3.0")
    assert (list(rig.spool.ids()), rig.told) == ([], [])


@pytest.mark.parametrize(("hops", "code"), [(100, 250), (101, 554)])
async def test_loops_end(rig: Rig, hops: int, code: int) -> None:
    reply, _, _ = await rig.take(b"Received: by a\r\n" * hops + b"\r\nhello\r\n")
    assert reply.code == code
    assert len(list(rig.spool.ids())) == (code == 250)


# Repeats (RFC 1047); with sockets and cuts: test_repeats.py

TRACED = b"Received: from x by relay.example; Mon, 2 Nov 2026 10:00:00 +0000\r\nSubject: x\r\n\r\nhello\r\n"
PLAIN = b"Subject: x\r\n\r\nhello\r\n"


@pytest.mark.parametrize("content", [PLAIN, TRACED])
async def test_what_is_sent_again_after_a_cut_is_not_stored_twice(rig: Rig, content: bytes) -> None:
    first, _, _ = await rig.take(content, ending="cut")
    for _ in range(3):  # the repeat may be cut as well
        again, _, _ = await rig.take(content, ending="cut")
        assert again == first
    assert len(list(rig.spool.ids())) == len(rig.told) == rig.activity.messages == 1


@pytest.mark.parametrize("content", [PLAIN, TRACED])
async def test_what_is_sent_again_after_its_answer_was_heard_is_meant(rig: Rig, content: bytes) -> None:
    first, _, _ = await rig.take(content, ending="cut")
    assert (await rig.take(content, ending="spoke"))[0] == first
    for number in range(2, 5):
        assert (await rig.take(content, ending="spoke"))[0].code == 250
        assert len(rig.told) == number


@pytest.mark.parametrize(("content", "copies"), [(PLAIN, 2), (TRACED, 1)])
async def test_an_answer_that_only_tcp_is_known_to_have_counts_for_those_without_a_trace(
    rig: Rig, content: bytes, copies: int
) -> None:
    for _ in range(2):
        await rig.take(content, ending="acknowledged")
    assert len(rig.told) == copies


async def test_a_connection_that_lives_has_no_repeats(rig: Rig) -> None:
    sinks = [await rig.sink() for _ in range(5)]
    for sink in sinks:
        sink.write(PLAIN)
    replies = await asyncio.gather(*(sink.finish() for sink in sinks))
    assert len(set(map(str, replies))) == 5
    assert len(list(rig.spool.ids())) == len(rig.told) == 5


async def test_who_never_waits_for_the_answer_loses_nothing(rig: Rig) -> None:
    for _ in range(3):
        await rig.take(ending="did not wait")
    assert len(rig.told) == 3


@pytest.mark.parametrize(("content", "copies"), [(PLAIN, 2), (TRACED, 1)])
async def test_a_repeat_comes_from_the_same_place_unless_a_trace_tells_it(
    rig: Rig, content: bytes, copies: int
) -> None:
    await rig.take(content, ending="cut")
    await rig.take(content, peer=replace(OUTSIDE, address="192.0.2.2"))
    assert len(rig.told) == copies


async def test_a_note_that_fails_on_the_card_counts_while_the_station_runs(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(queue_id: str) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StorageFullError("full"))
        return future

    monkeypatch.setattr(rig.store, "answer_heard", broken)
    for _ in range(3):
        await rig.take(ending="spoke")
    assert len(rig.told) == 3


@pytest.mark.parametrize("step_s", [NOW_S - 60, -NOW_S + 60])
async def test_a_repeat_is_recognised_though_the_clock_was_set_in_between(rig: Rig, step_s: int) -> None:
    rig.now_s = 60 if step_s > 0 else NOW_S  # a board without a battery clock starts in 1970
    first, _, _ = await rig.take(ending="cut")
    rig.now_s += step_s + 300
    rig.monotonic_s += 300
    again, _, _ = await rig.take()
    assert again == first


@pytest.mark.parametrize("difference", ["sender", "recipients", "content", "too late", "ours"])
async def test_what_only_looks_like_a_repeat(rig: Rig, difference: str) -> None:
    peer = LAN if difference == "ours" else OUTSIDE
    await rig.take(peer=peer, ending="cut")
    if difference == "too late":
        rig.now_s += 121 * 3600
        rig.monotonic_s += 121 * 3600
    await rig.take(
        b"Subject: y\r\n\r\n" if difference == "content" else b"Subject: x\r\n\r\nhello\r\n",
        peer=peer,
        sender="b@world.example" if difference == "sender" else "a@world.example",
        to=("ben@clinic.example",) if difference == "recipients" else ("anna@clinic.example",),
    )
    assert len(rig.told) == 2


# Faults


@pytest.mark.parametrize(
    ("error", "expected"), [(StorageFullError("full"), "452 4.3.1"), (StorageError("broken"), "451 4.3.0")]
)
@pytest.mark.parametrize("where", ["begin", "write", "commit", "accept"])
async def test_a_card_that_fails_is_never_the_senders_fault(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str, error: StorageError, expected: str
) -> None:
    def fail(*arguments: bytes | SpoolWriter | str) -> Never:
        raise error

    async def fail_later(*arguments: object, **more: Any) -> Never:
        raise error

    content = b"Subject: x\r\n\r\nhello\r\n"
    if where == "begin":
        monkeypatch.setattr(rig.spool, "begin", fail)
        reply = await rig.intake.begin(OUTSIDE, Envelope("", (Recipient("anna@clinic.example"),)))
    else:
        sink = await rig.sink()
        if where == "accept":
            monkeypatch.setattr(rig.store, "accept_unless_repeat", fail_later)
        else:
            monkeypatch.setattr(type(sink.body), where, fail if where == "write" else fail_later)
        sink.write(content)
        sink.write(content)
        reply = await sink.finish()
    assert str(reply).startswith(expected)
    assert (list(rig.spool.ids()), rig.told) == ([], [])


async def test_a_bug_of_ours_while_content_comes_waits_for_the_answer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialpost.flow.mail.incoming.message.received", lambda *a: 1 / 0)
    reply, _, _ = await rig.take()
    assert str(reply).startswith("451 4.3.0")
    assert list(rig.spool.ids()) == []


async def test_whoever_fails_to_hear_of_it_the_message_is_accepted(rig: Rig) -> None:
    object.__setattr__(rig.intake._tools, "on_accepted", lambda record: 1 / 0)
    reply, record, _ = await rig.take()
    assert reply.code == 250 and record is not None


@pytest.mark.parametrize("after", [0, 5, 500_000])
async def test_a_client_that_vanishes_leaves_nothing(rig: Rig, after: int) -> None:
    sink = await rig.sink()
    sink.write(b"Subject: x\r\n\r\n"[:after] + b"y" * max(0, after - 14))
    sink.abort()
    assert (list(rig.spool.ids()), rig.told) == ([], [])


async def test_the_log_tells_of_acceptance_repeat_and_refusal(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dialpost.mail")
    _, record, _ = await rig.take(ending="cut")
    await rig.take()
    await rig.may_send(OUTSIDE, "bob@far.example")
    assert record is not None
    assert caplog.messages == [
        f"{record.queue_id}: accepted from=<a@world.example> nrcpt=1 size={record.size} origin=outside "
        "peer=192.0.2.1",
        f"{record.queue_id}: repeat recognised from=<a@world.example> peer=192.0.2.1",
        "refused peer=192.0.2.1 stage=RCPT from=<a@world.example> to=bob@far.example "
        'reply="554 5.7.1 Relaying to that domain is not allowed from here"',
    ]


# What a call sees


async def test_only_the_providers_side_counts_for_the_call(rig: Rig) -> None:
    for peer in (LAN, replace(OUTSIDE, interface="eth0"), replace(ANNA, account=None)):
        rig.intake.connected(Caller(peer))
    await rig.take(peer=LAN)
    await rig.take(peer=ANNA)
    await rig.intake.mail_from(replace(OUTSIDE, interface="eth0"), Envelope("a@world.example", ()), 0)
    await rig.take(peer=replace(OUTSIDE, interface="eth0"))  # a stranger on the LAN
    assert (rig.activity.connections, rig.activity.messages, rig.activity.bytes) == (0, 0, 0)
    assert rig.activity.last_activity_s is None
    rig.monotonic_s = 7.0
    provider = Caller(replace(LAN, interface="ppp0"))  # it may call itself what it likes
    rig.intake.connected(provider)
    await rig.take(b"A: b\r\n\r\n", peer=PROVIDER)
    assert (rig.activity.connections, rig.activity.messages, rig.activity.bytes) == (1, 1, 8)
    assert rig.activity.last_activity_s == 7.0
    rig.intake.disconnected(provider)
    assert rig.activity.connections == 0


# Who a message says it is from


def with_smtp(**settings: Any) -> Config:
    return replace(CONFIG, smtp=replace(CONFIG.smtp, **settings))


async def test_a_users_from_must_be_their_own(rig: Rig) -> None:
    own, _, _ = await rig.take(b"From: Anna <Anna+x@clinic.example>\r\n\r\nx\r\n", peer=ANNA, sender="")
    other, record, _ = await rig.take(b"From: ben@clinic.example\r\n\r\nx\r\n", peer=ANNA, sender="")
    far, _, _ = await rig.take(
        b"From: anna@clinic.example\r\nFrom: x@far.example\r\n\r\nx\r\n", peer=ANNA, sender=""
    )
    assert [own.code, other.code, far.code, record] == [250, 550, 550, None]
    assert str(other) == (
        "550 5.7.1 The From address ben@clinic.example does not belong to your account: "
        "write as anna@clinic.example"
    )
    assert [message.account for message in rig.told] == ["anna"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"From: anna\r\n", b"From: anna@clinic.example\n"),
        (b"FROM: Anna <anna>\r\n", b"FROM: Anna <anna@clinic.example>\n"),
        (b"From: Anna@home <anna@clinic.example>\r\n", b'From: "Anna@home" <anna@clinic.example>\n'),
        (b"From: anna\r\n <anna@clinic.example>\r\n", b"From: anna\n <anna@clinic.example>\n"),
    ],
)
@pytest.mark.parametrize("end", [b"\r\nx\r\n", b"Subject: x\r\n\r\nx\r\n", b""])
async def test_a_users_from_that_a_mail_program_got_wrong_is_repaired(
    rig: Rig, written: bytes, kept: bytes, end: bytes
) -> None:
    reply, _, body = await rig.take(written + end, peer=ANNA, sender="")
    assert reply.code == 250
    assert kept in body and (b"\nSubject: x\n" in body) == (b"Subject" in end)
    assert message_from_bytes(body).get_all("From", []) == [kept.partition(b":")[2].strip().decode()]


@pytest.mark.parametrize(
    "written",
    [
        b"From: ben\r\n",
        b"From: Anna <ben>\r\n",
        b"From: ben@clinic.example <anna@clinic.example>\r\n",
        b"From: anna@home <ben@clinic.example>\r\n",
        b"From: anna\r\nFrom: ben\r\n",
        b"From: anna\r\n <ben@clinic.example>\r\n",
        b"From: anna <anna>\r\n\t, ben@clinic.example\r\n",
    ],
)
async def test_no_repair_makes_a_user_somebody_else(rig: Rig, written: bytes) -> None:
    reply, _, _ = await rig.take(written + b"\r\nx\r\n", peer=ANNA, sender="")
    assert reply.code == 550


async def test_a_strangers_from_stays_as_it_is(rig: Rig) -> None:
    _, _, body = await rig.take(b"From: anna\r\n\r\nx\r\n", peer=OUTSIDE, sender="x@far.example")
    assert b"\nFrom: anna\n" in body


async def test_a_sender_field_can_tell_who_it_was(make_rig: MakeRig) -> None:
    rig = await make_rig(with_smtp(user_from=FromCheck.SENDER))
    _, _, body = await rig.take(b"From: ben@clinic.example\r\n\r\nx\r\n", peer=ANNA, sender="staff@clinic.example")
    assert message_from_bytes(body)["Sender"] == "staff@clinic.example"
    _, _, body = await rig.take(b"From: anna@clinic.example\r\n\r\nx\r\n", peer=ANNA, sender="anna@clinic.example")
    assert message_from_bytes(body)["Sender"] is None


@pytest.mark.parametrize("field", ["Sender", "Resent-From", "Resent-Sender"])
async def test_no_field_names_another_as_who_sent_it(rig: Rig, field: str) -> None:
    """People read "sent by" as they read From."""
    header = "From: anna@clinic.example\r\n{}: {}@clinic.example\r\n\r\nx\r\n"
    refused, _, _ = await rig.take(header.format(field, "ben").encode(), peer=ANNA, sender="")
    assert str(refused).startswith(f"550 5.7.1 The {field} address ben@clinic.example does not belong")
    taken, _, _ = await rig.take(header.format(field, "anna").encode(), peer=ANNA, sender="")
    assert taken.code == 250


async def test_anything_can_be_allowed(make_rig: MakeRig) -> None:
    rig = await make_rig(with_smtp(user_from=FromCheck.ALLOW))
    reply, _, body = await rig.take(b"From: ben@clinic.example\r\n\r\nx\r\n", peer=ANNA, sender="")
    assert reply.code == 250 and message_from_bytes(body)["Sender"] is None


@pytest.mark.parametrize(
    ("peer", "sender", "author", "marked"),
    [
        (OUTSIDE, "ben@clinic.example", "ben@far.example", True),
        (OUTSIDE, "list-bounces@world.example", "ben@second.example", True),
        (PROVIDER, "", "ben@clinic.example", True),
        (replace(LAN, interface="ppp0"), "ben@clinic.example", "x@far.example", True),
        (OUTSIDE, "a@world.example", "a@world.example", False),
        (LAN, "ben@clinic.example", "ben@clinic.example", False),
        (ANNA, "anna@clinic.example", "anna@clinic.example", False),
    ],
)
async def test_a_stranger_with_an_address_of_ours_is_marked(
    rig: Rig, peer: Peer, sender: str, author: str, marked: bool
) -> None:
    reply, _, body = await rig.take(f"From: {author}\r\n\r\nx\r\n".encode(), peer=peer, sender=sender)
    found = message_from_bytes(body).get_all("X-Dialpost-Unverified", [])
    assert (reply.code, len(found)) == (250, int(marked))


async def test_a_stranger_with_an_address_of_ours_can_be_refused_or_let_alone(make_rig: MakeRig) -> None:
    refusing = await make_rig(with_smtp(own_senders=OwnSenders.REFUSE))
    reply, _, _ = await refusing.take(b"From: x@far.example\r\n\r\n", sender="ben@clinic.example")
    assert str(reply).startswith("550 5.7.1")
    assert (await refusing.take(b"From: ben@clinic.example\r\n\r\n", peer=LAN))[0].code == 250
    allowing = await make_rig(with_smtp(own_senders=OwnSenders.ALLOW))
    _, _, body = await allowing.take(b"From: ben@clinic.example\r\n\r\n")
    assert b"Unverified" not in body


# The trusted line


async def test_the_provider_on_a_trusted_line_is_offered_no_tls_and_nobody_else_goes_without(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(replace(CONFIG, ppp=replace(CONFIG.ppp, trusted_line=True)))
    provider, offers = Peer("10.64.0.1", Listener.MX, interface="ppp0"), rig.intake.offers_tls
    assert offers(provider), "no line is up"
    rig.trust.line_up(PppUp("ppp0", "10.64.0.2", "10.64.0.1"))
    assert not offers(provider)
    assert offers(replace(provider, interface="eth0")), "the LAN, under the provider's address"
    assert offers(replace(provider, interface="")), "the kernel does not tell"
    assert offers(replace(provider, address="203.0.113.5")), "the internet behind the provider"
    assert offers(replace(provider, listener=Listener.SUBMISSION)), "a user's password needs it"
    assert offers(LAN) and offers(replace(PROVIDER, interface="eth0"))
    rig.trust.line_down()
    assert offers(provider)


async def test_a_handshake_counts_where_it_is_the_lines(rig: Rig) -> None:
    for peer in (
        PROVIDER,
        LAN,
        replace(PROVIDER, listener=Listener.SUBMISSION),
        replace(OUTSIDE, interface="ppp0"),
    ):
        rig.intake.shook_hands(peer, TlsCost(1, 0, 1739))
    assert rig.activity.tls_cost == TlsCost(2, 0, 2 * 1739)
