"""The modem: opens its port, dials, logs in if the provider wants that before PPP, watches the carrier, hangs up.

The steps are `set_up`, `sim`, `login` and `hang_up`, over one `ModemChannel`. Faults of a line, a modem or a port
are not raised: they are a `DialOutcome`, or words. One task at a time: dial, login, (pause_reading, pppd,
carrier_lost, resume_reading), hang_up. A cancelled `dial` or `login` leaves the port open for `hang_up`, which
closes it. From ATD on the line counts as up until something proves that it is down: `line_may_be_up` says so,
`hang_up` may be repeated, and no other number is dialled before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from math import nan

from dialpost.core.config.model import ModemConfig
from dialpost.core.errors import ConfigError, PortError, StorageError
from dialpost.core.line.at.results import DIAL_RESULTS
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import dial_command
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.modem.profile import NUMBER, ControlLines, FlowControl, ModemProfile, ResultKind
from dialpost.core.line.modem.set_up import PLAIN_WORDS, port_settings, set_up_commands, sets_guard
from dialpost.core.line.reasons import advice
from dialpost.flow.line.modem.channel import Answer, ModemChannel
from dialpost.flow.line.modem.hang_up import carrier_falls, hung_up, is_on_hook, own_guard_s
from dialpost.flow.line.modem.login import log_in
from dialpost.flow.line.modem.port import OpenPort, Port
from dialpost.flow.line.modem.refused_pin import RefusedPin
from dialpost.flow.line.modem.set_up import ModemFailedError, ModemSetUp, Woken, wake
from dialpost.flow.line.modem.sim import reach_network
from dialpost.flow.memory import Memory

CARRIER_LOOK_S = 0.2
"""The polling interval of DCD: a poll costs one system call, and no thread has to wait in the kernel."""
DOUBT_S = 60.0
"""The wait for the real result after an OK to ATD, which may be a late answer to an earlier command."""
_LINE_KEY = "modem.line_may_be_up"
_GUARD_KEY = "modem.guard_s"
_LONGEST_GUARD_S = 10.0
HANG_UP_S = 45.0
"""The limit for hanging up, whatever the modem does. A slow one needs most of it to prove that it is down."""


class Modem:
    """One modem on one port. `say` is called with each step in words.

    `refused_pin` remembers a PIN that the SIM refused: it is never tried again, whoever asks. `memory` remembers
    across a restart that the line may be up.
    """

    def __init__(
        self,
        config: ModemConfig,
        profile: ModemProfile,
        open_port: OpenPort,
        say: Callable[[str], None],
        *,
        country: Country | None = None,
        refused_pin: RefusedPin | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._config, self._profile, self._open_port, self._say = config, profile, open_port, say
        self._country = country or Country("generic", "Anywhere", "")
        self._speed_bps, self._flow_control = port_settings(profile, config)
        self._port: Port | None = None
        self._talk: ModemChannel | None = None
        self._is_paused = False
        self._was_seen_on_hook = False
        self._guard_s, self._tells_guard = profile.guard_s, True
        self._refused_pin, self._memory = refused_pin or RefusedPin(), memory
        self.line_may_be_up = False
        """Whether something was dialled, and nothing has proved since that the line is down."""
        self.has_carrier_line = False
        """Whether DCD was off before the last dial and on at its CONNECT: then its drop ends the call."""

    @property
    def device(self) -> str:
        """The port's path, as configured."""
        return self._config.port

    async def look_back(self) -> None:
        """Find out whether a call was up when the station stopped: then the line may be up."""
        with contextlib.suppress(StorageError):
            if self._memory is not None and await self._memory.recall(_LINE_KEY):
                self.line_may_be_up = True
        with contextlib.suppress(StorageError, ValueError):
            known_s = float(await self._memory.recall(_GUARD_KEY) or "nan") if self._memory is not None else nan
            if 0 < known_s <= _LONGEST_GUARD_S:
                self._guard_s = known_s

    # -- a call ---------------------------------------------------------------------------------------

    async def dial(self, number: str) -> DialOutcome:
        """Open the port, wake and set up the modem, handle PIN and network, dial; `detail` has its words."""
        self.has_carrier_line = False
        try:
            port, talk = await self._open()
            await self._wake(port, talk)
            set_up = ModemSetUp(talk, self._profile, self._say)
            await set_up.run(set_up_commands(self._profile, self._config, self._country))
            await self._learn_guard(talk)
            await reach_network(talk, set_up, self._profile, self._config, self._refused_pin, self._say)
            return await self._dial(port, talk, number)
        except ModemFailedError as failed:
            return failed.outcome
        except PortError as error:
            self._close()
            return DialOutcome(DialResult.ERROR, str(error))
        except ConfigError as error:
            return DialOutcome(DialResult.ERROR, " ".join(error.problems), again=Again.AFTER_CHANGE)

    async def login(self, user: str, password: str) -> DialOutcome:
        """Run modem.login_script; CONNECTED when it is done, or if there is none."""
        if not self._config.login_script:
            return DialOutcome(DialResult.CONNECTED)
        self._say("logging in before PPP")
        try:
            return await log_in(self._opened, self._config, user, password)
        except PortError as error:
            return DialOutcome(DialResult.ERROR, str(error))

    def pause_reading(self) -> None:
        """From now on pppd reads the port."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """pppd is gone."""
        self._is_paused = False

    async def carrier_lost(self) -> str:
        """Wait until the carrier is lost or the port unplugged; returns why. Never without a reliable DCD."""
        while True:
            try:
                carrier = self._opened.carrier()
            except PortError as error:
                return str(error)
            if self.has_carrier_line and carrier is False:
                return "the modem lost its carrier"
            await asyncio.sleep(CARRIER_LOOK_S)

    async def hang_up(self) -> str:
        """Hang up, whatever the state of the line, in bounded time, and close the port.

        Returns "" if the line is certainly down, else a sentence that says it may still be up and what to do. It
        may then be called again, and reopens the port.
        """
        self._is_paused = False
        if not self.line_may_be_up:
            self._close()
            return ""
        try:
            async with asyncio.timeout(HANG_UP_S):
                if await self._put_down():
                    return ""
        except TimeoutError:
            pass
        except PortError as error:
            return f"{error} If it still has power, the call may still be up."
        finally:
            self._close()
        return "The modem does not say that it hung up: the call may still cost money. Power-cycle it."

    # -- the steps ------------------------------------------------------------------------------------

    @property
    def _opened(self) -> Port:
        if self._port is None:
            raise PortError(f"{self.device} is closed.")
        return self._port

    async def _open(self) -> tuple[Port, ModemChannel]:
        if self._port is None:
            self._port = self._open_port(self.device, self._speed_bps, self._flow_control)
            await asyncio.sleep(self._profile.settle_s)
        self._talk = ModemChannel(self._port, self._profile.own_results, self._profile.answer_s)
        return self._port, self._talk

    def _close(self) -> None:
        if self._port is not None:
            self._port.close(keep_dtr=bool(self._profile.dtr_off_max_s))
            self._port = self._talk = None

    async def _wake(self, port: Port, talk: ModemChannel) -> None:
        """Wake the modem until it answers AT and is known to be on hook: a power cut may have left a call up."""
        woken = await wake(talk, self._profile, max(self._guard_s, self._profile.guard_s))
        if woken is Woken.SILENT:
            raise ModemFailedError(await self._silence(talk))
        self.line_may_be_up |= woken is Woken.BY_ESCAPE
        if self.line_may_be_up:
            if not await self._put_down():
                raise ModemFailedError(
                    "The call before may still be up and cost money: the modem does not say that it hung up. "
                    "Nothing is dialled. Power-cycle it."
                )
            await asyncio.sleep(self._profile.settle_s)  # DTR may have come back just now
        elif not self._was_seen_on_hook:
            # Once after each start: the call of a station that crashed may still be up.
            await talk.ask("ATH")
            self._was_seen_on_hook = True
        await talk.ask(PLAIN_WORDS)

    async def _silence(self, talk: ModemChannel) -> str:
        """Why nothing answers, and what to do."""
        if talk.garbage:
            return (
                f"The modem on {self.device} answers in garbage at {self._speed_bps} bit/s: set modem.speed_bps to "
                "what it has (`dialpost modem probe` finds it)."
            )
        if self._flow_control is FlowControl.RTSCTS and await self._answers_without_flow_control():
            return (
                f"The modem on {self.device} answers only without the lines RTS and CTS: its board or cable lacks "
                'them. Set modem.flow_control to "none".'
            )
        return (
            f"The modem on {self.device} does not answer. Is it switched on, and is this its port? "
            "`dialpost modem probe` finds it."
        )

    async def _answers_without_flow_control(self) -> bool:
        self._close()
        self._port = self._open_port(self.device, self._speed_bps, FlowControl.NONE)
        try:
            return await ModemChannel(self._port).wakes()
        finally:
            self._close()

    async def _dial(self, port: Port, talk: ModemChannel, number: str) -> DialOutcome:
        if self._profile.telephone:
            command = dial_command(number, self._config, self._country)
        else:
            command = self._profile.dial.replace(NUMBER, f"{number}{self._config.calling_card}")
        has_lines = self._profile.has_control_lines is not ControlLines.NO
        carrier_tells = has_lines and await carrier_falls(port)
        if has_lines and not carrier_tells:
            self._say("DCD is on though no call is up: ignored in this call")
        self._say(f"dialling {number}")
        # Before ATD: if the power fails while dialling, the next start has to hang up.
        await self._note_line(True)
        answer = await talk.dial(command, self._profile.connect_s, DOUBT_S)
        if answer.result is None:
            if talk.is_lost:
                await self._note_line(False)  # the command was never sent
            return self._no_result(talk, answer)
        result = DIAL_RESULTS[answer.result.kind]
        words = answer.result.words
        if result is not DialResult.CONNECTED:
            if answer.result.kind is not ResultKind.OK and await is_on_hook(
                port, talk, self._profile, carrier_tells=carrier_tells
            ):
                await self._note_line(False)
            return DialOutcome(result, f"The modem said: {words}. {advice(result, self._profile.medium)}".strip())
        self.has_carrier_line = carrier_tells and bool(port.carrier())
        self._say(words)
        return DialOutcome(result, words, talk.carrier_bps or answer.result.rate_bps)

    def _no_result(self, talk: ModemChannel, answer: Answer) -> DialOutcome:
        if talk.is_lost:
            return DialOutcome(
                DialResult.ERROR,
                "The modem stopped answering, or answers out of turn, so nothing was dialled. Power-cycle on.",
            )
        said = f'said "{answer.lines[-1]}" and no result' if answer.lines else "said nothing"
        return DialOutcome(
            DialResult.TIMEOUT,
            f"The modem {said} for {self._profile.connect_s} s after dialling. Check the number: does a modem "
            "answer there?",
        )

    async def _put_down(self) -> bool:
        """Hang up by every method; returns whether the line is certainly down."""
        port, talk = (self._port, self._talk) if self._port and self._talk else await self._open()
        port.set_speed(self._speed_bps)  # pppd may have left another speed
        self.line_may_be_up = True
        is_down = await hung_up(
            port, talk, self._profile, carrier_tells=self.has_carrier_line, guard_s=self._guard_s
        )
        if is_down:
            await self._note_line(False)
        self._was_seen_on_hook |= is_down
        return is_down

    async def _learn_guard(self, talk: ModemChannel) -> None:
        """Hanging up by escape waits for the guard time twice: know it. A modem that can't tell is asked once."""
        may_shorten = not sets_guard(self._profile, self._config)
        guard_s = await own_guard_s(talk, self._profile, may_shorten=may_shorten) if self._tells_guard else None
        self._tells_guard = guard_s is not None
        if guard_s is None:
            return
        if guard_s != self._guard_s and self._memory is not None:
            with contextlib.suppress(StorageError):  # after a power cut, the line may have to be hung up with it
                await self._memory.remember(_GUARD_KEY, f"{guard_s:g}")
        self._guard_s = guard_s

    async def _note_line(self, may_be_up: bool) -> None:
        """Record before dialling that the line may be up, and later that it is down. A full card stops no call."""
        self.line_may_be_up = may_be_up
        if self._memory is not None:
            with contextlib.suppress(StorageError):
                await self._memory.remember(_LINE_KEY, "1" if may_be_up else "")
