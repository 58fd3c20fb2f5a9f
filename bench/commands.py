"""What `dialpost queue` takes with a very long queue on a busy machine, and how long it keeps SMTP from an answer.

Beside the station two loops keep processors busy, and Postfix stands idle: how long its NOOP waits is what the
machine itself does to an answer.
"""

from __future__ import annotations

import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contenders import Contender, Dialpost, PostfixContender, offer, settle
from figures import Amounts, Row, show

_LOOPS = 2
_PAUSE_S = 0.005
_IN_ONE_SESSION = 20
"""Commands that do nothing: both servers end a session that has many more."""
_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("hold", "--all", "--dry-run"),
    ("hold", "--all"),
    ("release", "--from", "crowd@lan.example", "--dry-run"),
    ("release", "--from", "crowd@lan.example"),
    ("retry", "--to", "@world.example", "--dry-run"),
    ("retry", "--to", "@world.example"),
    ("hold", "--larger-than", "1k"),
    ("release", "--all"),
    ("list", "--json", "-n", "1000000"),
    ("delete", "--all", "--dry-run"),
    ("delete", "--all", "--yes"),
)


def commands(work: Path, amounts: Amounts) -> list[Row]:
    """The operator's commands for many messages, and the longest NOOP meanwhile."""
    rows = []
    with ExitStack() as stack:
        station = Dialpost(work / "commands", work / "logs" / "commands")
        stack.callback(station.stop)
        idle = PostfixContender(work / "commands-postfix", work / "logs" / "commands-postfix")
        stack.callback(idle.stop)
        offer(station, "queue", messages=amounts.many, sessions=50, size=1024)
        settle(station)
        stack.enter_context(_busy())
        for words in _COMMANDS:
            command = " ".join(words)
            with Noops(station) as ours, Noops(idle) as theirs:
                begun = time.monotonic()
                station.station.cli("queue", *words, timeout_s=900)
                took_s = time.monotonic() - begun
            section, is_change = f"{amounts.many:,} queued, busy", words[0] != "list"
            kept = took_s <= 60 if is_change else None
            rows.append(
                Row(section, f"queue {command}", took_s, None, "s", "at most 60 s" if is_change else "", kept)
            )
            show(rows[-1])
            rows.append(
                Row(
                    section,
                    "the longest NOOP meanwhile",
                    ours.worst_ms,
                    theirs.worst_ms,
                    "ms",
                    "at most 200 ms",
                    ours.worst_ms <= 200,
                )
            )
            show(rows[-1])
    return rows


class Noops:
    """Sends NOOP again and again; `worst_ms` is how long the slowest answer took."""

    def __init__(self, contender: Contender) -> None:
        self.worst_ms = 0.0
        self._port = contender.port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Noops:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._over.is_set():
            with smtplib.SMTP("127.0.0.1", self._port, "client.example") as client:
                for _ in range(_IN_ONE_SESSION):
                    begun = time.monotonic()
                    client.noop()
                    self.worst_ms = max(self.worst_ms, (time.monotonic() - begun) * 1000)
                    if self._over.wait(_PAUSE_S):
                        break


@contextmanager
def _busy() -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_LOOPS)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
