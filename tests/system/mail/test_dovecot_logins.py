"""Real Dovecot reads the station's user file: every way to log in, and each change at once."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.dovecot import Dovecot
from rig.station import DOMAIN, PASSWORD, Station

pytestmark = [pytest.mark.system, needs("dovecot")]

ODD = 'pä"ss: wörd, {x} \\ 9'


@pytest.fixture
def station(work: Path) -> Iterator[Station]:
    with Station(work / "station", unprivileged=True) as running:
        more = ("--address", f"info@{DOMAIN}", "--full-name", "Anna: M", "--quota", "1M")
        running.cli("account", "add", "anna", *more, "--password-stdin", input=PASSWORD + "\n")
        running.cli("account", "add", "o.hara_2-x", "--password-stdin", input=ODD + "\n")
        yield running


@pytest.fixture
def dovecot(work: Path, station: Station) -> Iterator[Dovecot]:
    with Dovecot(work / "dovecot", users=station.dovecot_users, data_dir=station.data_dir) as running:
        yield running


def inbox(dovecot: Dovecot, name: str, password: str) -> str:
    """Log in with AUTH=PLAIN (RFC 4616); how many messages are there."""
    client = imaplib.IMAP4("127.0.0.1", dovecot.imap_port)
    try:
        client.authenticate("PLAIN", lambda _: f"\0{name}\0{password}".encode())
        return str(client.select("INBOX")[1][0], "ascii")  # type: ignore[arg-type]
    finally:
        client.logout()


def refused(dovecot: Dovecot, name: str, password: str = PASSWORD) -> bool:
    """Within a moment: Dovecot looks at the user file once a second at most."""

    def is_refused() -> bool:
        try:
            inbox(dovecot, name, password)
        except imaplib.IMAP4.error as error:
            return "AUTHENTICATIONFAILED" in str(error)
        return False

    eventually(is_refused)
    return True


def not_refused(dovecot: Dovecot, name: str) -> bool:
    try:
        return inbox(dovecot, name, PASSWORD) == "0"
    except imaplib.IMAP4.error:
        return False


def test_by_name_and_by_every_address_into_the_same_mailbox(station: Station, dovecot: Dovecot) -> None:
    send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="in")
    eventually(lambda: len(maildir_files(station.maildir("anna"))) == 1)
    for name in ("anna", "ANNA", f"anna@{DOMAIN}", f"info@{DOMAIN}"):
        assert inbox(dovecot, name, PASSWORD) == "1"
        assert refused(dovecot, name, PASSWORD + "x")
    assert inbox(dovecot, "o.hara_2-x", ODD) == "0"
    assert refused(dovecot, "o.hara_2-x", PASSWORD)
    assert refused(dovecot, f"nobody@{DOMAIN}", PASSWORD)


def test_scram(station: Station, dovecot: Dovecot) -> None:
    """The hash serves a login in which the password never travels (RFC 5802)."""
    client = imaplib.IMAP4("127.0.0.1", dovecot.imap_port)
    assert "AUTH=SCRAM-SHA-256" in client.capabilities
    client.authenticate("SCRAM-SHA-256", Scram("anna", PASSWORD))
    assert client.select("INBOX")[0] == "OK"
    client.logout()


def test_locking_and_changes_count_at_once(station: Station, dovecot: Dovecot) -> None:
    assert inbox(dovecot, "anna", PASSWORD) == "0"
    station.cli("account", "edit", "anna", "--disable")
    assert refused(dovecot, "anna") and refused(dovecot, f"info@{DOMAIN}")
    station.cli("account", "edit", "anna", "--enable", "--remove-address", f"info@{DOMAIN}")
    eventually(lambda: not_refused(dovecot, "anna"))
    assert refused(dovecot, f"info@{DOMAIN}")


class Scram:
    """The client's side of one SCRAM-SHA-256 login, written from RFC 5802 §5."""

    def __init__(self, name: str, password: str) -> None:
        self._first = f"n={name},r=fyko+d2lbbFgONRv9qkxdawL"
        self._password = password.encode()
        self._step = 0

    def __call__(self, challenge: bytes) -> bytes:
        import base64
        import hashlib
        import hmac

        self._step += 1
        if self._step == 1:
            return b"n,," + self._first.encode()
        if self._step > 2:
            return b""
        said = dict(part.split("=", 1) for part in challenge.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, base64.b64decode(said["s"]), int(said["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={said['r']}"
        whole = f"{self._first},{challenge.decode()},{final}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), whole, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{final},p={base64.b64encode(proof).decode()}".encode()
