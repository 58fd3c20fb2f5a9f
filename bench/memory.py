"""Resident memory of the daemon, as the kernel reports it."""

from __future__ import annotations

import smtplib
from pathlib import Path

from rig.mailboxes import make_message
from rig.ports import free_port
from rig.servers.chroots import Chroot
from rig.station import provider_at

from contenders import LOCAL, WORLD, Dialpost, offer, settle
from figures import Amounts, Row, show


def memory(work: Path, amounts: Amounts) -> list[Row]:
    """Resident memory of the daemon."""
    contender = Dialpost(work / "memory", work / "logs" / "memory")
    rows = []

    def note(what: str, kilobytes: float, promised_mb: float | None) -> None:
        megabytes = kilobytes * 1024 / 1e6
        promise = f"at most {promised_mb:g} MB" if promised_mb else ""
        kept = megabytes <= promised_mb if promised_mb else None
        rows.append(Row("resident memory", what, megabytes, None, "MB", promise, kept))
        show(rows[-1])

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
    finally:
        contender.stop()
    return rows


def _calm(contender: Dialpost) -> int:
    forget_peak(contender.pid)
    return resident_kb(contender.pid)


def _send_large(port: int, recipient: str) -> None:
    message = make_message("large@lan.example", "crowd@lan.example", [recipient], size=50_000_000)
    with smtplib.SMTP("127.0.0.1", port, "client.example") as client:
        client.sendmail("crowd@lan.example", [recipient], message)


def _grows_by_sending(contender: Dialpost, work: Path) -> int:
    """How much flushing the queue (10,000 small messages and a large one) adds at its peak."""
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
        before = _calm(contender)
        done = contender.station.call(timeout_s=1200)
        if done.returncode != 0 or contender.station.waiting()["waiting_remote"]:
            raise RuntimeError(f"the flush failed: {done.stdout}{done.stderr}")
        return peak_kb(contender.pid) - before
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
