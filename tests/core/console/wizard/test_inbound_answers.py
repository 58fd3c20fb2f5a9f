"""The answers about incoming mail, where a configuration is changed rather than made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.config.model import (
    AtrnConfig,
    Config,
    EtrnConfig,
    EtrnUse,
    InboundConfig,
    InboundUse,
    MailboxConfig,
    MailboxKind,
    OutboundConfig,
)
from dialpost.core.console.wizard.inbound_answers import UNASKED, box_of, present_way, with_inbound

BASE = Config(outbound=OutboundConfig(smarthost="m.example"), etrn=EtrnConfig(host="e.example"))
ATRN = replace(BASE, atrn=AtrnConfig(user="u", password="p"))
OURS = MailboxConfig(
    "provider", MailboxKind.IMAP, "old.example", user="u", token_file="/t", recipient_header="X-To"
)
ANNAS = MailboxConfig("anna", MailboxKind.IMAP, "other.example", user="a", password="p", account="anna")
BOXES = replace(BASE, inbound=InboundConfig((InboundUse.IMAP,), (OURS, ANNAS)))


@pytest.mark.parametrize(
    ("config", "way"),
    [
        (BASE, "etrn"),
        (ATRN, "atrn"),
        (BOXES, "imap"),
        (replace(BASE, inbound=InboundConfig((InboundUse.POP3,))), "pop3"),
        (replace(BASE, etrn=EtrnConfig(EtrnUse.NEVER)), UNASKED),
    ],
)
def test_enter_keeps_the_present_way(config: Config, way: str) -> None:
    assert present_way(config) == way


def test_a_way_counts_once_all_it_needs_is_known() -> None:
    for way, needed in (
        ("atrn", {"atrn_user": "u", "atrn_password": "p"}),
        ("imap", {"box_host": "b.example", "box_user": "u", "box_password": "p"}),
    ):
        answers = {"inbound": way}
        for name, value in needed.items():
            assert with_inbound(BASE, answers) == BASE
            answers[name] = value
        assert with_inbound(BASE, answers) != BASE
    assert with_inbound(ATRN, {}) == ATRN


def test_atrn_replaces_etrn_and_keeps_it_in_reserve() -> None:
    made = with_inbound(
        BOXES, {"inbound": "atrn", "atrn_host": "a.example", "atrn_user": "u", "atrn_password": "p"}
    )
    assert (made.inbound.use, made.atrn.host, made.atrn.port, made.etrn.host) == (
        (InboundUse.AUTO,),
        "a.example",
        366,
        "",
    )


def test_the_wizards_own_mailbox_is_changed_and_no_other() -> None:
    answers = {"inbound": "imap", "box_host": "new.example", "box_user": "u", "box_password": "p"}
    made = with_inbound(BOXES, answers)
    changed = replace(OURS, host="new.example", password="p", token_file="")
    assert made.inbound.mailbox == (ANNAS, changed)
    assert box_of(made, "imap") == changed and box_of(made, "pop3") is None


def test_etrn_or_unasked_mail_ends_the_other_ways() -> None:
    for way, use in (("etrn", EtrnUse.AUTO), (UNASKED, EtrnUse.NEVER)):
        made = with_inbound(replace(ATRN, inbound=BOXES.inbound), {"inbound": way})
        assert (made.inbound.use, made.atrn.user, made.etrn.use) == ((InboundUse.AUTO,), "", use)
