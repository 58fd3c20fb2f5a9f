"""What the server finds out about whether a client heard its 250, on real sockets."""

import asyncio
import errno
import socket
import ssl
import struct
from typing import Never

import pytest

from dialpost.edge.mail.smtp_server.promises import all_acknowledged, is_reset
from smtp_door import Client, NotingPolicy, door, eventually, server_tls

ENVELOPE = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"
CONTENT = b"Subject: x\r\n\r\nhello\r\n.\r\n"


async def hand_in(client: Client, tls: bool) -> None:
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
async def test_what_a_client_does_next_tells_whether_it_heard(ending: str, heard: str, tls: bool) -> None:
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


async def test_a_client_that_talks_ahead_proves_nothing_by_its_next_command() -> None:
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


def quit_ahead(address: tuple[str, int], everything: bool, tls: bool, ending: str) -> bytes:
    """A plain program on blocking sockets, as devices have: the last command goes with the content, the rest is not
    looked at. Its 250."""
    with socket.create_connection(address, timeout=60) as plain:
        sock, program = plain, plain.makefile("rb")
        if tls:
            sock.sendall(b"EHLO x\r\nSTARTTLS\r\n")
            while not program.readline().startswith(b"220 2"):
                pass
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(plain)
            program = sock.makefile("rb")
        sock.sendall(b"EHLO x\r\n" + ENVELOPE + (CONTENT + b"QUIT\r\n" if everything else b""))
        while not program.readline().startswith(b"354"):
            pass
        if not everything:
            sock.sendall(CONTENT + b"QUIT\r\n")
        answer = program.readline()
        if ending == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if ending == "end of input":
            sock.shutdown(socket.SHUT_WR)
            socket.socket.recv(sock, 4096)
        program.close()
        sock.close()
        return answer


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("everything", [False, True], ids=["QUIT ahead", "all ahead"])
@pytest.mark.parametrize("ending", ["close", "reset", "end of input"])
async def test_a_client_that_said_quit_ahead_heard_what_it_was_answered(
    ending: str, everything: bool, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialpost.edge.mail.smtp_server.connection.all_acknowledged", lambda transport: False)
    policy = NotingPolicy()
    async with door(policy, tls=server_tls()) as connect:
        answer = await asyncio.to_thread(quit_ahead, ("127.0.0.1", connect.port), everything, tls, ending)
        assert answer.startswith(b"250")
        await eventually(lambda: not connect.server._running.connections)
    assert [each for each in dict.fromkeys(policy.sinks[0].heard) if each != "left"] == ["acknowledged"]


async def test_a_reset_between_the_answer_and_our_own_end_is_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_gone(transport: asyncio.Transport) -> Never:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    policy = NotingPolicy()
    monkeypatch.setattr("asyncio.selector_events._SelectorSocketTransport.write_eof", is_gone)
    monkeypatch.setattr("dialpost.edge.mail.smtp_server.connection.all_acknowledged", lambda transport: False)
    async with door(policy) as connect:
        client = await connect()
        client.send(b"EHLO x\r\n" + ENVELOPE + CONTENT + b"QUIT\r\n")
        await eventually(lambda: policy.sinks and policy.sinks[0].heard[-1:] == ["left"])
        client.vanish()
    assert policy.sinks[0].heard == ["acknowledged", "left"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("ending", ["close", "reset", "line"])
async def test_no_timer_outlives_its_connection(ending: str, tls: bool) -> None:
    async with door(NotingPolicy(), tls=server_tls()) as connect:
        client = await connect()
        await hand_in(client, tls)
        (connection,) = connect.server._running.connections
        if ending == "line":
            connect.server.abort(lambda address: True)
        elif ending == "reset":
            client.vanish()
        else:
            client.writer.close()
        await connection.ended()
        await eventually(lambda: not connect.server._running.connections)
        await connection.ended()
    timers = (connection._last_wait, connection._tcp_wait, connection._timeout_handle)
    assert all(timer is None or timer.cancelled() for timer in timers)


async def test_content_after_354_proves_what_was_said_before_it() -> None:
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


async def test_a_client_that_always_talks_ahead_costs_no_memory() -> None:
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
async def test_a_client_that_is_gone_before_its_answer_did_not_hear_it(how: str) -> None:
    policy = NotingPolicy()
    policy.may_finish = may_finish = asyncio.Event()
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
        may_finish.set()
        await eventually(lambda: not connect.server._running.connections)
    assert set(policy.sinks[0].heard) == {"left"}


async def test_a_client_that_closed_its_side_and_listens_hears() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        client.send(b"HELO x\r\n" + ENVELOPE + CONTENT + b"QUIT\r\n")
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"221 2.0.0 Bye\r\n")
        await eventually(lambda: policy.sinks[0].heard[-1:] == ["left"] and "acknowledged" in policy.sinks[0].heard)


async def test_an_answer_that_was_no_250_is_no_promise() -> None:
    policy = NotingPolicy()
    policy.finish_reply = type(policy.finish_reply)(452, ("later",), "4.3.1")
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")
        client.send(CONTENT)
        assert (await client.reply())[0].startswith("452")
        await client.talk("QUIT")
    assert policy.sinks[0].heard == []


async def test_the_kernel_tells_what_was_acknowledged_and_refused() -> None:
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
