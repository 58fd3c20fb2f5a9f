"""The traps in aiosmtpd 1.4.6, one test each: what it does by itself would lose, bounce or delay mail."""

import asyncio
import socket
import tracemalloc
from typing import Never

import pytest

from dialpost.core.config.mail import SmtpConfig
from dialpost.core.errors import StorageFullError
from dialpost.core.mail.envelope import Notify, Return
from dialpost.core.mail.session import Listener, Peer
from dialpost.edge.mail.smtp_server.connection import Connection, Running
from fakes import leap
from smtp_door import Client, NotingPolicy, door, eventually, server_tls

MAIL = ("EHLO x.example", "MAIL FROM:<a@world.example>", "RCPT TO:<anna@clinic.example>")


async def begin_data(client: Client) -> None:
    assert [reply[:3] for reply in await client.talk(*MAIL, "DATA")] == ["250", "250", "250", "354"]


async def test_trap_1_the_timer_is_reset_while_data_flows() -> None:
    """A message that takes longer than the time-out in all is taken, as long as it keeps coming."""
    policy = NotingPolicy()
    part = (b"x" * 78 + b"\r\n") * 40
    async with door(policy) as connect:
        client = await connect()
        await begin_data(client)
        for number in range(1, 6):
            client.send(part)
            here = number * len(part) - len(b"\r\n")  # the line ending may wait for what follows it
            await eventually(lambda here=here: policy.sinks[0].size >= here)
            leap(SmtpConfig().data_timeout_s * 0.9)
        assert (await client.talk("."))[0].startswith("250 2.0.0 Ok: queued as")
    assert policy.contents == [part * 5]


async def test_trap_1_a_pause_longer_than_the_time_out_ends_it() -> None:
    policy = NotingPolicy()
    async with door(policy, data_timeout_s=1) as connect:
        client = await connect()
        await begin_data(client)
        client.send(b"half a line")
        assert (await client.reply())[0].startswith("421 4.4.2")
        assert await client.rest() == b""
    assert [sink.fate for sink in policy.sinks] == ["aborted"]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "begin", "finish"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(RuntimeError("secret /path"), "451 4.3.0"), (StorageFullError("secret disk"), "452 4.3.1")],
)
async def test_trap_2_a_fault_of_ours_never_bounces_mail(stage: str, error: Exception, expected: str) -> None:
    policy = NotingPolicy()
    if stage == "finish":
        policy.finish_error = error
    else:
        policy.errors[stage] = error
    async with door(policy) as connect:
        client = await connect()
        replies = await client.talk(*MAIL, "DATA")
        if stage == "finish":
            replies += await client.talk("hello\r\n.")
        assert "secret" not in " ".join(replies)
        assert next(reply for reply in replies if reply[0] in "45").startswith(expected)
        assert (await client.talk("NOOP", "QUIT")) == ["250 2.0.0 Ok", "221 2.0.0 Bye"]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_trap_3_a_client_that_is_gone_does_not_stop_a_commit(how: str) -> None:
    policy = NotingPolicy()
    policy.may_finish = may_finish = asyncio.Event()
    async with door(policy) as connect:
        client = await connect()
        await begin_data(client)
        client.send(b"hello\r\n.\r\n")
        await policy.finishing.wait()
        client.writer.close() if how == "close" else client.vanish()
        await asyncio.sleep(0.05)
        may_finish.set()
        await asyncio.wait_for(policy.done.wait(), 60)
        await eventually(lambda: policy.connections == 0)
    assert policy.contents == [b"hello\r\n"]


async def test_trap_3_what_came_before_the_end_of_input_is_carried_out() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        client.send("\r\n".join(MAIL) + "\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")
        client.writer.write_eof()
        answers = (await client.rest()).decode()
    assert [line[:3] for line in answers.splitlines() if line[3] == " "] == [
        "250",
        "250",
        "250",
        "354",
        "250",
        "221",
    ]
    assert policy.contents == [b"hello\r\n"]


async def test_trap_4_parameters_are_taken_and_keep_their_case() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        replies = await client.talk(
            "EHLO x.example",
            "MAIL FROM:<a@world.example> RET=HDRS ENVID=aBc+2B AUTH=Anna+3D SIZE=1000 BODY=8BITMIME",
            "RCPT TO:<Anna.B@CLINIC.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;AnNa+40x",
        )
    assert [reply[:3] for reply in replies] == ["250", "250", "250"]
    ((_, envelope, size),) = policy.of("mail")
    ((_, recipient),) = policy.of("rcpt")
    assert (envelope.ret, envelope.envid, envelope.auth, size) == (Return.HEADERS, "aBc+2B", "Anna+3D", 1000)
    assert (recipient.address, recipient.orcpt) == ("Anna.B@clinic.example", "rfc822;AnNa+40x")
    assert recipient.notify == {Notify.SUCCESS, Notify.DELAY}


async def test_trap_5_long_lines_in_content_are_taken() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await begin_data(client)
        client.send(b"x" * 300_000 + b"\r\n.\r\n")
        assert (await client.reply())[0].startswith("250")
    assert policy.contents == [b"x" * 300_000 + b"\r\n"]


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
async def test_trap_6_a_large_message_is_never_whole_in_memory(way: str) -> None:
    policy = NotingPolicy()
    policy.keeps_content = False
    piece, pieces = b"x" * 998 + b"\r\n", 30_000
    async with door(policy, max_message_bytes=50_000_000) as connect:
        client = await connect()
        await client.talk(*MAIL)
        if way == "DATA":
            await client.talk("DATA")
        else:
            client.send(f"BDAT {len(piece) * pieces} LAST\r\n")
        tracemalloc.start()
        try:
            for _ in range(pieces // 100):
                client.send(piece * 100)
                await client.writer.drain()
            if way == "DATA":
                client.send(b".\r\n")
            assert (await client.reply())[0].startswith("250")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert policy.sinks[0].size == len(piece) * pieces
    assert peak < 3_000_000


async def test_trap_7_implicit_tls_offers_a_login_and_asks_for_it() -> None:
    policy = NotingPolicy()
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        client = await connect()
        client.send("EHLO x.example\r\n")
        assert "250-AUTH PLAIN LOGIN" in await client.reply()
        assert (await client.talk("MAIL FROM:<a@world.example>"))[0].startswith("530 5.7.0")
        assert await client.talk("AUTH PLAIN AGFubmEAcmlnaHQ=", "MAIL FROM:<a@world.example>") == [
            "235 2.7.0 Welcome",
            "250 2.1.0 Ok",
        ]
    assert policy.of("mail")[0][0].protocol == "ESMTPSA"
    assert policy.of("mail")[0][0].account == "anna"


@pytest.mark.parametrize("listener", [Listener.MX, Listener.SUBMISSION])
async def test_trap_7_without_tls_there_is_no_login(listener: Listener) -> None:
    policy = NotingPolicy()
    async with door(policy, listener=listener, tls=server_tls()) as connect:
        client = await connect()
        client.send("EHLO x.example\r\n")
        assert not any("AUTH" in line for line in await client.reply())
        assert (await client.talk("AUTH PLAIN AGFubmEAcmlnaHQ="))[0].startswith("538 5.7.11")
    assert policy.of("login") == []


async def test_trap_7_a_slow_password_check_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = NotingPolicy()
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer, name: str, password: str, acts_as: str = "") -> str:
        asked.set()
        await may_answer.wait()
        return name

    monkeypatch.setattr(policy, "login", slow)
    async with door(policy, listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        first, second = await connect(), await connect()
        await first.talk("EHLO x.example")
        first.send("AUTH PLAIN AGFubmEAcmlnaHQ=\r\n")
        await asyncio.wait_for(asked.wait(), 60)
        assert (await second.talk("NOOP"))[0].startswith("250")
        may_answer.set()
        assert (await first.reply())[0].startswith("235")


async def test_trap_8_the_host_name_is_never_asked_of_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_dns(*arguments: object) -> Never:
        raise AssertionError("blocking DNS while offline")

    monkeypatch.setattr(socket, "getfqdn", no_dns)
    async with door(NotingPolicy()) as connect:
        client = await connect(greeted=False)
        assert await client.reply() == ["220 mail.clinic.example ESMTP Dialpost"]


async def test_trap_9_the_null_sender_is_empty_and_no_recipient() -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        assert (await client.talk("EHLO x.example", "MAIL FROM:<>", "RCPT TO:<>"))[1:] == [
            "250 2.1.0 Ok",
            "501 5.1.3 The null address can't be a recipient",
        ]
    assert policy.of("mail")[0][1].sender == ""
    assert policy.of("rcpt") == []


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\r\n.\r"], ids=repr)
async def test_trap_9_only_crlf_dot_crlf_ends_content(ending: bytes) -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await begin_data(client)
        client.send(b"one" + ending + b"MAIL FROM:<smuggled@world.example>\r\n.\r\nNOOP\r\n")
        assert [(await client.reply())[0][:9] for _ in range(2)] == ["250 2.0.0", "250 2.0.0"]
    assert len(policy.contents) == 1
    assert len(policy.of("mail")) == 1


async def test_trap_10_replies_of_one_packet_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = NotingPolicy()
    async with door(policy) as connect:
        client = await connect()
        await client.talk("EHLO x.example")
        writes = []
        (session,) = connect.server._running.connections
        write = session._writer.transport.write

        def noted(data: bytes) -> None:
            writes.append(bytes(data))
            write(data)

        monkeypatch.setattr(session._writer.transport, "write", noted)
        client.send("RSET\r\n" + "\r\n".join(MAIL[1:]) + "\r\nRCPT TO:<b@clinic.example>\r\nDATA\r\n")
        replies = [(await client.reply())[0] for _ in range(5)]
        assert [reply[:3] for reply in replies] == ["250", "250", "250", "250", "354"]
        client.send("hello\r\n.\r\n" + "\r\n".join(MAIL[1:]) + "\r\nDATA\r\n")
        assert [(await client.reply())[0][:3] for _ in range(4)] == ["250", "250", "250", "354"]
    assert [write.count(b"\r\n") for write in writes[:2]] == [5, 4]


async def test_trap_11_it_is_a_protocol_factory_for_sockets_handed_over() -> None:
    policy = NotingPolicy()
    from dialpost.core.config.model import SmtpConfig
    from dialpost.edge.mail.smtp_server import smtp_protocol_factory

    with socket.create_server(("127.0.0.1", 0)) as inherited:
        factory = smtp_protocol_factory(policy, SmtpConfig(), "mail.clinic.example", Listener.MX, None)
        server = await asyncio.get_running_loop().create_server(factory, sock=inherited)
        reader, writer = await asyncio.open_connection(*inherited.getsockname())
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        server.close()
        await factory.close()


async def test_its_constructor_searches_none_of_our_attributes() -> None:
    """The search took a fifth of the time of a session with one message."""

    class Watched(Connection):
        @property
        def auth_watched(self) -> Never:
            raise AssertionError("it was looked at")

    made = Watched("mail.clinic.example", 300, Running(), asyncio.get_running_loop())
    assert dir(made.event_handler) == []
