"""pppd: brings the network up over an open serial port, reports how it ended, counts its bytes.

Under systemd pppd is `dialpost-ppp.service`, run by root, which checks the request itself (edge/line/ppp/session);
a polkit rule lets the station's user start and stop that one unit. Elsewhere pppd is a child of the station, which
must then be root. Either way there is one process to wait for, and a datagram says that the network is up.

Runs in the event loop. Faults of pppd or the line are never raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dialpost.core.errors import fault_words
from dialpost.core.line.link import Traffic
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import MOST_LOGGED, Logged, PppUp, Trouble, parse_event
from dialpost.core.line.ppp.options import PppRequest
from dialpost.edge.ground.unix_sockets import socket_path
from dialpost.edge.line.ppp.rehearsal import Rehearsal
from dialpost.edge.line.ppp.session import (
    REQUEST,
    SIGNALLED,
    SOCKET,
    TERMINATE_S,
    Rules,
    SessionHooks,
    command,
    given,
    write_private,
)

UNIT = "dialpost-ppp.service"
UNIT_END_S = 8.0
"""The time the unit has to end pppd and what its scripts have begun."""
TERMINATED = 5
"""pppd's exit status after SIGTERM (pppd(8))."""
_LAST_WORDS_S = 1.0
_LARGEST_EVENT = 65_536
_EXITED = str(os.CLD_EXITED)


class Pppd:
    """One session at a time: (`rehearse`), `start`, (`ended`), `stop`."""

    def __init__(
        self, run_dir: Path, *, under_systemd: bool | None = None, log: Callable[[str], None] = lambda line: None
    ) -> None:
        self._folder = run_dir / "ppp"
        self._under_systemd = _unit_is_there() if under_systemd is None else under_systemd
        self._rehearsal = Rehearsal(under_systemd=self._under_systemd)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=MOST_LOGGED)
        self._hooks: SessionHooks | None = None
        self._rules: Rules | None = None
        self._options: int | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._events: socket.socket | None = None
        self._up: PppUp | None = None
        self._before = Traffic(0, 0)
        self._last: Traffic | None = None

    def rehearse(self) -> None:
        """The modem dials: have what `start` will run read into memory meanwhile, and pppd wait for its options.

        Most providers send their first LCP packet at CONNECT. If nobody listens yet, the next comes 3 s later.
        """
        self._rehearsal.begin()
        if not self._under_systemd and self._process is None and self._starting is None:
            self._starting = asyncio.create_task(self._run_early())

    async def start(self, request: PppRequest) -> PppUp | PppEnd:
        """Bring the network up; returns how it ended if it did not come up. After a cancellation call `stop`."""
        self._up = self._last = None
        self._lines.clear()
        await self._rehearsal.end()
        await self._started_early()
        try:
            if self._under_systemd:
                await self._run_unit(request)
            else:
                await self._run_with(request)
            assert self._events is not None
            return await self._until_up(self._events)
        except (OSError, ValueError) as error:
            return PppEnd(None, detail=f"pppd could not be started: {fault_words(error)}")

    async def ended(self) -> PppEnd:
        """Wait until pppd ends by itself."""
        process = self._process
        if process is None:
            return PppEnd(None, detail="pppd does not run")
        code: int | None = await process.wait()
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=_LAST_WORDS_S)
        if self._under_systemd:
            code = await _unit_status()
            self._hear_log()
        lines, was_up = tuple(self._lines), self._up is not None
        if code is None or not 0 <= code < SIGNALLED:
            said = f": {lines[-1]}" if lines else "."
            return PppEnd(None, lines, f"pppd did not run, or was killed{said}", was_up)
        return PppEnd(code, lines, was_up=was_up)

    async def stop(self) -> None:
        """End the session in order, by force if that takes too long. Harmless if none runs."""
        await self._rehearsal.end()
        await self._started_early()
        process = self._process
        if process is None:
            self._end_hooks_soon()
            return
        self.traffic()
        if process.returncode is None:
            if self._under_systemd:
                await _systemctl("stop", UNIT)
            else:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            try:
                await asyncio.wait_for(process.wait(), UNIT_END_S if self._under_systemd else TERMINATE_S)
            except TimeoutError:
                if self._under_systemd:
                    await _systemctl("kill", "--signal=SIGKILL", UNIT)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._reading is not None:
            self._reading.cancel()
        self._end_hooks_soon()  # what the last script said need not be done before the line is hung up
        self._close_events()
        self._close_options()
        self._process = self._reading = self._up = None

    def traffic(self) -> Traffic | None:
        """Bytes of IP that the session carried, including headers; still known after its end."""
        if self._up is not None:
            counted = _counters(self._up.interface)
            if counted is not None:
                self._last = Traffic(counted.up - self._before.up, counted.down - self._before.down)
        return self._last

    async def _run_unit(self, request: PppRequest) -> None:
        """Start the unit with this request. Raises: OSError."""
        self._listen()
        write_private(self._folder / REQUEST, request.to_json())
        await _systemctl("stop", UNIT)  # one may have outlived an earlier daemon
        await self._spawn(["systemctl", "start", "--wait", UNIT], asyncio.subprocess.DEVNULL)

    async def _run_early(self) -> None:
        """Start pppd, which then waits for its options. If that fails, `start` will say so."""
        with contextlib.suppress(OSError):
            await self._run()
            if self._hooks is not None:
                await asyncio.to_thread(self._hooks.load)

    async def _started_early(self) -> None:
        if self._starting is not None:
            await asyncio.wait({self._starting})
            self._starting = None

    async def _run_with(self, request: PppRequest) -> None:
        """Give pppd its options, if need be a new one. Raises: OSError, ValueError."""
        if self._process is None or self._process.returncode is not None or self._options is None:
            await self._run()
        assert self._process is not None and self._hooks is not None and self._options is not None
        self._hooks.expect(self._process.pid, request)
        with contextlib.suppress(BrokenPipeError):  # it has ended: its status says why
            os.write(self._options, given(self._folder, request))
        self._close_options()

    async def _run(self) -> None:
        """Start pppd as a child that reads its options from a pipe. Raises: OSError."""
        await self._end_hooks()
        self._close_options()
        self._listen()
        arguments = command(self._folder)
        served = SessionHooks(self._folder, self._folder / SOCKET, self._rules)
        served.start()
        self._hooks = served
        reader, self._options = os.pipe()
        try:
            await self._spawn(arguments, reader)
        finally:
            os.close(reader)

    async def _spawn(self, arguments: Sequence[str], stdin: int) -> None:
        # Not its own session: the tty would become its controlling terminal, and be hung up when pppd ends.
        self._process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _until_up(self, events: socket.socket) -> PppUp | PppEnd:
        loop = asyncio.get_running_loop()
        ending, trouble = asyncio.ensure_future(self.ended()), ""
        try:
            while True:
                told = asyncio.ensure_future(loop.sock_recv(events, _LARGEST_EVENT))
                try:
                    await asyncio.wait({told, ending}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not told.done():
                        told.cancel()
                heard = parse_event(told.result()) if told.done() and not told.cancelled() else None
                if isinstance(heard, PppUp):
                    self._up = heard
                    self._before = Traffic(0, 0)
                    return heard
                if isinstance(heard, Logged):
                    self._lines.extend(heard.lines)
                if isinstance(heard, Trouble):
                    self._log(heard.words)
                    trouble = heard.words
                if ending.done():
                    end = ending.result()
                    if end.exit_code == TERMINATED and not trouble:  # not by us: only its own script does that
                        trouble = "The script that sets up the line's network failed."
                    return replace(end, last_lines=tuple(self._lines), detail=trouble or end.detail)
        finally:
            ending.cancel()

    async def _end_hooks(self) -> None:
        """Have what the last script said done, and listen no longer."""
        self._end_hooks_soon()
        if self._ending is not None:
            await self._ending

    def _end_hooks_soon(self) -> None:
        if self._hooks is not None:
            ended, self._hooks = self._hooks, None
            self._rules = ended.rules
            self._ending = asyncio.create_task(asyncio.to_thread(ended.stop))

    def _hear_log(self) -> None:
        """Read what the unit reported of pppd's log as it ended; systemctl does not show it."""
        if self._events is None:
            return
        with contextlib.suppress(OSError):  # until the socket is empty
            while True:
                heard = parse_event(self._events.recv(_LARGEST_EVENT, socket.MSG_DONTWAIT))
                if isinstance(heard, Logged):
                    self._lines.extend(heard.lines)

    def _listen(self) -> None:
        """Hear what pppd's scripts, or the unit, say. Raises: OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._close_events()
        self._events = _listen(self._folder / SOCKET)

    def _close_options(self) -> None:
        if self._options is not None:
            os.close(self._options)
            self._options = None

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode("utf-8", "replace").strip()
            if self._hooks is not None:
                self._hooks.hear(text)
            self._lines.append(text)
            self._log(text)


def _listen(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    with socket_path(path) as short:
        sock.bind(short)
    return sock


def _counters(interface: str) -> Traffic | None:
    """The kernel's counters; None if the interface is gone."""
    folder = Path("/sys/class/net") / interface / "statistics"
    try:
        return Traffic(int((folder / "tx_bytes").read_text()), int((folder / "rx_bytes").read_text()))
    except (OSError, ValueError):
        return None


def _unit_is_there() -> bool:
    """Whether systemd runs this machine and knows the unit."""
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemctl") is None:
        return False
    places = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
    return any(Path(place, UNIT).exists() for place in places)


async def _systemctl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "systemctl",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode("utf-8", "replace").strip()


async def _unit_status() -> int | None:
    """pppd's exit status as kept by systemd; None if it never ran or was killed: a signal number is not an exit
    status (9 does not mean "pty could not be run").
    """
    said = await _systemctl("show", "--property=ExecMainCode", "--property=ExecMainStatus", UNIT)
    facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    status = facts.get("ExecMainStatus", "")
    return int(status) if facts.get("ExecMainCode") == _EXITED and status.isdigit() else None
