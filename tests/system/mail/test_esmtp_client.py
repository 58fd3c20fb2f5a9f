"""The ESMTP client by itself against real Postfix and real Exim: every dialogue, with refusals in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig.mailboxes import maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.exim import Exim
from rig.servers.postfix import Postfix

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.smtp_target import Body, ConnectSettings, HostTarget, OutgoingMessage, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from smtp_peer import Queue

pytestmark = [pytest.mark.system, needs("exim", "postfix")]

SETTINGS = ConnectSettings(helo="station.example", tls=TlsMode.NONE)
DIALOGUES = {
    "chunks": {},
    "pipelining": {"chunking": False},
    "lock-step": {"chunking": False, "pipelining": False},
    "chunks only": {"pipelining": False},
}
MESSAGES = 30
HEADER = (
    b"From: <anna@clinic.example>\nTo: <all@world.example>\nDate: Mon, 05 Jan 2026 10:00:00 +0000\n"
    b"Message-ID: <1@clinic.example>\n"
)


@pytest.fixture(params=["postfix", "exim"])
def server(request: pytest.FixtureRequest, work: Path) -> Iterator[Postfix | Exim]:
    """Each takes mail for world.example and refuses any other at RCPT."""
    made: Postfix | Exim
    if request.param == "postfix":
        limits = {"smtpd_recipient_limit": "5", "mynetworks": "192.0.2.0/24", "fast_flush_domains": "world.example"}
        made = Postfix(work / "server", mailbox_domains=("world.example",), main=limits)
    else:
        made = Exim(work / "server", mailbox_domains=("world.example",))
        config = work / "server" / "exim.conf"
        config.write_text(
            config.read_text().replace("accept hosts = 127.0.0.0/8", "accept domains = world.example")
        )
    with made:
        yield made


def messages(work: Path) -> list[OutgoingMessage]:
    """Good ones, ones nobody takes, ones for some, ones with many recipients, large ones."""
    made = []
    for number in range(MESSAGES):
        recipients = [f"r{number}@world.example"]
        if number % 5 == 1:
            recipients = [f"r{number}@elsewhere.example"]
        elif number % 5 == 2:
            recipients = ["a@elsewhere.example", *recipients, "b@elsewhere.example"]
        elif number % 5 == 3:
            recipients += [f"more{n}@world.example" for n in range(8)]
        size = 30_000 if number % 4 == 0 else 3
        body = HEADER + b"Subject: message %d\n\n.dots\n.\n" % number + b"0123456789 filling\n" * size
        path = work / f"m{number}"
        path.write_bytes(body)
        envelope = Envelope("anna@clinic.example", tuple(map(Recipient, recipients)))
        size_there = len(body) + body.count(b"\n")
        made.append(OutgoingMessage(QueueId(f"q{number}"), envelope, size_there, path))
    return made


@pytest.mark.parametrize("changes", DIALOGUES.values(), ids=DIALOGUES)
async def test_what_was_taken_arrives_whole_and_the_rest_is_reported(
    server: Postfix | Exim, work: Path, changes: dict[str, Any]
) -> None:
    made = messages(work)
    queue = Queue(made)
    target = HostTarget("mail.provider.example", ("127.0.0.1",), server.port)
    settings = dataclasses.replace(SETTINGS, **changes)
    end = await SmtpClient().send(target, settings, queue.next_message, queue.on_outcome)
    assert end.fate is SessionFate.DONE, end
    expected = {
        message.queue_id: [
            "Refused" if recipient.address.endswith("@elsewhere.example") else "Delivered"
            for recipient in message.envelope.recipients
        ]
        for message in made
    }
    assert {name: [type(o).__name__ for o in outcomes] for name, outcomes in queue.reports} == expected
    assert len(queue.reports) == MESSAGES
    taken = [message for message in made if (int(message.queue_id[1:]) % 5) != 1]
    box = server.maildir("world.example")
    wanted = {content_of(message.body) for message in taken}
    eventually(lambda: {content_of(path) for path in maildir_files(box)} == wanted, what="all bodies")


def content_of(body: Body) -> bytes:
    """Without what the server put in front."""
    with body.open("rb") as file:
        content = file.read()
    return content[content.index(b"Subject: message") :]


async def test_etrn_before_ehlo_is_done_by_real_servers(server: Postfix | Exim, work: Path) -> None:
    """Both offer it plainly; a second call needs a round trip and an EHLO less."""
    names = ["world.example"]
    if isinstance(server, Exim):  # of a name whose queue it still runs it says 458
        (work / "server" / "etrn-names").write_text("world.example: world.example\nmore.example: more.example\n")
        names = ["more.example"]
    target = HostTarget("127.0.0.1", ("127.0.0.1",), server.port)
    usual = await SmtpClient().etrn(target, SETTINGS, ["world.example"])
    early = await SmtpClient().etrn(target, dataclasses.replace(SETTINGS, early_etrn=True), names)
    assert (usual.fate, usual.offered) == (early.fate, usual.may_be_early) == (SessionFate.DONE, True)
    assert early.answers[0][1] == usual.answers[0][1] and early.answers[0][1].code == 250
    assert not early.early_failed and early.bytes_down < usual.bytes_down - 100


async def test_a_postfix_that_wants_ehlo_first_is_asked_again_after_it(work: Path) -> None:
    wants_ehlo = {"smtpd_helo_required": "yes", "fast_flush_domains": "world.example"}
    with Postfix(work / "server", mailbox_domains=("world.example",), main=wants_ehlo) as made:
        target = HostTarget("127.0.0.1", ("127.0.0.1",), made.port)
        early = await SmtpClient().etrn(target, dataclasses.replace(SETTINGS, early_etrn=True), ["world.example"])
    assert (early.fate, early.early_failed, early.answers[0][1].code) == (SessionFate.DONE, True, 250)
