"""How many messages a second are accepted durably, and what very many queued ones cost."""

from __future__ import annotations

import smtplib
import statistics
import subprocess
import time
from pathlib import Path

from rig.mailboxes import make_message

from contenders import MAKERS, WORLD, Dialpost, offer, settle
from figures import Amounts, Row, show
from memory import resident_kb


def rate(work: Path, amounts: Amounts) -> list[Row]:
    """Accepted, durable messages a second."""
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
                    Row("accepted, durable", f"{mode}, {sessions} sessions, 4 kB", ours, theirs, "messages/s",
                        "at least 0.5 of Postfix", ours >= 0.5 * theirs)
                )  # fmt: skip
                show(rows[-1])
        finally:
            for contender in contenders:
                contender.stop()
    return rows


def large_queue(work: Path, amounts: Amounts) -> list[Row]:
    """With very many messages queued: how long a start takes, and what one more message costs."""
    contender = Dialpost(work / "large", work / "logs" / "large")
    rows = []
    try:
        empty_ms = _one_message_ms(contender)
        offer(contender, "queue", messages=amounts.many, sessions=50, size=1024)
        full_ms = _one_message_ms(contender)
        promise = "unchanged (within a quarter)"
        rows.append(Row("many queued", "one message, none queued", empty_ms, None, "ms"))
        rows.append(
            Row("many queued", f"one message, {amounts.many:,} queued", full_ms, None, "ms", promise,
                full_ms <= 1.25 * empty_ms)
        )  # fmt: skip
        for cache in ("warm", "cold"):
            contender.station.stop()
            if cache == "cold" and not _drop_caches():
                continue
            begun = time.monotonic()
            contender.station.start(within_s=120)
            rows.append(
                Row("many queued", f"start to first 220, {cache} cache", time.monotonic() - begun, None, "s",
                    "at most 3 s", time.monotonic() - begun <= 3)
            )  # fmt: skip
        rows.append(
            Row("resident memory", f"{amounts.many:,} queued", resident_kb(contender.pid) * 1024 / 1e6, None, "MB")
        )
        for row in rows:
            show(row)
    finally:
        contender.stop()
    return rows


def _one_message_ms(contender: Dialpost, times: int = 200) -> float:
    took = []
    with smtplib.SMTP("127.0.0.1", contender.port, "client.example") as client:
        for number in range(times):
            message = make_message(f"one.{number}@lan.example", "crowd@lan.example", [WORLD], size=4096)
            begun = time.monotonic()
            client.sendmail("crowd@lan.example", [WORLD], message)
            took.append((time.monotonic() - begun) * 1000)
    return statistics.median(took)


def _drop_caches() -> bool:
    try:
        subprocess.run(["sync"], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True
