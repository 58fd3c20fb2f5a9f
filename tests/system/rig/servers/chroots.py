"""The real servers' chroots: whether they are there, and how to run something inside one.

They are made by `make system-deps` (see servers/install) and entered by servers/enter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rig.processes import Child

_SERVERS = Path(__file__).parents[2] / "servers"
CACHE = Path(os.environ.get("DIALPOST_SERVERS", _SERVERS.parents[2] / ".cache" / "servers"))
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
HOW_TO_GET = "get it with: make system-deps (as root)"


def missing(*, servers: Sequence[str] = (), commands: Sequence[str] = ()) -> str:
    """What is not there, in words, with the command that gets it; "" if all is."""
    lacking = [f"the command {name}" for name in commands if shutil.which(name, path=_PATH) is None]
    if servers and os.geteuid() != 0:
        return f"to be root, as real servers run in chroots ({', '.join(servers)}); run: sudo make test-system"
    lacking += [f"the server {name} in {CACHE}" for name in servers if not (CACHE / f"{name}.inputs").exists()]
    return f"{', '.join(lacking)}; {HOW_TO_GET}" if lacking else ""


class Inmate(Child):
    """A process in a chroot: the first of its process namespace, so that its end is the end of all in it."""

    def kill(self) -> None:
        """SIGKILL to everything inside; returns when all of it is gone."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        if self.is_running() and (first := children.read_text().split()):
            os.kill(int(first[0]), signal.SIGKILL)
            self.wait(20)
        else:
            super().kill()


@dataclass(frozen=True)
class Chroot:
    """One server's chroot with the directories of this machine that it shall see."""

    name: str
    binds: tuple[Path, ...] = ()
    files: tuple[tuple[Path, str], ...] = field(default=())

    def command(self, *command: str | Path) -> list[str]:
        shown = [part for path in self.binds for part in ("--bind", str(path))]
        shown += [part for source, target in self.files for part in ("--file", str(source), target)]
        return [str(_SERVERS / "enter"), str(CACHE / self.name), *shown, "--", *map(str, command)]

    def start(self, *command: str | Path, log: Path) -> Inmate:
        """Run it as a process of ours; when that ends all it started is gone too."""
        return Inmate(self.command(*command), log)

    def run(self, *command: str | Path, input: str = "", check: bool = True) -> str:
        """Run it to its end; its standard output."""
        done = subprocess.run(
            self.command(*command), input=input, capture_output=True, text=True, timeout=600, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout
