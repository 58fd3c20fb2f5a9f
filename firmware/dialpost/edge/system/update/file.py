"""The record of the last update on the card, and the station's notes on having reported it. Blocks.

The record is root's, in /data/station, which a factory reset erases; the notes are the station's own.
$DIALPOST_UPDATE_RECORD names another record for tests, which must not see that of a station they run on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_json
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, parse
from dialpost.edge.ground.durable import remove_durably, write_durably

ENVIRONMENT = "DIALPOST_UPDATE_RECORD"
RECORD = Path("/data/station/update.json")
NOTES = "update-notes.json"
_LARGEST = 65_536
_COMMAND_LINE = Path("/proc/cmdline")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class UpdateFile:
    """The record at `path`, by default the station's."""

    def __init__(self, path: Path | None = None, command_line: Path = _COMMAND_LINE) -> None:
        self._path, self._command_line = path or Path(os.environ.get(ENVIRONMENT) or RECORD), command_line

    def read(self) -> UpdateRecord | None:
        """The record; None if no update was ever installed here, or the file is damaged."""
        try:
            with self._path.open("rb") as file:
                return parse(file.read(_LARGEST))
        except OSError:
            return None

    def now(self) -> UpdateRecord | None:
        """The record as seen from this start; unchanged on a machine without slots."""
        record, slot = self.read(), running_slot(self._command_line)
        return record.now(slot, boot_id()) if record is not None and slot is not None else record

    def write(self, record: UpdateRecord) -> None:
        """Durable when it returns. Raises: StorageError; the old record stays then."""
        _write(self._path, record.render(), 0o644)

    def clear(self) -> None:
        """Remove the record: there is no longer an update to judge. Raises: StorageError."""
        try:
            remove_durably(self._path)
        except OSError as error:
            raise StorageError(f"{self._path} can't be removed: {error.strerror or error}.") from error


class UpdateNotes:
    """Which updates were reported by mail, and which the operator has seen, by name of the note."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NOTES

    def get(self, name: str) -> str:
        """The note's value, "" if there is none."""
        return self._read().get(name, "")

    def note(self, name: str, value: str) -> None:
        """Durable when it returns. Raises: StorageError."""
        _write(self._path, json.dumps(self._read() | {name: value}).encode() + b"\n", 0o640)

    def _read(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            values = parse_json(self._path.read_bytes())
            if isinstance(values, dict):
                return {str(name): str(value) for name, value in values.items()}
        return {}


def running_slot(command_line: Path = _COMMAND_LINE) -> Slot | None:
    """The slot U-Boot started, from the kernel's command line; None on a machine without the image.

    Raises: StorageError if a sandbox hides it.
    """
    # RAUC finds its own slot by the same parameter.
    found = re.search(r"(?:^|\s)rauc\.slot=([ab])(?:\s|$)", _kernels(command_line))
    return Slot(found[1]) if found else None


def boot_id() -> str:
    """The kernel's own id of this start. Raises: StorageError if a sandbox hides it."""
    return _kernels(_BOOT_ID).strip()


def _kernels(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise StorageError(f"{path} can't be read: {error.strerror or error}.") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        write_durably(path, data, mode)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror or error}.") from error
