"""`dialpost modem test`: from the port to the dial tone, each step told in words; nothing is dialled unless asked.

Runs in the event loop of that command. The first step that fails ends it, for the next ones would only echo it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from dialpost.core.config import ModemConfig
from dialpost.core.country import Country
from dialpost.core.dial_plan import DialPlan, dial_faults, line_settings
from dialpost.core.errors import PortError
from dialpost.core.findings import Finding, Severity, ok, skipped
from dialpost.core.link import DialOutcome, DialResult
from dialpost.core.modem_probe import IDENTITY_COMMANDS, identity
from dialpost.core.modem_profile import ModemProfile, ResultKind
from dialpost.core.modem_signs import registration, registration_finding, signal_finding, sim_finding
from dialpost.flow.modem import OpenPort, Port
from dialpost.flow.modem_talk import ModemTalk

_DIAL_TONE_S = 15.0
_CELLULAR_QUERIES = ("+CEREG", "+CGREG", "+CREG")


class CallingModem(Protocol):
    """The subset of flow/modem.Modem that makes the call of --dial."""

    async def dial(self, number: str) -> DialOutcome:
        """Prepare and dial."""

    async def hang_up(self) -> str:
        """Put the line down; "" or why it may still be up."""


def _fault(subject: str, what: str, advice: str = "") -> Finding:
    return Finding(subject, Severity.FAULT, what, advice)


class ModemCheck:
    """One look at one modem."""

    def __init__(self, config: ModemConfig, profile: ModemProfile, country: Country, open_port: OpenPort) -> None:
        self._config, self._profile, self._country, self._open_port = config, profile, country, open_port
        self._plan = DialPlan(config, country, profile.default_numbers)
        self._is_sound = True

    async def examine(self, caller: CallingModem | None = None) -> AsyncIterator[Finding]:
        """The findings as they are made. `caller` dials at the end; it opens the port itself."""
        yield self._settings()
        async for finding in self._look():
            self._is_sound &= finding.severity is not Severity.FAULT
            yield finding
        if caller is None:
            yield skipped(
                "a call", "Nothing was dialled.", "`dialpost modem test --dial` makes a call (it may cost)."
            )
        elif not self._is_sound:
            yield skipped("a call", "Nothing was dialled, because of the fault above.")
        else:
            yield await self._call(caller)

    # -- the steps ------------------------------------------------------------------------------------

    def _settings(self) -> Finding:
        faults = dial_faults(self._config, self._country) if self._profile.telephone else []
        if not self._plan.numbers:
            return _fault("settings", "No number is configured.", "Set modem.numbers.")
        if faults:
            return _fault("settings", " ".join(faults))
        numbers = ", ".join(self._plan.numbers)
        return ok("settings", f"{self._profile.title}; dials {numbers} by the rules of {self._country.name}.")

    async def _look(self) -> AsyncIterator[Finding]:
        try:
            speed_bps = self._config.speed_bps or self._profile.speed_bps
            port = self._open_port(self._config.port, speed_bps, self._profile.flow_control)
        except PortError as error:
            yield _fault("port", str(error))
            return
        try:
            yield ok("port", f"{self._config.port} is open at {speed_bps} bit/s, and nobody else uses it.")
            await asyncio.sleep(self._profile.settle_s)
            async for finding in self._ask(port, ModemTalk(port, self._profile.own_results), speed_bps):
                yield finding
        except PortError as error:
            yield _fault("port", str(error))
        finally:
            port.close(keep_dtr=bool(self._profile.dtr_off_max_s))

    async def _ask(self, port: Port, talk: ModemTalk, speed_bps: int) -> AsyncIterator[Finding]:
        if not await talk.wakes():
            yield self._silent(talk, speed_bps)
            return
        yield ok("answer", "The modem answers AT.")
        yield await self._identity(talk)
        refused = await self._set_up(talk)
        if refused is not None:
            yield refused
            return
        yield ok("set-up", "It took every command of its profile.")
        yield _lines(port.carrier())
        if self._profile.cellular:
            sim = sim_finding((await talk.ask("AT+CPIN?", self._profile.answer_s)).words.removesuffix(" OK"),
                              bool(self._config.sim_pin))  # fmt: skip
            yield sim
            if sim.severity is not Severity.OK:
                return
        async for finding in self._network(talk):
            yield finding
        if self._profile.telephone:
            yield await self._dial_tone(talk)

    def _silent(self, talk: ModemTalk, speed_bps: int) -> Finding:
        if talk.garbage:
            return _fault(
                "answer", f"It answers in garbage at {speed_bps} bit/s.",
                "Set modem.speed_bps to what the modem has; `dialpost modem probe` finds it.",
            )  # fmt: skip
        return _fault(
            "answer", f"Nothing answers AT on {self._config.port}.",
            "Is the modem switched on and this its port? `dialpost modem probe` looks at all ports.",
        )  # fmt: skip

    async def _identity(self, talk: ModemTalk) -> Finding:
        await talk.ask("ATE0V1Q0", self._profile.answer_s)
        answers = [await talk.ask(f"AT{command}", self._profile.answer_s) for command in IDENTITY_COMMANDS[:-1]]
        says = identity([" ".join(answer.lines) if answer.is_ok else "" for answer in answers])
        return ok("identity", f"It says of itself: {says}." if says else "It says nothing of itself.")

    async def _set_up(self, talk: ModemTalk) -> Finding | None:
        commands = [*self._profile.init, "ATE0V1Q0"]
        if self._profile.telephone:
            commands += [f"AT{setting}" for setting in line_settings(self._config, self._country)]
        extra = self._config.extra_init
        if extra:
            commands.append(extra if extra.upper().startswith("AT") else f"AT{extra}")
        for command in commands:
            answer = await talk.ask(command, self._profile.answer_s)
            if not answer.is_ok:
                advice = (
                    "Correct modem.extra_init."
                    if extra and command.endswith(extra)
                    else f'Is "{self._profile.name}" the right profile? `dialpost modem probe` suggests one.'
                )
                return _fault(
                    "set-up",
                    f"It does not take the command {command} (it said: {answer.words or 'nothing'}).",
                    advice,
                )
        return None

    async def _network(self, talk: ModemTalk) -> AsyncIterator[Finding]:
        profile = self._profile
        query = profile.registration_query
        queries = (query,) if query else _CELLULAR_QUERIES if profile.cellular else ()
        if queries:
            lines = [line for one in queries for line in (await talk.ask(f"AT{one}?", profile.answer_s)).lines]
            yield registration_finding(registration(lines))
        if profile.signal_query:
            answer = await talk.ask(f"AT{profile.signal_query}", max(10.0, profile.answer_s))
            yield signal_finding(answer.lines[-1] if answer.lines else "")

    async def _dial_tone(self, talk: ModemTalk) -> Finding:
        """Off hook, wait for the tone, dial no digit, on hook (V.250 §6.3.1: a `;` ends in command state)."""
        if not self._config.wait_for_dial_tone:
            return skipped("dial tone", "Not looked for: modem.wait_for_dial_tone is no.")
        answer = await talk.ask("ATX4DT;", _DIAL_TONE_S)
        if answer.result is None:
            await talk.ask("AT", 1.0)  # any sign ends the waiting
        await talk.ask("ATH", self._profile.answer_s)
        kind = answer.result.kind if answer.result is not None else None
        if kind is ResultKind.OK:
            return ok("dial tone", "There is one.")
        if kind is ResultKind.NO_DIALTONE:
            return _fault(
                "dial tone", "There is none.",
                "Check the cable between modem and socket. Where the exchange's tone is an unusual one, set "
                "modem.wait_for_dial_tone to false.",
            )  # fmt: skip
        return skipped("dial tone", f"This modem does not tell (it said: {answer.words or 'nothing'}).")

    async def _call(self, caller: CallingModem) -> Finding:
        number = self._plan.next(0.0).number
        outcome = await caller.dial(number)
        doubt = await caller.hang_up()
        if doubt:
            return _fault("a call", f"{number}: {outcome.result.value}, but then: {doubt}")
        if outcome.result is DialResult.CONNECTED:
            return ok("a call", f"{number} answered: {outcome.detail}. The line is down again.")
        return _fault("a call", f"{number}: {outcome.result.value}. {outcome.detail}".strip())


def _lines(carrier: bool | None) -> Finding:
    subject = "control lines"
    if carrier is None:
        return ok(
            subject, "The port has no DTR and DCD: hanging up is by +++ and ATH, a lost line is told in words."
        )
    if carrier:
        return Finding(
            subject, Severity.WARNING, "DCD says that a call is up, though none should be.",
            "Is a call left over? Else a switch of the modem holds DCD up (on a Courier: switch 6).",
        )  # fmt: skip
    return ok(subject, "DCD is off, as it should be between calls.")
