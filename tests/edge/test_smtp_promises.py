"""What the server finds out about whether a client heard its 250, on real sockets."""

import asyncio

import pytest

from dialpost.edge.smtp_server.promises import all_acknowledged, is_reset
from smtp_door import NotingPolicy, door, eventually, server_tls

ENVELOPE = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"
CONTENT = b"Subject: x\r\n\r\nhello\r\n.\r\n"


async def hand_in(client, tls):
    """A message, command by command, up to its 250."""
    await client.talk("EHLO x")
    if tls:
        await client.starttls()
        await client.talk("EHLO x")
    await client.talk("MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")
    client.send(CONTENT)
    assert (await client.reply())[0].startswith("250")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(
    ("ending", "heard"),
    [("QUIT", "spoke"), ("RSET", "spoke"), ("close", "acknowledged"), ("reset", "acknowledged")],
)
async def test_what_a_client_does_next_tells_whether_it_heard(ending, heard, tls):
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        client = await connect()
        await hand_in(client, tls)
        if ending in {"QUIT", "RSET"}:
            await client.talk(ending)
        if ending == "reset":
            client.vanish()
        else:
            client.writer.close()
        await eventually(lambda: not connect.server._running.connections)
    assert [each for each in dict.fromkeys(policy.sinks[0].heard) if each != "left"] == [heard]


async def test_a_client_that_talks_ahead_proves_nothing_by_its_next_command():
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x")
        client.send(ENVELOPE + b"")
        for _ in range(3):
            await client.reply()
        client.send(CONTENT + b"RSET\r\n")
        assert [(await client.reply())[0][:3] for _ in range(2)] == ["250", "250"]
        await client.talk("QUIT")
        client.writer.close()
        await eventually(lambda: "left" in policy.sinks[0].heard)
    assert set(policy.sinks[0].heard) == {"acknowledged", "left"}


async def test_content_after_354_proves_what_was_said_before_it():
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x")
        client.send(ENVELOPE)
        for _ in range(3):
            await client.reply()
        client.send(CONTENT + ENVELOPE)
        for _ in range(4):
            await client.reply()
        assert "spoke" not in policy.sinks[0].heard
        client.send(CONTENT)
        await client.reply()
        assert policy.sinks[0].heard[-1] == "spoke" and "spoke" not in policy.sinks[1].heard


async def test_a_client_that_always_talks_ahead_costs_no_memory():
    policy = NotingPolicy()
    chunk = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 5 LAST\r\nA: b\n"
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x")
        for _ in range(10):
            client.send(10 * chunk)
            for _ in range(30):
                assert (await client.reply())[0].startswith("250")
        (connection,) = connect.server._running.connections
        assert len(connection.promises._given) + len(connection.promises._acknowledged) <= 32
        assert [sink.heard[-1:] for sink in policy.sinks[:60]] == 60 * [["left"]]


@pytest.mark.parametrize("how", ["closed before the answer", "line down before the answer"])
async def test_a_client_that_is_gone_before_its_answer_did_not_hear_it(how):
    policy = NotingPolicy()
    policy.may_finish = asyncio.Event()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")
        client.send(CONTENT)
        await policy.finishing.wait()
        if how == "closed before the answer":
            client.writer.close()
        else:
            connect.server.abort(lambda address: True)
        await eventually(lambda: policy.sinks[0].heard == ["left"])  # while the message is still made durable
        policy.may_finish.set()
        await eventually(lambda: not connect.server._running.connections)
    assert set(policy.sinks[0].heard) == {"left"}


async def test_a_client_that_closed_its_side_and_listens_hears():
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        client.send(b"HELO x\r\n" + ENVELOPE + CONTENT + b"QUIT\r\n")
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"221 2.0.0 Bye\r\n")
        await eventually(lambda: policy.sinks[0].heard[-1:] == ["left"] and "acknowledged" in policy.sinks[0].heard)


async def test_an_answer_that_was_no_250_is_no_promise():
    policy = NotingPolicy()
    policy.finish_reply = type(policy.finish_reply)(452, ("later",), "4.3.1")
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")
        client.send(CONTENT)
        assert (await client.reply())[0].startswith("452")
        await client.talk("QUIT")
    assert policy.sinks[0].heard == []


async def test_the_kernel_tells_what_was_acknowledged_and_refused():
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
    ours = (await accepted.get()).transport
    assert all_acknowledged(ours) and not is_reset(ours)
    client.transport.abort()
    ours.write(b"250 too late\r\n")
    await eventually(lambda: is_reset(ours))
    assert not all_acknowledged(ours)
    ours.abort()
    server.close()
