"""Resident memory of the daemon, as the kernel reports it."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rig.mailboxes import make_message
from rig.ports import free_port
from rig.servers.chroots import Chroot
from rig.station import PASSWORD, provider_at

from contenders import LOCAL, WORLD, Dialpost, offer, settle
from figures import Amounts, Row, show

_OPEN = 50
_AT_ONCE = 10


def memory(work: Path, amounts: Amounts) -> list[Row]:
    """Resident memory of the daemon."""
    return [*_logins(work, amounts), *_messages(work, amounts)]


class _Notes:
    """The rows so far."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __call__(self, what: str, kilobytes: float, promised: float | None = None, unit: str = "MB") -> None:
        amount = kilobytes * 1024 / {"kB": 1e3, "MB": 1e6}[unit]
        promise = "" if promised is None else f"at most {promised:g} {unit}"
        kept = None if promised is None else amount <= promised
        self.rows.append(Row("resident memory", what, amount, None, unit, promise, kept))
        show(self.rows[-1])


def _logins(work: Path, amounts: Amounts) -> list[Row]:
    """What mail programs leave behind that log in over TLS, and what each costs while it is connected."""
    contender = Dialpost(work / "logins", work / "logs" / "logins")
    note = _Notes()
    try:
        for number, way in enumerate(("STARTTLS", "implicit TLS")):
            before = resident_kb(contender.pid)
            opened = [_logged_in(contender, number) for _ in range(_OPEN)]
            note(f"each of {_OPEN} open sessions, {way}", (resident_kb(contender.pid) - before) / _OPEN, 60, "kB")
            for client in opened:
                client.quit()
            contender.station.stop()
            contender.station.start()

        def log_in(number: int) -> None:
            _logged_in(contender, number).quit()

        with ThreadPoolExecutor(_AT_ONCE) as clients:
            for _ in clients.map(log_in, range(amounts.logins)):
                pass
        note(f"{amounts.logins:,} logins over TLS", resident_kb(contender.pid), 60)
    finally:
        contender.stop()
    return note.rows


def _logged_in(contender: Dialpost, number: int) -> smtplib.SMTP:
    """A client that has logged in, half of them by STARTTLS."""
    client: smtplib.SMTP
    if number % 2:
        client = smtplib.SMTP_SSL("127.0.0.1", contender.station.submissions_port, "client.example", context=_ANY)
    else:
        client = smtplib.SMTP("127.0.0.1", contender.station.submission_port, "client.example")
        client.starttls(context=_ANY)
    client.ehlo()
    code, words = client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode())
    if code != 235:
        raise RuntimeError(f"no login: {code} {words!r}")
    return client


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


_ANY = _any_certificate()


def _messages(work: Path, amounts: Amounts) -> list[Row]:
    contender = Dialpost(work / "memory", work / "logs" / "memory")
    note = _Notes()
    try:
        note("idle", resident_kb(contender.pid), 60)
        offer(contender, "queue", messages=amounts.queued, sessions=10, size=1024)
        settle(contender)
        note(f"{amounts.queued:,} queued", resident_kb(contender.pid), 60)
        contender.station.stop()
        contender.station.start()
        contender.station.waiting()
        note(f"{amounts.queued:,} queued, after a restart", resident_kb(contender.pid), 60)
        for what, recipient in (("to a mailbox", LOCAL), ("to the queue", WORLD)):
            before = _calm(contender)
            _send_large(contender.port, recipient)
            settle(contender)
            note(f"a 50 MB message {what} adds", peak_kb(contender.pid) - before, 8)
        note("a 50 MB message going out adds", _grows_by_sending(contender, work), 8)
        _flat(note, contender, "local", amounts, lambda: None)
        with _sink(contender, work):
            _flat(note, contender, "queue", amounts, lambda: _send_all(contender))
    finally:
        contender.stop()
    return note.rows


def _flat(note: _Notes, contender: Dialpost, mode: str, amounts: Amounts, then: Callable[[], None]) -> None:
    """How much messages add that come and leave, once a third of them have: by then every cache is full."""
    third, seen = amounts.accepted // 3, list[int]()
    what = "to a mailbox" if mode == "local" else "for the world, sent on"
    for round in range(1, 4):
        offer(contender, mode, messages=third, sessions=10, size=1024)
        settle(contender)
        then()
        seen.append(resident_kb(contender.pid))
        note(f"after {round * third:,} messages {what}", seen[-1])
    note(f"of these, the last {2 * third:,} add", seen[-1] - seen[0], 3)


def _calm(contender: Dialpost) -> int:
    forget_peak(contender.pid)
    return resident_kb(contender.pid)


def _send_large(port: int, recipient: str) -> None:
    message = make_message("large@lan.example", "crowd@lan.example", [recipient], size=50_000_000)
    with smtplib.SMTP("127.0.0.1", port, "client.example") as client:
        client.sendmail("crowd@lan.example", [recipient], message)


def _grows_by_sending(contender: Dialpost, work: Path) -> int:
    """How much flushing the queue (10,000 small messages and a large one) adds at its peak."""
    with _sink(contender, work):
        before = _calm(contender)
        _send_all(contender)
        return peak_kb(contender.pid) - before


def _send_all(contender: Dialpost) -> None:
    done = contender.station.call(timeout_s=1200)
    if done.returncode != 0 or contender.station.waiting()["waiting_remote"]:
        raise RuntimeError(f"the flush failed: {done.stdout}{done.stderr}")


@contextmanager
def _sink(contender: Dialpost, work: Path) -> Iterator[None]:
    """A provider that takes everything; the station is restarted to learn of it."""
    port = free_port()
    sink = Chroot("postfix").start(
        "smtp-sink", "-u", "postfix", "-c", f"127.0.0.1:{port}", "100", log=work / "logs" / "sink"
    )
    try:
        sink.wait_for_greeting(port)
        contender.station.stop()
        provider_at(contender.station, port, etrn={"use": "never"})
        contender.station.start()
        contender.station.waiting()
        yield
    finally:
        sink.kill()


def resident_kb(pid: int) -> int:
    """Resident set now."""
    return _field(pid, "VmRSS")


def peak_kb(pid: int) -> int:
    """The largest resident set since the start or the last `forget_peak`."""
    return _field(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
