"""The daemon as a process: signals, the service manager, its watchdog, the end. The command `daemon` runs it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from pathlib import Path

from dialpost.core.config.model import Config
from dialpost.daemon import Daemon, SetUp
from dialpost.edge.mail.listeners import inherited_sockets
from dialpost.edge.system import descriptors
from dialpost.edge.system.service_manager import ServiceManager

_log = logging.getLogger("dialpost.daemon")


async def run(path: Path, set_up: SetUp) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit status."""
    manager = ServiceManager()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    changed = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, changed.set)  # from the first moment on: by default it ends the process
    descriptors.take_all()
    daemon = Daemon(path, set_up=set_up, before_run=_set_log_level)
    loop.set_exception_handler(descriptors.Shortage(daemon.make_room))
    await daemon.start(inherited_sockets())
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    if changed.is_set():  # during the start: what was read then may be older
        daemon.reload()
    manager.ready(f"{daemon.config.station.hostname} takes mail" if daemon.config else "waits to be set up")
    feeding = asyncio.create_task(_feed_watchdog(manager))
    try:
        await _first_of(stop.wait(), daemon.failed.wait())
    finally:
        manager.stopping()
        _log.info("stopping")
        feeding.cancel()
        await daemon.stop()
    return 1 if daemon.failed.is_set() else 0


def _set_log_level(config: Config) -> None:
    logging.getLogger().setLevel(config.station.log_level.upper())


async def _first_of(*waits: Coroutine[object, object, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _feed_watchdog(manager: ServiceManager) -> None:
    while manager.watchdog_s:
        manager.alive()
        await asyncio.sleep(manager.watchdog_s / 3)
