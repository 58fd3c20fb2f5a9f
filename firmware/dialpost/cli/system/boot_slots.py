"""RAUC's custom bootloader backend: which slot is next, which ones are good. Run by RAUC as root, never by an
operator.

Source: RAUC reference, "Custom Bootloader Backend": get-primary, set-primary SLOT, get-state SLOT, set-state SLOT
good|bad, get-current; answers on stdout, exit status 0 if it was done. The slots' bootnames are a and b.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dialpost.core.errors import DialpostError
from dialpost.core.system.boot.health import is_on_trial
from dialpost.core.system.boot.state import BootState, Slot
from dialpost.edge.system.boot.records import DISK, BootRecords
from dialpost.edge.system.boot.trial import MARK, BootTrial

_CMDLINE = Path("/proc/cmdline")


def main(argv: Sequence[str], disk: Path = DISK, cmdline: Path = _CMDLINE, trial: Path = MARK) -> int:
    """Run one of RAUC's commands; its exit status."""
    try:
        answer = _answer(list(argv), BootRecords(disk), cmdline, trial)
    except (DialpostError, ValueError) as error:
        sys.stderr.write(f"boot-slots: {error}\n")
        return 1
    sys.stdout.write(answer)
    return 0


def _answer(argv: list[str], records: BootRecords, cmdline: Path, trial: Path) -> str:
    match argv:
        case ["get-primary"]:
            return records.read().next_slot.value + "\n"
        case ["get-current"]:
            return running_slot(cmdline.read_text()).value + "\n"
        case ["begin-trial"]:  # used by prepare-data, not by RAUC
            if is_on_trial(records.read(), running_slot(cmdline.read_text())):
                BootTrial(trial).begin()
            return ""
        case ["get-state", name]:
            return ("good" if records.read().left(Slot(name)) else "bad") + "\n"
        case ["set-primary", name]:
            return _write(records, records.read().on_trial(Slot(name)))
        case ["set-state", name, "good"]:
            return _write(records, records.read().proven(Slot(name)))
        case ["set-state", name, "bad"]:
            return _write(records, records.read().unusable(Slot(name)))
    raise ValueError(f"what is {' '.join(argv)!r}?")


def _write(records: BootRecords, state: BootState) -> str:
    records.write(state)
    return ""


def running_slot(cmdline: str) -> Slot:
    """The slot U-Boot started, from the kernel's command line. Raises: ValueError."""
    found = re.search(r"(?:^|\s)rauc\.slot=(\S+)", cmdline)
    if not found:
        raise ValueError("the kernel's command line names no slot (rauc.slot=)")
    return Slot(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
