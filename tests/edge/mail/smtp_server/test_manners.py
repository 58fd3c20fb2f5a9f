"""Peers that want too much, too often, or something else than mail: refused names, floods, idlers, HTTP."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener
from dialpost.core.mail.smtp_commands import speaks_something_else
from dialpost.edge.mail.smtp_server import dialogue
from dialpost.edge.mail.smtp_server.lines import wire_reply
from dialpost.flow.mail.incoming.connection_pools import GAVE_WAY
from fuzzing import inputs
from smtp_door import NotingPolicy, door, eventually, server_tls

NO_USER = Reply(550, ("No such mailbox here",), "5.1.1")
HELLO = ("EHLO x.example", "MAIL FROM:<a@world.example>")
GONE = b"421 4.7.0 This is a mail server, and that is not SMTP: closing the connection\r\n"


# Refused names


async def test_who_tries_names_is_shown_the_door() -> None:
    policy = NotingPolicy()
    policy.refusals = {"rcpt": NO_USER}
    async with door(policy, max_refusals=10) as connect:
        client = await connect()
        await client.talk(*HELLO)
        client.send("".join(f"RCPT TO:<u{number}@clinic.example>\r\n" for number in range(5000)))
        answers = (await client.rest()).decode().splitlines()
    assert [line[:9] for line in answers] == ["550 5.1.1"] * 10 + ["421 4.7.0"]
    assert policy.pauses == 10
    assert policy.connections == 0


async def test_a_message_taken_now_and_then_does_not_wipe_out_the_refusals() -> None:
    policy = NotingPolicy()
    async with door(policy, max_refusals=10) as connect:
        client = await connect()
        await client.talk(HELLO[0])
        for _ in range(5):
            policy.refusals = {"rcpt": NO_USER}
            await client.talk(HELLO[1], *["RCPT TO:<u@clinic.example>"] * 2)
            policy.refusals = {}
            if _ < 4:
                await client.talk("RCPT TO:<anna@clinic.example>", "DATA", "x\r\n.")
        assert (await client.rest()).startswith(b"421 4.7.0 Too many refused")
    assert len(policy.contents) == 4


async def test_addresses_that_can_not_exist_count_as_refused_not_as_wrong_commands() -> None:
    policy = NotingPolicy()
    async with door(policy, max_errors=3) as connect:
        client = await connect()
        replies = await client.talk(*HELLO, *["RCPT TO:<a b@clinic..example>", "RCPT TO:<x@>"] * 4)
    assert len(replies) == 10
    assert policy.pauses > 0


async def test_the_provider_hands_on_as_many_as_it_likes() -> None:
    policy = NotingPolicy()
    policy.refusals, policy.pause_s = {"rcpt": NO_USER}, None
    async with door(policy, max_refusals=10) as connect:
        client = await connect()
        replies = await client.talk(*HELLO, *["RCPT TO:<gone@clinic.example>"] * 200, "NOOP")
    assert replies[-1] == "250 2.0.0 Ok"


async def test_a_refusal_that_waits_lets_the_answers_before_it_go_and_can_be_ended() -> None:
    policy = NotingPolicy()
    policy.refusals, policy.pause_s = {"rcpt": NO_USER}, 3600.0
    async with door(policy) as connect:
        client = await connect()
        client.send("\r\n".join((*HELLO, "RCPT TO:<u@clinic.example>")) + "\r\n")
        await client.reply()
        assert (await client.reply())[0].startswith("250 2.1.0")
        await eventually(lambda: policy.pauses == 1 and policy.callers[0].is_waiting)
        policy.callers[0].give_way(GAVE_WAY)
        assert await client.rest() == wire_reply(GAVE_WAY)
    assert policy.connections == 0


# Those who hold a place


async def test_an_idle_client_that_gives_way_hears_why() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        (caller,) = policy.callers
        await eventually(lambda: caller.is_idle)
        await client.talk(*HELLO)
        assert caller.is_waiting and not caller.is_idle
        await client.talk("RSET")
        caller.give_way(GAVE_WAY)
        assert await client.rest() == wire_reply(GAVE_WAY)
    assert policy.connections == 0


async def test_who_never_shakes_hands_gives_way_too() -> None:
    policy = NotingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        _, writer = await asyncio.open_connection("127.0.0.1", connect.port)
        await eventually(lambda: policy.callers and policy.callers[0].is_idle)
        policy.callers[0].give_way(GAVE_WAY)
        await eventually(lambda: policy.connections == 0)
        writer.close()


async def test_noop_does_not_hold_a_place_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each NOOP comes in time; all the same the client gets nowhere."""
    policy = NotingPolicy()
    async with door(policy, command_timeout_s=300) as connect:
        client = await connect()
        (caller,) = policy.callers
        await client.talk("NOOP")
        caller.progress_s -= dialogue._MOST_WAITS * 300 - 0.2  # as long ago as it may be
        client.send("NOOP\r\n")
        assert (await client.rest()).endswith(b"421 4.4.2 Timeout: closing the connection\r\n")


async def test_a_message_taken_is_getting_somewhere() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        before_s = policy.callers[0].progress_s = -1.0
        policy.callers[0].progress_s = asyncio.get_running_loop().time() - 1000
        before_s = policy.callers[0].progress_s
        await client.talk(*HELLO, "RCPT TO:<anna@clinic.example>", "DATA", "x\r\n.")
        assert policy.callers[0].progress_s > before_s + 900


async def test_commands_that_lead_nowhere_count_as_wrong_beyond_a_hundred() -> None:
    async with door(NotingPolicy(), max_errors=5) as connect:
        client = await connect()
        client.send("NOOP\r\n" * 500)
        answers = (await client.rest()).decode().splitlines()
    assert answers == ["250 2.0.0 Ok"] * 105 + ["421 4.7.0 Too many errors: closing the connection"]


# Fairness


@pytest.mark.parametrize("what", [b"NOOP\r\n", b"RCPT TO:<anna@clinic.example>\r\n"])
async def test_one_clients_pipelined_flood_lets_the_others_have_their_turn(what: bytes) -> None:
    policy = NotingPolicy()
    async with door(policy, max_errors=1_000_000, max_commands=1_000_000, max_recipients=10_000) as connect:
        flooder, other = await connect(), await connect()
        await flooder.talk(*HELLO)
        flood = policy.callers[0]
        flood.data_received(what * 40_000)
        assert await other.talk("NOOP") == ["250 2.0.0 Ok"]
        assert len(flood._input) > len(what) * 10_000  # it had no more than its own turn
        flood.cut()


async def test_content_that_came_ahead_lets_the_others_have_their_turn() -> None:
    policy = NotingPolicy()
    policy.keeps_content = False
    async with door(policy) as connect:
        client = await connect()
        await client.talk(*HELLO, "RCPT TO:<anna@clinic.example>", "DATA")
        (caller,) = policy.callers
        turns = []

        async def tick() -> None:
            while not policy.sinks[0].size > 20_000_000:
                turns.append(policy.sinks[0].size)
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        caller.data_received(b"\r\n" * 12_000_000)
        await ticking
        assert len(set(turns)) > 10
        caller.cut()


# Something else than SMTP

HTTP = (
    b"POST / HTTP/1.1\r\nHost: mail.clinic.example:25\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n"
    b"EHLO x\r\nMAIL FROM:<a@world.example>\r\nRCPT TO:<anna@clinic.example>\r\n"
    b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
)


async def test_a_tab_behind_the_verb_is_no_other_protocol() -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        answers = await client.talk("EHLO\tx.example", "MAIL\tFROM:<a@world.example>")
        assert [answer[:3] for answer in answers[-1:]] == ["250"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"PUT /x HTTP/1.1",
        b"CONNECT a.example:25 HTTP/1.1",
        b"get /",
        b"DELETE /x",
        b"PRI * HTTP/2.0",
        b"OPTIONS sip:a@b SIP/2.0",
        b"FROB / HTTP/1.1",
        b"\x16\x03\x01\x02\x00",
        b"SSH-2.0-OpenSSH_10.0",
        b"Host: x",
        b"GET /" + b"x" * 3000 + b" HTTP/1.1",
        b"GET /" + b"x" * 30_000,
        b"",
        b"*1",
        b"\x00\x01",
        b'{"id":1}',
        b"USER anna",
        b"FROB",
    ],
    ids=lambda line: repr(line[:20]),
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
async def test_another_protocol_is_shut_out_before_it_has_said_anything_else(
    request_line: bytes, line_end: bytes
) -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        client.send(request_line + line_end + HTTP.partition(b"\r\n")[2])
        assert await client.rest() == GONE
    assert policy.of("mail") == []
    assert policy.of("refused") == [("session", GONE.decode().strip())]
    assert policy.connections == 0


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"Content-Length: 99", b"POST x", b"X-Forwarded-For: a"])
async def test_it_is_shut_out_later_as_well(line: bytes) -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x")
        client.send(line + b"\r\nMAIL FROM:<a@world.example>\r\n")
        assert await client.rest() == GONE
    assert policy.of("mail") == []


@cases(
    "line",
    [
        b"MAIL FROM:<a@b.example>",
        b"rcpt to: <a@b.example>",
        b"EHLO [IPv6:::1]",
        b"NOOP HTTP",
        b"HELP GET",
        b"WHAT",
        b"XCLIENT ADDR=x",
        b"",
        b"VRFY <a:b@c>",
    ],
)
def test_what_smtp_says_is_never_taken_for_something_else(line: bytes) -> None:
    assert not speaks_something_else(line)


@given(st.binary(max_size=60))
def test_any_line_can_be_looked_at(line: bytes) -> None:
    speaks_something_else(line)


async def test_vrfy_needs_a_name() -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        replies = await client.talk("VRFY", "VRFY ", "VRFY anna")
    assert [reply[:9] for reply in replies] == ["501 5.5.4", "501 5.5.4", "252 2.5.2"]


# What comes back


@settings(max_examples=inputs(200), deadline=None)
@given(st.text(max_size=1000), st.text(max_size=20))
def test_no_answer_repeats_what_a_terminal_would_obey(text: str, more: str) -> None:
    raw = wire_reply(Reply(501, (text, more), "5.5.4"))
    lines = raw.decode("ascii").split("\r\n")
    assert len(lines) == 3 and lines[2] == ""
    assert all(line.isprintable() and len(line) <= 510 for line in lines)


@pytest.mark.parametrize(
    "parameter",
    ["AUTH=<\x1b[31m>", "\x1b]0;x\x07", "X=\x00", "ENVID=\x9b31m", "SIZE=\u202e1", "RET=\x08", "\x7f=1"],
)
@pytest.mark.parametrize("command", ["MAIL FROM:<a@world.example>", "RCPT TO:<anna@clinic.example>"])
async def test_bad_parameters_do_not_come_back_raw(command: str, parameter: str) -> None:
    async with door(NotingPolicy()) as connect:
        client = await connect()
        await client.talk("EHLO x.example", *[HELLO[1]] * command.startswith("RCPT"))
        client.send(f"{command} {parameter}\r\n".encode())
        (answer,) = await client.reply()
    assert answer[:3] in {"501", "555"} and answer.isascii() and answer.isprintable()
