"""`dialpost-health.service`: checks the station after each start, and records for U-Boot that it was healthy.

It checks that no unit has failed and, if there is a configuration, that it can be read, that the daemon answers,
that every door greets, and that the card accepts a file (fsync). It does not use the line. Runs as root, and ends
once the verdict is recorded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dialpost.cli.system.boot_slots import running_slot
from dialpost.core.control.declared import Method, NoParams
from dialpost.core.control.station import STATUS, TRIAL_OVER, UPDATE_LOOK
from dialpost.core.errors import ConfigError, ControlError, DialpostError, NotFoundError, StorageError
from dialpost.core.system.boot.health import HealthGate, Verdict, is_on_trial, rolled_back
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient
from dialpost.edge.mail.door_probe import knock
from dialpost.edge.system.boot.records import BootRecords
from dialpost.edge.system.boot.trial import BootTrial
from dialpost.edge.system.failed_units import failed_units
from dialpost.edge.system.service_manager import ServiceManager
from dialpost.edge.system.update.file import UpdateFile, boot_id

CONFIG = Path("/etc/dialpost/dialpost.toml")
LOOK_EVERY_S = 10.0
RUNNING, ON_TRIAL = "running", "on-trial"

_log = logging.getLogger("dialpost.health")


def main() -> int:
    """Watch this start until it is judged; the exit status."""
    logging.basicConfig(stream=sys.stderr, level="INFO", format="%(levelname)s %(message)s")
    records, updates, trial = BootRecords(), UpdateFile(), BootTrial()
    slot = running_slot(Path("/proc/cmdline").read_text())
    state = records.read()
    if is_on_trial(state, slot):
        _log.info("slot %s is on trial", slot.value)
    if rolled_back(state, slot):
        _log.error(
            "slot %s was wanted and did not prove itself: slot %s runs instead", state.first.value, slot.value
        )
    judged = judge_update(updates, slot, is_well=False)
    if judged is not None and judged.state is UpdateState.ROLLED_BACK and judged.slot is not slot:
        records.write(records.read().unusable(judged.slot))
    if station_mode() == RUNNING:
        tell_station(UPDATE_LOOK)
    gate = HealthGate(time.monotonic(), is_on_trial=is_on_trial(state, slot))
    verdict = watch(gate, faults, alive=ServiceManager().alive)
    if verdict is Verdict.GIVE_UP:
        _log.error("slot %s did not prove itself in time: the machine restarts", slot.value)
        subprocess.run(["systemctl", "--no-block", "reboot"], check=False)
        return 1
    records.write(records.read().proven(slot))
    judge_update(updates, slot, is_well=True)
    _log.info("this start was a good one: slot %s", slot.value)
    trial.end()
    tell_it_was_good()
    return 0


def tell_it_was_good() -> None:
    """A station that waited for this starts now and checks the update itself; one that is not set up does not
    run."""
    method = {ON_TRIAL: TRIAL_OVER, RUNNING: UPDATE_LOOK}.get(station_mode())
    if method:
        tell_station(method)


def judge_update(updates: UpdateFile, slot: Slot, *, is_well: bool, boot: str = "") -> UpdateRecord | None:
    """Record what this start shows about the last update; returns the record, None if there was none."""
    record = updates.read()
    if record is None:
        return None
    judged = record.judged(slot, boot or boot_id(), is_well=is_well)
    if judged != record:
        _log.warning("update: %s", judged.words)
        try:
            updates.write(judged)
        except StorageError as error:  # lost news must not make a healthy start fail
            _log.error("update: %s", error)
    return judged


def station_mode(config_path: Path = CONFIG) -> str:
    """What the daemon is doing (RUNNING, ON_TRIAL, or waiting to be set up), which decides what it can be asked; ""
    if none answers.
    """
    try:
        config = ConfigFile(config_path).load()
        status = ControlClient(Path(config.station.run_dir) / SOCKET_NAME, timeout_s=60).ask(STATUS)
    except DialpostError as error:
        _log.info("status: %s", error)
        return ""
    return status.mode


def tell_station(method: Method[[], NoParams, None], config_path: Path = CONFIG) -> bool:
    """Call a method of the daemon; returns whether it worked. The daemon may be waiting to be set up."""
    try:
        config = ConfigFile(config_path).load()
        ControlClient(Path(config.station.run_dir) / SOCKET_NAME, timeout_s=60).ask(method)
    except DialpostError as error:
        _log.info("%s: %s", method.name, error)
        return False
    return True


def watch(
    gate: HealthGate,
    look: Callable[[], list[str]],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
    alive: Callable[[], None] = lambda: None,
) -> Verdict:
    """Check repeatedly until the gate has decided. Each new set of faults is reported once.

    `alive` is called before each check: without it the service manager would assume that this hangs.
    """
    told: list[str] = []
    while True:
        alive()
        found = look()
        if found != told:
            _log.warning("not well: %s", "; ".join(found)) if found else _log.info("all is well")
            told = found
        verdict = gate.judge(clock(), found)
        if verdict is not Verdict.WAIT:
            return verdict
        pause(LOOK_EVERY_S)


def faults(config_path: Path = CONFIG) -> list[str]:
    """What is wrong now, a sentence each."""
    found = failed_units()
    if not config_path.exists():
        return found
    try:
        config = ConfigFile(config_path).load()
    except (ConfigError, NotFoundError) as error:
        return [*found, f"the configuration can't be read: {error}"]
    found += card_faults(Path(config.station.data_dir))
    try:
        status = ControlClient(Path(config.station.run_dir) / SOCKET_NAME, timeout_s=30).ask(STATUS)
        if status.mode == ON_TRIAL:  # no mail port is open until the release has proven itself
            found += status.problems
        else:
            found += asyncio.run(_door_faults(status.doors))
    except ControlError as error:
        found.append(f"the daemon does not answer: {error}")
    return found


async def _door_faults(doors: Sequence[str]) -> list[str]:
    answers = await asyncio.gather(*(knock(door) for door in doors))
    faults = [f"{door}: {answer}" for door, answer in zip(doors, answers, strict=True) if answer]
    return faults if doors else ["no mail port is open"]


def card_faults(folder: Path) -> list[str]:
    """The folder belongs to the station's user: an entry of that name is neither followed nor waited for."""
    probe = folder / ".health"
    try:
        probe.unlink(missing_ok=True)
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"is the card well?\n")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        return [f"{folder} can't be written to: {error.strerror}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
