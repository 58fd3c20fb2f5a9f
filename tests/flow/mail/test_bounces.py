"""Notices: who gets which, once, durably, and never about a notice."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.errors import StorageFullError
from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import BodyType, Notify, Return
from dialpost.core.mail.outcomes import Delivered, Refused
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord
from dialpost.core.mail.reply import Reply
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail import bounces
from dialpost.flow.mail.bounces import Bouncer
from fakes import a_record, to_mailbox, to_world

NOW = 1_820_000_000
PREFIX = b"Return-Path: <anna@clinic.example>\n"
BODY = b"From: anna@clinic.example\nSubject: x\nMessage-ID: <1@x>\n\nHello\n"
NO_USER = Refused(Reply(550, ("no such user",), "5.1.1"), "mx.far.example")


@dataclass
class Accounts:
    directory: Directory = field(
        default_factory=lambda: Directory(
            {"anna": Account("anna"), "chief": Account("chief")},
            {
                "team@clinic.example": Alias("team@clinic.example", ("anna", "chief", "dan@far.example")),
                "away@clinic.example": Alias("away@clinic.example", ("dan@far.example",)),
            },
            ("clinic.example",),
            postmaster="chief",
        )
    )


class Rig:
    """Real store and spool around the bouncer."""

    def __init__(self, store: Store, spool: Spool) -> None:
        self.store, self.spool = store, spool
        self.accepted: list[MessageRecord] = []
        self.bouncer = Bouncer(
            "mail.clinic.example",
            spool,
            store,
            Accounts(),
            on_accepted=self.accepted.append,
            wall_clock=lambda: NOW,
        )

    async def stored(self, body: bytes = BODY, *recipients: RecipientRecord, **changes: Any) -> MessageRecord:
        queue_id = self.store.next_id()
        writer = self.spool.begin(queue_id)
        writer.write(PREFIX + body)
        await writer.commit()
        values = {"sender": "anna@clinic.example", "size": len(PREFIX + body), "local_prefix": len(PREFIX)}
        message = a_record(queue_id, *recipients, **(values | changes))
        await self.store.accept(message)
        return message

    def text(self, notice: MessageRecord) -> bytes:
        return self.spool.path(notice.queue_id).read_bytes()[notice.local_prefix :]

    def report(self, notice: MessageRecord) -> EmailMessage:
        return email.message_from_bytes(self.text(notice), policy=email.policy.default)

    def readers(self, notice: MessageRecord) -> list[tuple[str, str | None]]:
        return [(one.address, one.local_account) for one in notice.recipients]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield Rig(store, spool)
    await store.close()
    spool.close()


async def test_a_bounce_is_a_message_like_any_other(rig: Rig) -> None:
    message = await rig.stored()
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    (notice,) = rig.accepted
    assert await rig.store.get(notice.queue_id) == notice
    stored = rig.spool.path(notice.queue_id).read_bytes()
    wire = stored.removeprefix(b"Return-Path: <>\n").replace(b"\n", b"\r\n")
    assert (notice.size, notice.local_prefix, notice.wire_size) == (len(stored), 16, len(wire))
    assert (notice.sender, notice.origin, notice.body_type) == ("", Origin.STATION, BodyType.SEVEN_BIT)
    assert rig.readers(notice) == [("anna@clinic.example", "anna")]
    assert rig.report(notice)["To"] == "anna@clinic.example"


async def test_one_notice_for_all_recipients_and_none_for_those_who_want_none(rig: Rig) -> None:
    message = await rig.stored(
        BODY,
        to_world("a@far"),
        to_world("b@far", notify=frozenset({Notify.NEVER})),
        to_world("c@far", notify=frozenset({Notify.DELAY, Notify.SUCCESS})),
        to_world("d@far", notify=frozenset({Notify.FAILURE})),
    )
    await rig.bouncer.failed(message, [ReportedRecipient(one, NO_USER.reply, "h") for one in message.recipients])
    (notice,) = rig.accepted
    status = rig.text(notice)
    assert [name in status for name in (b"; a@far\n", b"; b@far\n", b"; c@far\n", b"; d@far\n")] == [
        True,
        False,
        False,
        True,
    ]


async def test_nobody_wants_to_hear(rig: Rig) -> None:
    message = await rig.stored(BODY, to_world("b@far", notify=frozenset({Notify.NEVER})))
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert rig.accepted == []


@pytest.mark.parametrize(
    ("sender", "readers"),
    [
        ("eve@world.example", [("eve@world.example", None)]),
        (
            "team@clinic.example",
            [("team@clinic.example", "anna"), ("team@clinic.example", "chief"), ("dan@far.example", None)],
        ),
        ("away@clinic.example", [("dan@far.example", None)]),
        ("gone@clinic.example", [("postmaster@clinic.example", "chief")]),  # the sender's account is deleted
        ("", [("postmaster@clinic.example", "chief")]),  # never a bounce about a bounce
        ("müller@world.example", [("müller@world.example", None)]),
    ],
)
async def test_who_is_told(rig: Rig, sender: str, readers: list[tuple[str, str | None]]) -> None:
    message = await rig.stored(sender=sender)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    (notice,) = rig.accepted
    assert rig.readers(notice) == readers
    assert notice.sender == ""
    assert notice.smtputf8 is (not sender.isascii())
    assert notice.local_prefix == (16 if any(account for _, account in readers) else 0)
    if not sender:
        assert "this notice goes to you, the postmaster" in rig.text(notice).decode().replace("\n", " ")


async def test_a_notice_to_the_postmaster_that_fails_ends_in_the_log(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    message = await rig.stored(BODY, to_mailbox("chief"), sender="", origin=Origin.STATION)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert rig.accepted == []
    assert f"notice: nobody to tell queue_id={message.queue_id}" in caplog.text


@pytest.mark.parametrize(
    ("changes", "body", "kind"),
    [
        ({}, BODY, "message/rfc822"),
        ({"ret": Return.FULL}, BODY, "message/rfc822"),
        ({"ret": Return.HEADERS}, BODY, "text/rfc822-headers"),
        ({"ret": Return.FULL}, BODY + b"x\n" * 40_000, "text/rfc822-headers"),
        ({}, BODY + b"x" * 2000 + b"\n", "text/rfc822-headers"),  # lines that fit in no message
        ({"body_type": BodyType.BINARY}, BODY, "text/rfc822-headers"),
        ({"smtputf8": True}, BODY, "message/global"),
    ],
)
async def test_how_much_comes_back(rig: Rig, changes: dict[str, Any], body: bytes, kind: str) -> None:
    message = await rig.stored(body, **changes)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    (notice,) = rig.accepted
    assert list(rig.report(notice).iter_parts())[2].get_content_type() == kind
    assert (b"\n\nHello\n" in rig.text(notice)) is kind.startswith("message")
    assert b"Return-Path" not in rig.text(notice)
    assert notice.size < 70_000


async def test_eight_bit_content_makes_an_eight_bit_notice(rig: Rig) -> None:
    message = await rig.stored(BODY + "Grüße\n".encode())
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert rig.accepted[0].body_type is BodyType.EIGHT_BIT


async def test_the_notice_is_known_by_its_message_id(rig: Rig) -> None:
    message = await rig.stored()
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    await rig.bouncer.delayed(message, [ReportedRecipient(message.recipients[0], None)], NOW + 86_400)
    assert [one.message_id_header for one in rig.accepted] == [
        rig.report(one)["Message-ID"] for one in rig.accepted
    ]
    assert await rig.store.failure_notices(message.queue_id) == rig.accepted[:1]


async def test_a_notice_goes_by_any_host(rig: Rig) -> None:
    """Its 8-bit original can't be made 7-bit: only the header goes with it."""
    signed = (
        BODY.replace(b"\n\n", b"\nContent-Type: multipart/signed; boundary=s\n\n") + b"--s\n\ngr\xfc\xdfe\n--s--\n"
    )
    message = await rig.stored(signed)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    (notice,) = rig.accepted
    assert list(rig.report(notice).iter_parts())[2].get_content_type() == "text/rfc822-headers"
    assert notice.body_type is BodyType.SEVEN_BIT


async def test_a_body_the_card_lost_is_bounced_without(rig: Rig) -> None:
    message = await rig.stored()
    rig.spool.remove(message.queue_id)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert len(list(rig.report(rig.accepted[0]).iter_parts())) == 2


async def test_good_news_is_reported_to_those_who_asked(rig: Rig) -> None:
    wants = frozenset({Notify.SUCCESS})
    message = await rig.stored(
        BODY, to_world("a@far", notify=wants), to_world("b@far"), to_mailbox("chief", notify=wants)
    )
    ok = Delivered(Reply(250, ("ok",)), "smart.example")
    relayed = [ReportedRecipient(one, ok.reply, ok.by) for one in message.recipients[:2]]
    await rig.bouncer.relayed(message, relayed)
    await rig.bouncer.relayed(message, relayed[1:])
    await rig.bouncer.delivered(message, message.recipients[2], ok)
    await rig.bouncer.delivered(replace(message, sender=""), message.recipients[2], ok)
    assert [str(rig.report(one)["Subject"]) for one in rig.accepted] == [
        "Your message was passed on",
        "Your message was delivered",
    ]
    assert [list(rig.report(one).iter_parts())[2].get_content_type() for one in rig.accepted] == [
        "text/rfc822-headers"
    ] * 2  # RFC 3461 §4.3


async def test_delays_are_told_but_not_to_notices(rig: Rig) -> None:
    message = await rig.stored()
    reported = [ReportedRecipient(message.recipients[0], None)]
    await rig.bouncer.delayed(message, reported, NOW + 86_400)
    await rig.bouncer.delayed(replace(message, sender=""), reported, NOW + 86_400)
    (notice,) = rig.accepted
    assert b"\nWill-Retry-Until: " in rig.text(notice)


async def test_a_full_card_raises_and_leaves_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    message = await rig.stored()

    async def full(_: MessageRecord) -> None:
        raise StorageFullError("The card is full.")

    monkeypatch.setattr(rig.store, "accept", full)
    with pytest.raises(StorageFullError):
        await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert rig.accepted == []
    assert list(rig.spool.ids()) == [message.queue_id]


async def test_a_header_without_end_is_cut(rig: Rig) -> None:
    message = await rig.stored(b"Subject: x\n" + b"X-Long: " + b"y" * 100_000)
    await rig.bouncer.refused(message, message.recipients[0], NO_USER)
    assert all(len(line) <= 998 for line in rig.text(rig.accepted[0]).split(b"\n"))
    assert len(rig.text(rig.accepted[0])) <= bounces.WHOLE_UP_TO_BYTES
