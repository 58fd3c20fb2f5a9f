"""`dialpost simulate --first-start`: a station fresh out of the box, to be set up at its serial console.

The daemon, the console and the modem's dialogue are real; the telephone line, pppd and the provider are simulated.
There is no configuration: whoever is at the console (a pseudo-terminal) sets up the station with the data in the
provider's letter. One folder has everything: `console` and `modem` (the two pseudo-terminals), `dialpost.toml` once
it is made, `data`. Restarted in the same folder, the station continues where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import socket
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.model import ClockSource, Config
from dialpost.core.line.link import DialResult
from dialpost.core.panel.lights import Led
from dialpost.core.panel.station_state import StationState
from dialpost.daemon import Daemon, SetUp
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.line.serial_ports import ENVIRONMENT as SERIAL_PORTS
from dialpost.flow.panel.state import Lights, Panel
from dialpost.sim.console_seat import ConsoleSeat
from dialpost.sim.first_line import SERVER_PORTS, LineClient, LineNames, SimulatedPpp
from dialpost.sim.free_ports import free_port
from dialpost.sim.line import SimulatedLine
from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.session import Received
from dialpost.sim.provider.turned import Held
from dialpost.sim.subscription import Subscription
from dialpost.sim.telephone import RESULTS, Telephone
from dialpost.sim.telephone_line import TelephoneSettings
from dialpost.sim.world import PROVIDER_ADDRESS, USERS_ADDRESS, WorldSettings
from dialpost.station import Station

USUAL_PORTS = (2525, 2587, 2465)
"""Where the station listens, if they are free: port 25, 587 and 465 with 2000 more."""
FIRST = "first.toml"
CONSOLE_BPS = 115_200
_FRIEND = "cleo@world.example"

_FIRST = """\
[station]
data_dir = "{folder}/data"
run_dir = "{run_dir}"

[smtp]
listen = ["{host}:{mx}"]
submission_listen = ["{host}:{submission}"]
submissions_listen = ["{host}:{submissions}"]
disk_reserve_bytes = 0

[call]
grace_min_s = {grace_min_s}
grace_max_s = {grace_max_s}
redial_attempts = 1
redial_pause_s = {pause_s}
cooldown_s = 1.0
"""


class OfficeProvider(Provider):
    """A provider with one customer, and one correspondent in the world, who answers every letter by the next
    call."""

    def __init__(
        self, settings: ProviderSettings, folder: Path, papers: Subscription, say: Callable[[str], None]
    ) -> None:
        super().__init__(settings, folder)
        self._papers, self._say = papers, say
        self._answers: list[Held] = []

    def etrn(self, name: str) -> str:
        """Only the customer's domain has a queue here."""
        if name.lower() != self._papers.domain:
            return f"459 4.7.1 Node {name} not allowed: it is not in your contract"
        return super().etrn(name)

    def take(self, message: Received) -> str:
        """Keep it; the correspondent answers."""
        reply = super().take(message)
        self._say(f"provider: received a message from {message.sender} for {', '.join(message.recipients)}")
        if message.sender and _FRIEND in message.recipients:
            self._answers.append(_letter(message.sender, "Re: your letter", "It arrived. Thank you!"))
        return reply

    def line_down(self) -> None:
        """The answers written in the meantime wait for the next call."""
        for answer in self._answers:
            self.hold(answer)
        self._answers.clear()


class _CountingPpp(SimulatedPpp):
    """Notifies the provider when the line is down."""

    def __init__(self, line: SimulatedLine, papers: Subscription, provider: OfficeProvider) -> None:
        super().__init__(line, papers)
        self._provider = provider

    async def stop(self) -> None:
        """Close the relays."""
        await super().stop()
        self._provider.line_down()


class _NothingToApply:
    """flow/config/changes.Apply: a simulated station must not change the machine it runs on."""

    async def run(self, number: int) -> ApplyResult:
        """Say so."""
        words = "This is a simulation: host name, LAN address and firewall of this machine stay as they are."
        return ApplyResult(applied=True, notes=(words,))


class FirstStart:
    """Everything around a station without a configuration. `start`, use, `stop`."""

    def __init__(
        self,
        settings: WorldSettings,
        folder: Path,
        say: Callable[[str], None],
        *,
        console_bps: int = CONSOLE_BPS,
        any_ports: bool = False,
        with_console: bool = True,
    ) -> None:
        """`console_bps` is the cable's rate. `any_ports`: don't use the usual ones, even if they are free."""
        self.folder, self.papers, self._settings, self._say = folder, Subscription(), settings, say
        self.config_path, self.console_path = folder / "dialpost.toml", folder / "console"
        self.modem_path, self.run_dir = folder / "modem", folder / "run"
        self._wanted_ports, self._with_console = () if any_ports else USUAL_PORTS, with_console
        self.line = SimulatedLine(settings.line)
        self.provider = OfficeProvider(settings.provider, folder / "provider", self.papers, say)
        self.telephone = Telephone(
            TelephoneSettings(
                settings.line.rate_bps,
                dial_s=settings.line.dial_s,
                number=self.papers.digits(),
                has_sim=False,
                results=tuple(_modem_words(result) for result in settings.line.results),
            )
        )
        environment = {
            SERIAL_PORTS: str(self.modem_path),
            "TZ": "UTC",
            "DIALPOST_RUN_DIR": str(self.run_dir),
        }
        self.seat = ConsoleSeat(self.config_path, self.console_path, console_bps, environment)
        self._lights: dict[Led, str] = {}

    async def start(self) -> None:
        """Return when the console can be opened. Raises: DialpostError."""
        await self.provider.start()
        await self.telephone.start()
        _link(self.modem_path, self.telephone.station_path)
        is_new, first = self._first()
        self._relay = self.line.open_up(self.provider.port)
        self.provider.station_port = self.line.open_down(_mx_port(first), PROVIDER_ADDRESS)
        if is_new:
            self.provider.hold(
                _letter(
                    f"postmaster@{self.papers.domain}",
                    "Welcome",
                    f"This letter waited at the provider for your first call. Write to me: {_FRIEND}",
                )
            )
        self.daemon = Daemon(
            self.config_path,
            set_up=SetUp(first=first),
            make_station=self._make_station,
            apply=_NothingToApply(),
        )
        await self.daemon.start()
        if self._with_console:
            self.seat.start()

    async def stop(self) -> None:
        """End everything; the folder stays."""
        await self.seat.stop()
        await self.provider.stop()
        if hasattr(self, "daemon"):
            await self.daemon.stop()
        self.line.close()
        await self.telephone.stop()
        self.modem_path.unlink(missing_ok=True)

    def _first(self) -> tuple[bool, str]:
        """Whether the station is fresh out of the box, and what its first configuration begins with. That is kept,
        so that a station in this folder continues where it was.
        """
        kept = self.folder / FIRST
        if kept.exists():
            return False, kept.read_text(encoding="utf-8")
        text = self._first_text(_free_ports(self._wanted_ports))
        kept.write_text(text, encoding="utf-8")
        return True, text

    def _first_text(self, ports: tuple[int, int, int]) -> str:
        mx, submission, submissions = ports
        settings = self._settings
        return _FIRST.format(
            folder=self.folder,
            run_dir=self.run_dir,
            host=USERS_ADDRESS,
            mx=mx,
            submission=submission,
            submissions=submissions,
            grace_min_s=settings.grace_min_s,
            grace_max_s=settings.grace_max_s,
            pause_s=settings.pause_s,
        )

    def _make_station(
        self, config: Config, *, panel: Panel, control: ControlServer, remarks: Callable[[], list[str]]
    ) -> Station:
        """The real one, on this line; the clock of this machine is left alone."""
        config = replace(config, clock=replace(config.clock, source=ClockSource.NEVER))
        ppp = _CountingPpp(self.line, self.papers, self.provider)
        station = Station(config, ppp=ppp, panel=panel, control=control, remarks=remarks)
        station.resolver = LineNames(self.line, (self.papers.mail_host,))
        station.client = LineClient({(self.papers.mail_host, port): self._relay for port in SERVER_PORTS})
        return station

    def show_lights(self) -> None:
        """From now on each change of the panel's lights is reported."""
        self.daemon.panel.watch(self._note_lights)

    def _note_lights(self, state: StationState, lights: Lights) -> None:
        shown = {led: pattern.name for led, pattern in lights.items()}
        if shown != self._lights:
            self._lights = shown
            self._say("lights: " + ", ".join(f"{led.value} {name}" for led, name in shown.items()))


async def run(settings: WorldSettings, folder: Path, *, console_bps: int, any_ports: bool) -> int:
    """The simulation until Ctrl-C; the exit status."""
    world = FirstStart(settings, folder, _print, console_bps=console_bps, any_ports=any_ports)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        await world.start()
        for line in _instructions(world, console_bps):
            _print(line)
        world.show_lights()
        await _first_of(stop.wait(), world.daemon.failed.wait())
    finally:
        await world.stop()
    return 0


def _instructions(world: FirstStart, console_bps: int) -> Iterator[str]:
    yield (
        "A station fresh out of the box. The telephone line and the provider are simulated; everything else is "
        "real."
    )
    yield ""
    yield from world.papers.lines()
    yield ""
    console = shlex.quote(str(world.console_path))
    yield "Its serial console is ready. In a second terminal, run (Ctrl-] leaves):"
    yield f"    .venv/bin/python -m serial.tools.miniterm --raw {console} {console_bps}"
    yield f"or `minicom -D {console}`, or `screen {console}`."
    yield f"Everything is in {world.folder}. Ctrl-C here ends the simulation."
    yield ""


async def _first_of(*waits: Coroutine[object, object, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _modem_words(result: DialResult) -> str:
    """The modem's word for it; if it has none, it finds no carrier."""
    words = "CONNECT" if result is DialResult.CONNECTED else result.value.upper().replace("-", " ")
    return words if words in RESULTS else "NO CARRIER"


def _letter(recipient: str, subject: str, text: str) -> Held:
    key = sha256(f"{recipient} {text}".encode()).hexdigest()[:12]
    lines = (
        f"From: Cleo <{_FRIEND}>",
        f"To: <{recipient}>",
        f"Subject: {subject}",
        "Date: Tue, 03 Nov 2026 08:00:00 +0000",
        f"Message-ID: <{key}@world.example>",
        "",
        text,
        "",
    )
    return Held(_FRIEND, (recipient,), "\r\n".join(lines).encode())


def _link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _mx_port(first: str) -> int:
    listen: str = tomllib.loads(first)["smtp"]["listen"][0]
    return int(listen.rpartition(":")[2])


def _free_ports(wanted: tuple[int, ...]) -> tuple[int, int, int]:
    """The usual ones or, if one of them is taken, any."""
    try:
        with contextlib.ExitStack() as held:
            for port in wanted:
                held.enter_context(socket.create_server((USERS_ADDRESS, port)))
    except OSError:
        wanted = ()
    first, second, third = wanted or (free_port(USERS_ADDRESS) for _ in range(3))
    return first, second, third


def _print(line: str) -> None:
    print(line, flush=True)
