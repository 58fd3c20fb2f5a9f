"""Hanging up with certainty: the profile's methods in turn, each trusted only with proof.

Proof is that DCD, if it was seen to be reliable in this call, has dropped; or that the modem accepts commands
again, its answers in step, says OK to ATH and answers AT after it (V.250 §6.3.6). A single answer proves nothing:
it may be a late one to an earlier command (decision 34).
"""

from __future__ import annotations

import asyncio

from dialpost.core.line.modem.profile import HangUpWay, ModemProfile, ResultKind
from dialpost.core.line.modem.set_up import GUARD_QUERY, SHORT_GUARD_S, SHORTER_GUARD, guard_time_s
from dialpost.flow.line.modem.channel import Answer, ModemChannel
from dialpost.flow.line.modem.port import Port

ROUNDS = 2
_FALL_S, _LOOK_S = 1.0, 0.1
"""The time DCD may take to drop, and the polling interval."""
_LEAST_LISTEN_S = 0.3
"""The least time a modem gets to show that it takes commands already."""
_LINE_END = b"\r"
"""Sent after +++: a modem in command state took that for the beginning of a command."""
_TAKES_COMMANDS = frozenset({ResultKind.OK, ResultKind.ERROR, ResultKind.NO_CARRIER})


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


async def hung_up(
    port: Port, talk: ModemChannel, profile: ModemProfile, *, carrier_tells: bool, guard_s: float
) -> bool:
    """Try the profile's methods until the line is known to be down; False if none of them proves it.

    `guard_s` is the modem's own guard time. If that fails, the next round keeps the profile's, if it is longer.
    """
    if carrier_tells and port.carrier() is False and _hangs_up_at_close(profile):
        return True  # the other side was faster; if DCD only flickers, closing the port hangs up
    for number in range(ROUNDS):
        for way in profile.hang_up:
            if way is HangUpWay.DTR:
                if not await _drop_dtr(port, profile, carrier_tells=carrier_tells):
                    continue
                if carrier_tells and await carrier_falls(port):
                    return True
                if way is not profile.hang_up[-1]:
                    continue  # nothing shows whether it worked: the next method makes sure
                await asyncio.sleep(profile.settle_s)
            else:
                await _escape(talk, profile, max(guard_s, profile.guard_s) if number else guard_s)
                await talk.once("ATH")  # at once, because the call costs money; whether it worked is checked next
            if await is_on_hook(port, talk, profile, carrier_tells=carrier_tells):
                return True
    return False


async def escape(talk: ModemChannel, profile: ModemProfile, guard_s: float) -> None:
    """Return to command state, from data (silence, +++, silence) or from dialling (any character aborts it)."""
    await asyncio.sleep(guard_s)
    await _escape_after_silence(talk, profile, guard_s)


async def _escape(talk: ModemChannel, profile: ModemProfile, guard_s: float) -> None:
    """The same, but as quickly as possible if the dialogue is in step.

    A modem whose other side has hung up is already in command state, as most are once PPP has ended: it answers an
    AT before the silence, or says NO CARRIER during it. Otherwise its OK to +++ ends the second silence. Both are
    paid for. What it says here proves nothing: the caller checks.
    """
    if talk.was_late:
        await escape(talk, profile, guard_s)
        return
    if await talk.hear(b"AT\r", max(guard_s, _LEAST_LISTEN_S), _TAKES_COMMANDS):
        return
    if not await talk.hear(profile.escape.encode("ascii"), guard_s, _TAKES_COMMANDS):
        await talk.hear(_LINE_END, min(1.0, profile.answer_s), _TAKES_COMMANDS)


async def _escape_after_silence(talk: ModemChannel, profile: ModemProfile, guard_s: float) -> None:
    await talk.send(profile.escape.encode("ascii"))
    await talk.quiet(guard_s)
    await talk.send(_LINE_END)
    await talk.quiet(min(1.0, profile.answer_s))


async def own_guard_s(talk: ModemChannel, profile: ModemProfile, *, may_shorten: bool) -> float | None:
    """The guard time that the modem reports, made shorter if it can be; None if it reports none to be trusted."""
    if HangUpWay.ESCAPE not in profile.hang_up:
        return None
    guard_s = await _told_guard_s(talk)
    if guard_s is None or guard_s <= SHORT_GUARD_S or not may_shorten:
        return guard_s
    if not (await talk.ask(SHORTER_GUARD)).is_ok:
        return guard_s
    return await _told_guard_s(talk)


async def _told_guard_s(talk: ModemChannel) -> float | None:
    if talk.was_late:
        return None
    answer = await talk.ask(GUARD_QUERY)
    return guard_time_s(answer.lines) if answer.is_ok and not talk.was_late else None


async def carrier_falls(port: Port) -> bool:
    """Whether DCD is off or drops now. True if the port has none."""
    end_s = asyncio.get_running_loop().time() + _FALL_S
    while port.carrier():
        if asyncio.get_running_loop().time() >= end_s:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def _drop_dtr(port: Port, profile: ModemProfile, *, carrier_tells: bool) -> bool:
    """Switch DTR off and on again; off no longer than DCD needs to drop."""
    can_see_drop = carrier_tells and port.carrier() is True
    if not port.set_dtr(False):
        return False
    left_s = profile.dtr_pulse_ms / 1000
    while left_s > 0 and not (can_see_drop and port.carrier() is False):
        nap_s = min(left_s, _LOOK_S)
        await asyncio.sleep(nap_s)
        left_s -= nap_s
    port.set_dtr(True)
    return True


def _hangs_up_at_close(profile: ModemProfile) -> bool:
    """Whether DTR drops with the port, and the modem hangs up then."""
    return HangUpWay.DTR in profile.hang_up and not profile.dtr_off_max_s


def _is_down(answer: Answer) -> bool:
    return answer.result is not None and answer.result.kind in {ResultKind.OK, ResultKind.NO_CARRIER}
