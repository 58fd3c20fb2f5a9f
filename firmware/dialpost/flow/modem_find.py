"""Looking for modems on serial ports: who answers AT, at which speed, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.errors import PortError
from dialpost.core.modem_probe import IDENTITY_COMMANDS, Hints, PortFacts, Suggestion, identity, suggest
from dialpost.core.modem_profile import FlowControl
from dialpost.flow.modem import OpenPort
from dialpost.flow.modem_talk import ModemTalk

UART_SPEEDS_BPS = (115_200, 9600, 57_600, 38_400, 19_200, 230_400)
USB_SPEEDS_BPS = (115_200, 9600)
"""On a USB port the speed mostly means nothing; behind a USB-to-serial cable it does."""

_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """What is on a port. `suggestion` is None where nothing answered; `trouble` says why it could not be asked."""

    port: PortFacts
    speed_bps: int = 0
    says: str = ""
    suggestion: Suggestion | None = None
    trouble: str = ""


async def look(port: PortFacts, hints: dict[str, Hints], open_port: OpenPort, speeds: Sequence[int] = ()) -> Found:
    """Ask one port, speed by speed, until it answers. The port is as before afterwards, its settings excepted."""
    opened = None
    try:
        for speed_bps in speeds or (USB_SPEEDS_BPS if port.usb else UART_SPEEDS_BPS):
            if opened is None:
                opened = open_port(port.device, speed_bps, FlowControl.NONE)
            else:
                opened.set_speed(speed_bps)
            talk = ModemTalk(opened)
            if await talk.wakes(tries=2):
                answers = await _identify(talk)
                return Found(port, speed_bps, identity(answers[:-1]), suggest(port, answers, hints))
    except PortError as error:
        return Found(port, trouble=str(error))
    finally:
        if opened is not None:
            opened.close(keep_dtr=True)
    return Found(port)


async def _identify(talk: ModemTalk) -> tuple[str, ...]:
    """The answers to `IDENTITY_COMMANDS`, "" where one is refused; the last keeps its error's words."""
    await talk.ask("ATE0V1", _ANSWER_S)
    found = []
    for command in IDENTITY_COMMANDS:
        answer = await talk.ask(f"AT{command}", _ANSWER_S)
        is_last = command is IDENTITY_COMMANDS[-1]
        found.append(answer.words if is_last else " ".join(answer.lines) if answer.is_ok else "")
    return tuple(found)
