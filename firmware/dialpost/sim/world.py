"""The simulated world: the real station, with a simulated line and provider around it, in one folder.

Only the station's link is replaced. Users reach it at 127.0.0.1; the provider's side comes from 127.0.0.2, so that
the station can distinguish them as it would on two networks. All ports are free ones. Runs in one event loop;
several worlds may live in one.
"""

from __future__ import annotations

import asyncio
import secrets
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import (
    AtrnConfig,
    CallConfig,
    Config,
    EtrnConfig,
    LinkConfig,
    OutboundConfig,
    PanelConfig,
    RelayConfig,
    SmtpConfig,
    StationConfig,
    TlsMode,
    TlsVerify,
)
from dialpost.core.config.text import render_config
from dialpost.core.errors import DialpostError, fault_words
from dialpost.core.line.call.record import CallRecord
from dialpost.core.mail.session import Listener
from dialpost.core.panel.lights import project
from dialpost.core.panel.station_state import StationState
from dialpost.daemon import Daemon
from dialpost.flow.panel.state import Lights
from dialpost.front_panel import FrontPanelOfProcess
from dialpost.sim.console_seat import ConsoleSeat
from dialpost.sim.letters import DOMAIN, WORLD, Letter
from dialpost.sim.line import LineSettings, SimulatedLine
from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.turned import Held
from dialpost.station import Station

if TYPE_CHECKING:
    from dialpost.edge.panel.gpio.simulated import SimulatedLines

HOSTNAME = f"mail.{DOMAIN}"
USERS_ADDRESS, PROVIDER_ADDRESS = "127.0.0.1", "127.0.0.2"
ACCOUNTS = ("anna", "bruno")
"""The demo's users. Anna sends; both receive."""
WORLD_ADDRESSES = (f"cleo@{WORLD}", f"david@sea.{WORLD}")


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What is simulated. `grace_*` and `pause_s` are short: a demonstration should not make people wait."""

    line: LineSettings = field(default_factory=LineSettings)
    provider: ProviderSettings = field(default_factory=ProviderSettings)
    grace_min_s: float = 2.0
    grace_max_s: float = 20.0
    pause_s: float = 2.0
    redials: int = 5


class World:
    """A station, a line and a provider. `start`, use, `stop`. With `lines` it has a panel to look at and press."""

    def __init__(self, settings: WorldSettings, folder: Path, lines: SimulatedLines | None = None) -> None:
        self.settings, self.folder, self._lines = settings, folder, lines
        self.line = SimulatedLine(settings.line)
        self.provider = Provider(settings.provider, folder / "provider")
        self.passwords = {account: secrets.token_urlsafe(9) for account in ACCOUNTS}
        self.led_history: list[dict[str, object]] = []
        self.config_path = folder / "dialpost.toml"
        self.console: ConsoleSeat | None = None
        self._station: Station | None = None
        self._began_s = 0.0
        self._run_dir = folder / "run"

    async def start(self) -> None:
        """Return when mail can be submitted. Raises: DialpostError."""
        self._began_s = asyncio.get_running_loop().time()
        await self.provider.start()
        self.config = self._make_config(self.line.open_up(self.provider.port))
        self.config_path.write_text(render_config(self.config, secrets=True), encoding="utf-8")
        opener = self._lines.open if self._lines is not None else None
        self.daemon = Daemon(
            self.config_path,
            make_station=partial(Station, link=self.line),
            front=lambda panel: FrontPanelOfProcess(panel, opener),
        )
        await self.daemon.start()
        self.provider.station_port = self.line.open_down(self.port(Listener.MX), PROVIDER_ADDRESS)
        self.daemon.panel.watch(self._note_lights)
        for account, password in self.passwords.items():
            if account not in self.station.accounts.directory.accounts:
                await self.station.accounts.add(account, password)

    def open_console(self, rate_bps: int) -> ConsoleSeat:
        """The station's console at a serial port of this speed, until `stop`."""
        environment = {"DIALPOST_RUN_DIR": str(self._run_dir)}
        self.console = ConsoleSeat(self.config_path, self.folder / "console", rate_bps, environment)
        self.console.start()
        return self.console

    async def stop(self) -> None:
        """End everything; the folder stays."""
        if self.console is not None:
            await self.console.stop()
        await self.provider.stop()
        if hasattr(self, "daemon"):
            await self.daemon.stop()
        self.line.close()

    @property
    def station(self) -> Station:
        """The current station: a commit replaces it. During the replacement it is the old one."""
        self._station = self.daemon.station or self._station
        assert self._station is not None
        return self._station

    def _make_config(self, provider_port: int) -> Config:
        call = self.settings
        return Config(
            station=StationConfig(
                hostname=HOSTNAME,
                domains=(DOMAIN,),
                postmaster=ACCOUNTS[0],
                data_dir=str(self.folder / "data"),
                run_dir=str(self._run_dir),
            ),
            smtp=SmtpConfig(
                listen=(f"{USERS_ADDRESS}:0",),
                submission_listen=(f"{USERS_ADDRESS}:0",),
                submissions_listen=(f"{USERS_ADDRESS}:0",),
                disk_reserve_bytes=0,
            ),
            relay=RelayConfig(networks=(f"{USERS_ADDRESS}/32",), provider_networks=(f"{PROVIDER_ADDRESS}/32",)),
            outbound=OutboundConfig(
                smarthost=USERS_ADDRESS, port=provider_port, tls=TlsMode.NONE, tls_verify=TlsVerify.NONE
            ),
            etrn=EtrnConfig(port=provider_port, tls=TlsMode.NONE),
            atrn=AtrnConfig(
                port=provider_port,
                tls=TlsMode.NONE,
                user=call.provider.atrn_user,
                password=call.provider.atrn_password,
            ),
            # This machine's own LEDs, if it has any, are not the simulation's.
            panel=PanelConfig(board="none" if self._lines is None else "simulated"),
            link=LinkConfig(line_rate_bps=min(max(call.line.rate_bps, 300), 1_000_000_000)),
            call=CallConfig(
                grace_min_s=call.grace_min_s,
                grace_max_s=call.grace_max_s,
                redial_attempts=call.redials,
                redial_pause_s=call.pause_s,
                cooldown_s=min(call.pause_s, 1.0),
                max_call_s=86_400,
                dial_timeout_s=min(600, 30 + round(call.line.dial_s + 20 * call.line.rtt_s)),
            ),
        )

    def port(self, door: Listener) -> int:
        """Where the station listens."""
        return next(port for listener, _, port in self.station.doors if listener is door)

    def seconds(self) -> float:
        """Seconds since the world began."""
        return asyncio.get_running_loop().time() - self._began_s

    def _note_lights(self, state: StationState, lights: Lights) -> None:
        shown: dict[str, object] = {led.value: pattern.name for led, pattern in lights.items()}
        before = self.led_history[-1] if self.led_history else {}
        if {key: value for key, value in before.items() if key != "t_s"} != shown:
            self.led_history.append({"t_s": round(self.seconds(), 3)} | shown)

    # -- mail in and out ------------------------------------------------------------------------------

    async def hand_in(self, letters: Sequence[Letter]) -> None:
        """Anna's mail program sends: real SMTP with STARTTLS and a login. Raises: DialpostError."""
        await asyncio.to_thread(self._hand_in, letters)

    def _hand_in(self, letters: Sequence[Letter]) -> None:
        context = ssl.create_default_context(cafile=str(Path(self.config.station.data_dir) / "tls/station.pem"))
        context.check_hostname = False  # the certificate names the station, not 127.0.0.1
        try:
            with smtplib.SMTP(USERS_ADDRESS, self.port(Listener.SUBMISSION), timeout=60) as smtp:
                smtp.starttls(context=context)
                smtp.login(ACCOUNTS[0], self.passwords[ACCOUNTS[0]])
                for letter in letters:
                    options = [] if letter.content.isascii() else ["BODY=8BITMIME"]
                    smtp.sendmail(letter.sender, list(letter.recipients), letter.content, options)
        except (OSError, smtplib.SMTPException) as error:
            raise DialpostError(f"The station did not accept a submitted message: {fault_words(error)}") from error

    def hold(self, letters: Sequence[Letter]) -> None:
        """Put mail for the station at the provider."""
        for letter in letters:
            self.provider.hold(Held(letter.sender, letter.recipients, letter.content))

    async def call(self) -> CallRecord:
        """Press the button; returns the last call's record once it and its redials are over."""
        self.station.calls.request(CallReason.BUTTON)
        return await self.station.calls.finished()

    async def delivered_locally(self) -> None:
        """Wait until everything accepted for local mailboxes is in them."""
        while (await self.station.counts()).waiting_local:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.05)

    def mailbox(self, account: str) -> list[bytes]:
        """What is in a user's mailbox."""
        folder = Path(self.config.station.data_dir) / "mail" / account
        files = [path for name in ("new", "cur") for path in sorted((folder / name).glob("*"))]
        return [path.read_bytes() for path in files]

    def lights_now(self) -> Lights:
        """What the panel shows."""
        return project(self.station.panel.state)
