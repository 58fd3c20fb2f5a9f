"""The simulated provider's server, as a client sees it: strict, and with a memory for repeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.turned import Held


class Talk:
    """A client that says lines and reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def reply(self) -> str:
        while True:
            line = (await asyncio.wait_for(self._reader.readline(), 60)).decode().rstrip("\r\n")
            if line[3:4] != "-":
                return line

    async def say(self, *lines: str) -> list[str]:
        self.writer.write("".join(line + "\r\n" for line in lines).encode())
        return [(await self.reply())[:3] for _ in lines]

    async def message(self, text: str) -> list[str]:
        replies = await self.say("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA")
        self.writer.write(text.encode() + b".\r\n")
        return [*replies, (await self.reply())[:3]]


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    made = Provider(ProviderSettings(), tmp_path / "p")
    await made.start()
    yield made
    await made.stop()


async def talk_to(provider: Provider) -> Talk:
    talk = Talk(*await asyncio.open_connection("127.0.0.1", provider.port))
    assert (await talk.reply()).startswith("220 mail.provider.example")
    assert await talk.say("EHLO mail.clinic.example") == ["250"]
    return talk


async def test_a_message_is_taken_byte_for_byte(provider: Provider) -> None:
    talk = await talk_to(provider)
    assert await talk.message("Subject: x\r\n\r\n..\r\n...two\r\nend\r\n") == ["250", "250", "354", "250"]
    (got,) = provider.ledger.received
    assert (got.sender, got.recipients) == ("a@b.example", ("c@d.example",))
    assert got.content == b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n"
    talk.writer.close()


async def test_every_split_of_a_pipelined_dialogue_is_the_same(tmp_path: Path) -> None:
    stream = (
        b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
        b"Subject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 3\r\nabc"
        b"BDAT 5 LAST\r\nde\r\n.NOOP\r\nQUIT\r\n"
    )
    for size in (1, 2, 3, 7, 50, 1000):
        provider = Provider(ProviderSettings(), tmp_path / str(size))
        await provider.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        for start in range(0, len(stream), size):
            writer.write(stream[start : start + size])
            await asyncio.sleep(0)
        replies = (await asyncio.wait_for(reader.read(), 60)).decode().split("\r\n")
        codes = [line[:3] for line in replies if line and line[3] == " "]
        expected = "220 250 250 250 354 250 250 250 250 250 250 221"
        assert codes == expected.split(), size
        assert [got.content for got in provider.ledger.received] == [b"Subject: x\r\n\r\n.dot\r\n", b"abcde\r\n."]
        writer.close()
        await provider.stop()


async def test_a_repeat_is_answered_and_not_kept_twice(provider: Provider) -> None:
    talk = await talk_to(provider)
    for text in ("one\r\n", "one\r\n", "two\r\n"):
        assert (await talk.message(text))[-1] == "250"
    assert ([got.content for got in provider.ledger.received], provider.ledger.repeats_recognised) == (
        [b"one\r\n", b"two\r\n"],
        1,
    )
    talk.writer.close()


async def test_wrong_order_and_nonsense(provider: Provider) -> None:
    talk = await talk_to(provider)
    said = await talk.say(
        "RCPT TO:<a@b.example>",
        "DATA",
        "MAIL FROM:",
        "WHAT?",
        "MAIL FROM:<a@b.example>",
        "ETRN clinic.example",
        "MAIL FROM:<a@b.example>",
        "RSET",
        "BDAT x",
    )
    assert said == ["503", "503", "501", "500", "250", "503", "503", "250", "501"]
    talk.writer.close()


@pytest.mark.parametrize("code", [None, 250, 251, 252, 253, 458, 459, 500, 501, 502, 530])
async def test_etrn_says_what_it_shall(code: int | None, tmp_path: Path) -> None:
    provider = Provider(ProviderSettings(etrn_code=code), tmp_path)
    await provider.start()
    talk = await talk_to(provider)
    assert await talk.say("ETRN @clinic.example") == [str(code or 251)]
    provider.hold(Held("a@b.example", ("c@d.example",), b"x\r\n"))
    talk.writer.write(b"ETRN clinic.example\r\n")
    reply = await talk.reply()
    assert reply.startswith(str(code or 253))
    assert ("1 pending" in reply) is (code in {None, 253})
    assert provider.ledger.etrn_asked == ["@clinic.example", "clinic.example"]
    assert bool(provider._deliveries) is (code in {None, 250, 252, 253})
    talk.writer.close()
    await provider.stop()


async def test_what_it_offers_can_be_less(tmp_path: Path) -> None:
    provider = Provider(ProviderSettings(pipelining=False, chunking=False), tmp_path)
    assert not {"PIPELINING", "CHUNKING"} & set(provider.keywords)
    await provider.start()
    talk = await talk_to(provider)
    assert await talk.say("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "BDAT 1 LAST") == [
        "250",
        "250",
        "501",
    ]
    talk.writer.close()
    await provider.stop()
