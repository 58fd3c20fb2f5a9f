"""How many messages per second are accepted durably, and what a very long queue costs."""

from __future__ import annotations

import smtplib
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rig.mailboxes import make_message

from contenders import MAKERS, WORLD, Dialpost, offer, settle
from figures import Amounts, Row, show
from memory import resident_kb


def rate(work: Path, amounts: Amounts) -> list[Row]:
    """Durably accepted messages per second."""
    rows = []
    for mode in ("local", "queue"):
        contenders = [make(work / f"rate-{mode}-{make.__name__}", work / "logs" / make.__name__) for make in MAKERS]
        try:
            for contender in contenders:
                offer(contender, mode, messages=100, sessions=10)  # warm
                settle(contender)
            for sessions, messages in amounts.messages.items():
                rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
                for _ in range(amounts.rounds):
                    for contender in contenders:
                        took_s = offer(contender, mode, messages=messages, sessions=sessions)
                        rates[contender.name].append(messages / took_s)
                        settle(contender)
                    contenders.reverse()
                ours, theirs = (statistics.median(rates[name]) for name in ("Dialpost", "Postfix"))
                rows.append(
                    Row(
                        "accepted, durable",
                        f"{mode}, {sessions} sessions, 4 kB",
                        ours,
                        theirs,
                        "messages/s",
                        "at least 0.5 of Postfix",
                        ours >= 0.5 * theirs,
                    )
                )
                show(rows[-1])
        finally:
            for contender in contenders:
                contender.stop()
    return rows


def large_queue(work: Path, amounts: Amounts) -> list[Row]:
    """With a very long queue: what one more message costs, and how long a start takes."""
    empty = Dialpost(work / "empty", work / "logs" / "empty")
    full = Dialpost(work / "full", work / "logs" / "full")
    many = f"{amounts.many:,} queued"
    rows = []
    caches: list[tuple[str, Callable[[], bool]]] = [("warm", lambda: True), ("cold", _drop_caches)]
    try:
        offer(full, "queue", messages=amounts.many, sessions=50, size=1024)
        empty_ms, full_ms = _one_message_ms((empty, full))
        rows.append(Row("many queued", "one message, none queued", empty_ms, None, "ms"))
        rows.append(
            Row(
                "many queued",
                f"one message, {many}",
                full_ms,
                None,
                "ms",
                "unchanged (within a quarter)",
                full_ms <= 1.25 * empty_ms,
            )
        )
        for cache, prepare in caches:
            full.station.stop()
            if prepare():
                took_s = _start_s(full)
                rows.append(
                    Row(
                        "many queued",
                        f"start to first 220, {cache} cache",
                        took_s,
                        None,
                        "s",
                        "at most 3 s",
                        took_s <= 3,
                    )
                )
        rows.append(Row("resident memory", many, resident_kb(full.pid) * 1024 / 1e6, None, "MB"))
        for row in rows:
            show(row)
    finally:
        empty.stop()
        full.stop()
    return rows


def _start_s(contender: Dialpost) -> float:
    begun = time.monotonic()
    contender.station.start(within_s=120)
    return time.monotonic() - begun


def _one_message_ms(contenders: tuple[Dialpost, ...], times: int = 300) -> list[float]:
    """Median milliseconds from MAIL to the last 250, the contenders taking turns."""
    clients = [smtplib.SMTP("127.0.0.1", contender.port, "client.example") for contender in contenders]
    took: list[list[float]] = [[] for _ in contenders]
    for number in range(times):
        message = make_message(f"one.{number}@lan.example", "crowd@lan.example", [WORLD], size=4096)
        for client, figures in zip(clients, took, strict=True):
            begun = time.monotonic()
            client.sendmail("crowd@lan.example", [WORLD], message)
            figures.append((time.monotonic() - begun) * 1000)
    for client in clients:
        client.quit()
    return [statistics.median(figures) for figures in took]


def _drop_caches() -> bool:
    try:
        subprocess.run(["sync"], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True
