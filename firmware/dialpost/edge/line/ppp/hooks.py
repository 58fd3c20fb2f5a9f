"""What pppd runs when the network comes and goes: a script that only says so to a process that runs already.

Mail waits for the first of them on a line that is paid for, and a Python of its own would have to start and import
first; this takes what the shell takes to start (decision 49). The process that serves the scripts has pppd as
its child, so it lives as long as pppd does.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

PIPE = "hooks"
"""The named pipe's name in the folder of pppd's files, which only root can read."""
VARIABLES = ("IFNAME", "IPLOCAL", "IPREMOTE", "DNS1", "DNS2", "PPPD_PID")
"""What is passed on of the environment that pppd gives its scripts (pppd(8), SCRIPTS)."""
_END = "\n"

Act = Callable[[str, Mapping[str, str]], None]


def script(name: str, folder: Path) -> str:
    """The text of pppd's script called `name` (up or down).

    Opened for reading and writing, a pipe never blocks, but then it does not show whether anybody listens: this
    process must still be there. If it or the pipe is not, the script ends pppd: without the firewall the line would
    be open, and nobody would know that it is up.
    """
    pipe, server = shlex.quote(str(folder / PIPE)), os.getpid()
    words = " ".join(f'"${variable}"' for variable in VARIABLES)
    line = r"\t".join(["%s"] * (1 + len(VARIABLES)))
    is_heard = f"[ -p {pipe} ] && kill -0 {server}"
    return f"#!/bin/sh\n{is_heard} && printf '{line}\\n' {name} {words} 1<>{pipe} || kill \"$PPPD_PID\"\n"


class Hooks:
    """`start` before pppd runs, `stop` when it has ended; or `with Hooks(folder, act):`.

    `act` is called in a thread, with the script's name and its environment. It must not raise: nobody would listen
    any more.
    """

    def __init__(self, folder: Path, act: Act, patience_s: float = 15.0) -> None:
        self._path, self._act, self._patience_s = folder / PIPE, act, patience_s
        self._is_up = self._is_over = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the pipe and listen. Raises: OSError."""
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path, 0o600)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, name="pppd's scripts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do what was said before, for at most `patience_s` seconds, and end.

        If pppd was killed before its script could say that the network is down, that is done, too.
        """
        self._path.unlink(missing_ok=True)  # first: the next call's pipe may be there before the wait is over
        self._is_over = True
        os.write(self._descriptor, _END.encode())
        self._thread.join(self._patience_s)

    def say(self, name: str, values: Mapping[str, str]) -> None:
        """Say what a script would say. If it does so as well, that means nothing new."""
        if not self._is_over:
            line = "\t".join((name, *(values.get(variable, "") for variable in VARIABLES)))
            os.write(self._descriptor, f"{line}\n".encode())

    def _serve(self) -> None:
        with os.fdopen(self._descriptor, encoding="utf-8", errors="replace", newline="\n") as pipe:
            while (line := pipe.readline()) != _END:
                name, *values = line.removesuffix("\n").split("\t")
                given = {variable: value for variable, value in zip(VARIABLES, values, strict=False) if value}
                if name == "up" and self._is_up:
                    continue
                self._is_up = name == "up"
                self._act(name, given)
        if self._is_up:
            self._act("down", {})
