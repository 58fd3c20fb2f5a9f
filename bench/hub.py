"""How long a station waits for its first message when much waits for others at the hub (docs/hub).

What waits is written straight into the queues and mailboxes, as copies of one message that the hub has taken.
Each figure is the median over a few stations with 20 messages each, from the request to the first message's end.
"""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import smtplib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rig.atrn import Handed, fetch, serve
from rig.clients import send
from rig.mailboxes import make_message
from rig.processes import eventually
from rig.servers.hubs import HUB, AtrnHub, EtrnHub, MailboxHub
from rig.servers.mailbox_server import into_maildir
from rig.tls_sessions import at_host

from figures import Amounts, Row, show
from known import known

EACH = 20
"""Messages that wait for a station."""
DOMAINS = 1000
MEASURED = 5
_A_DAY_S = 86_400
_SERIAL = "QQQQQQ"


def station(number: int) -> str:
    """A station's domain; each has the same length, so that copies of a message stay well-formed."""
    return f"s{number:04d}.example"


TEMPLATE = 9999


class Filled(Protocol):
    """A hub whose queues are written from outside."""

    def fill(self, stations: Iterator[tuple[int, int]]) -> None:
        """One message more for each station; (its number, the message's serial number)."""

    def first_message_s(self, number: int) -> float:
        """Seconds from the station's request to the end of its first message."""


def hub(work: Path, amounts: Amounts) -> list[Row]:
    """Time to the first message, by what waits for others."""
    rows = []
    for name, make in (("ATRN, Exim", _atrn), ("ETRN, Postfix", _etrn), ("IMAP, Dovecot", _mailbox)):
        directory = work / f"hub-{name[:4]}"
        try:
            with make(directory) as filled:
                rows += _series(name, filled, amounts)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    return rows


def _series(name: str, filled: Filled, amounts: Amounts) -> list[Row]:
    rows: list[Row] = []
    serial = waiting = 0
    for step, wanted in enumerate(amounts.hub_waiting):
        measured = range(5000 + step * MEASURED, 5000 + (step + 1) * MEASURED)
        others = [(index % DOMAINS if wanted > EACH else 0, serial + index) for index in range(wanted - waiting)]
        own = [(n, serial + len(others) + i) for i, n in enumerate(n for n in measured for _ in range(EACH))]
        filled.fill(iter(others + own))
        os.sync()  # else the disk is still busy with what was written here
        serial, waiting = serial + len(others) + len(own), wanted
        took = statistics.median(filled.first_message_s(number) for number in measured)
        flat = not rows or took <= 1.2 * (rows[0].dialpost or 0)
        promise = "within 1 s, flat (+20 %)"
        rows.append(Row("hub", f"{name}: {wanted:,} for others", took, None, "s", promise, took <= 1 and flat))
        show(rows[-1])
    return rows


class _Atrn:
    def __init__(self, hub: AtrnHub) -> None:
        self._hub = hub
        self._passwords = {number: hub.add(station(number)) for number in range(5000, 5000 + 3 * MEASURED)}
        with (hub.etc / "domains").open("a") as domains:
            domains.writelines(f"{station(n)}: {station(n)}\n" for n in (*range(DOMAINS), TEMPLATE))
        send(hub.port, "friend@world.example", [f"anna@{station(TEMPLATE)}"], prefix=_SERIAL)
        self._spool = hub.directory / "spool"
        folder = self._spool / station(TEMPLATE) / "input"
        head = known(eventually(lambda: next(folder.glob("*-H"), None)))
        self._id = head.name[:-2]
        self._owner = (head.stat().st_uid, head.stat().st_gid)
        self._parts = {part: (folder / f"{self._id}-{part}").read_bytes() for part in "HD"}

    def fill(self, stations: Iterator[tuple[int, int]]) -> None:
        begin, _, end = self._id.split("-")
        for number, serial in stations:
            name = f"{begin}-{serial:011d}-{end}"
            folder = self._spool / station(number) / "input"
            if not folder.exists():
                for path in (folder.parent, folder, folder.parent / "msglog"):
                    path.mkdir(mode=0o750)
                    os.chown(path, *self._owner)
            for part, content in self._parts.items():
                path = folder / f"{name}-{part}"
                path.write_bytes(_copied(content, number, serial).replace(self._id.encode(), name.encode()))
                os.chown(path, *self._owner)
                path.chmod(0o640)

    def first_message_s(self, number: int) -> float:
        came: list[float] = []
        context = at_host(HUB, self._hub.authority.certificate)
        asked: list[float] = []
        handed = fetch(
            self._hub.atrn_port,
            station(number),
            self._passwords[number],
            context,
            asking=lambda: asked.append(time.monotonic()),
            first=lambda: came.append(time.monotonic()),
        )
        assert len(handed.messages) == EACH, handed
        return came[0] - asked[0]


class _Etrn:
    def __init__(self, hub: EtrnHub) -> None:
        self._hub = hub
        self._queue = hub.directory / "queue"
        self._came = threading.Event()
        self._count = 0
        self._sink = socket.create_server(("127.0.0.1", 0), backlog=100)
        threading.Thread(target=self._accept, daemon=True).start()
        self._id = ""

    def begin(self) -> None:
        """Before the hub starts: its table of stations."""
        port = self._sink.getsockname()[1]
        numbers = (*range(DOMAINS), *range(5000, 5000 + 3 * MEASURED), TEMPLATE)
        self._hub.add_all({station(number): port for number in numbers})

    def template(self) -> None:
        send(self._hub.port, "friend@world.example", [f"anna@{station(TEMPLATE)}"], prefix=_SERIAL)
        deferred = self._queue / "deferred"
        found = known(eventually(lambda: next((p for p in deferred.glob("*/*") if p.is_file()), None)))
        # The queue manager moves a message there once it has nothing more to write to it.
        self._content, self._owner = found.read_bytes(), (found.stat().st_uid, found.stat().st_gid)

    def fill(self, stations: Iterator[tuple[int, int]]) -> None:
        logs: dict[int, list[str]] = {}
        later = time.time() + _A_DAY_S  # when the queue manager would look at it by itself
        for number, serial in stations:
            written = self._queue / "deferred" / "new"
            written.write_bytes(_copied(self._content, number, serial))
            name = f"{serial % 0x100000:05X}{written.stat().st_ino:X}"  # as mail_queue.h: microseconds, inode
            os.chown(written, *self._owner)
            written.chmod(0o700)
            os.utime(written, (later, later))
            folder = self._queue / "deferred" / name[0]
            if not folder.exists():
                folder.mkdir(mode=0o700)
                os.chown(folder, *self._owner)
            written.rename(folder / name)
            logs.setdefault(number, []).append(name)
        for number, names in logs.items():
            log = self._queue / "flush" / re.sub(r"\W", "_", station(number))
            with log.open("a") as lines:
                lines.writelines(f"{name}\n" for name in names)
            os.chown(log, *self._owner)
            log.chmod(0o600)

    def first_message_s(self, number: int) -> float:
        self._came.clear()
        self._count = 0
        with smtplib.SMTP("127.0.0.1", self._hub.port) as client:
            client.ehlo("station.example")
            asked = time.monotonic()
            assert client.docmd("ETRN", station(number))[0] == 250
            assert self._came.wait(120), "no message within two minutes"
            took = time.monotonic() - asked
        eventually(lambda: self._count == EACH, within_s=120, what=f"{EACH} messages, not {self._count}")
        return took

    def _accept(self) -> None:
        while True:
            sock, _ = self._sink.accept()
            threading.Thread(target=self._take, args=(sock,), daemon=True).start()

    def _take(self, sock: socket.socket) -> None:
        handed = Handed("")
        with sock:
            serve(sock, handed, self._came.set)
        self._count += len(handed.messages)


class _Mailbox:
    def __init__(self, hub: MailboxHub) -> None:
        self._hub = hub
        for number in range(5000, 5000 + 3 * MEASURED):
            hub.add(station(number))

    def fill(self, stations: Iterator[tuple[int, int]]) -> None:
        content = make_message(f"{_SERIAL}.0@world.example", "friend@world.example", ["anna@s9999.example"])
        for number, serial in stations:
            maildir = self._hub.mailboxes / station(number) / "Maildir"
            into_maildir(maildir, f"{serial}.rig", _copied(content, number, serial), (65_534, 65_534))

    def first_message_s(self, number: int) -> float:
        client = imaplib.IMAP4("127.0.0.1", self._hub.imap_port)
        client.starttls(at_host(HUB, self._hub.authority.certificate))
        asked = time.monotonic()
        client.login(station(number), self._hub.passwords[station(number)])
        assert client.select("INBOX") == ("OK", [str(EACH).encode()])
        assert client.fetch("1", "(BODY.PEEK[])")[0] == "OK"
        took = time.monotonic() - asked
        client.logout()
        return took


def _copied(content: bytes, number: int, serial: int) -> bytes:
    template = station(TEMPLATE).encode()
    return content.replace(template, station(number).encode()).replace(_SERIAL.encode(), f"{serial:06d}".encode())


@contextmanager
def _atrn(directory: Path) -> Iterator[Filled]:
    with AtrnHub(directory) as running:
        yield _Atrn(running)


@contextmanager
def _etrn(directory: Path) -> Iterator[Filled]:
    server = EtrnHub(directory)
    filled = _Etrn(server)
    filled.begin()
    with server:
        filled.template()
        yield filled


@contextmanager
def _mailbox(directory: Path) -> Iterator[Filled]:
    with MailboxHub(directory) as running:
        yield _Mailbox(running)
