"""An operator's walk with a card: set up at the serial console, mail by modem in both directions at the press of
the button, and the reset back to the card as it came. One board for all; each test is a leg of the walk and needs
those before it. The provider's end of the line is real pppd and real Postfix.
"""

from __future__ import annotations

import hashlib
import imaplib
import json
import smtplib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from image.rig import person
from image.rig.card import Card
from image.rig.lamps import COLOURS, FAULT, LINE, MAIL, POWER, LampRecord, flashes_per_s
from image.rig.machine import Machine
from image.rig.provider import DialledProvider
from rig.line.places import NUMBER, PPP_USER
from rig.mailboxes import make_message, read_mail
from rig.needs import needs_guests
from rig.processes import eventually
from rig.station import DOMAIN

from dialpost.core.panel import blink

pytestmark = needs_guests("line")

DIAL_S = 8.0
"""From the number to the carrier: time to see the light that says so."""
PATIENCE_S = 120.0
OUT_ID = f"from-the-lan@{DOMAIN}"


@dataclass
class Walk:
    """The board, what it dials, and what the legs of the walk leave to each other."""

    board: Machine
    provider: DialledProvider
    held: list[str] = field(default_factory=list)
    certificate: str = ""
    legs: list[str] = field(default_factory=list)

    def comes_after(self, leg: str) -> None:
        if leg not in self.legs:
            pytest.fail(f"the walk stopped before this: {leg!r} failed or did not run")

    def story(self) -> str:
        journal = self.board.run(
            "journalctl -b -u 'dialpost*' --no-pager -o short-monotonic | tail -80", check=False
        )
        return f"{self.provider.story()}\n--- station\n{journal}"


@pytest.fixture(scope="module")
def walk(module_work: Path) -> Iterator[Walk]:
    card = Card(module_work / "card.img")
    card.prepare()
    with (
        DialledProvider(module_work / "provider", dial_s=DIAL_S) as provider,
        Machine(card, module_work / "walk", modem=provider.modem, clock="1970-01-01T00:00:00") as board,
    ):
        yield Walk(board, provider)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a mail program asks once, and trusts it
    return context


def _certificate(board: Machine) -> str:
    """The fingerprint of what the station shows to mail programs."""
    with smtplib.SMTP("127.0.0.1", board.ports[587], timeout=PATIENCE_S) as client:
        client.starttls(context=_context())
        shown = client.sock.getpeercert(binary_form=True)  # type: ignore[union-attr]
    return hashlib.sha256(shown).hexdigest()


def _check_journal(board: Machine) -> None:
    """Nothing failed since the start, and nothing of ours ended in a traceback."""
    failed = board.run("systemctl --failed --no-legend --plain", check=False)
    journal = board.run("journalctl -b --no-pager -o short-monotonic", within_s=PATIENCE_S)
    assert failed == "", f"{failed}\n{journal[-8000:]}"
    assert "Traceback" not in journal, journal[journal.index("Traceback") - 2000 :][:6000]
    assert "ordering cycle" not in journal
    for secret in person.SECRETS:
        assert secret not in journal


def test_a_fresh_card_is_set_up_at_the_serial_console(walk: Walk) -> None:
    """Every question of the wizard, as in the README; it finds the modem on USB by itself and tries it."""
    board = walk.board
    person.sit_down(board.console)
    board.took("fresh card, until the set-up wizard is there")
    shown = person.set_up(board.console)
    board.took("fresh card, until it is set up")
    assert "Simulated Modem" in shown
    assert "The modem answers AT." in shown
    for secret in person.SECRETS:
        assert secret not in shown
    board.check_up()
    assert board.run("hostname") == "mail"
    status = json.loads(board.run("dialpost status --json", check=False))
    assert status["hostname"] == f"mail.{DOMAIN}"
    assert [line[:18] for line in status["attention"]] == ["The clock is wrong"]  # this board started in 1970
    walk.legs.append("set up")


def test_mail_waits_on_both_sides(walk: Walk) -> None:
    """A LAN client submits a letter with a login; the provider holds two. Nothing moves before the call."""
    walk.comes_after("set up")
    board = walk.board
    walk.certificate = _certificate(board)
    message = make_message(OUT_ID, f"anna@{DOMAIN}", ["friend@world.example"], size=4000)
    with smtplib.SMTP("127.0.0.1", board.ports[587], "pc.clinic.example", PATIENCE_S) as client:
        client.starttls(context=_context())
        with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
            client.sendmail(f"anna@{DOMAIN}", ["friend@world.example"], message)
    with smtplib.SMTP("127.0.0.1", board.ports[587], "pc.clinic.example", PATIENCE_S) as client:
        client.starttls(context=_context())
        client.login("anna", person.ANNAS_PASSWORD)
        assert client.sendmail(f"anna@{DOMAIN}", ["friend@world.example"], message) == {}
    walk.held = walk.provider.guest.hold([(2000, 1), (20_000, 1)])
    eventually(lambda: walk.provider.guest.queue_length() == 2, what="the provider holds both")
    listed = person.command(board.console, "queue list")
    assert "friend@world.example" in listed and "1 message." in listed
    assert walk.provider.guest.arrived(walk.provider.guest.world) == []
    walk.legs.append("mail waits")


def test_the_button_calls_mail_flows_both_ways_and_it_hangs_up(walk: Walk) -> None:
    """A press through the kernel's GPIO; the lamps tell what it does; it hangs up alone."""
    walk.comes_after("mail waits")
    board, line, lamps = walk.board, walk.provider.line, LampRecord()
    began_s = time.monotonic() - line.do(lambda telephone: telephone.seconds)
    earlier = len(line.events)  # the wizard listened for the dial tone

    def at(what: str) -> float:
        found = [seconds for seconds, told in line.events[earlier:] if told.startswith(what)]
        return began_s + found[0] if found else float("inf")

    def has_rested() -> bool:
        return lamps.between(time.monotonic() - 6, float("inf")).levels(LINE) == {False}

    lamps.watch(board.qmp, lambda: lamps.seconds > 5, PATIENCE_S)
    pressed_s = time.monotonic()
    board.qmp.press_button()
    try:
        lamps.watch(board.qmp, lambda: at("hung up") < time.monotonic(), 3 * PATIENCE_S)
        lamps.watch(board.qmp, lambda: time.monotonic() > at("hung up") + 6 and has_rested(), PATIENCE_S)
        board.took("fresh card, until the first call is over")
        events = [what for _, what in line.events[earlier:]]
        line.check()
        assert events == [f"dials {NUMBER.replace(' ', '')}", "CONNECT", "hung up"]

        before = lamps.between(0, pressed_s)
        assert [before.levels(lamp) for lamp in (POWER, LINE, MAIL)] == [{True}, {False}, {True}]
        dialling = lamps.between(at("dials") + 1, at("CONNECT")).flashes_per_s(LINE)
        assert dialling == pytest.approx(flashes_per_s(blink.FAST), rel=0.35)
        steady_s, ended_s = lamps.between(at("CONNECT"), at("hung up")).longest_lit(LINE)
        assert ended_s - steady_s > 2.0, "the lamp did not say that it is on line"
        after = lamps.between(time.monotonic() - 6, float("inf"))
        assert after.flashes_per_s(MAIL) == pytest.approx(flashes_per_s(blink.DOUBLE), rel=0.35)  # it brought mail
        assert after.levels(POWER) == {True}
        assert lamps.levels(FAULT) == {False}
    except AssertionError as error:
        raise AssertionError(f"{error}\n{lamps.told()}\n{walk.story()}") from None
    walk.legs.append("called")


def test_what_the_call_did(walk: Walk) -> None:
    """By the station's own record, by pppd's at the other end, and by what is in the mailbox there."""
    walk.comes_after("called")
    provider = walk.provider.guest
    (record,) = json.loads(walk.board.run("dialpost call history --json"))
    told = {key: record[key] for key in ("result", "reason", "hangup_reason", "sent", "received", "deferred")}
    assert told == {
        "result": "connected",
        "reason": "button",
        "hangup_reason": "done",
        "sent": 1,
        "received": 2,
        "deferred": 0,
    }, walk.story()
    assert {(answer["domain"], answer["code"]) for answer in record["etrn"]} == {(DOMAIN, 250)}
    pppd = provider.log(provider.answering)
    assert "rcvd [CHAP Response" in pppd and f'name = "{PPP_USER}"' in pppd
    assert provider.arrived(provider.world) == [OUT_ID]
    eventually(lambda: provider.queue_length() == 0, what="the provider holds nothing more")
    assert person.command(walk.board.console, "queue list").count("friend@world.example") == 0
    walk.legs.append("exchanged")


def test_a_lan_client_reads_what_came_by_imap(walk: Walk, module_work: Path) -> None:
    walk.comes_after("exchanged")
    port = walk.board.ports[993]
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=_context(), timeout=PATIENCE_S)
    with client, pytest.raises(imaplib.IMAP4.error):
        client.login("anna", "not her password")
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=_context(), timeout=PATIENCE_S) as client:
        client.login("anna", person.ANNAS_PASSWORD)
        assert client.select()[1] == [b"2"]
        found = []
        for number in ("1", "2"):
            copy = module_work / f"read-{number}"
            copy.write_bytes(client.fetch(number, "(RFC822)")[1][0][1])  # type: ignore[index, arg-type]
            mail = read_mail(copy)
            assert mail.is_whole
            found.append(mail.message_id)
    assert sorted(found) == sorted(walk.held)
    walk.legs.append("read")


def test_the_lamps_and_the_button_are_tried_at_the_console(walk: Walk) -> None:
    """The running daemon does it, as it has the lines; the press dials for nobody."""
    walk.comes_after("read")
    board, lamps = walk.board, LampRecord()
    calls = len(walk.provider.line.events)
    person.log_in(board.console)
    board.console.sendline("board test --seconds 20")
    began_s = time.monotonic()
    lamps.watch(board.qmp, lambda: "press it within 20 s" in board.console_text(), PATIENCE_S)
    for lamp in (POWER, LINE, MAIL, FAULT, *COLOURS):
        lit_s, dark_s = lamps.between(began_s, float("inf")).longest_lit(lamp)
        assert dark_s - lit_s > 0.5, lamps.told()
    board.qmp.press_button()
    board.console.expect_exact("that is a press: dial and fetch")
    board.console.expect_exact("done")
    board.console.expect_exact(person.PROMPT)
    assert walk.provider.line.events[calls:] == []
    lamps.watch(board.qmp, lambda: lamps.between(time.monotonic() - 3, float("inf")).levels(POWER) == {True}, 30)


def test_nothing_failed_on_the_way(walk: Walk) -> None:
    walk.comes_after("read")
    _check_journal(walk.board)
    assert walk.board.run("systemctl is-system-running", check=False) == "running"


def test_the_reset_at_the_console_gives_the_card_back_as_it_came(walk: Walk) -> None:
    """Mail, accounts and certificate are gone; the wizard asks again, and what it makes is another station."""
    walk.comes_after("read")
    board = walk.board
    kept = "find /data/dialpost /data/config -type f"
    assert "anna" in board.run("dialpost account list")
    assert "/mail/anna/" in board.run(kept)
    identity = board.run("cat /data/station/machine-id")
    board.run("mkdir -p /data/dialpost/mail/anna/new; echo private >/data/dialpost/mail/anna/new/left; sync")
    person.reset(board.console)
    person.sit_down(board.console)
    board.check_up()
    left = board.run(kept)
    assert "/mail/" not in left and "dialpost.toml" not in left, left
    assert board.run("cat /data/station/machine-id") != identity
    person.set_up(board.console, annas_password=person.ANNAS_NEXT_PASSWORD)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        _login(board, "anna", person.ANNAS_PASSWORD)
    _login(board, "anna", person.ANNAS_NEXT_PASSWORD)
    assert _certificate(board) != walk.certificate
    with imaplib.IMAP4_SSL("127.0.0.1", board.ports[993], ssl_context=_context(), timeout=PATIENCE_S) as client:
        client.login("anna", person.ANNAS_NEXT_PASSWORD)
        assert client.select()[1] == [b"0"]
    assert json.loads(board.run("dialpost call history --json")) == []
    _check_journal(board)
    board.switch_off()


def _login(board: Machine, name: str, password: str) -> None:
    with smtplib.SMTP("127.0.0.1", board.ports[587], timeout=PATIENCE_S) as client:
        client.starttls(context=_context())
        client.login(name, password)
