"""The daemon's process: one station from start to SIGTERM, signals, and the service manager's wishes.

`station` wires the mail station itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

from dialpost.core.config import Config
from dialpost.core.config_check import warnings
from dialpost.edge import listeners
from dialpost.edge.service_manager import ServiceManager
from dialpost.station import Station

_log = logging.getLogger(__name__)


async def run(config: Config, path: Path) -> int:
    """Run a station until SIGTERM or SIGINT; the exit status."""
    for sentence in warnings(config):
        _log.warning("%s: %s", path, sentence)
    manager = ServiceManager()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _log.info, "the configuration is read at the start: restart to apply it")
    os.umask(0o027)  # mail, queue and accounts are the station's and its group's alone
    station = Station(config)
    await station.start(listeners.inherited_sockets())
    for door, host, port in station.doors:
        _log.info("listening door=%s address=%s port=%s", door.value, host, port)
    manager.ready(f"{config.station.hostname} takes mail")
    feeding = asyncio.create_task(_feed_watchdog(manager))
    try:
        await stop.wait()
    finally:
        manager.stopping()
        _log.info("stopping")
        feeding.cancel()
        await station.stop()
    return 0


async def _feed_watchdog(manager: ServiceManager) -> None:
    while manager.watchdog_s:
        manager.alive()
        await asyncio.sleep(manager.watchdog_s / 3)
