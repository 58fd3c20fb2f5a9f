"""The machine: an orderly shutdown through the service manager, the journal, a ping.

Blocks; each function runs a system program, and none needs a privilege of ours: polkit lets the station's user shut
the machine down (systemd/dialpost.rules), the group systemd-journal lets it read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from dialpost.core.errors import DialpostError, fault_words

_BOOTED = Path("/run/systemd/system")
_END_S, _JOURNAL_S = 20.0, 20.0


class End(Enum):
    """How the machine goes down; the values are those of systemctl."""

    SHUTDOWN = "poweroff"
    REBOOT = "reboot"


def end(how: End) -> None:
    """Shut down or reboot; the machine is going down when this returns. Raises: DialpostError with the reason."""
    if os.environ.get("DIALPOST_STATION") != "1" or not _BOOTED.is_dir():  # the units say so
        raise DialpostError("This is not an installed station: the machine is left as it is.")
    try:
        done = subprocess.run(
            ["systemctl", "--no-ask-password", how.value], capture_output=True, timeout=_END_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DialpostError(f"The service manager can't be asked ({fault_words(error)}).") from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise DialpostError(f"The system refused: {words or done.returncode}.")


def journal(lines: int) -> list[str] | None:
    """The newest lines of the station's units; None if there is no readable journal of them."""
    if not _BOOTED.is_dir() or shutil.which("journalctl") is None:
        return None
    try:
        done = subprocess.run(
            ["journalctl", "--quiet", "--no-pager", "-o", "short-iso", "-n", str(lines), "-u", "dialpost*"],
            capture_output=True,
            timeout=_JOURNAL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = done.stdout.decode(errors="replace").splitlines()
    return found if done.returncode == 0 and found else None


def ping(host: str, show: Callable[[str], None]) -> None:
    """Four echo requests, each answer shown as it comes. Raises: DialpostError."""
    if host.startswith("-"):
        raise DialpostError(f"{host} is not a host name or address.")
    try:
        process = subprocess.Popen(
            ["ping", "-n", "-c", "4", "-w", "20", host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise DialpostError(f"The program ping can't be run: {error.strerror}.") from error
    try:
        assert process.stdout is not None
        for line in process.stdout:
            show(line.rstrip())
        process.wait()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
