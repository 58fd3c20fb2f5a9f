"""The plug is pulled (SIGKILL of the emulator) at random moments of all that writes to the card. After each the
card is looked at from outside, then the station starts: what was acknowledged is there once, the configuration
is the old or the new one, a reset is not begun or done, an update is not begun or whole.

The seed is printed; DIALPOST_POWER_SEED repeats the plan of a run, DIALPOST_POWER_KILLS (30) says how many
pulls. The start after one pull is the beginning of the next, as a start takes a minute or two.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from image.rig.card import OUT
from image.rig.life import CARD_BYTES, Visitor, check_card, expected_slot, is_whole_release, new_life
from image.rig.machine import Machine
from image.rig.scenes import INSTALLED, During, Scene, plan
from rig.card.data_partition import DATA_OFFSET
from rig.card.invariants import Reset

from dialpost.core.system.boot.state import Slot

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("DIALPOST_POWER_SEED") or random.SystemRandom().randrange(2**32))
KILLS = int(os.environ.get("DIALPOST_POWER_KILLS") or 30)
LANES = min(KILLS, int(os.environ.get("DIALPOST_POWER_LANES") or min(4, os.cpu_count() or 1)))
"""How many stations at once: each has one processor."""
_TAKE_BACK = (
    "mount -o remount,rw /boot/firmware && rm /boot/firmware/dialpost.toml && sync -f /boot/firmware && "
    "mount -o remount,ro /boot/firmware"
)


class Course:
    """Pull after pull. Between two the station is up, and has shown that it kept what it promised."""

    def __init__(self, work: Path, rng: random.Random, say: Callable[[str], None]) -> None:
        self._work, self._rng, self._say = work, rng, say
        self._stick = _make_stick(work)
        self._machines = 0
        self._running = Slot.A
        self._life = new_life(work / "card.img", 0)
        self._machine: Machine | None = None
        self.done: Counter[During] = Counter()
        self.acknowledged = 0

    def pull(self, name: str, during: During) -> None:
        """One pull, and what comes after it. Raises: AssertionError with all that is wrong."""
        begun = time.monotonic()
        if during is During.GROWTH and self._machines:
            self._end_life()
            self._life = new_life(self._work / "card.img", self._life.number + 1)
        if during in {During.GROWTH, During.START}:
            self._plug_out()
            self._plug_in()
        elif self._machine is None:
            self._start_again()
        assert self._machine is not None
        before = len(self._life.ledger.acknowledged)
        scene = Scene(self._machine, self._life, self._rng, f"p{name}")
        try:
            asyncio.run(scene.play(during))
            self._machine = None
            taken = len(self._life.ledger.acknowledged) - before
            faults = [*check_card(self._life, self._work), *self._update_faults()]
            assert faults == [], f"{taken} messages taken: {faults}"
            outcome = self._start_again()
        except Exception as error:
            raise AssertionError(f"pull {name} during {during.words} ({scene.moment}): {error!r}") from error
        self.done[during] += 1
        self.acknowledged += taken
        told = f"{name:5} {during.words} ({scene.moment.removeprefix(' + ')}), {taken} messages taken: {outcome}"
        self._say(f"{told}; {time.monotonic() - begun:.0f} s")

    def finish(self) -> None:
        """The last station goes down in order."""
        assert self._machine is not None
        self._machine.switch_off()
        self._machine = None
        assert check_card(self._life, self._work) == []

    def close(self) -> None:
        self._plug_out()

    # -- the start after a pull -----------------------------------------------------------------------

    def _start_again(self) -> str:
        """What became of it, in words."""
        life, card = self._life, self._life.card
        following = life.following()
        if life.reset is not Reset.NOT_ASKED:
            following.provision()
        slot = expected_slot(card)
        self._plug_in()
        assert self._machine is not None
        visitor = Visitor(self._machine, life)
        visitor.wait_up(slot)
        seconds = self._machine.took("start after the plug was pulled")
        self._running = slot
        config = visitor.config()
        if life.reset is not Reset.NOT_ASKED and config == following.first_config:
            self._life, visitor = following, Visitor(self._machine, following)
            outcome = "reset"
        else:
            assert life.reset is not Reset.ANSWERED, f"a reset that was answered is not done: {config} is active"
            allowed = life.promise.configs or {life.first_config}
            assert config in allowed, f"configuration {config} is active instead of one of {sorted(allowed)}"
            outcome = f"slot {slot.value}, configuration {config}"
            if life.reset is not Reset.NOT_ASKED:  # what was offered is not wanted
                self._machine.run(_TAKE_BACK)
        self._life.committed, self._life.is_configured, self._life.reset = config, True, Reset.NOT_ASKED
        assert visitor.size_of_data() > 0.9 * (CARD_BYTES - DATA_OFFSET)
        if not self._life.has_accounts:
            visitor.make_accounts()
        visitor.wait_delivered()
        return f"{outcome}, up after {seconds:.0f} s"

    def _update_faults(self) -> list[str]:
        """An update is either not begun or whole; one that was answered is what starts next."""
        lines, self._life.update_lines = self._life.update_lines, []
        slot = expected_slot(self._life.card)
        if not lines:
            return []
        found = []
        if not is_whole_release(self._life.card, slot):
            found.append(f"slot {slot.value}, which would start next, is not whole")
        if any(INSTALLED in line for line in lines) and slot is self._running:
            found.append(f"the update was reported as installed, and slot {slot.value} starts again")
        return found

    # -- the machine ----------------------------------------------------------------------------------

    def _plug_in(self) -> None:
        self._machines += 1
        stick = f"if=none,id=stick,format=raw,readonly=on,file={self._stick}"
        self._machine = Machine(
            self._life.card,
            self._work / f"m{self._machines}",
            arguments=["-drive", stick, "-device", "virtio-blk-pci,drive=stick"],
        )

    def _plug_out(self) -> None:
        if self._machine is not None:
            self._machine.pull_plug()
            self._machine = None

    def _end_life(self) -> None:
        self._plug_out()
        assert check_card(self._life, self._work) == []


def _make_stick(work: Path) -> Path:
    """A drive with the update bundle."""
    (work / "stick").mkdir()
    shutil.copyfile(OUT / "dialpost.raucb", work / "stick/dialpost.raucb")
    made = work / "stick.img"
    with made.open("wb") as file:
        file.truncate((OUT / "dialpost.raucb").stat().st_size + (64 << 20))
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", work / "stick", made], check=True)
    return made


class Lane:
    """Some of the pulls, one after the other; several lanes run at once, each with its own station."""

    def __init__(self, number: int, share: Sequence[During], work: Path, say: Callable[[str], None]) -> None:
        self._number, self._share, self._say = number, share, say
        (work / f"l{number}").mkdir()
        self.course = Course(work / f"l{number}", random.Random(f"{SEED}/{number}"), say)

    def run(self, stop: threading.Event) -> None:
        """All of them, or until another lane has found a fault. Raises: AssertionError."""
        try:
            for number, during in enumerate(self._share):
                if stop.is_set():
                    return
                self.course.pull(f"{self._number}.{number + 1}", during)
            self.course.finish()
        except BaseException:
            stop.set()
            raise
        finally:
            self.course.close()


def test_whatever_the_power_goes_during_nothing_promised_is_lost(work: Path, say: Callable[[str], None]) -> None:
    again = f"DIALPOST_POWER_SEED={SEED} DIALPOST_POWER_KILLS={KILLS} DIALPOST_POWER_LANES={LANES}"
    say(f"the plug is pulled {KILLS} times; the same plan again: {again} make test-image ARGS='-k pulled'")
    lanes = [Lane(number, share, work, say) for number, share in enumerate(plan(KILLS, LANES, SEED))]
    stop = threading.Event()
    with ThreadPoolExecutor(len(lanes)) as pool:
        ends = [pool.submit(lane.run, stop) for lane in lanes]
    faults = [f"{again}: {error}" for end in ends if (error := end.exception()) is not None]
    done = sum((lane.course.done for lane in lanes), Counter[During]())
    acknowledged = sum(lane.course.acknowledged for lane in lanes)
    say(
        f"pulled during {', '.join(f'{kind.words}: {times}' for kind, times in done.items())}; "
        f"{acknowledged} messages acknowledged"
    )
    assert faults == [], faults
    assert done.total() == KILLS
    assert acknowledged > 0 or len(During) > KILLS
