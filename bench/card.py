"""What a message costs the card: messages a second, flushes, bytes, and how long a lone one takes.

On two disks, both made here (`rig.card.slow_card`) with the file system of the image's data partition: a fast one,
where a flush costs nothing, and a simulated SD card, where it takes 10 ms. Each server has a disk of its own, of
the same kind. Flushes and bytes are those that reached the disk, the file system's journal and all writes until it
has come to rest included.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig.card.disks import enter_mount_namespace
from rig.card.slow_card import AT_ONCE, NOTHING, SLOW, Pace, SlowCard, Written
from rig.mailboxes import make_message

from contenders import MAKERS, RECIPIENTS, Contender, offer, settle
from figures import Amounts, Row, show

_SIZE = 4096
_SLOW_ROUNDS = 3
_QUIET_S = 0.1
"""A disk without writes for this time is at rest."""
_BACKLOG, _BACKLOG_SIZE = 400, 60_000
_LATENCY_MS = 25
_MOST_FLUSHES = {("queue", 1): 2.0, ("local", 1): 3.0, ("queue", 50): 0.3, ("local", 50): 0.3}
_MOST_KB = {("queue", 1): 20, ("queue", 10): 12, ("local", 1): 40, ("local", 10): 20}


@dataclass
class Measured:
    """One server on its disk, and what was measured there in one cell."""

    server: Contender
    disk: SlowCard
    rates: list[float] = field(default_factory=list)
    messages: int = 0
    written: Written = NOTHING

    def offer(self, mode: str, messages: int, sessions: int) -> None:
        """Send some, wait until all is done and written, and count."""
        before = self.disk.counts()
        self.rates.append(messages / offer(self.server, mode, messages=messages, sessions=sessions, size=_SIZE))
        settle(self.server)
        self.disk.sync()
        self.messages += messages
        self.written += self.disk.counts().since(before)

    def lone_ms(self, number: int, recipient: str) -> float:
        """From DATA to its 250, for one message on a disk at rest."""
        self._rest()
        message = make_message(f"lone.{number}@lan.example", "crowd@lan.example", [recipient], size=_SIZE)
        with smtplib.SMTP("127.0.0.1", self.server.port, "client.example") as client:
            client.ehlo_or_helo_if_needed()
            client.mail("crowd@lan.example")
            client.rcpt(recipient)
            begun = time.monotonic()
            client.data(message)
            return (time.monotonic() - begun) * 1000

    def _rest(self) -> None:
        settle(self.server)
        before, quiet_since = self.disk.counts(), time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            time.sleep(_QUIET_S / 10)
            if (now := self.disk.counts()) != before:
                before, quiet_since = now, time.monotonic()


def card(work: Path, amounts: Amounts) -> list[Row]:
    """Messages a second, flushes and bytes, on a fast disk and on a slow card."""
    enter_mount_namespace()
    rows: list[Row] = []
    for what, pace, messages in (
        ("fast disk", AT_ONCE, amounts.on_fast_disk),
        ("slow card", SLOW, amounts.on_slow_card),
    ):
        for mode in RECIPIENTS:
            for sessions, number in messages.items():
                with _pair(work, pace) as pair:
                    _cell(pair, mode, sessions, number, amounts.rounds if pace is AT_ONCE else _SLOW_ROUNDS)
                    rows += _shown(_rows(what, mode, sessions, pair))
                    if pace is SLOW and sessions == 1:
                        rows += _shown(_latency(mode, pair, amounts.lone))
    return rows + _with_backlog(work, amounts.on_slow_card[10])


def _with_backlog(work: Path, messages: int) -> list[Row]:
    """The line has been down for long: more waits than a server keeps in a buffer or a log of its own."""
    with _pair(work, SLOW) as pair:
        rows = _shown([_device(kilobytes, pair) for kilobytes in (4, 1000)])
        for one in pair:
            offer(one.server, "queue", messages=_BACKLOG, sessions=10, size=_BACKLOG_SIZE)
            settle(one.server)
        _cell(pair, "queue", 10, messages, _SLOW_ROUNDS)
        backlog = f", {_BACKLOG * _BACKLOG_SIZE / 1e6:.0f} MB waiting"
        return rows + _shown(_rows("slow card", "queue", 10, pair, backlog))


@contextlib.contextmanager
def _pair(work: Path, pace: Pace) -> Iterator[list[Measured]]:
    """Both servers, each on a new disk."""
    with contextlib.ExitStack() as stack:
        pair = []
        for make in MAKERS:
            disk = SlowCard(work, f"card-{make.__name__}", pace)
            stack.callback(disk.close)
            server = make(disk.mountpoint / "server", work / "logs" / f"{make.__name__}-card")
            stack.callback(server.stop)
            pair.append(Measured(server, disk))
        yield pair


def _cell(pair: list[Measured], mode: str, sessions: int, messages: int, rounds: int) -> None:
    for one in pair:
        offer(one.server, mode, messages=max(20, messages // 10), sessions=sessions)  # warm
        settle(one.server)
        one.disk.sync()
        one.rates, one.messages, one.written = [], 0, NOTHING
    for turn in range(rounds):
        for one in pair if turn % 2 == 0 else pair[::-1]:
            one.offer(mode, messages, sessions)


def _rows(what: str, mode: str, sessions: int, pair: list[Measured], backlog: str = "") -> list[Row]:
    cell = f"{mode}, {sessions} session{'s' * (sessions > 1)}{backlog}"
    most_flushes, most_kb = (None if backlog else most.get((mode, sessions)) for most in (_MOST_FLUSHES, _MOST_KB))
    ours, theirs = (statistics.median(one.rates) for one in pair)
    wanted = 0.8 if what == "fast disk" and sessions == 1 else 1.0
    rate = Row(
        what,
        f"{cell}: accepted",
        ours,
        theirs,
        "messages/s",
        f"at least {wanted} of Postfix",
        ours >= wanted * theirs,
    )
    flushes = [one.written.flushes / one.messages for one in pair]
    kilobytes = [one.written.bytes / one.messages / 1000 for one in pair]
    journal = [one.written.journal_bytes / one.messages / 1000 for one in pair]
    return [
        rate,
        _at_most(what, f"{cell}: flushes", flushes, "a message", most_flushes),
        _at_most(what, f"{cell}: written", kilobytes, "kB/message", most_kb),
        _at_most(what, f"{cell}: of that, journal", journal, "kB/message", None),
    ]


def _latency(mode: str, pair: list[Measured], times: int) -> list[Row]:
    """A lone message; the servers take turns."""
    took: list[list[float]] = [[] for _ in pair]
    for number in range(times):
        for one, figures in zip(pair, took, strict=True):
            figures.append(one.lone_ms(number, RECIPIENTS[mode]))
    medians = [statistics.median(figures) for figures in took]
    worst = [statistics.quantiles(figures, n=20)[-1] for figures in took]
    return [
        _at_most("slow card", f"{mode}, lone: DATA to 250, median", medians, "ms", _LATENCY_MS),
        _at_most("slow card", f"{mode}, lone: DATA to 250, 95 % below", worst, "ms", None),
    ]


def _device(kilobytes: int, pair: list[Measured]) -> Row:
    """The cards themselves: a write in place and its fdatasync, which asks for one flush."""
    took = [_durable_write_ms(one.disk, kilobytes * 1000 // 512 * 512) for one in pair]
    return _at_most("slow card", f"itself: {kilobytes} kB written and flushed", took, "ms", None)


def _durable_write_ms(disk: SlowCard, size: int, times: int = 10) -> float:
    path = disk.mountpoint / "probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, bytes(size), 0)
        os.fsync(descriptor)
        took = []
        for _ in range(times):
            begun = time.monotonic()
            os.pwrite(descriptor, os.urandom(size), 0)
            os.fdatasync(descriptor)
            took.append((time.monotonic() - begun) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
        disk.sync()
    return statistics.median(took)


def _at_most(what: str, cell: str, figures: list[float], unit: str, most: float | None) -> Row:
    promise = "" if most is None else f"at most {most:g}"
    return Row(what, cell, figures[0], figures[1], unit, promise, None if most is None else figures[0] <= most)


def _shown(rows: list[Row]) -> list[Row]:
    for row in rows:
        show(row)
    return rows
