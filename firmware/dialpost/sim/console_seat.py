"""The station's console at a simulated serial port: the real program at one end, an operator at the other.

As on the board, each session is followed by the next, and a program that leaves the port and returns finds it
unchanged: this serial line has no hang-up. Runs in the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from dialpost.sim.console_cable import ConsoleCable

PAUSE_S = 0.5


class ConsoleSeat:
    """`start`, use, `stop`. `link` is a second name for the operator's end, easier to type than `path`."""

    def __init__(self, config_path: Path, link: Path, rate_bps: int, environment: Mapping[str, str]) -> None:
        self._config_path, self._environment = config_path, environment
        self.link, self.rate_bps = link, rate_bps
        self.cable = ConsoleCable(rate_bps)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        """The pseudo-terminal for minicom, screen or miniterm."""
        return self.cable.path

    def start(self) -> None:
        """Call it in a running loop."""
        self.cable.start()
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(self.cable.path)
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the session, if there is one, and remove the cable. Harmless if it never started."""
        if self._keeping is None:
            return
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        self._keeping = None
        self.cable.stop()
        with contextlib.suppress(OSError):
            self.link.unlink(missing_ok=True)

    async def _keep(self) -> None:
        """Like the service manager."""
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dialpost",
                "--config",
                str(self._config_path),
                "console",
                "--tty",
                self.cable.station_path,
                env=os.environ | dict(self._environment),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
            await asyncio.sleep(PAUSE_S)

    def lines(self) -> list[str]:
        """How to connect to it."""
        link = shlex.quote(str(self.link))
        return [
            f"screen {link} {self.rate_bps}   or   minicom -D {link}   or",
            f".venv/bin/python -m serial.tools.miniterm --raw {link} {self.rate_bps}   (Ctrl-] leaves)",
        ]
