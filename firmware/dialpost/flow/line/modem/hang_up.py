"""Hanging up for certain: the profile's methods in turn, each believed only with proof.

Proof is that DCD, if it was seen to be reliable in this call, has dropped; or that the modem accepts commands
again, its answers in step, says OK to ATH and answers AT after it (V.250 §6.3.6). A single answer proves nothing:
it may be a late one to an earlier command (decision 34).
"""

from __future__ import annotations

import asyncio

from dialpost.core.line.modem.profile import HangUpWay, ModemProfile, ResultKind
from dialpost.flow.line.modem.channel import Answer, ModemChannel
from dialpost.flow.line.modem.port import Port

ROUNDS = 2
_FALL_S, _LOOK_S = 1.0, 0.1
"""The time DCD may take to drop, and the polling interval."""


async def is_on_hook(port: Port, talk: ModemChannel, profile: ModemProfile, *, carrier_tells: bool) -> bool:
    """Whether the modem accepts commands, and hangs up on ATH."""
    if not await talk.only_one():
        return False
    answer = await talk.ask("ATH")
    if not _is_down(answer) and profile.cellular:
        answer = await talk.ask("AT+CHUP")  # 3GPP TS 27.007 §6.5
    if not _is_down(answer) or not (await talk.ask("AT")).is_ok:
        return False
    return not carrier_tells or await carrier_falls(port)


async def hung_up(port: Port, talk: ModemChannel, profile: ModemProfile, *, carrier_tells: bool) -> bool:
    """Try the profile's methods until the line is known to be down; False if none of them proves it."""
    for _ in range(ROUNDS):
        for way in profile.hang_up:
            if way is HangUpWay.DTR:
                if not await _drop_dtr(port, profile):
                    continue
                if carrier_tells and await carrier_falls(port):
                    return True
                if way is not profile.hang_up[-1]:
                    continue  # nothing shows whether it worked: the next method makes sure
            else:
                await escape(talk, profile)
                await talk.once("ATH")  # at once, because the call costs money; whether it worked is checked next
            if await is_on_hook(port, talk, profile, carrier_tells=carrier_tells):
                return True
    return False


async def escape(talk: ModemChannel, profile: ModemProfile) -> None:
    """Return to command state, from data (silence, +++, silence) or from dialling (any character aborts it)."""
    await asyncio.sleep(profile.guard_s)
    await talk.send(profile.escape.encode("ascii"))
    await talk.quiet(profile.guard_s)
    await talk.send(b"\r")  # a modem in command state took +++ for the beginning of a command: end it
    await talk.quiet(min(1.0, profile.answer_s))


async def carrier_falls(port: Port) -> bool:
    """Whether DCD is off or drops now. True if the port has none."""
    end_s = asyncio.get_running_loop().time() + _FALL_S
    while port.carrier():
        if asyncio.get_running_loop().time() >= end_s:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def _drop_dtr(port: Port, profile: ModemProfile) -> bool:
    if not port.set_dtr(False):
        return False
    await asyncio.sleep(profile.dtr_pulse_ms / 1000)
    port.set_dtr(True)
    await asyncio.sleep(profile.settle_s)
    return True


def _is_down(answer: Answer) -> bool:
    return answer.result is not None and answer.result.kind in {ResultKind.OK, ResultKind.NO_CARRIER}
