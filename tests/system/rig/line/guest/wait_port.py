"""Waits inside a guest until a port on this host greets with 220: wait_port.py PORT SECONDS."""

from __future__ import annotations

import socket
import sys
import time


def main() -> int:
    port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(4).startswith(b"220"):
                    return 0
        except OSError:
            pass
        time.sleep(0.02)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
