"""A whole first set-up in one process, killed at a chosen write: `python set_up_child.py FOLDER N`.

N counts the writes made durable (fsync) since the start; at the Nth the process is gone, as by a power cut. 0: it
is not killed. The wizard is skipped where there is a configuration already.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
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
        terminal = FakeTerminal([*LINE, "", "", "", "UTC", *admin, *USERS])
        assert await asyncio.to_thread(set_up, terminal, Site(world.config_path, world.run_dir / SOCKET_NAME))
    assert world.daemon.station is not None
    assert await world.daemon.station.accounts.verify("anna", ANNA)
    await world.stop()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
