"""Many stations call a hub (docs/hub) within a minute while its mail server is killed again and again.

Each has 20 messages waiting and calls until it has them all. Counted: what was lost; what came twice and can't be
recognised (RFC 1047: same envelope and same content are the same message).
"""

from __future__ import annotations

import imaplib
import re
import shutil
import smtplib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from rig.atrn import Handed, fetch, serve
from rig.clients import send
from rig.servers.hubs import HUB, AtrnHub, EtrnHub, MailboxHub
from rig.tls_sessions import at_host

from figures import Amounts, Row, show
from hub import EACH, station
from known import is_a

_LONGEST_S = 600
"""Longer than Postfix leaves a message alone that a kill has taken off its list for ETRN."""
_ID = re.compile(rb"^Message-ID: <([^>]+)>", re.MULTILINE)


class _Hub(Protocol):
    @property
    def port(self) -> int: ...
    def start(self) -> object: ...
    def kill(self) -> None: ...


class Arrivals:
    """What each station has taken, as often as it was sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[tuple[int, str, str]] = Counter()

    def add(self, number: int, contents: list[bytes]) -> None:
        with self._lock:
            for content in contents:
                found = _ID.search(content)
                assert found, content[:200]
                self._seen[number, found[1].decode(), sha256(content).hexdigest()] += 1

    def ids(self, number: int) -> set[str]:
        with self._lock:
            return {name for owner, name, _ in self._seen if owner == number}

    def repeated(self) -> int:
        """Sent again, and recognisable as the same."""
        return sum(count - 1 for count in self._seen.values())

    def doubled(self) -> int:
        """The same message with another content: the station would keep both."""
        per_id = Counter((owner, name) for owner, name, _ in self._seen)
        return sum(count - 1 for count in per_id.values())


def hub_kills(work: Path, amounts: Amounts) -> list[Row]:
    """Lost and doubled messages by each way."""
    rows = []
    for name, play in (("ATRN, Exim", _atrn), ("ETRN, Postfix", _etrn), ("IMAP, Dovecot", _mailbox)):
        directory = work / f"kills-{name[:4]}"
        try:
            arrived, lost, took_s, kills = play(directory, amounts)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        what = f"{name}: {amounts.hub_stations} stations, {kills} kills"
        some = [
            Row("hub", f"{what}: lost", lost, None, "messages", "0", lost == 0),
            Row("hub", f"{what}: doubled", arrived.doubled(), None, "messages", "0", arrived.doubled() == 0),
            Row("hub", f"{what}: sent again, recognised", arrived.repeated(), None, "messages"),
            Row("hub", f"{what}: until all had all", took_s, None, "s"),
        ]
        for row in some:
            show(row)
        rows += some
    return rows


def _played(
    hub: _Hub, amounts: Amounts, arrived: Arrivals, call: Callable[[int], None]
) -> tuple[Arrivals, int, float, int]:
    """All stations call until they have all; meanwhile the hub is killed two seconds after each start."""
    begun, numbers = time.monotonic(), range(amounts.hub_stations)

    def calls(number: int) -> None:
        while len(arrived.ids(number)) < EACH and time.monotonic() < begun + _LONGEST_S:
            try:
                call(number)
            except (OSError, smtplib.SMTPException, imaplib.IMAP4.error):
                time.sleep(0.5)  # the hub is down; a station would dial again

    callers = [threading.Thread(target=calls, args=(number,), daemon=True) for number in numbers]
    for caller in callers:
        caller.start()
    kills = 0
    while kills < amounts.hub_kills and any(caller.is_alive() for caller in callers):
        time.sleep(2)
        hub.kill()
        kills += 1
        hub.start()
    for caller in callers:
        caller.join(_LONGEST_S)
    lost = sum(EACH - len(arrived.ids(number)) for number in numbers)
    return arrived, lost, time.monotonic() - begun, kills


def _hold(port: int, amounts: Amounts) -> None:
    for number in range(amounts.hub_stations):
        domain = station(number)
        send(port, "friend@world.example", [f"anna@{domain}"], count=EACH, prefix=f"in.{number}")


def _atrn(directory: Path, amounts: Amounts) -> tuple[Arrivals, int, float, int]:
    arrived = Arrivals()
    with AtrnHub(directory) as hub:
        passwords = [hub.add(station(number)) for number in range(amounts.hub_stations)]
        _hold(hub.port, amounts)

        def call(number: int) -> None:
            context = at_host(HUB, hub.authority.certificate)
            source = f"127.0.1.{number + 1}"
            handed = Handed("")
            try:
                fetch(hub.atrn_port, station(number), passwords[number], context, source=source, handed=handed)
            finally:
                arrived.add(number, [content for _, content in handed.messages])

        return _played(hub, amounts, arrived, call)


def _etrn(directory: Path, amounts: Amounts) -> tuple[Arrivals, int, float, int]:
    arrived = Arrivals()
    hub = EtrnHub(directory)
    sinks = [socket.create_server(("127.0.0.1", 0), backlog=50) for _ in range(amounts.hub_stations)]
    hub.add_all({station(number): sink.getsockname()[1] for number, sink in enumerate(sinks)})

    def take(number: int, sock: socket.socket) -> None:
        handed = Handed("")
        try:
            with sock:
                serve(sock, handed, lambda: None)
        except OSError:
            pass  # the hub was killed
        arrived.add(number, [content for _, content in handed.messages])

    def accept(number: int) -> None:
        while True:
            sock, _ = sinks[number].accept()
            threading.Thread(target=take, args=(number, sock), daemon=True).start()

    for number in range(amounts.hub_stations):
        threading.Thread(target=accept, args=(number,), daemon=True).start()

    def call(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", hub.port, timeout=20) as client:
            client.ehlo("station.example")
            client.docmd("ETRN", station(number))
        time.sleep(2)  # a station waits for what comes; here it asks again

    with hub:
        _hold(hub.port, amounts)
        return _played(hub, amounts, arrived, call)


def _mailbox(directory: Path, amounts: Amounts) -> tuple[Arrivals, int, float, int]:
    arrived = Arrivals()
    with MailboxHub(directory) as hub:
        for number in range(amounts.hub_stations):
            hub.add(station(number))
        _hold(hub.port, amounts)

        def call(number: int) -> None:
            client = imaplib.IMAP4("127.0.0.1", hub.imap_port, timeout=20)
            client.starttls(at_host(HUB, hub.authority.certificate))
            client.login(station(number), hub.passwords[station(number)])
            client.select("INBOX")
            for uid in is_a(bytes, client.uid("SEARCH", "ALL")[1][0]).decode().split():
                content = is_a(tuple, client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0])[1]
                arrived.add(number, [content])
                client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
                client.uid("EXPUNGE", uid)
            client.logout()

        return _played(hub, amounts, arrived, call)
