"""What a call will run, run without effect while the modem dials, to be in memory once the line is paid for.

After a boot, or when the memory was needed for something else, each of these programs has to be read from the card
first, with its libraries, and the kernel's modules that the firewall needs. Says nothing and changes nothing; one
that is missing or takes long does not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dialpost.core.line.firewall import ruleset
from dialpost.edge.line.ppp.tools import SYSTEM_PATH

_LONGEST_S = 10.0
_NFT, _IP, _PPPD = ("nft", "--check", "-f", "-"), ("ip", "-V"), ("pppd", "--version")
_RULES = ruleset("ppp0", (), filtered=True, timestamps_off=True, share_with_lan=False)
"""What nft checks; only root's makes the kernel load its modules."""
_UNIT = (sys.executable, "-P", "-c", "import dialpost.edge.line.ppp.session")
"""The beginning of the unit's process, as it is started by systemd. Elsewhere pppd itself is started meanwhile."""


class Rehearsal:
    """One at a time; `begin` at the dial, `end` when it gets serious. In the event loop."""

    def __init__(self, *, under_systemd: bool) -> None:
        self._commands = (_UNIT, _NFT, _IP, _PPPD) if under_systemd else (_NFT, _IP)
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start it, unless it still runs."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(_run(self._commands))

    async def end(self) -> None:
        """From now on the processor belongs to the call."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


async def _run(commands: Sequence[Sequence[str]]) -> None:
    for name, *arguments in commands:
        places = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
        program = shutil.which(name, path=places)
        if program is None:
            await _read(shutil.which(name, os.R_OK, places))
            continue
        with contextlib.suppress(OSError, TimeoutError):
            quiet = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(
                program, *arguments, stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet
            )
            try:
                given = _RULES.encode() if name == _NFT[0] else b""
                await asyncio.wait_for(process.communicate(given), _LONGEST_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()


async def _read(program: str | None) -> None:
    """One that this user may not run, as pppd on Debian: it is read at least, without its libraries."""
    if program is not None:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(Path(program).read_bytes)
