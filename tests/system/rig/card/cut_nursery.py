"""Run by `cut_process.Nursery`: reads "CONFIG<tab>LOG", forks a daemon for it and prints its process id."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import traceback
from pathlib import Path

from dialpost import daemon, process
from dialpost.cli.system.daemon import set_up_logging
from dialpost.core.errors import DialpostError


def live(config: Path, log: Path) -> int:
    """The daemon's whole life; the exit status."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).cut_this_process()
    set_up_logging("info")
    try:
        return asyncio.run(process.run(config, daemon.SetUp()))
    except BaseException as error:
        traceback.print_exc()
        return 1 if isinstance(error, DialpostError) else 2


def main() -> None:
    """Until the standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel clears them away
    for line in sys.stdin:
        config, log = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            os._exit(live(Path(config), Path(log)))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
