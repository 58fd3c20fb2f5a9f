"""`dialpost modem test`: from the port to the dial tone, each step in words; dials only on request.

Runs in the event loop of that command. The first failing step ends it, because the next ones would only repeat the
failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from dialpost.core.config.model import ModemConfig
from dialpost.core.errors import PortError
from dialpost.core.findings import Finding, Severity, ok, skipped
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan, dial_faults
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.line.modem.probe import identity
from dialpost.core.line.modem.profile import FlowControl, ModemProfile, ResultKind
from dialpost.core.line.modem.set_up import PLAIN_WORDS, port_settings, set_up_commands
from dialpost.core.line.modem.signs import registration_finding, signal_finding, signal_line, sim_finding
from dialpost.flow.line.modem.channel import ModemChannel
from dialpost.flow.line.modem.find import identify
from dialpost.flow.line.modem.port import OpenPort, Port
from dialpost.flow.line.modem.set_up import ModemFailedError, ModemSetUp
from dialpost.flow.line.modem.sim import CELLULAR_QUERIES, ask_sim, network_states

_DIAL_TONE_S = 15.0
_SIGNAL_S = 10.0
_SLOW_WAKE_S = 6.0


class CallingModem(Protocol):
    """The subset of flow/line/modem/modem.Modem that makes the call of --dial."""

    async def dial(self, number: str) -> DialOutcome:
        """Prepare and dial."""

    async def hang_up(self) -> str:
        """Hang up; returns "" or why the line may still be up."""


def _fault(subject: str, what: str, advice: str = "") -> Finding:
    return Finding(subject, Severity.FAULT, what, advice)


class ModemCheck:
    """One examination of one modem."""

    def __init__(self, config: ModemConfig, profile: ModemProfile, country: Country, open_port: OpenPort) -> None:
        self._config, self._profile, self._country, self._open_port = config, profile, country, open_port
        self._plan = DialPlan(config, country, profile.default_numbers)
        self._is_sound = True

    async def examine(self, caller: CallingModem | None = None) -> AsyncIterator[Finding]:
        """Yield the findings as they are made. `caller` dials at the end; it opens the port itself."""
        yield self._settings()
        async for finding in self._look():
            self._is_sound &= finding.severity is not Severity.FAULT
            yield finding
        if caller is None:
            yield skipped(
                "a call", "Nothing was dialled.", "`dialpost modem test --dial` makes a call (it may cost money)."
            )
        elif not self._is_sound:
            yield skipped("a call", "Nothing was dialled because of the fault above.")
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
            speed_bps, flow_control = port_settings(self._profile, self._config)
            port = self._open_port(self._config.port, speed_bps, flow_control)
        except PortError as error:
            yield _fault("port", str(error))
            return
        try:
            yield ok("port", f"{self._config.port} is open at {speed_bps} bit/s, and no other program is using it.")
            await asyncio.sleep(self._profile.settle_s)
            talk = ModemChannel(port, self._profile.own_results, self._profile.answer_s)
            async for finding in self._ask(port, talk, speed_bps, flow_control):
                yield finding
        except PortError as error:
            yield _fault("port", str(error))
        finally:
            port.close(keep_dtr=bool(self._profile.dtr_off_max_s))

    async def _ask(
        self, port: Port, talk: ModemChannel, speed_bps: int, flow_control: FlowControl
    ) -> AsyncIterator[Finding]:
        if not await talk.wakes() and not await talk.wakes(limit_s=_SLOW_WAKE_S):
            yield self._silent(talk, speed_bps, flow_control)
            return
        yield ok("answer", "The modem answers AT.")
        yield await self._identity(talk)
        set_up = await self._set_up(talk)
        yield set_up
        if set_up.severity is Severity.FAULT:
            return
        yield _lines(port.carrier())
        if self._profile.cellular:
            sim = sim_finding(*await ask_sim(talk), bool(self._config.sim_pin))
            yield sim
            if sim.severity is not Severity.OK:
                return
        async for finding in self._network(talk):
            yield finding
        if self._profile.telephone:
            yield await self._dial_tone(talk)

    def _silent(self, talk: ModemChannel, speed_bps: int, flow_control: FlowControl) -> Finding:
        if talk.garbage:
            return _fault(
                "answer",
                f"It answers in garbage at {speed_bps} bit/s.",
                "Set modem.speed_bps to what the modem has; `dialpost modem probe` finds it.",
            )
        lines = (
            ' It also finds out whether the port lacks RTS and CTS (modem.flow_control = "none").'
            if flow_control is FlowControl.RTSCTS
            else ""
        )
        return _fault(
            "answer",
            f"Nothing answers AT on {self._config.port}.",
            f"Is the modem switched on and this its port? `dialpost modem probe` looks at all ports.{lines}",
        )

    async def _identity(self, talk: ModemChannel) -> Finding:
        await talk.ask(PLAIN_WORDS)
        says = identity(await identify(talk, self._profile.answer_s))
        return ok("identity", f"It identifies itself as: {says}." if says else "It does not identify itself.")

    async def _set_up(self, talk: ModemChannel) -> Finding:
        """Send the profile's commands. A refused optional one does not fail a call, but is reported."""
        refused, speaker = [], ModemSetUp(talk, self._profile, lambda words: None)
        for step in set_up_commands(self._profile, self._config, self._country):
            try:
                answer = await speaker.patiently(step.command)
            except ModemFailedError as failed:
                return _fault("set-up", failed.outcome.detail)
            if not answer.is_ok:
                refused.append(step)
                said = f"It rejects the command {step.command} (it said: {answer.words or 'nothing'})."
                if step.is_must:
                    return _fault("set-up", said, self._other_profile())
        if not refused:
            return ok("set-up", "It accepted every command of its profile.")
        commands = ", ".join(step.command for step in refused)
        advice = "Correct modem.extra_init." if refused[-1].is_own else self._other_profile()
        what = f"It rejects {commands}. Calls work all the same, without what that sets."
        return Finding("set-up", Severity.WARNING, what, advice)

    def _other_profile(self) -> str:
        return f'Is "{self._profile.name}" the right profile? `dialpost modem probe` suggests one.'

    async def _network(self, talk: ModemChannel) -> AsyncIterator[Finding]:
        profile = self._profile
        query = profile.registration_query
        queries = (query,) if query else CELLULAR_QUERIES if profile.cellular else ()
        if queries:
            yield registration_finding(await network_states(talk, queries))
        if profile.signal_query:
            answer = await talk.ask(f"AT{profile.signal_query}", _SIGNAL_S, tells=True)
            yield signal_finding(signal_line(answer.lines, profile.signal_query))

    async def _dial_tone(self, talk: ModemChannel) -> Finding:
        """Go off hook, wait for the tone, dial no digit, go on hook (V.250 §6.3.1: `;` stays in command state)."""
        if not self._config.wait_for_dial_tone:
            return skipped("dial tone", "Not looked for: modem.wait_for_dial_tone is no.")
        answer = await talk.ask("ATX4DT;", _DIAL_TONE_S)
        if answer.result is None:
            await talk.send(b"\r")  # any character ends the waiting
        await talk.ask("ATH", self._profile.answer_s)
        kind = answer.result.kind if answer.result is not None else None
        if kind is ResultKind.OK:
            return ok("dial tone", "The modem hears it.")
        if kind is ResultKind.NO_DIALTONE:
            return _fault(
                "dial tone",
                "There is none.",
                "Check the cable between modem and socket. If the exchange has an unusual tone, set "
                "modem.wait_for_dial_tone to false.",
            )
        return skipped("dial tone", f"This modem does not say (it said: {answer.words or 'nothing'}).")

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
            subject,
            "The port has no DTR and DCD: Dialpost hangs up with +++ and ATH, and the modem reports a lost line.",
        )
    if carrier:
        return Finding(
            subject,
            Severity.WARNING,
            "DCD says that a call is up, though none should be.",
            "Is an old call still up? If not, a switch of the modem holds DCD up (on a Courier: switch 6).",
        )
    return ok(subject, "DCD is off, as it should be between calls.")
