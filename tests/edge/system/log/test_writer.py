"""The log never stops the station: lines wait in a queue, what has no room is counted, floods are summed up."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import threading
import time
from collections.abc import Iterator

import pytest

from dialpost.edge.system.log import writer as log_writer
from dialpost.edge.system.log.writer import LogWriter

LOST = re.compile(r"WARNING (\d+) lines? of the log (?:was|were) lost: nobody read it")


class Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)

    def fileno(self) -> int:
        return self.writing

    def lines_until(self, last: str, text: bytes = b"") -> list[str]:
        while not text.endswith(last.encode() + b"\n"):
            text += os.read(self.reading, 65_536)
        return text.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.writing)


@pytest.fixture
def logger(pipe: Pipe) -> Iterator[logging.Logger]:
    made = logging.getLogger("test.log_writer")
    made.propagate = False
    made.setLevel(logging.DEBUG)
    handler = LogWriter(pipe)
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)
    os.close(pipe.reading)  # what is left goes nowhere, and soon
    handler.close()
    assert handler._thread is not None
    handler._thread.join(60)  # or it would write into whatever gets its descriptor next


def flood(logger: logging.Logger, lines: int) -> None:
    for number in range(lines):
        logger.info("line %04d %s", number, "x" * 60)


def got_and_lost(pipe: Pipe, logger: logging.Logger) -> tuple[list[str], list[int]]:
    """The lines that come out until a last one, and each count of lost lines said among them."""
    handler, text = logger.handlers[0], b""
    assert isinstance(handler, LogWriter)
    while handler.lost:  # all are said with the first line written after the last loss: then there is room
        text += os.read(pipe.reading, 4096)
    logger.info("the end")
    lines = pipe.lines_until("the end", text)[:-1]
    counts = [int(found[1]) for line in lines if (found := LOST.fullmatch(line))]
    return [line for line in lines if not LOST.fullmatch(line)], counts


def test_a_reader_that_stands_still_stops_nobody(pipe: Pipe, logger: logging.Logger) -> None:
    written = log_writer.MOST_QUEUED + 1000
    flood(logger, written)  # more than the pipe and the queue hold, and nobody reads
    got, lost = got_and_lost(pipe, logger)
    assert lost
    assert len(got) < written


def test_how_many_were_lost_is_said(pipe: Pipe, logger: logging.Logger) -> None:
    """Once or more than once: that depends on when the writer's thread runs."""
    written = log_writer.MOST_QUEUED + 1000
    flood(logger, written)
    got, lost = got_and_lost(pipe, logger)
    assert len(got) + sum(lost) == written
    assert got == sorted(set(got))


def test_a_writer_that_starts_when_the_queue_is_full_still_says_everything(
    pipe: Pipe, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    full = log_writer.MOST_QUEUED + 718
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        flood(logger, full)
    flood(logger, 1)  # there is no room for it, but now for a thread
    handler = logger.handlers[0]
    assert isinstance(handler, LogWriter)
    assert handler._thread is not None
    got, lost = got_and_lost(pipe, logger)
    assert lost == [719]
    assert len(got) == log_writer.MOST_QUEUED


def test_a_flood_of_one_fault_is_summed_up(
    pipe: Pipe, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    for number in range(300):
        logger.error("%s %s", f"D{number:07}: the card failed", f"error={number}")
        logger.info("told each time %d", number)
    now_s[0] += log_writer.WINDOW_S
    logger.error("%s %s", "D0000009: the card failed", "again")
    logger.info("the end")
    got = pipe.lines_until("the end")
    faults = [line for line in got if "card failed" in line]
    assert len(faults) == log_writer.MOST_OF_A_KIND + 2
    assert f"ERROR {300 - log_writer.MOST_OF_A_KIND} more lines like this in 60 s: the card failed" in faults
    assert sum(line.startswith("told each time") for line in got) == 300


def test_what_is_queued_goes_out_at_the_end(pipe: Pipe, logger: logging.Logger) -> None:
    for number in range(20):
        logger.info("%d", number)
    logger.handlers[0].close()
    assert pipe.lines_until("19") == [str(number) for number in range(20)]


def test_a_reader_that_is_gone_is_no_fault(logger: logging.Logger, pipe: Pipe) -> None:
    os.dup2(os.open("/dev/null", os.O_RDONLY), pipe.writing)  # takes no writes any more
    logger.info("to nobody")
    logger.handlers[0].close()
