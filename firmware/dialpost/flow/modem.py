"""The modem: opens its port, dials, logs in where the provider wants it before PPP, watches the carrier, hangs up.

Drives the pure parts of `core/at` over a `Port`. Nothing that a line, a modem or a port does is raised out of here:
it is a `DialOutcome`, or words. One task at a time: dial, login, (pause_reading, pppd, carrier_lost,
resume_reading), hang_up. A cancelled `dial` or `login` leaves the port open for `hang_up`, which closes it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from dialpost.core.at.dialogue import AtDialogue, Said
from dialpost.core.at.login import LoggedIn, LoginLost, LoginScript, Send
from dialpost.core.at.results import DIAL_RESULTS, AtResult
from dialpost.core.config import ModemConfig
from dialpost.core.country import Country
from dialpost.core.dial_plan import dial_command, line_settings
from dialpost.core.errors import ConfigError, PortError, StorageError
from dialpost.core.line_reasons import advice
from dialpost.core.link import DialOutcome, DialResult
from dialpost.core.modem_profile import NUMBER, ControlLines, FlowControl, HangUpWay, ModemProfile, ResultKind
from dialpost.flow.refused_pin import RefusedPin

WAKE_TRIES = 3
CARRIER_LOOK_S = 0.2
"""DCD is looked at so often: a poll costs one system call, and no thread waits for the kernel."""
SIM_BUSY_S = 20.0
"""So long a SIM that was just switched on may say that it is busy."""
_SIM_BUSY = re.compile(r"\+CME ERROR: *(14|SIM BUSY)\b", re.IGNORECASE)
_SIM_LOOK_S, _PIN_S, _REGISTRATION_LOOK_S = 1.0, 15.0, 2.0
_REGISTERED, _DENIED = {1, 5}, 3
_REGISTRATION_QUERIES = ("+CEREG", "+CGREG", "+CREG")
_READ_BYTES = 4096


class Port(Protocol):
    """An open serial port; `edge/serial_port.SerialPort` is one. Raises: PortError when it is gone."""

    @property
    def device(self) -> str:
        """Its path."""

    def fileno(self) -> int:
        """The open descriptor."""

    async def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; what is beyond stays in the kernel."""

    async def write(self, data: bytes) -> None:
        """Give all to the kernel."""

    def set_speed(self, speed_bps: int) -> None:
        """Change the speed; what was not yet read is dropped."""

    def set_dtr(self, on: bool) -> bool:
        """Switch DTR; False where the port has no such line."""

    def carrier(self) -> bool | None:
        """DCD, None where the port has no such line."""

    def close(self, *, keep_dtr: bool) -> None:
        """Close at once, dropping what is not yet written. DTR goes off unless `keep_dtr`. Harmless when closed."""


OpenPort = Callable[[str, int, FlowControl], Port]
"""Device, speed in bit/s, flow control. Raises: PortError with a sentence for a person."""


class _FailedError(Exception):
    """The modem can't be made to dial; `outcome` says why."""

    def __init__(self, detail: str, result: DialResult = DialResult.ERROR) -> None:
        super().__init__(detail)
        self.outcome = DialOutcome(result, detail)


class Modem:
    """One modem on one port. `say` hears each step in words.

    `refused_pin` remembers a PIN that the SIM refused: it is never tried again, whoever asks.
    """

    def __init__(
        self, config: ModemConfig, profile: ModemProfile, open_port: OpenPort, say: Callable[[str], None],
        *, country: Country | None = None, refused_pin: RefusedPin | None = None,
    ) -> None:  # fmt: skip
        self._config, self._profile, self._open_port, self._say = config, profile, open_port, say
        self._country = country or Country("generic", "Anywhere", "")
        self._speed_bps = config.speed_bps or profile.speed_bps
        self._dialogue = AtDialogue(profile.own_results)
        self._port: Port | None = None
        self._is_paused = False
        self._call_may_be_up = False
        self._refused_pin = refused_pin or RefusedPin()
        self.has_carrier_line = False
        """Whether DCD was up at the last CONNECT: then its fall ends the call."""

    @property
    def device(self) -> str:
        """The port's path, as configured."""
        return self._config.port

    # -- a call ---------------------------------------------------------------------------------------

    async def dial(self, number: str) -> DialOutcome:
        """Open the port, wake and set up the modem, see to PIN and network, dial; `detail` has its words."""
        self._call_may_be_up = self.has_carrier_line = False
        try:
            await self._open()
            await self._wake()
            await self._set_up()
            if self._profile.cellular:
                await self._unlock_sim()
            await self._await_network()
            return await self._dial(number)
        except _FailedError as failed:
            return failed.outcome
        except PortError as error:
            self._close()
            return DialOutcome(DialResult.ERROR, str(error))
        except ConfigError as error:
            return DialOutcome(DialResult.ERROR, " ".join(error.problems))

    async def login(self, user: str, password: str) -> DialOutcome:
        """Play modem.login_script; CONNECTED when it is through, or where there is none."""
        if not self._config.login_script:
            return DialOutcome(DialResult.CONNECTED)
        script = LoginScript(self._config.login_script, user, password)
        self._say("logging in before PPP")
        loop, waits_for = asyncio.get_running_loop(), script.waits_for
        try:
            async with asyncio.timeout(self._config.login_timeout_s) as limit:
                data = b""
                while True:
                    for step in script.receive(data):
                        if isinstance(step, Send):
                            await self._opened.write(step.data)
                        elif isinstance(step, LoggedIn):
                            return DialOutcome(DialResult.CONNECTED)
                        elif isinstance(step, LoginLost):
                            return DialOutcome(DialResult.NO_CARRIER, "The line was lost while logging in.")
                    if waits_for != script.waits_for:  # the next text has its own time; other words win none
                        waits_for = script.waits_for
                        limit.reschedule(loop.time() + self._config.login_timeout_s)
                    data = await self._opened.read(1)
        except TimeoutError:
            seen = f' Its last words: "{script.seen}".' if script.seen else ""
            return DialOutcome(
                DialResult.ERROR,
                f'The provider did not say "{script.waits_for}" within {self._config.login_timeout_s} s.{seen} '
                "Check modem.login_script.",
            )
        except PortError as error:
            return DialOutcome(DialResult.ERROR, str(error))

    def pause_reading(self) -> None:
        """From now on pppd reads the port."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """pppd is gone."""
        self._is_paused = False

    async def carrier_lost(self) -> str:
        """Wait until the carrier is lost or the port unplugged; why, in words. For ever where it can't tell."""
        while True:
            try:
                carrier = self._opened.carrier()
            except PortError as error:
                return str(error)
            if self.has_carrier_line and carrier is False:
                return "the modem lost its carrier"
            await asyncio.sleep(CARRIER_LOOK_S)

    async def hang_up(self) -> str:
        """Put the line down in whatever state it is, in bounded time, and close the port.

        "" when it is down as far as can be known, else a sentence that says it may still be up and what to do.
        """
        if self._port is None:
            return ""
        self._is_paused = False
        try:
            self._opened.set_speed(self._speed_bps)  # pppd may have left it otherwise
            for way in self._profile.hang_up:
                if not self._call_may_be_up or await self._hung_up_by(way):
                    self._call_may_be_up = False
                    return ""
            return "The modem does not say that it hung up: the call may still cost money. Switch it off and on."
        except PortError as error:
            return f"{error} If it still has power, the call may still be up."
        finally:
            self._close()

    # -- the steps of dialling ------------------------------------------------------------------------

    @property
    def _opened(self) -> Port:
        if self._port is None:
            raise PortError(f"{self.device} is closed.")
        return self._port

    async def _open(self) -> None:
        if self._port is None:
            self._port = self._open_port(self.device, self._speed_bps, self._profile.flow_control)
            await asyncio.sleep(self._profile.settle_s)

    def _close(self) -> None:
        if self._port is not None:
            self._port.close(keep_dtr=bool(self._profile.dtr_off_max_s))
            self._port = None

    async def _wake(self) -> None:
        """Until it answers AT; a call that was left up by a power cut is ended on the way."""
        for number in range(WAKE_TRIES):
            answer = await self._command("AT", 1.0)
            if answer is not None and answer.kind is ResultKind.OK:
                return
            if number == 0:
                await self._escape()
                await self._command("ATH")
        if self._dialogue.garbage > self._dialogue.received // 4:
            raise _FailedError(
                f"The modem on {self.device} answers in garbage at {self._speed_bps} bit/s: set modem.speed_bps to "
                "what it has (`dialpost modem probe` finds it)."
            )
        raise _FailedError(
            f"The modem on {self.device} does not answer. Is it switched on, and is this its port? "
            "`dialpost modem probe` finds it."
        )

    async def _set_up(self) -> None:
        await self._need("ATE0V1Q0")
        for attempt in (1, 2):
            try:
                for command in (*self._profile.init, "ATE0V1Q0"):
                    await self._need(command)
                break
            except _FailedError:
                if attempt == 2 or not self._profile.reset:
                    raise
                await self._command(self._profile.reset)
                await asyncio.sleep(self._profile.settle_s)
        if self._profile.telephone:
            for setting in line_settings(self._config, self._country):
                of_profile = self._profile.blind_dial_init if setting == "X3" else setting
                if of_profile:
                    await self._need(f"AT{of_profile}")
        if self._config.extra_init:
            extra = self._config.extra_init
            await self._need(extra if extra.upper().startswith("AT") else f"AT{extra}")

    async def _unlock_sim(self) -> None:
        state = await self._sim_state()
        if state == "SIM PIN":
            pin = self._config.sim_pin
            if not pin:
                raise _FailedError("The SIM wants its PIN: set modem.sim_pin.")
            await self._check_pin(pin)
            try:
                answer = await self._command(f'AT+CPIN="{pin}"', _PIN_S)
            except (asyncio.CancelledError, PortError):
                await self._refused_pin.note(pin)  # what the SIM said is not known: better one try too few
                raise
            if answer is None or answer.kind is not ResultKind.OK:
                await self._refused_pin.note(pin)
                raise _FailedError(
                    "The SIM refused the PIN. It is not tried again, for three wrong ones lock the SIM: correct "
                    "modem.sim_pin."
                )
        elif state == "SIM PUK":
            raise _FailedError("The SIM is locked: it wants its PUK. Put it into a telephone and unlock it there.")
        elif state != "READY":
            raise _FailedError(f"The SIM is not ready ({state or 'no answer'}). Is it in its place?")
        else:
            await self._refused_pin.forget()
        if self._config.apn:
            await self._need(f'AT+CGDCONT=1,"IP","{self._config.apn}"')

    async def _check_pin(self, pin: str) -> None:
        try:
            is_refused = await self._refused_pin.is_known(pin)
        except StorageError as error:
            raise _FailedError(
                f"Whether the SIM refused this PIN before can't be found out, so it is not tried ({error})."
            ) from error
        if is_refused:
            raise _FailedError("The SIM refused this PIN before; it is not tried again. Correct modem.sim_pin.")

    async def _sim_state(self) -> str:
        """READY, SIM PIN ... (3GPP TS 27.007 §8.3). A SIM just switched on is busy (+CME ERROR: 14) for a while."""
        deadline_s = asyncio.get_running_loop().time() + SIM_BUSY_S
        while True:
            lines: list[str] = []
            answer = await self._command("AT+CPIN?", lines=lines)
            for line in lines:
                if line.startswith("+CPIN:"):
                    return line.partition(":")[2].strip()
            words = answer.words if answer is not None else ""
            if not _SIM_BUSY.search(words) or asyncio.get_running_loop().time() >= deadline_s:
                return words
            await asyncio.sleep(_SIM_LOOK_S)

    async def _await_network(self) -> None:
        query = self._profile.registration_query
        queries = (query,) if query else _REGISTRATION_QUERIES if self._profile.cellular else ()
        if queries:
            await self._register(queries)
        if self._profile.signal_query:
            lines = await self._ask(f"AT{self._profile.signal_query}")
            if lines:
                self._say(f"signal: {lines[-1]}")

    async def _register(self, queries: tuple[str, ...]) -> None:
        self._say("looking for a network")
        deadline_s = asyncio.get_running_loop().time() + self._profile.registration_s
        while True:
            states = [state for query in queries for line in await self._ask(f"AT{query}?")
                      if (state := _registration(line)) is not None]  # fmt: skip
            if any(state in _REGISTERED for state in states):
                return
            if states and all(state == _DENIED for state in states):
                raise _FailedError("The network refuses this SIM. Is its contract in order?")
            if asyncio.get_running_loop().time() >= deadline_s:
                raise _FailedError(
                    f"No network within {self._profile.registration_s} s. Check the antenna, and whether there is "
                    "reception here.", DialResult.NO_DIALTONE,
                )  # fmt: skip
            await asyncio.sleep(_REGISTRATION_LOOK_S)

    async def _dial(self, number: str) -> DialOutcome:
        if self._profile.telephone:
            command = dial_command(number, self._config, self._country)
        else:
            command = self._profile.dial.replace(NUMBER, f"{number}{self._config.calling_card}")
        self._say(f"dialling {number}")
        self._call_may_be_up = True
        lines: list[str] = []
        answer = await self._command(command, self._profile.connect_s, one_by_one=True, lines=lines)
        if answer is None:
            said = f'said "{lines[-1]}" and no result' if lines else "said nothing"
            return DialOutcome(
                DialResult.TIMEOUT, f"The modem {said} for {self._profile.connect_s} s after dialling."
            )
        result = DIAL_RESULTS[answer.kind]
        if result is not DialResult.CONNECTED:
            self._call_may_be_up = False
            return DialOutcome(result, f"The modem said: {answer.words}. {advice(result)}".strip())
        self.has_carrier_line = self._profile.has_control_lines is not ControlLines.NO and bool(
            self._opened.carrier()
        )
        rate_bps = self._dialogue.carrier_bps or answer.rate_bps
        self._say(answer.words)
        return DialOutcome(result, answer.words, rate_bps)

    # -- hanging up -----------------------------------------------------------------------------------

    async def _hung_up_by(self, way: HangUpWay) -> bool:
        port = self._opened
        if way is HangUpWay.DTR:
            if not port.set_dtr(False):
                return False
            await asyncio.sleep(self._profile.dtr_pulse_ms / 1000)
            port.set_dtr(True)
            await asyncio.sleep(self._profile.settle_s)
            if not self.has_carrier_line:
                return False  # nothing tells whether it worked: the next way makes sure
            return port.carrier() is False
        await self._escape()
        answer = await self._command("ATH")
        carrier = port.carrier() if self.has_carrier_line else None
        return answer is not None and answer.kind in {ResultKind.OK, ResultKind.NO_CARRIER} and not carrier

    async def _escape(self) -> None:
        """Back to commands, from data (silence, +++, silence) or from dialling (any sign ends it)."""
        await asyncio.sleep(self._profile.guard_s)
        await self._opened.write(self._profile.escape.encode("ascii"))
        await self._drain(self._profile.guard_s)
        await self._opened.write(b"\r")  # ends what a modem in command mode took for the beginning of a command
        await self._drain(min(1.0, self._profile.answer_s))

    async def _drain(self, wait_s: float) -> None:
        """Throw away what comes in this time."""
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    await self._opened.read(_READ_BYTES)
        except TimeoutError:
            return

    # -- commands -------------------------------------------------------------------------------------

    async def _need(self, command: str) -> None:
        """A command that must succeed."""
        answer = await self._command(command)
        if answer is None or answer.kind is not ResultKind.OK:
            said = answer.words if answer is not None else "nothing"
            raise _FailedError(
                f'The modem does not take the command {command} (it said: {said}). Is the profile "'
                f'{self._profile.name}" the right one? `dialpost modem probe` suggests one.'
            )

    async def _ask(self, command: str) -> list[str]:
        """The lines of information a command brings; [] where it is refused."""
        lines: list[str] = []
        await self._command(command, lines=lines)
        return lines

    async def _command(
        self,
        command: str,
        limit_s: float | None = None,
        *,
        one_by_one: bool = False,
        lines: list[str] | None = None,
    ) -> AtResult | None:
        """The final result, None where none came in time. `one_by_one`: what follows CONNECT stays in the port."""
        await self._opened.write(self._dialogue.command(command))
        try:
            async with asyncio.timeout(limit_s or self._profile.answer_s):
                while True:
                    for event in self._dialogue.receive(await self._opened.read(1 if one_by_one else _READ_BYTES)):
                        if isinstance(event, AtResult):
                            return event
                        if isinstance(event, Said) and lines is not None:
                            lines.append(event.text)
        except TimeoutError:
            return None


def _registration(line: str) -> int | None:
    """+CREG: 0,1 or +CREG: 1 (3GPP TS 27.007 §7.2), as its state."""
    found = re.match(r"\+C\w*REG: *(?:\d+ *, *)?(\d+)", line)
    return int(found[1]) if found else None
