"""Before a cellular modem dials: unlocks its SIM, sparing the PIN's few attempts, and waits for a network.

A PIN is sent only if the SIM asks for it, if it was not refused before, and if a wrong one would leave an attempt:
as the modem reports, or else at most two since the SIM was last open. The result of an attempt is judged by more
than its answer: by the SIM's state and the attempts left. Only "incorrect password" or a used-up attempt is a
refusal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.core.config.model import ModemConfig
from dialpost.core.errors import StorageError
from dialpost.core.line.at.pin_tries import QUERIES, pin_tries
from dialpost.core.line.at.refusals import is_busy, is_wrong_pin
from dialpost.core.line.link import Again, DialResult
from dialpost.core.line.modem.profile import ModemProfile, ResultKind
from dialpost.core.line.modem.signs import (
    DENIED,
    REGISTERED,
    SIM_LOCKED,
    SIM_READY,
    SIM_WANTS_PIN,
    is_sim_starting,
    registration,
    signal_line,
    sim_state,
    sim_trouble,
)
from dialpost.flow.line.modem.channel import Answer, ModemChannel
from dialpost.flow.line.modem.refused_pin import ALLOW, MOST_UNCLEAR, RefusedPin
from dialpost.flow.line.modem.set_up import ModemFailedError, ModemSetUp

SIM_BUSY_S = 20.0
"""The time a SIM that was just switched on may be busy before it reports its state."""
LEAST_TRIES = 2
"""With fewer attempts left no PIN is sent: the last one is the operator's."""
_SIM_LOOK_S, _PIN_S, _REGISTRATION_LOOK_S = 1.0, 15.0, 2.0
_OPENING_S = 3.0
CELLULAR_QUERIES = ("+CEREG", "+CGREG", "+CREG")


async def ask_sim(talk: ModemChannel) -> tuple[str, str]:
    """The SIM's state (`core/line/modem/signs.sim_state`) and the modem's words; waits for one that is starting."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + SIM_BUSY_S
    while True:
        answer = await talk.ask("AT+CPIN?", tells=True)
        state, said = sim_state(answer.lines), answer.final_words
        is_open_yet = answer.result is not None and not is_sim_starting(state, said)
        if is_open_yet or talk.is_lost or loop.time() >= deadline_s:
            return state, said
        await asyncio.sleep(_SIM_LOOK_S)


class SimCard:
    """The SIM of one modem, for one call. Raises: ModemFailedError if it can't be used."""

    def __init__(self, talk: ModemChannel, set_up: ModemSetUp, config: ModemConfig, pins: RefusedPin) -> None:
        self._talk, self._set_up, self._config, self._pins = talk, set_up, config, pins
        self._has_codes = True

    async def open(self) -> None:
        """Unlock it, and set the access point."""
        codes = await self._set_up.patiently("AT+CMEE=1")  # errors with their numbers (3GPP TS 27.007 §9.1)
        self._has_codes = codes.is_ok
        state, said = await ask_sim(self._talk)
        if state == SIM_WANTS_PIN:
            state = await self._enter_pin()
        elif state != SIM_READY:
            raise ModemFailedError(" ".join(sim_trouble(state, said)), again=Again.NEXT_TIME)
        if state == SIM_READY:  # an OK alone is enough for this call, but not proof
            await self._pins.forget()
        if self._config.apn:
            await self._set_up.need(f'AT+CGDCONT=1,"IP","{self._config.apn}"')

    async def _enter_pin(self) -> str:
        """Enter the PIN; returns the state after it."""
        pin = self._config.sim_pin
        if not pin:
            raise ModemFailedError("The SIM asks for its PIN: set modem.sim_pin.", again=Again.AFTER_CHANGE)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SIM_BUSY_S
        while True:
            tries = await self._tries()
            await self._check(pin, tries)
            await self._pins.trying(pin)  # before it is sent: a power cut must not lose the attempt
            answer = await self._talk.ask(f'AT+CPIN="{pin}"', _PIN_S)
            if state := await self._opened_by(pin, answer, tries):
                return state
            if loop.time() >= deadline_s:
                raise ModemFailedError(
                    f"The SIM did not accept its PIN (it said: {_said(answer)}). Trying again.",
                )
            await asyncio.sleep(_SIM_LOOK_S)

    async def _opened_by(self, pin: str, answer: Answer, tries: int | None) -> str:
        """The state in which the call can continue; "" if the PIN was not judged and may be sent again at once."""
        words = answer.final_words
        state = "" if is_wrong_pin(words) else await self._state_after(answer)
        left = await self._tries() if state == SIM_WANTS_PIN and tries is not None else None
        is_likely = answer.is_ok and not self._talk.was_late and state != SIM_LOCKED and not _fewer(left, tries)
        if state == SIM_READY or is_likely:
            return state or SIM_WANTS_PIN
        is_plain = not self._has_codes and words == "ERROR" and left is None  # this modem can't say more
        if is_wrong_pin(words) or state == SIM_LOCKED or _fewer(left, tries) or is_plain:
            await self._pins.refused(pin)
            raise ModemFailedError(
                "The SIM refused the PIN. Dialpost does not send it again, as three wrong ones lock the SIM: "
                f"correct modem.sim_pin. If it was right, {ALLOW} allows it again.",
                again=Again.AFTER_CHANGE,
            )
        if not self._talk.was_late and (left is not None or is_busy(words) or _is_busy_word(answer)):
            await self._pins.not_judged(pin)
            return ""
        raise ModemFailedError(
            f"Whether the SIM accepted its PIN is unknown (it said: {_said(answer)}). Dialpost tries again in the "
            f"next call, {MOST_UNCLEAR} times at most.",
            again=Again.NEXT_TIME,
        )

    async def _state_after(self, answer: Answer) -> str:
        """The SIM's state; after an OK it may take a while to report the new one."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _OPENING_S
        while True:
            state, _ = await ask_sim(self._talk)
            if state != SIM_WANTS_PIN or not answer.is_ok or self._talk.is_lost or loop.time() >= deadline_s:
                return state
            await asyncio.sleep(_SIM_LOOK_S)

    async def _check(self, pin: str, tries: int | None) -> None:
        """Raises: ModemFailedError if this PIN must not be sent."""
        if tries is not None and tries < LEAST_TRIES:
            raise ModemFailedError(
                f"The SIM has too few PIN attempts left ({tries}), so the station makes none. Put it into a "
                "phone and enter the PIN there.",
                again=Again.AFTER_CHANGE,
            )
        try:
            why_not = await self._pins.why_not(pin, tries_known=tries is not None)
        except StorageError as error:
            raise ModemFailedError(
                f"The station can't find out whether the SIM refused this PIN before, so it does not try it "
                f"({error})."
            ) from error
        if why_not:
            raise ModemFailedError(why_not, again=Again.AFTER_CHANGE)

    async def _tries(self) -> int | None:
        """The attempts left, if the modem reports them."""
        for query in QUERIES:
            found = pin_tries((await self._talk.ask(query)).lines, query)
            if found is not None:
                return found
        return None


async def reach_network(
    talk: ModemChannel,
    set_up: ModemSetUp,
    profile: ModemProfile,
    config: ModemConfig,
    refused_pin: RefusedPin,
    say: Callable[[str], None],
) -> None:
    """Do what a modem on its own network needs before it dials; a telephone modem needs nothing.

    Raises: ModemFailedError, PortError, ConfigError.
    """
    if profile.cellular:
        await SimCard(talk, set_up, config, refused_pin).open()
    await find_network(talk, profile, say)


async def find_network(talk: ModemChannel, profile: ModemProfile, say: Callable[[str], None]) -> None:
    """Wait until the modem is registered, if its kind registers. Raises: ModemFailedError."""
    query = profile.registration_query
    queries = (query,) if query else CELLULAR_QUERIES if profile.cellular else ()
    if queries:
        await _register(talk, profile, queries, say)
    if profile.signal_query:
        line = signal_line((await talk.ask(f"AT{profile.signal_query}", tells=True)).lines, profile.signal_query)
        if line:
            say(f"signal: {line}")


async def network_states(talk: ModemChannel, queries: tuple[str, ...]) -> list[int]:
    """The states that the queries report, without those that report none."""
    states = []
    for query in queries:
        state = registration((await talk.ask(f"AT{query}?", tells=True)).lines, query)
        states += [] if state is None else [state]
    return states


async def _register(
    talk: ModemChannel, profile: ModemProfile, queries: tuple[str, ...], say: Callable[[str], None]
) -> None:
    say("looking for a network")
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + profile.registration_s
    while True:
        states = await network_states(talk, queries)
        if any(state in REGISTERED for state in states):
            return
        if states and all(state == DENIED for state in states):
            raise ModemFailedError(
                "The network refuses this SIM. Is its contract active? Ask the network operator.",
                again=Again.NEXT_TIME,
            )
        if talk.is_lost:
            raise ModemFailedError("The modem stopped answering while it looked for a network. Power-cycle it.")
        if loop.time() >= deadline_s:
            raise ModemFailedError(
                f"No network within {profile.registration_s} s. Check the antenna, and whether there is "
                "reception here.",
                DialResult.NO_DIALTONE,
            )
        await asyncio.sleep(_REGISTRATION_LOOK_S)


def _fewer(left: int | None, before: int | None) -> bool:
    return left is not None and before is not None and left < before


def _is_busy_word(answer: Answer) -> bool:
    return answer.result is not None and answer.result.kind is ResultKind.BUSY


def _said(answer: Answer) -> str:
    return answer.final_words or "nothing"
