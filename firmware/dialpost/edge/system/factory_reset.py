"""Requesting the factory reset: a durable marker on the card, then a reboot.

Nothing is deleted here. At the start of the machine, before the daemon, a unit that finds the marker
`factory-reset` in the station's folder erases the station's data. So a power cut at any moment leaves either the
station as it was or one that is reset at its next start, never half of one.

On a station under systemd the machine reboots through logind (a polkit rule lets the station's user do that); in a
development tree the marker is all that happens. Runs in the event loop; the disk is written in a thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from dialpost.core.config.model import StationConfig
from dialpost.core.errors import StorageError
from dialpost.edge.ground.durable import sync_folder, write_durably

MARKER = "factory-reset"
NOT_HERE = "This is not an installed station, and nothing here erases it: delete its folders to start over."
REBOOT_S = 20.0
"""The longest wait for the service manager to accept the request for a reboot."""

_log = logging.getLogger("dialpost.panel")


class FactoryReset:
    """The one way to request it, for button and console alike.

    `reboot` returns "" if the machine is going down, else why not, in words; by default systemd is asked.
    """

    def __init__(self, data_dir: Path, reboot: Callable[[], Awaitable[str]] | None = None) -> None:
        # The unit that erases looks in one place, whatever folder below it the configuration names.
        self._data_dir = Path(StationConfig().data_dir) if _is_station() else data_dir
        self._reboot = reboot or _reboot

    async def request(self, by: str) -> str:
        """Mark the card and reboot; returns what happens now, in words. `by` says who asked.

        The marker is durable on return. Raises: StorageError if it can't be written; nothing happens then.
        """
        await asyncio.to_thread(write_marker, self._data_dir, by)
        _log.warning("factory reset asked for by=%s", by)
        why_not = await self._reboot()
        if why_not == NOT_HERE:
            return f"The request is recorded in {self._data_dir / MARKER}. {NOT_HERE}"
        if why_not:
            _log.error("factory reset: no reboot: %s", why_not)
            return f"The station is reset at its next start. {why_not}"
        return "The station restarts and is reset."

    def is_asked_for(self) -> bool:
        """Whether the marker is there."""
        return (self._data_dir / MARKER).exists()

    def call_off(self) -> bool:
        """Remove the marker before the reboot; returns whether there was one. Raises: StorageError."""
        try:
            (self._data_dir / MARKER).unlink()
            sync_folder(self._data_dir)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"The request for a factory reset can't be withdrawn: {error.strerror}.") from error
        return True


def write_marker(data_dir: Path, by: str) -> None:
    """Write the marker, completely or not at all, and durably. Raises: StorageError."""
    # For the log of the unit that erases: by then the daemon's own log is gone.
    text = json.dumps({"by": by, "asked_at": int(time.time())}) + "\n"
    try:
        write_durably(data_dir / MARKER, text.encode(), 0o640)
    except OSError as error:
        raise StorageError(
            f"The factory reset can't be recorded in {data_dir}: {error.strerror or error}."
        ) from error


async def _reboot() -> str:
    """Ask this machine's service manager; returns "" once it agreed, else why not."""
    if not _is_station():
        return NOT_HERE
    try:
        process = await asyncio.create_subprocess_exec(
            "systemctl",
            "--no-ask-password",
            "reboot",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return f"systemctl can't be run ({error.strerror}): power-cycle the station."
    try:
        said, _ = await asyncio.wait_for(process.communicate(), REBOOT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return "The service manager does not answer: power-cycle the station."
    if process.returncode:
        words = " ".join(said.decode(errors="replace").split())
        return f"The machine does not reboot ({words or process.returncode}): power-cycle the station."
    return ""


def _is_station() -> bool:
    """Whether this process is the station's service: a daemon tried by hand must not reboot somebody's machine."""
    told = os.environ.get("DIALPOST_STATION") == "1"  # systemd/dialpost.service says so
    return told and Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
