"""Each parameter of MAIL and RCPT alone: said where it is offered and there is something to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.mail.envelope import Envelope, Notify, Recipient, Return
from dialpost.core.mail.esmtp.commands import mail_line, rcpt_line, wire_address
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.reply import Reply

ENVELOPE = Envelope("a@b", (), envid="x", ret=Return.FULL)


@cases(
    ("offered", "size", "eight_bit", "utf8", "words"),
    [
        (Extensions(), 5, True, False, ""),
        (Extensions(size=True), 5, True, False, " SIZE=5"),
        (Extensions(size=True), 1, False, False, " SIZE=1"),
        (Extensions(size=True), 0, False, False, ""),
        (Extensions(eight_bit=True), 5, True, False, " BODY=8BITMIME"),
        (Extensions(eight_bit=True), 5, False, False, ""),
        (Extensions(smtputf8=True), 5, False, False, ""),
        (Extensions(smtputf8=True), 5, False, True, " SMTPUTF8"),
        (Extensions(dsn=True), 5, False, False, " RET=FULL ENVID=x"),
    ],
)
def test_parameters_of_mail(offered: Extensions, size: int, eight_bit: bool, utf8: bool, words: str) -> None:
    line = mail_line(ENVELOPE, "a@b", offered, size=size, eight_bit=eight_bit, utf8=utf8)
    assert line.decode() == f"MAIL FROM:<a@b>{words}"


def test_each_wish_about_reports_alone() -> None:
    dsn = Extensions(dsn=True)
    for envelope, words in (
        (replace(ENVELOPE, ret=None), " ENVID=x"),
        (replace(ENVELOPE, envid=None), " RET=FULL"),
    ):
        assert (
            mail_line(envelope, "a@b", dsn, size=0, eight_bit=False, utf8=False)
            == f"MAIL FROM:<a@b>{words}".encode()
        )
    everything = frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY})
    for recipient, words in (
        (Recipient("b@c"), ""),
        (Recipient("b@c", everything), " NOTIFY=SUCCESS,FAILURE,DELAY"),
        (Recipient("b@c", None, "rfc822;x"), " ORCPT=rfc822;x"),
    ):
        assert rcpt_line(recipient, "b@c", dsn, utf8=False) == f"RCPT TO:<b@c>{words}".encode()


def test_an_original_recipient_in_another_script_needs_smtputf8() -> None:
    recipient = Recipient("b@c", None, "utf-8;ü@c")
    assert rcpt_line(recipient, "b@c", Extensions(dsn=True), utf8=True) == "RCPT TO:<b@c> ORCPT=utf-8;ü@c".encode()
    assert rcpt_line(recipient, "b@c", Extensions(dsn=True), utf8=False) == b"RCPT TO:<b@c>"


@pytest.mark.parametrize("address", ["postmaster", "POSTMASTER", "a@postmaster"])
def test_the_one_name_without_a_domain(address: str) -> None:
    assert wire_address(address, utf8=False) == address
    assert not isinstance(wire_address("postmaste", utf8=False), str)
    assert not isinstance(wire_address("postmaster@", utf8=False), str)


def test_postmaster_alone_needs_no_domain() -> None:
    assert wire_address("Postmaster", utf8=False) == "Postmaster"
    for other in ("anna", "zoe"):
        assert isinstance(refusal := wire_address(other, utf8=False), Reply) and refusal.code == 553
