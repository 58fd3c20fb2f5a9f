"""A computer on the emulated board's LAN that lends a folder by HTTP, as `python3 -m http.server` there would.

QEMU hands it each connection as standard input: `python -m image.rig.web FOLDER`.
"""

from __future__ import annotations

import functools
import os
import shlex
import socket
import sys
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

ADDRESS = "10.0.2.80"


def forward(folder: Path) -> str:
    """For QEMU's -netdev user: who asks ADDRESS on port 80 gets the files of `folder`."""
    command = ["env", f"PYTHONPATH={os.pathsep.join(sys.path)}", sys.executable, "-m", __name__, str(folder)]
    return f"guestfwd=tcp:{ADDRESS}:80-cmd:{shlex.join(command)}"


class Handler(SimpleHTTPRequestHandler):
    """Says nothing: QEMU hands standard error to the connection, too."""

    def log_message(self, format: str, *args: object) -> None:
        del format, args


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as connection:
        handler = functools.partial(Handler, directory=sys.argv[1])
        handler(connection, (ADDRESS, 0), None)  # type: ignore[arg-type]  # it asks its server nothing
