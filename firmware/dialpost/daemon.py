"""The daemon's process: one station after another as the configuration changes, or none until it is set up.

The control socket, the panel and the listening sockets belong to the process and stay open while stations change.
Without a usable configuration only the control socket is served, until a first one is committed. `station` wires
the mail station itself, `flow/config/changes` decides when which configuration takes effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialpost import __version__
from dialpost.active_config import ActiveConfigFile
from dialpost.board_check import board_warnings
from dialpost.core.config.check import warnings
from dialpost.core.config.history import split_header
from dialpost.core.config.model import Config
from dialpost.core.config.setup import first_text
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import serve
from dialpost.core.control.station import STATUS, TRIAL_OVER, Status
from dialpost.core.errors import ConfigError, DialpostError, NotFoundError, StorageError
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import AT_REST
from dialpost.core.mail.places import wanted_doors
from dialpost.core.panel.station_state import Phase
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.console.admin_password import NO_PASSWORD, AdminPassword
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.edge.control_socket.server import ControlServer, refuse_second
from dialpost.edge.mail.listeners import Doors, ListenError
from dialpost.edge.system.apply_unit import ApplyUnit
from dialpost.edge.system.boot.trial import BootTrial
from dialpost.edge.system.card.spare_room import SpareRoom
from dialpost.edge.system.clock import Clock
from dialpost.edge.system.data_lock import DataLock
from dialpost.flow.config.changes import ConfigChanges
from dialpost.flow.config.methods import config_methods
from dialpost.flow.config.sessions import ConfigSessions
from dialpost.flow.config.world import Apply
from dialpost.flow.line.dedicated_line import DedicatedLine
from dialpost.flow.panel.state import Panel
from dialpost.front_panel import FrontPanelOfProcess
from dialpost.opening import held_on_trial, is_the_cards_fault, why_not
from dialpost.standstill import AGAIN_EVERY_S, Standstill
from dialpost.station import Station

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetUp:
    """What applies until there is a configuration: folders ("" = the usual), and what a first one is made from."""

    data_dir: str = ""
    run_dir: str = ""
    first: str = ""


class MakeStation(Protocol):
    """How a station is made; the simulation supplies another line."""

    def __call__(
        self, config: Config, *, panel: Panel, control: ControlServer, remarks: Callable[[], list[str]]
    ) -> Station:
        """Make it; it is not started."""


class Daemon:
    """The process of the configuration file at `path`. `start`, `stop`; `failed` is set when it can't go on.

    `panel` is shown from start to stop; `station` is the one that runs now, None until it is set up. `before_run`
    gets each configuration before a station is started with it.
    """

    def __init__(
        self,
        path: Path,
        *,
        set_up: SetUp | None = None,
        make_station: MakeStation = Station,
        apply: Apply | None = None,
        front: Callable[[Panel], FrontPanelOfProcess] = FrontPanelOfProcess,
        before_run: Callable[[Config], None] = lambda config: None,
        trial: BootTrial | None = None,
    ) -> None:
        self.file, self.history = ConfigFile(path), ConfigHistory(path)
        self.panel = Panel()
        self.front = front(self.panel)
        self.station: Station | None = None
        self.failed = asyncio.Event()
        self.changes = ConfigChanges(self.history, self.file, self, apply or ApplyUnit(), Clock())
        self._set_up = set_up or SetUp()
        self._trial = trial or BootTrial()
        self._make_station, self._before_run = make_station, before_run
        self._stop_waiting: Callable[[], None] = _nothing
        self._config: Config | None = None
        self._is_held = False
        self._active_config = ActiveConfigFile(self.file, self.history)
        self._standstill: Standstill | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    # -- start and stop -------------------------------------------------------------------------------

    async def start(self, inherited: dict[str, list[socket.socket]] | None = None) -> None:
        """Return when a station runs, or waits to be set up. Raises: DialpostError; nothing runs then."""
        first = first_text(self._set_up.first, data_dir=self._set_up.data_dir, run_dir=self._set_up.run_dir)
        # Before anything is touched: a commit waiting for its confirmation belongs to the other daemon, which may
        # roll it back.
        await asyncio.to_thread(refuse_second, self._control_path(None, first))
        await self._repair()
        await self.changes.before_start()
        self._doors = Doors(inherited or {})
        config = self._active_config.load()
        sessions = ConfigSessions(self.history, self.file, self.changes, self, first)
        self._control = ControlServer(
            self._control_path(config, first),
            config_methods(sessions, self.changes, board_warnings) | self.front.methods(),
        )
        try:
            if config is None:
                self._wait_for_set_up()
            else:
                await self._first_start(config)
            await self._control.start()
            self._show_on_panel()
        except BaseException:
            await self.stop()
            raise

    def _control_path(self, config: Config | None, first: str) -> Path:
        return Path(self._active_config.run_dir(config, self._set_up.run_dir, first)) / SOCKET_NAME

    async def stop(self) -> None:
        """Stop in reverse order. A commit waiting for its confirmation is rolled back at the next start."""
        self.panel.phase(Phase.SHUTDOWN)
        await self.changes.close()
        await self._control.close()
        await self._stop_station()
        self._doors.close()
        await self.front.close()

    def make_room(self) -> None:
        """The system allows no more connections: some idle ones are closed."""
        if self.station is not None:
            self.station.make_room()

    def _show_on_panel(self) -> None:
        """The button controls the calls of the running station; another board or brightness takes effect now."""
        self.front.serve(self.config or Config(), self.station.calls if self.station is not None else None)

    def reload(self) -> None:
        """Load the file as it is now; the log reports the result."""
        self._in_background(self._reload())

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            text = await asyncio.to_thread(self.file.read)
            for words in await self.changes.reload(split_header(text)[1]):
                _log.info("reload: %s", words)
            _log.info("reload: %s is now active", self.file.path)
        except (ConfigError, NotFoundError) as error:
            _log.error("reload: %s; the station keeps running as before", error)
        except DialpostError as error:
            _log.error("reload: %s", error)

    # -- what flow/config/changes asks ----------------------------------------------------------------

    @property
    def config(self) -> Config | None:
        """The configuration of the running station, or of the one that waits for its release to prove itself."""
        return self._config if self.station is not None or self._is_held else None

    @property
    def call_is_up(self) -> bool:
        """Whether a call is under way. A dedicated line has no calls to wait for."""
        if self.station is None or isinstance(self.station.calls, DedicatedLine):
            return False
        return self.station.calls.state not in AT_REST

    async def call_ended(self) -> None:
        """Return when no call is under way."""
        ended = asyncio.Event()
        unwatch = self.panel.watch(lambda state, lights: None if self.call_is_up else ended.set())
        try:
            await ended.wait()
        finally:
            unwatch()

    @property
    def trouble(self) -> str:
        """Why no station runs although there is a configuration; "" if one does."""
        return "" if self._standstill is None else f"The station is stopped: {self._standstill.why}"

    async def rehearse(self, config: Config) -> tuple[str, ...]:
        """Why a station would not start with it."""
        return await why_not(config, self._doors, self.config)

    async def take(self, config: Config | None) -> None:
        """Replace the running station by one with this configuration."""
        self._control.pause()
        try:
            old = self.config
            await self._stop_station()
            if config is None:
                self._active_config.look()
                self._wait_for_set_up()
                return
            try:
                await self._run(config)
            except Exception as error:
                if await is_the_cards_fault(error, config):  # no other configuration would start either
                    await self._run_or_stand_still(config)
                    return
                if not isinstance(error, DialpostError):
                    _log.exception("the station did not start")
                await self._run_again(old)
                raise error if isinstance(error, DialpostError) else StorageError(repr(error)) from error
        finally:
            self._show_on_panel()
            self._control.resume()

    def _remarks(self) -> list[str]:
        open_console = os.environ.get("DIALPOST_STATION") == "1" and not AdminPassword(self.file.path).is_set()
        return [*self.changes.attention(), *self.front.attention(), *([NO_PASSWORD] if open_console else [])]

    # -- inside ---------------------------------------------------------------------------------------

    async def _first_start(self, config: Config) -> None:
        try:
            await self._run(config)
        except DialpostError as error:
            if await is_the_cards_fault(error, config) or not await self._went_back():
                await self._run_or_stand_still(config)
                return
            await self._repair()
            again = self._active_config.load()
            if again is None:
                self._wait_for_set_up()
                return
            await self._run_or_stand_still(again)
        if not self.trouble:
            await self.changes.started()

    async def _went_back(self) -> bool:
        """Whether another configuration was restored."""
        with contextlib.suppress(StorageError):
            return await self.changes.start_failed()
        return False

    async def _run_or_stand_still(self, config: Config) -> None:
        """Run a station or, if the card does not allow it, say so at all doors. Raises: DialpostError."""
        try:
            await self._run(config)
        except StorageError as error:
            self._stop_waiting()
            self._stop_waiting = _nothing
            standstill = Standstill(config, error, self._control)
            await standstill.start(self._doors.take(wanted_doors(config)))
            self._standstill, self._config, self._is_held = standstill, config, True
            self.panel.fault(Fault.STORAGE, True)
            self.panel.phase(Phase.RUNNING)
            self._in_background(self._start_when_it_can(standstill))

    async def _start_when_it_can(self, standstill: Standstill) -> None:
        """Try now and then, until another station or standstill replaces it."""
        while True:
            await asyncio.sleep(AGAIN_EVERY_S)
            if self._standstill is not standstill or self._config is None:
                return
            with contextlib.suppress(StorageError):
                await asyncio.to_thread(SpareRoom(Path(self._config.station.data_dir)).check)
                await self.changes.run_again()
                return

    async def _stop_station(self) -> None:
        if self.station is not None:
            await self.station.stop()
            self.station = None
        if self._standstill is not None:
            standstill, self._standstill = self._standstill, None
            await standstill.stop()

    def _wait_for_set_up(self) -> None:
        """No station runs: panel and `status` say so until one does."""
        self.panel.waits_for_set_up()
        self._is_held = False
        self._stop_waiting()
        self._stop_waiting = self._control.offer(serve(STATUS, self._status))

    async def _run(self, config: Config) -> None:
        if self._trial.is_on() and (problems := await asyncio.to_thread(held_on_trial, config)) is not None:
            self._wait_for_proof(config, problems)
            return
        self._is_held = False
        self._stop_waiting()
        self._stop_waiting = _nothing
        self._before_run(config)
        station = self._make_station(config, panel=self.panel, control=self._control, remarks=self._remarks)
        if self._trial.is_on():
            station.spool.log.make_none()
        sockets = self._take_doors(config)
        try:
            await station.start(sockets)
        except BaseException:
            for sock in (sock for socks in sockets.values() for sock in socks):
                sock.close()
            raise
        self.station, self._config = station, config
        for sentence in warnings(config):  # of a running one: if none runs, its error is all there is to say
            _log.warning("%s: %s", self.file.path, sentence)
        for door, host, port in station.doors:
            _log.info("listening door=%s address=%s port=%s", door.value, host, port)

    def _take_doors(self, config: Config) -> dict[str, list[socket.socket]]:
        try:
            return self._doors.take(wanted_doors(config))
        except ListenError:
            DataLock(Path(config.station.data_dir)).check()  # another running Dialpost is the better explanation
            raise

    def _wait_for_proof(self, config: Config, problems: list[str]) -> None:
        """A new release is on trial, and the queue has an older format, which must stay: the previous release would
        not understand a newer one. No station runs until dialpost-health.service calls `trial.over`; clients with
        mail wait in the sockets' backlog. `problems` are what would prevent the new format.
        """

        async def status(wanted: NoParams) -> Status:
            return Status(
                mode="on-trial",
                version=__version__,
                words="tries the new release; mail waits until it has proven itself, some two minutes.",
                problems=tuple(problems),
                attention=(*problems, *self._remarks()),
            )

        async def over(wanted: NoParams) -> None:
            self._in_background(self._begin_proven())  # after the answer: this withdraws the method

        _log.info("the queue's format is that of the release before: it waits until this one has proven itself")
        self._config, self._is_held = config, True
        self._stop_waiting()
        self._stop_waiting = self._control.offer(serve(STATUS, status) | serve(TRIAL_OVER, over))

    async def _begin_proven(self) -> None:
        if self._is_held and self._config is not None:
            try:
                await self.take(self._config)
            except DialpostError as error:
                _log.error("the station does not start although its release has proven itself: %s", error)
                self.failed.set()

    async def _run_again(self, config: Config | None) -> None:
        """Restart what ran before; if even that fails, the process ends."""
        if config is None:
            self._wait_for_set_up()
            return
        try:
            await self._run_or_stand_still(config)
        except Exception:
            _log.exception("the station before does not start either")
            self.failed.set()

    async def _repair(self) -> None:
        words = await self._active_config.repair()
        if words:
            self.changes.remark(words)

    async def _status(self, wanted: NoParams) -> Status:
        """While no station answers."""
        mode = "unreadable" if self._active_config.problems else "set-up"
        words = (
            f"the configuration {self.file.path} can't be used; no mail is accepted."
            if self._active_config.problems
            else "waits to be set up: there is no configuration yet, and no mail is accepted."
        )
        return Status(
            mode=mode,
            version=__version__,
            words=words,
            attention=(*(self._active_config.problems or ("It has to be set up.",)), *self._remarks()),
        )


def _nothing() -> None:
    pass
