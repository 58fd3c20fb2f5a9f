"""Dovecot 2.4 as `dialpost apply` configures it: who gets in where, over the LAN, without any root."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.chroots import Chroot, Inmate
from rig.spaces import LAN_HOST, LAN_STATION, StationBetween
from rig.station import DOMAIN, NOBODY, PASSWORD, Station

from dialpost.core.config.model import LanService
from dialpost.core.config.text import parse_config
from dialpost.core.system.apply.dovecot import dovecot

pytestmark = [pytest.mark.system, needs("station", commands=("ip", "setpriv"))]

PORTS = {service.port: service.value for service in LanService}

_CLIENT = """
import imaplib, json, poplib, ssl, sys
host, way, name, password = sys.argv[1:5]
context = ssl._create_unverified_context()
certificate = ""
try:
    if way.startswith("imap"):
        client = imaplib.IMAP4_SSL(host, ssl_context=context) if way == "imaps" else imaplib.IMAP4(host)
        if way == "imap":
            assert "LOGINDISABLED" in client.capabilities, client.capabilities
            client.starttls(context)
        certificate = client.sock.getpeercert(True).hex()
        client.login(name, password)
        client.select("INBOX")
        numbers = client.search(None, "ALL")[1][0].split()
        found = [client.fetch(number, "(BODY.PEEK[])")[1][0][1].decode() for number in numbers]
        if len(sys.argv) > 5:
            big = b"Subject: x\\r\\n\\r\\n" + b"y" * int(sys.argv[5])
            found = client.append("INBOX", None, None, big)[1][0].decode()
        client.logout()
    else:
        client = poplib.POP3_SSL(host, context=context) if way == "pop3s" else poplib.POP3(host)
        if way == "pop3":
            client.stls(context)
        certificate = client.sock.getpeercert(True).hex()
        client.user(name)
        client.pass_(password)
        found = ["\\r\\n".join(line.decode() for line in client.retr(n + 1)[1]) for n in range(client.stat()[0])]
        client.quit()
    print(json.dumps([certificate, found]))
except (imaplib.IMAP4.error, poplib.error_proto) as error:
    print(json.dumps([certificate, "REFUSED " + str(error)]))
"""
_IN_CLEAR = """
import imaplib, poplib, sys
host, way, name, password = sys.argv[1:5]
try:
    if way == "imap":
        imaplib.IMAP4(host).login(name, password)
    else:
        client = poplib.POP3(host)
        client.user(name)
        client.pass_(password)
    print("in")
except (imaplib.IMAP4.error, poplib.error_proto) as error:
    print("refused", error)
"""
_TALK = """
import imaplib, json, ssl, sys
host, name, password, *commands = sys.argv[1:]
client = imaplib.IMAP4_SSL(host, ssl_context=ssl._create_unverified_context())
client.login(name, password)
client.select("INBOX")
answers = []
for command in commands:
    verb, *rest = command.split()
    if verb == "APPEND":
        letter = b"Subject: x\\r\\n\\r\\n" + b"y" * int(rest[0])
        status, data = client.append("INBOX", None, None, letter)
    else:
        status, data = client.select(*rest) if verb == "SELECT" else client.xatom(verb, *rest)
    answers.append(status + " " + str(data))
quota = client.getquotaroot("INBOX")[1]
answers.append(str(quota))
client.logout()
print(json.dumps(answers))
"""
_NO_RIGHTS = "-all,+net_bind_service"


class Mailboxes:
    """A station, a LAN, and Dovecot between them as dialpost-dovecot.service runs it."""

    def __init__(self, work: Path, station: Station, between: StationBetween, services: list[str]) -> None:
        self.station, self.between = station, between
        # The run directory is Dovecot's alone, as systemd would make it.
        self._run = work / "run"
        self._run.mkdir()
        text = station.config.read_text() + f"\n[lan]\nservices = {json.dumps(services)}\n"
        made = dovecot(parse_config(text), user="nobody", group="nogroup", run=str(self._run))
        assert made is not None
        config = work / "dovecot.conf"
        config.write_text(made.text)
        for path in (self._run, config):
            path.chmod(0o755)
        os.chown(self._run, NOBODY, NOBODY)
        command = Chroot("station", (work, station.data_dir)).command(
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            f"--inh-caps={_NO_RIGHTS}",
            f"--ambient-caps={_NO_RIGHTS}",
            f"--bounding-set={_NO_RIGHTS}",
            "--no-new-privs",
            "dovecot",
            "-F",
            "-c",
            config,
        )
        self._child = Inmate(["ip", "netns", "exec", between.station, *command], work / "dovecot.log")
        wanted = [service.port for service in LanService if service.value in services]
        eventually(lambda: self._child.is_running() and self.open_ports() == sorted(wanted), what="Dovecot's doors")

    def open_ports(self) -> list[int]:
        return self.between.knock(self.between.lan, LAN_HOST, LAN_STATION, *PORTS)

    def read(self, way: str, name: str = "anna", password: str = PASSWORD, *more: str) -> tuple[str, object]:
        """Log in from the LAN: the certificate shown (DER in hex), and the messages or why not."""
        script = (sys.executable, "-c", _CLIENT, LAN_STATION, way, name, password, *more)
        certificate, found = json.loads(self.between.inside(self.between.lan, *script))
        return certificate, found

    def in_clear(self, way: str) -> str:
        script = (sys.executable, "-c", _IN_CLEAR, LAN_STATION, way, "anna", PASSWORD)
        return self.between.inside(self.between.lan, *script)

    def close(self) -> None:
        self._child.kill()


@pytest.fixture
def between() -> Iterator[StationBetween]:
    made = StationBetween()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def station(work: Path) -> Iterator[Station]:
    with Station(work / "station", unprivileged=True) as running:
        running.cli("account", "add", "anna", "--quota", "300k", "--password-stdin", input=PASSWORD + "\n")
        yield running


@pytest.fixture
def all_ways(work: Path, station: Station, between: StationBetween) -> Iterator[Mailboxes]:
    made = Mailboxes(work, station, between, ["imaps", "pop3s", "imap", "pop3"])
    yield made
    made.close()


def test_every_way_reads_the_mail_and_shows_the_stations_certificate(station: Station, all_ways: Mailboxes) -> None:
    send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="in")
    eventually(lambda: len(maildir_files(station.maildir("anna"))) == 1)
    own = ssl.PEM_cert_to_DER_cert((station.data_dir / "tls" / "station.pem").read_text()).hex()
    for way in PORTS.values():
        certificate, found = all_ways.read(way)
        assert certificate == own, way
        assert isinstance(found, list) and len(found) == 1 and "friend@world.example" in found[0], (way, found)
        assert all_ways.read(way, "anna", PASSWORD + "x")[1].startswith("REFUSED"), way  # type: ignore[attr-defined]
        assert all_ways.read(way, f"anna@{DOMAIN}")[1] == found, way


def test_no_password_goes_over_the_lan_in_the_clear(all_ways: Mailboxes) -> None:
    for way in ("imap", "pop3"):
        assert all_ways.in_clear(way).startswith("refused"), way


def test_a_full_mailbox_takes_no_more_by_imap_either(station: Station, all_ways: Mailboxes) -> None:
    assert "Append completed" in str(all_ways.read("imaps", "anna", PASSWORD, "200000")[1])
    assert "OVERQUOTA" in str(all_ways.read("imaps", "anna", PASSWORD, "200000")[1])


def test_mail_moved_copied_appended_and_deleted_by_imap_counts_as_what_it_is(
    station: Station, all_ways: Mailboxes
) -> None:
    """Both sums, Dovecot's and the station's, are what is on the card, whatever a mail program does."""
    station.cli("account", "edit", "anna", "--quota", "100000")
    inbox, trash = station.maildir("anna"), station.maildir("anna") / ".Trash"
    letters = 0

    def on_card() -> int:
        files = [*maildir_files(inbox), *maildir_files(trash)]
        return sum(path.stat().st_size for path in files)

    def arrive(count: int) -> None:
        nonlocal letters
        before = len(maildir_files(inbox))
        for _ in range(count):
            letters += 1
            send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix=f"q{letters}", size=19_000)
        eventually(lambda: len(maildir_files(inbox)) == before + count)

    def imap(*commands: str) -> list[str]:
        """What the server answered to each, and last the quota it tells."""
        script = (sys.executable, "-c", _TALK, LAN_STATION, "anna", PASSWORD, *commands)
        answers: list[str] = json.loads(all_ways.between.inside(all_ways.between.lan, *script))
        told = int(answers[-1].partition("STORAGE ")[2].split()[0])
        assert abs(told - on_card() / 1024) < 4, (answers, on_card())  # it counts CRLF, in steps of 1024 bytes
        return answers

    arrive(4)
    assert imap("MOVE 1:4 Trash")[0].startswith("OK")
    for _ in range(6):  # no room beside those in Trash
        with pytest.raises(smtplib.SMTPRecipientsRefused) as full:
            send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="full", size=30_000)
        assert full.value.recipients[f"anna@{DOMAIN}"][0] == 452
    assert "OVERQUOTA" in imap("APPEND 30000")[0]
    assert imap("APPEND 10000", "SELECT Trash", "STORE 1:2 +FLAGS (\\Deleted)", "EXPUNGE")[0].startswith("OK")
    arrive(1)
    assert imap("COPY 1 Trash")[0].startswith("OK")
    assert on_card() < 100_000


def test_accounts_made_and_changed_meanwhile_count_at_once(station: Station, all_ways: Mailboxes) -> None:
    station.add_account("ben")
    assert all_ways.read("imaps", "ben")[1] == []
    station.cli("account", "passwd", "anna", "--password-stdin", input="quite another one 2\n")
    eventually(lambda: str(all_ways.read("imaps")[1]).startswith("REFUSED"), what="the old password refused")
    assert all_ways.read("pop3s", "anna", "quite another one 2")[1] == []


def test_a_mailbox_whose_log_a_power_cut_tore_is_read_at_once(
    work: Path, station: Station, between: StationBetween
) -> None:
    """By the configuration as it is made, which tells where the mailboxes are. (More: test_torn_indexes.)"""
    folder = station.maildir("anna")
    made = Mailboxes(work, station, between, ["imaps"])
    send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="in")
    eventually(lambda: len(maildir_files(folder)) == 1)
    _, read = made.read("imaps")
    made.close()
    log = folder / "dovecot.index.log"
    (folder / "dovecot.index").unlink(missing_ok=True)  # as in a mailbox that is not yet old
    with log.open("ab") as file:
        file.write(bytes(4096 - file.tell() % 4096))
    look = [sys.executable, "-P", "-m", "dialpost.edge.mail.dovecot_indexes", str(work / "dovecot.conf")]
    said = subprocess.run(look, capture_output=True, text=True, check=True).stderr
    assert f"{log}: its log was torn" in said
    (work / "run").rename(work / "run-before")
    again = Mailboxes(work, station, between, ["imaps"])
    try:
        assert again.read("imaps")[1] == read != []
    finally:
        again.close()


@pytest.mark.parametrize("services", [["imaps"], ["pop3s", "imap"]], ids="+".join)
def test_it_listens_where_configured_only(
    work: Path, station: Station, between: StationBetween, services: list[str]
) -> None:
    made = Mailboxes(work, station, between, services)
    try:
        assert [PORTS[port] for port in made.open_ports()] == sorted(services, key=lambda way: LanService(way).port)
    finally:
        made.close()
