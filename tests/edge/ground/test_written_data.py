"""How data reaches the card before the names of many files share one flush, and where that is not enough."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.edge.ground import written_data
from dialpost.edge.ground.written_data import reach_disk, start_writing

JOURNALED = "rw\ndelalloc\nbarrier\ndata=ordered\n"


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    os.write(opened, b"data")
    yield opened
    os.close(opened)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to reach the card."""
    steps: list[str] = []
    real = written_data._sync_file_range

    def sync_file_range(descriptor: int, flags: int) -> None:
        steps.append(f"range {flags}")
        real(descriptor, flags)

    monkeypatch.setattr(written_data, "_sync_file_range", sync_file_range)
    monkeypatch.setattr(os, "fdatasync", lambda _: steps.append("fdatasync"))
    return steps


@pytest.fixture
def mounted(tmp_path: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The options of the device, which is `card`."""
    device = os.fstat(descriptor).st_dev
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / f"{os.major(device)}:{os.minor(device)}").symlink_to("../../devices/x/card")
    (tmp_path / "ext4" / "card").mkdir(parents=True)
    monkeypatch.setattr(written_data, "_DEVICES", tmp_path / "block")
    monkeypatch.setattr(written_data, "_EXT4", tmp_path / "ext4")
    written_data._shares_flushes.cache_clear()
    yield tmp_path / "ext4" / "card" / "options"
    written_data._shares_flushes.cache_clear()


def test_ext4_with_a_journal_needs_no_flush_a_file(mounted: Path, descriptor: int, done: list[str]) -> None:
    mounted.write_text(JOURNALED)
    start_writing(descriptor)
    reach_disk(descriptor)
    assert done == ["range 2", "range 7"]


@pytest.mark.parametrize(
    "options",
    [
        None,  # not ext4
        JOURNALED.replace("data=ordered\n", ""),  # ext4 without a journal
        JOURNALED.replace("ordered", "writeback"),
        JOURNALED.replace("barrier", "nobarrier"),
    ],
)
def test_elsewhere_each_file_is_flushed(
    mounted: Path, descriptor: int, done: list[str], options: str | None
) -> None:
    if options is not None:
        mounted.write_text(options)
    start_writing(descriptor)
    reach_disk(descriptor)
    assert done == ["fdatasync"]


def test_a_fault_is_reported_by_the_wait_only(
    mounted: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted.write_text(JOURNALED)

    def fail(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(written_data, "_sync_file_range", fail)
    start_writing(descriptor)
    with pytest.raises(OSError, match="Input/output error"):
        reach_disk(descriptor)


def test_the_systems_own_error_is_raised() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError) as raised:
            written_data._sync_file_range(reading, 7)
        assert raised.value.errno == errno.ESPIPE
    finally:
        os.close(reading)
        os.close(writing)
