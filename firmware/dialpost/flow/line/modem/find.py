"""Looking for modems on serial ports: which port answers AT, at which speed, with which identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.config.model import PortFlow
from dialpost.core.errors import PortError
from dialpost.core.line.at.answers import identity_lines, prefix_of, values
from dialpost.core.line.modem.probe import IDENTITY_COMMANDS, Hints, PortFacts, Suggestion, identity, suggest
from dialpost.core.line.modem.profile import FlowControl, ModemProfile
from dialpost.flow.line.modem.channel import ModemChannel
from dialpost.flow.line.modem.port import OpenPort

UART_SPEEDS_BPS = (115_200, 9600, 57_600, 38_400, 19_200, 230_400, 4800, 2400, 1200, 460_800, 921_600, 300)
ACM_SPEEDS_BPS = (115_200, 9600)
"""A modem that is itself a USB device (ttyACM) accepts any speed; behind a USB-to-serial cable its own counts."""

_ANSWER_S = 3.0
_WAKE_S = 1.5


@dataclass(frozen=True, slots=True)
class Found:
    """What is on a port. `suggestion` is None if nothing answered; `trouble` says why it could not be tested."""

    port: PortFacts
    speed_bps: int = 0
    says: str = ""
    suggestion: Suggestion | None = None
    trouble: str = ""
    lacks_flow_control: bool = False  # it answers only if RTS and CTS are ignored


async def look(port: PortFacts, hints: dict[str, Hints], open_port: OpenPort, speeds: Sequence[int] = ()) -> Found:
    """Try one port, speed by speed, until it answers. Afterwards the port is as before, except for its settings."""
    opened = None
    try:
        for speed_bps in speeds or _speeds(port):
            if opened is None:
                opened = open_port(port.device, speed_bps, FlowControl.NONE)
            else:
                opened.set_speed(speed_bps)
            # A new channel per speed: what was owed at the old speed will never come.
            talk = ModemChannel(opened)
            if await talk.wakes(limit_s=_WAKE_S):
                answers = await _identify(talk)
                opened.close(keep_dtr=True)
                lacks = not await _answers_with_rts_cts(port, speed_bps, open_port)
                suggestion = suggest(port, answers, hints)
                return Found(port, speed_bps, identity(answers[:-1]), suggestion, lacks_flow_control=lacks)
    except PortError as error:
        return Found(port, trouble=str(error))
    finally:
        if opened is not None:
            opened.close(keep_dtr=True)
    return Found(port)


def needed_flow(found: Found, profile: ModemProfile) -> PortFlow:
    """The modem.flow_control that the modem found needs."""
    lacks = found.lacks_flow_control and profile.flow_control is FlowControl.RTSCTS
    return PortFlow.NONE if lacks else PortFlow.PROFILE


def _speeds(port: PortFacts) -> tuple[int, ...]:
    return ACM_SPEEDS_BPS if port.usb and "ttyACM" in (port.name or port.device) else UART_SPEEDS_BPS


async def _answers_with_rts_cts(port: PortFacts, speed_bps: int, open_port: OpenPort) -> bool:
    """Whether it also answers while the port waits for CTS, as during a call. Raises: PortError."""
    opened = open_port(port.device, speed_bps, FlowControl.RTSCTS)
    try:
        return await ModemChannel(opened).wakes(limit_s=_WAKE_S)
    finally:
        opened.close(keep_dtr=True)


async def _identify(talk: ModemChannel) -> tuple[str, ...]:
    """The answers to `IDENTITY_COMMANDS`, "" for a refused one; the last keeps the words of its error."""
    await talk.ask("ATE0V1Q0", _ANSWER_S)
    return (*await identify(talk, _ANSWER_S), await sim_words(talk, _ANSWER_S))


async def identify(talk: ModemChannel, limit_s: float) -> list[str]:
    """The answers to all `IDENTITY_COMMANDS` but the last, without unsolicited lines; "" for a refused one."""
    found = []
    for command in IDENTITY_COMMANDS[:-1]:
        answer = await talk.ask(f"AT{command}", limit_s)
        found.append(" ".join(identity_lines(answer.lines, f"AT{command}")) if answer.is_ok else "")
    return found


async def sim_words(talk: ModemChannel, limit_s: float) -> str:
    """The answer to the last of them: about its SIM, or +CME ERROR if there is none."""
    command = f"AT{IDENTITY_COMMANDS[-1]}"
    answer = await talk.ask(command, limit_s, tells=True)
    told = values(answer.lines, prefix_of(command))
    return f"{prefix_of(command)}: {told[-1]}" if told else answer.final_words
