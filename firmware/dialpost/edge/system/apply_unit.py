"""Asking root to apply the committed configuration: starts `dialpost-apply.service` and waits for its result.

The daemon has no right to change the system. It asks systemd to start that one unit (polkit allows its user only
that: systemd/dialpost.rules); the unit reads and checks the configuration file itself, and leaves its result in a
file. Nothing is passed to it. Runs in the event loop; never raises.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from dialpost.core.config.applied import ApplyResult, not_applied
from dialpost.core.errors import fault_words

UNIT = "dialpost-apply.service"
RESULT = Path("/run/dialpost-apply/result.json")
TIMEOUT_S = 90.0
"""Somebody waits for the commit; the unit's own commands are limited to 30 s each (edge/system/apply/services)."""
_BOOTED = Path("/run/systemd/system")
_PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
_LARGEST = 1_000_000


class ApplyUnit:
    """One run at a time: a run that started before the file was written would not include it."""

    def __init__(
        self,
        *,
        result: Path = RESULT,
        systemctl: str = "systemctl",
        is_there: bool | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._result = result
        self._systemctl = systemctl
        self._is_there = is_there
        self._timeout_s = timeout_s
        self._one = asyncio.Lock()

    @property
    def is_there(self) -> bool:
        """Whether this machine has the unit; a development tree or a container has not."""
        if self._is_there is not None:
            return self._is_there
        return _BOOTED.is_dir() and any(Path(place, UNIT).exists() for place in _PLACES)

    async def run(self, number: int) -> ApplyResult:
        """Apply configuration `number`, the committed one."""
        return await self.apply()

    async def apply(self) -> ApplyResult:
        """Make the system match the configuration file. Returns when it does, or with the reason why not.

        A cancellation leaves the unit running: it ends by itself.
        """
        if not self.is_there:
            words = "This machine has no dialpost-apply.service: its network and services stay as they are."
            return ApplyResult(applied=False, notes=(words,))
        async with self._one:
            # The old result may still be there: only a new file proves that this run wrote one.
            before = self._mark()
            status, said = await self._start()
            if self._mark() == before:
                return not_applied(f"{UNIT} did not say how it ended{_because(status, said)}.")
            return self._read()

    async def _start(self) -> tuple[int, str]:
        """`systemctl start` returns when the unit has ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._systemctl,
                "start",
                UNIT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            return -1, fault_words(error)
        try:
            said, _ = await asyncio.wait_for(process.communicate(), self._timeout_s)
        except TimeoutError:
            return -1, f"it took longer than {self._timeout_s:g} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, " ".join(said.decode("utf-8", "replace").split())

    def _mark(self) -> tuple[int, int] | None:
        """A mark that differs for each result, because every run puts a new file into place."""
        try:
            there = self._result.stat()
        except OSError:
            return None
        return there.st_ino, there.st_mtime_ns

    def _read(self) -> ApplyResult:
        try:
            with self._result.open("rb") as file:
                return ApplyResult.from_json(file.read(_LARGEST).decode("utf-8"))
        except (OSError, ValueError) as error:
            return not_applied(f"What {UNIT} said in {self._result} can't be read: {fault_words(error)}.")


def _because(status: int, said: str) -> str:
    return f" ({said or f'status {status}'})" if status else ""
