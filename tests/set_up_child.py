"""Whole first set-ups, each in its own process that is killed at a chosen write.

For each line `FOLDER N` of its input it makes one and writes how that ended. Imported once, all is there for each.
N counts the writes made durable (fsync) since the start; at the Nth the process is gone, as by a power cut. 0: it
is not killed. The wizard is skipped where there is a configuration already.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import traceback
from pathlib import Path

from dialpost.cli.console.wizard import Site, set_up
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.sim.first_start import FirstStart
from dialpost.sim.line import LineSettings
from dialpost.sim.world import WorldSettings
from fakes import FakeTerminal

ADMIN, ANNA, DIAL = "the admin's", "anna's secret", "blue-harbour-17"
LINE = ["clinic.example", "", "", "0961 555 017", "generic", "clinic", DIAL, DIAL, "mail.provider.example", ""]
USERS = ["anna", ANNA, ANNA, "", "yes", "no"]

real_fsync = os.fsync


def fsync_until(last: int) -> None:
    counter = itertools.count(1)

    def fsync(descriptor: int) -> None:
        if next(counter) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        real_fsync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]


async def run(folder: Path, last: int) -> None:
    world = FirstStart(
        WorldSettings(LineSettings(dial_s=0.0)), folder, lambda words: None, any_ports=True, with_console=False
    )
    await world.start()
    os.environ["DIALPOST_SERIAL_PORTS"] = str(world.modem_path)
    fsync_until(last)
    if not world.config_path.exists():
        admin = [] if AdminPassword(world.config_path).is_set() else [ADMIN, ADMIN]
        terminal = FakeTerminal([*LINE, "", "", "", "", "", "UTC", *admin, *USERS])
        assert await asyncio.to_thread(set_up, terminal, Site(world.config_path, world.run_dir / SOCKET_NAME))
    assert world.daemon.station is not None
    assert await world.daemon.station.accounts.verify("anna", ANNA)
    await world.stop()


if __name__ == "__main__":
    for line in sys.stdin:
        place, number = line.rsplit(maxsplit=1)
        if (child := os.fork()) == 0:
            try:
                asyncio.run(run(Path(place), int(number)))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
