"""The SMTP server's dialogue on a real socket: extensions, order, limits, bad input, clients that vanish."""

import asyncio
import contextlib
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialpost.core.config.mail import SmtpConfig
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener, Peer, Turn, Wire
from dialpost.edge.mail.smtp_server import connection, dialogue
from fakes import leap
from fuzzing import SLOW_IS_NO_FAULT, inputs
from known import is_a
from smtp_door import Client, NotingPolicy, client_tls, door, eventually, server_tls

ANNA = "RCPT TO:<anna@clinic.example>"
MAIL = ("EHLO x.example", "MAIL FROM:<a@world.example>", ANNA)
TAKEN = "250 2.0.0 Ok: queued as D0000001"


async def codes(client: Client, count: int) -> list[str]:
    return [(await client.reply())[-1][:3] for _ in range(count)]


# What is offered


@pytest.mark.parametrize(
    ("listener", "tls", "more"),
    [
        (Listener.MX, False, []),
        (Listener.MX, True, ["STARTTLS"]),
        (Listener.SUBMISSION, True, ["STARTTLS"]),
        (Listener.SUBMISSIONS, True, ["AUTH PLAIN LOGIN"]),
    ],
)
async def test_what_ehlo_offers(listener: Listener, tls: bool, more: list[str]) -> None:
    async with door(NotingPolicy(), listener=listener, tls=server_tls() if tls else None) as connect:
        client = await connect()
        client.send("EHLO x.example\r\n")
        lines = await client.reply()
    offered = ["mail.clinic.example", "PIPELINING", "SIZE 26214400", *more]
    offered += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
    assert [line[4:] for line in lines] == offered


@pytest.mark.parametrize("listener", [Listener.MX, Listener.SUBMISSION])
async def test_a_peer_that_the_policy_offers_no_tls_gets_none_nor_a_login(listener: Listener) -> None:
    policy = NotingPolicy()
    policy.has_tls = False
    async with door(policy, listener=listener, tls=server_tls()) as connect:
        client = await connect()
        client.send("EHLO x.example\r\n")
        assert {"250-STARTTLS", "250-AUTH PLAIN LOGIN"}.isdisjoint(await client.reply())
        assert await client.talk("STARTTLS", "AUTH PLAIN AGFubmEAcmlnaHQ=", "NOOP") == [
            "502 5.5.1 TLS is not available at the moment",
            "538 5.7.11 Encryption required to log in",
            "250 2.0.0 Ok",
        ]
    assert policy.of("login") == []


async def test_tls_that_was_offered_is_not_refused_because_the_line_was_trusted_meanwhile() -> None:
    """As when ETRN reaches the host from which this connection came a moment ago."""
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        client.send("EHLO x.example\r\n")
        assert "250-STARTTLS" in await client.reply()
        policy.has_tls = False
        await client.starttls()
        assert await client.talk("NOOP") == ["250 2.0.0 Ok"]


class NotingTurn:
    def works(self, declared_bytes: int, wire: Wire) -> None:
        pass

    def rests(self) -> None:
        pass

    def done(self) -> None:
        pass


class WaitingPolicy(NotingPolicy):
    """The connections wait for their turn on the line until `may_come`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_come, self.turns = asyncio.Event(), asyncio.Event(), 0

    async def turn(self, peer: Peer) -> Turn | None:
        self.asked.set()
        await self.may_come.wait()
        self.turns += 1
        return NotingTurn()


async def test_without_tls_the_first_message_waits_for_the_turn_and_no_other() -> None:
    """Greeting and EHLO cost next to nothing, and are over when the turn comes."""
    policy = WaitingPolicy()
    async with door(policy) as connect:
        client = await connect()
        assert await client.talk("EHLO x.example") == ["250 CHUNKING"]
        assert not policy.asked.is_set()
        client.send("".join(f"{line}\r\n" for line in (*MAIL[1:], "DATA")))
        await eventually(policy.asked.is_set)
        assert policy.of("mail") == []
        policy.may_come.set()
        assert await codes(client, 3) == ["250", "250", "354"]
        said = await client.talk("Hello\r\n.", *MAIL[1:], "RSET")
        assert [reply[:3] for reply in said] == ["250"] * 4
    assert policy.turns == 1


async def test_a_client_that_leaves_while_it_waits_for_its_turn_begins_no_message() -> None:
    policy = WaitingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x.example")
        client.send("MAIL FROM:<a@world.example>\r\n")
        await eventually(policy.asked.is_set)
        client.writer.write_eof()
        (caller,) = policy.callers
        await eventually(lambda: caller.is_at_end)
        policy.may_come.set()
        assert await client.rest() == b""
    assert policy.of("mail") == []


@pytest.mark.parametrize("offers_tls", [False, True])
async def test_a_client_that_waits_for_its_turn_is_sent_away_when_the_station_stops(offers_tls: bool) -> None:
    """Nothing is being prepared for it, so the stop doesn't wait, and it gets 421."""
    policy = WaitingPolicy()
    async with door(policy, tls=server_tls() if offers_tls else None) as connect:
        client = await connect(greeted=not offers_tls)
        if not offers_tls:
            await client.talk("EHLO x.example")
            client.send("MAIL FROM:<a@world.example>\r\n")
        await eventually(policy.asked.is_set)
        await connect.server.close()
        assert (await client.rest()).startswith(b"421 ")


async def test_where_a_handshake_may_come_the_greeting_waits_for_the_turn() -> None:
    """A handshake takes as much of the line as a small message."""
    policy = WaitingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect(greeted=False)
        await eventually(policy.asked.is_set)
        client.send("EHLO x.example\r\n")
        (caller,) = policy.callers
        await eventually(lambda: caller.has_input)
        policy.may_come.set()
        assert await codes(client, 2) == ["220", "250"]


async def test_where_tls_comes_first_nothing_of_it_waits_for_the_turn() -> None:
    """What a client says while it waits would be lost to the handshake."""
    policy = WaitingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        assert await (await connect()).talk("EHLO x.example") == ["250 CHUNKING"]
    assert not policy.asked.is_set()


async def test_a_reply_does_not_wait_until_the_one_before_is_acknowledged() -> None:
    async with door(NotingPolicy()) as connect:
        await connect()
        [served] = connect.server._running.connections
        sock = served._wire.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_commands_that_send_no_mail() -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        replies = await client.talk(
            "NOOP x", "VRFY anna", "EXPN staff", "ETRN clinic.example", "TURN", "HELP", "noop", "WHAT", "QUIT"
        )
        assert await client.rest() == b""
    assert [reply[:9] for reply in replies] == [
        "250 2.0.0",
        "252 2.5.2",
        "502 5.5.1",
        "502 5.5.1",
        "502 5.5.1",
        "214 2.0.0",
        "250 2.0.0",
        "500 5.5.2",
        "221 2.0.0",
    ]


async def test_commands_out_of_order() -> None:
    async with door(NotingPolicy(), max_errors=100) as connect:
        client = await connect()
        replies = await client.talk(
            "MAIL FROM:<a@world.example>",
            "EHLO",
            *MAIL[:1],
            ANNA,
            "DATA",
            MAIL[1],
            MAIL[1],
            "DATA",
            "DATA x",
            "BDAT x",
            "STARTTLS",
            "RSET x",
            "RSET",
            ANNA,
        )
    assert [reply[:9] for reply in replies] == [
        "503 5.5.1",
        "501 5.5.4",
        "250 CHUNK",
        "503 5.5.1",
        "503 5.5.1",
        "250 2.1.0",
        "503 5.5.1",
        "503 5.5.1",
        "501 5.5.4",
        "501 5.5.4",
        "502 5.5.1",
        "501 5.5.4",
        "250 2.0.0",
        "503 5.5.1",
    ]


async def test_helo_and_ehlo_forget_the_message_under_way() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL)
        assert (await client.talk("HELO y.example", "DATA"))[1].startswith("503")
        await client.talk("MAIL FROM:<b@world.example>", ANNA, "DATA", "hello\r\n.")
    assert [(peer.helo, peer.protocol) for peer, _, _ in policy.of("mail")] == [
        ("x.example", "ESMTP"),
        ("y.example", "SMTP"),
    ]
    assert policy.sinks[0].envelope.sender == "b@world.example"


# The envelope


async def test_the_policy_hears_who_was_let_through_so_far() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL, "RCPT TO:<ben@clinic.example>", "DATA", "hello\r\n.")
    assert [[r.address for r in envelope.recipients] for envelope, _ in policy.of("rcpt")] == [
        [],
        ["anna@clinic.example"],
    ]
    assert [r.address for r in policy.sinks[0].envelope.recipients] == [
        "anna@clinic.example",
        "ben@clinic.example",
    ]


async def test_a_refusal_of_the_policy_is_passed_on_as_it_is() -> None:
    policy = NotingPolicy()
    policy.refusals = {"rcpt": Reply(550, ("No", "such user"), "5.1.1")}
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL[:2])
        client.send(ANNA + "\r\n")
        assert await client.reply() == ["550-5.1.1 No", "550 5.1.1 such user"]
        assert (await client.talk("DATA"))[0] == "554 5.5.1 No valid recipients"


async def test_ten_thousand_recipients_each_get_an_answer() -> None:
    policy = NotingPolicy()
    async with door(policy, max_recipients=500) as connect:
        client = await connect()
        await client.talk(*MAIL[:2])
        client.send("".join(f"RCPT TO:<u{number}@clinic.example>\r\n" for number in range(10_000)))
        replies = [(await client.reply())[0] for _ in range(10_000)]
        assert (
            replies
            == ["250 2.1.5 Ok"] * 500 + ["452 4.5.3 Too many recipients: send the rest in another message"] * 9500
        )
        assert (await client.talk("DATA", "hello\r\n."))[1] == TAKEN
    assert len(policy.sinks[0].envelope.recipients) == 500


async def test_many_messages_without_a_valid_recipient_are_no_wrong_commands() -> None:
    """A provider that pipelines mail for users who are gone is not shown the door."""
    policy = NotingPolicy()
    policy.refusals = {"rcpt": Reply(550, ("no",), "5.1.1")}
    async with door(policy, max_errors=3) as connect:
        client = await connect()
        await client.talk(*MAIL[:1])
        for _ in range(10):
            client.send("\r\n".join((*MAIL[1:], "DATA", "RSET")) + "\r\n")
            assert await codes(client, 4) == ["250", "550", "554", "250"]


async def test_smtputf8_must_be_asked_for() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        replies = await client.talk(
            "EHLO x.example",
            "MAIL FROM:<jürgen@world.example>",
            "MAIL FROM:<jürgen@world.example> SMTPUTF8",
            "RCPT TO:<änna@clinic.example>",
        )
        client.send(b"RCPT TO:<\xff@clinic.example>\r\n")
        replies += [(await client.reply())[0]]
    assert [reply[:9] for reply in replies[1:]] == ["550 5.6.7", "250 2.1.0", "250 2.1.5", "501 5.5.2"]
    assert policy.of("mail")[0][0].protocol == "UTF8SMTP"


# Size


async def test_too_large_is_said_at_mail_where_size_tells() -> None:
    policy = NotingPolicy()
    async with door(policy, max_message_bytes=65_536) as connect:
        client = await connect()
        replies = await client.talk(
            MAIL[0], MAIL[1] + " SIZE=65537", MAIL[1] + " SIZE=99999999999999999999", MAIL[1] + " SIZE=65536"
        )
    assert [reply[:9] for reply in replies[1:]] == ["552 5.3.4", "552 5.3.4", "250 2.1.0"]


@pytest.mark.parametrize(("size", "expected"), [(65_536, "250"), (65_537, "552"), (2_000_000, "552")])
@pytest.mark.parametrize("way", ["DATA", "BDAT", "chunks"])
async def test_too_large_content_is_read_to_its_end_and_refused(size: int, expected: str, way: str) -> None:
    policy = NotingPolicy()
    content = (b"x" * 62 + b"\r\n") * (size // 64) + b"y" * (size % 64)
    if way == "DATA":
        content = content[:-2] + b"\r\n"
    async with door(policy, max_message_bytes=65_536) as connect:
        client = await connect()
        await client.talk(*MAIL)
        if way == "DATA":
            await client.talk("DATA")
            client.send(content + b".\r\n")
        elif way == "BDAT":
            client.send(b"BDAT %d LAST\r\n" % size + content)
        else:
            client.send(b"BDAT %d\r\n" % (size - 5) + content[:-5] + b"BDAT 5 LAST\r\n" + content[-5:])
            await client.reply()
        broken_before = way == "chunks" and size == 2_000_000
        assert (await client.reply())[0][:3] == ("503" if broken_before else expected)
        assert (await client.talk("RSET", *MAIL[1:], "DATA", "again\r\n."))[-1] == TAKEN
    assert policy.contents == [*([content] if expected == "250" else []), b"again\r\n"]


# CHUNKING


async def test_chunks_make_one_message_byte_for_byte() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL)
        client.send(b"BDAT 7\r\none\r\n.\rBDAT 3\r\n\n..BDAT 0 LAST\r\nNOOP\r\n")
        assert [(await client.reply())[0] for _ in range(4)] == [
            "250 2.0.0 7 bytes received",
            "250 2.0.0 3 bytes received",
            TAKEN,
            "250 2.0.0 Ok",
        ]
    assert policy.contents == [b"one\r\n.\r\n.."]


async def test_data_and_bdat_do_not_mix() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL)
        client.send(b"BDAT 3\r\nabc")
        await client.reply()
        replies = await client.talk("DATA", ANNA, MAIL[1], "RSET", *MAIL[1:])
    assert [reply[:3] for reply in replies] == ["503", "503", "503", "250", "250", "250"]
    assert [sink.fate for sink in policy.sinks] == ["aborted"]


@pytest.mark.parametrize("fault", ["no mail", "no recipient", "refused", "exception"])
async def test_a_chunk_that_can_not_be_used_is_thrown_away(fault: str) -> None:
    policy = NotingPolicy()
    if fault == "refused":
        policy.refusals = {"begin": Reply(452, ("full",), "4.3.1")}
    elif fault == "exception":
        policy.errors = {"begin": RuntimeError("x")}
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*{"no mail": MAIL[:1], "no recipient": MAIL[:2]}.get(fault, MAIL))
        client.send(b"BDAT 6\r\nQUIT\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        first = {"refused": "452", "exception": "451"}.get(fault, "503")
        assert await codes(client, 4) == [first, "503", "503", "250"]


# Logins


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["AUTH PLAIN AGFubmEAcmlnaHQ="], "235 2.7.0"),
        (["auth plain", "AGFubmEAcmlnaHQ="], "235 2.7.0"),
        (["AUTH PLAIN YW5uYQBhbm5hAHJpZ2h0"], "235 2.7.0"),  # for oneself
        (["AUTH LOGIN", "YW5uYQ==", "cmlnaHQ="], "235 2.7.0"),
        (["AUTH LOGIN YW5uYQ==", "cmlnaHQ="], "235 2.7.0"),
        (["AUTH LOGIN YW5uYQ==", "d3Jvbmc="], "535 5.7.8"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN !!!"], "501 5.5.2"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN AGFubmE="], "501 5.5.2"),
        (["AUTH PLAIN AP8AcmlnaHQ="], "501 5.5.2"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
    ],
)
async def test_logins(lines: list[str], expected: str) -> None:
    async with door(NotingPolicy(), listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        client = await connect()
        replies = await client.talk("EHLO x.example", *lines)
        assert replies[-1].startswith(expected)
        mail = (await client.talk("MAIL FROM:<a@clinic.example>"))[0]
        assert mail[:3] == ("250" if expected == "235 2.7.0" else "530")


async def test_plain_tells_the_policy_for_whom_it_is() -> None:
    policy = NotingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        client = await connect()
        await client.talk("EHLO x.example", "AUTH PLAIN YmVuAGFubmEAcmlnaHQ=")
    assert policy.of("login") == [("anna", "right", "ben")]


async def test_a_login_on_port_25_after_starttls() -> None:
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        await client.talk(*MAIL)
        await client.starttls()
        replies = await client.talk(ANNA, MAIL[1], "EHLO x.example", "AUTH PLAIN AGFubmEAcmlnaHQ=", MAIL[1])
        assert [reply[:3] for reply in replies] == ["503", "503", "250", "235", "250"]
        [cost] = policy.tls_costs
        assert (cost.handshakes, cost.resumed) == (1, 0) and 1500 < cost.bytes < 8000
        assert (await client.talk("RSET", "STARTTLS", "AUTH PLAIN AGFubmEAcmlnaHQ="))[1:] == [
            "503 5.5.1 TLS is not available at the moment",
            "503 5.5.1 Not now: a message is in progress",
        ]
    assert [peer.protocol for peer, _, _ in policy.of("mail")] == ["ESMTP", "ESMTPSA"]


async def test_a_handshake_whose_bytes_are_unknown_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, counts = NotingPolicy(), iter((500, 0))
    monkeypatch.setattr(dialogue, "carried_bytes", lambda sock: next(counts))
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        await client.talk(MAIL[0])
        await client.starttls()
        await client.talk(MAIL[0])
    assert [(cost.handshakes, cost.bytes) for cost in policy.tls_costs] == [(1, 0)]


async def test_submission_wants_tls_then_a_login() -> None:
    async with door(NotingPolicy(), listener=Listener.SUBMISSION, tls=server_tls()) as connect:
        client = await connect()
        assert (await client.talk(*MAIL[:2]))[1] == "530 5.7.0 Must issue a STARTTLS command first"
        await client.starttls()
        assert (await client.talk(*MAIL[:2]))[1] == "530 5.7.0 Authentication required"


async def test_plain_text_after_starttls_is_forgotten() -> None:
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        await client.talk("EHLO x.example")
        client.send("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<injected@world.example>\r\n")
        assert (await client.reply())[0].startswith("220")
        await client.writer.start_tls(client_tls())
        assert (await client.talk(ANNA, "NOOP")) == ["503 5.5.1 Send MAIL first", "250 2.0.0 Ok"]
    assert policy.of("mail") == []


async def test_a_broken_handshake_ends_only_that_connection() -> None:
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        await client.talk("STARTTLS")
        client.send(b"this is no TLS\r\n" * 10)
        with contextlib.suppress(ConnectionError):
            await client.rest()
        await eventually(lambda: policy.connections == 0)
        assert (await (await connect()).talk("NOOP"))[0].startswith("250")


# Bad input


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"NOOP\n", "500 5.5.2 Lines must end in CRLF"),
        (b"\r\n", "500 5.5.2 Unknown command"),
        (b"\x00\x01\xff\r\n", "500 5.5.2 Unknown command"),
        (b"\xff\xfe\r\n", "500 5.5.2 Unknown command"),
        (b"N" * 3000 + b"\r\n", "500 5.5.2 The line is too long"),
        (b"N" * 3_000_000 + b"\r\n", "500 5.5.2 The line is too long"),
        (b"EHLO a\rb\r\n", "501 5.5.4 Give your host name"),
        (b"HELO \xff\xff\r\n", "250 mail.clinic.example"),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_garbage_gets_one_answer_and_the_dialogue_stays_in_step(line: bytes, expected: str) -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        client.send(b"NOOP\r\n" + line + b"NOOP\r\n")
        assert [(await client.reply())[-1] for _ in range(3)] == ["250 2.0.0 Ok", expected, "250 2.0.0 Ok"]


async def test_too_many_wrong_commands_end_the_connection() -> None:
    async with door(NotingPolicy(), max_errors=3) as connect:
        client = await connect()
        assert await client.talk("NOOP", "A", "B") == ["250 2.0.0 Ok"] + ["500 5.5.2 Unknown command"] * 2
        client.send("C\r\n")
        assert (await client.rest()).decode().splitlines() == [
            "500 5.5.2 Unknown command",
            "421 4.7.0 Too many errors: closing the connection",
        ]


async def test_too_many_commands_end_the_connection() -> None:
    async with door(NotingPolicy(), max_commands=100) as connect:
        client = await connect()
        client.send("NOOP\r\n" * 100)
        answers = (await client.rest()).decode().splitlines()
    assert answers == ["250 2.0.0 Ok"] * 100 + ["421 4.7.0 Too many commands: closing the connection"]


@pytest.mark.parametrize("start", ["", "NO", "AUTH"])
async def test_slowloris_in_a_command(start: str) -> None:
    """One byte now and then does not keep a connection: the whole line has its time."""
    policy = NotingPolicy()
    async with door(policy, command_timeout_s=1) as connect:
        client = await connect()

        async def drip() -> None:
            while True:
                client.send(b"x")
                await asyncio.sleep(0.1)

        client.send(start)
        dripping = asyncio.create_task(drip()) if start else None
        assert (await client.reply())[0].startswith("421 4.4.2")
        if dripping:
            dripping.cancel()
        await eventually(lambda: policy.connections == 0)


async def test_slowloris_that_never_reads() -> None:
    policy = NotingPolicy()
    async with door(policy, command_timeout_s=1) as connect:
        client = await connect()
        is_a(asyncio.Transport, client.writer.transport).pause_reading()
        client.send("HELP\r\n" * 200_000)
        async with asyncio.timeout(60):
            await eventually(lambda: policy.connections == 0)


async def test_a_connection_not_let_in_hears_why() -> None:
    policy = NotingPolicy()
    policy.refusals = {"connected": Reply(421, ("Too many",), "4.7.0")}
    async with door(policy) as connect:
        client = await connect(greeted=False)
        assert await client.rest() == b"421 4.7.0 Too many\r\n"
    assert policy.connections == 0


async def test_a_client_that_vanishes_at_any_byte_leaves_nothing() -> None:
    dialogue = "\r\n".join((*MAIL, "DATA", "Subject: x", "", "hello", ".")).encode()  # the last CRLF is missing
    policy = NotingPolicy()
    async with door(policy) as connect:
        for end in range(0, len(dialogue) + 1, 3):
            client = await connect()
            client.send(dialogue[:end])
            await client.writer.drain()
            if end % 2:
                client.vanish()
            else:
                client.writer.close()
        await eventually(lambda: policy.connections == 0)
    assert {sink.fate for sink in policy.sinks} == {"aborted"}


async def test_going_down_says_421_and_waits_for_the_commit_and_its_answer() -> None:
    policy = NotingPolicy()
    policy.may_finish = may_finish = asyncio.Event()
    async with door(policy) as connect:
        idle, busy = await connect(), await connect()
        await busy.talk(*MAIL, "DATA")
        busy.send("hello\r\n.\r\n")
        await policy.finishing.wait()
        closing = asyncio.create_task(connect.server.close())
        assert (await idle.rest()).startswith(b"421 4.3.2")
        assert not closing.done()
        may_finish.set()
        assert (await busy.rest()).decode().splitlines() == [
            TAKEN,
            "421 4.3.2 The station is shutting down: try again later",
        ]
        await asyncio.wait_for(closing, 60)


async def test_the_last_reply_reaches_a_client_that_still_sends() -> None:
    async with door(NotingPolicy(), max_errors=3) as connect:
        client = await connect()
        client.send(b"NOOP\r\n" + b"WHAT\r\n" * 3)
        for _ in range(200):
            client.send(b"x" * 10_000)
            await asyncio.sleep(0)
        replies = (await client.rest()).decode().splitlines()
    assert [reply[:9] for reply in replies] == ["250 2.0.0"] + ["500 5.5.2"] * 3 + ["421 4.7.0"]


async def test_a_client_that_never_ends_is_cut_off() -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        assert (await client.talk("QUIT"))[0].startswith("221")
        assert connect.server._running.connections
        leap(connection._CLOSE_S)
        await eventually(lambda: not connect.server._running.connections)


async def closed(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_client_that_never_shakes_hands_holds_its_place_only_for_a_time() -> None:
    policy = NotingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        port = connect.port
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await eventually(lambda: policy.connections == 3)
        policy.refusals = {"connected": Reply(421, ("Too many",), "4.7.0")}
        late, late_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(late.read(), 60) == b""  # not let in, and no plain text where TLS is due
        policy.refusals = {}
        leap(SmtpConfig().command_timeout_s)
        for reader, _ in silent:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        await eventually(lambda: policy.connections == 0)
        await closed(*(writer for _, writer in silent), late_writer)
        assert (await (await connect()).talk("NOOP"))[0].startswith("250")


async def test_going_down_does_not_wait_for_a_handshake() -> None:
    policy = NotingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        reader, writer = await asyncio.open_connection("127.0.0.1", connect.port)
        await eventually(lambda: policy.connections == 1)
        await asyncio.wait_for(connect.server.close(), 60)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await closed(writer)
    assert policy.connections == 0


# Any split, any input


SCRIPT = (
    b"EHLO x.example\r\nMAIL FROM:<a@world.example> SIZE=10\r\nRCPT TO:<anna@clinic.example>\r\nNOOP\nDATA\r\n"
    b"..one\r\n.two\r\n\n.\n\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@clinic.example>\r\nBDAT 8\r\n\r\n.\r\nabc"
    b"BDAT 2 LAST\r\n\r\nMAIL FROM:<c@world.example>\r\nRCPT TO:<>\r\nDATA\r\nGARBAGE\r\nQUIT\r\n"
)
SCRIPT_CODES = ["250"] * 3 + ["500", "354"] + ["250"] * 6 + ["250", "501", "554", "500", "221"]
SCRIPT_CONTENTS = [b".one\r\ntwo\r\n\n.\n\r\n", b"\r\n.\r\nabc\r\n"]


async def run_split(cuts: list[int]) -> tuple[list[str], list[bytes]]:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        (session,) = connect.server._running.connections
        for start, end in zip([0, *cuts], [*cuts, len(SCRIPT)], strict=True):
            session.data_received(SCRIPT[start:end])
            await asyncio.sleep(0)
        answers = (await client.rest()).decode().splitlines()
    return [line[:3] for line in answers if line[3] == " "], policy.contents


async def test_the_dialogue_byte_by_byte() -> None:
    assert await run_split([]) == (SCRIPT_CODES, SCRIPT_CONTENTS)
    assert await run_split(list(range(1, len(SCRIPT)))) == (SCRIPT_CODES, SCRIPT_CONTENTS)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[*SLOW_IS_NO_FAULT, HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, len(SCRIPT) - 1), unique=True, max_size=12).map(sorted))
def test_the_dialogue_in_any_split(cuts: list[int]) -> None:
    assert asyncio.run(run_split(cuts)) == (SCRIPT_CODES, SCRIPT_CONTENTS)


WORDS = st.sampled_from(
    [
        b"EHLO x\r\n",
        b"HELO x\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"RCPT TO:<c@d.example>\r\n",
        b"DATA\r\n",
        b".\r\n",
        b"BDAT 4\r\n",
        b"BDAT 3 LAST\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN x\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"VRFY a\r\n",
        b"MAIL FROM:<a@b.example> SIZE=9 RET=HDRS\r\n",
        b"abc",
        b"QUIT\r\n",
    ]
)


@settings(max_examples=inputs(150), deadline=None)
@given(st.lists(st.one_of(WORDS, st.binary(max_size=30)), max_size=40))
def test_whatever_comes_every_answer_is_well_formed_and_nobody_is_left(pieces: list[bytes]) -> None:
    async def run() -> None:
        policy = NotingPolicy()
        async with door(policy, max_errors=1000) as connect:
            client = await connect()
            for piece in pieces:
                client.send(piece)
            client.writer.write_eof()
            answers = await client.rest()
            await eventually(lambda: policy.connections == 0)
        assert answers == b"" or answers.endswith(b"\r\n")
        for line in answers.decode("ascii").removesuffix("\r\n").split("\r\n") if answers else []:
            assert line[:3].isdigit() and line[3] in " -", line
            assert not line.startswith("451"), line
        assert all(sink.fate in {"done", "aborted"} for sink in policy.sinks)

    asyncio.run(run())


async def test_connections_whose_line_is_down_are_dropped_and_others_are_not() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*MAIL)
        connect.server.abort(lambda peer: peer.address == "192.0.2.1")
        assert (await client.talk("DATA"))[0].startswith("354")
        client.send("half a mess")
        connect.server.abort(lambda peer: peer.address == "127.0.0.1")
        with pytest.raises(ConnectionResetError):
            await client.rest()
        await eventually(lambda: policy.connections == 0)
    assert [sink.fate for sink in policy.sinks] == ["aborted"]


async def test_the_policy_learns_the_interface_a_peer_came_in_on() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO scanner", "MAIL FROM:<a@b.example>")
    assert [peer.interface for peer, _, _ in policy.of("mail")] == ["lo"]


async def test_names_without_a_domain_get_the_one_the_policy_tells() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO scanner")
        assert (await client.talk("MAIL FROM:<scanner>"))[0].startswith("553 5.1.7")
        policy.home_domain = "clinic.example"
        replies = await client.talk("MAIL FROM:<scanner>", "RCPT TO:<anna>", "RCPT TO: mie..k@far.example")
        assert [reply[:3] for reply in replies] == ["250", "250", "250"]
    assert [envelope.sender for _, envelope, _ in policy.of("mail")] == ["scanner@clinic.example"]
    assert [recipient.address for _, recipient in policy.of("rcpt")] == [
        "anna@clinic.example",
        '"mie..k"@far.example',
    ]
