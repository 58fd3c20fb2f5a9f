"""The /dev/log of a guest: each record becomes a line of /var/log/mail.log, with the milliseconds at which it came.

Returns once records are taken; a process of its own goes on taking them. Without it sendmail would log nowhere.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from pathlib import Path

_RECORD = re.compile(rb"<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d (.*)", re.DOTALL)


def line_of(record: bytes, now_s: float) -> str:
    """What is written of a record (RFC 3164 §4.1) that came now; its own time has no milliseconds."""
    found = _RECORD.fullmatch(record.rstrip(b"\0\n"))
    said = (found[1] if found else record).decode("utf-8", "replace")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now_s))
    return f"{when}.{int(now_s % 1 * 1000):03} {said}\n"


def main(place: str = "/dev/log", log: str = "/var/log/mail.log") -> None:
    """Take records, in a child process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taking:
        taking.bind(place)
        Path(place).chmod(0o666)
        if os.fork():
            return
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)  # who started the parent waits for the end of its output
        with Path(log).open("a", buffering=1) as lines:
            while True:
                lines.write(line_of(taking.recv(8192), time.time()))


if __name__ == "__main__":
    main(*sys.argv[1:])
