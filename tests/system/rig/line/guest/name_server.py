"""A name server inside a guest, on all its addresses: name_server.py NAME=ADDRESS..."""

from __future__ import annotations

import signal
import sys

from rig.servers.dns_server import DnsServer


def main() -> None:
    names = (argument.partition("=") for argument in sys.argv[1:])
    with DnsServer({(name, "A"): (address,) for name, _, address in names}, listen=("0.0.0.0", 53)):
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for the word
        signal.pause()


if __name__ == "__main__":
    main()
