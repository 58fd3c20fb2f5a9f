"""The simulated card of the benchmark: it is as slow as it says, and what it counts is what the kernel counts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rig.card.disks import enter_mount_namespace
from rig.card.slow_card import AT_ONCE, SLOW, Pace, SlowCard
from rig.needs import needs

pytestmark = [
    pytest.mark.system,
    needs(commands=("mke2fs", "debugfs", "losetup"), root=True),
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="this test needs FUSE in the kernel (/dev/fuse)"),
]

Make = Callable[[Pace], SlowCard]


@pytest.fixture
def make(work: Path) -> Iterator[Make]:
    enter_mount_namespace()
    made: list[SlowCard] = []

    def card(pace: Pace) -> SlowCard:
        made.append(SlowCard(work, f"card-{len(made)}", pace, megabytes=128))
        return made[-1]

    yield card
    for one in made:
        one.close()


def write_durably(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        assert os.write(descriptor, os.urandom(size)) == size
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def test_the_kernel_and_the_card_count_the_same(make: Make) -> None:
    card = make(AT_ONCE)
    for number in range(10):
        write_durably(card.mountpoint / str(number), 8192)
    card.unmount()
    kernel, counted = card.kernel_counts(), card.counts()
    assert (counted.bytes, counted.flushes) == (kernel.bytes, kernel.flushes)
    assert counted.flushes >= 10 and counted.bytes >= 10 * 8192 + counted.journal_bytes
    # Each new file is a commit of ext4's journal: a descriptor, two blocks of metadata at the least, the commit.
    assert counted.journal_bytes >= 10 * 4 * 4096


def test_what_was_written_is_there(make: Make) -> None:
    card = make(AT_ONCE)
    write_durably(card.mountpoint / "one", 3_000_000)
    card.sync()
    written = (card.mountpoint / "one").read_bytes()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    assert (card.mountpoint / "one").read_bytes() == written


def test_a_slow_card_takes_its_time(make: Make) -> None:
    """At least that; how much more depends on the machine."""
    card = make(SLOW)
    before, begun = card.counts(), time.monotonic()
    for number in range(5):
        write_durably(card.mountpoint / str(number), 400_000)
    took_s, counted = time.monotonic() - begun, card.counts().since(before)
    assert counted.flushes >= 5 and counted.bytes >= 5 * 400_000
    assert took_s >= counted.flushes * SLOW.flush_s + counted.bytes / SLOW.bytes_per_s - SLOW.flush_s
