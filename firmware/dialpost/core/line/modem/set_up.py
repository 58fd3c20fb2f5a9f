"""The commands a modem gets before a call, their order, and which of them must succeed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dialpost.core.config.model import LinkConfig, ModemConfig, PortFlow
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import line_settings
from dialpost.core.line.modem.profile import FlowControl, ModemProfile

PLAIN_WORDS = "ATQ0V1E0"
"""Answers at all (Q0), in words (V1), without echo (E0): V.250 §6.2.4-§6.2.6."""

GUARD_QUERY = "ATS12?"
"""Asks for the register of the escape sequence's guard time (Hayes; not in V.250)."""
SHORTER_GUARD = "ATS12=10"
"""A fifth of a second, where modems come with one. Both silences of a hang-up are paid for. Within data three plus
signs never stand alone: PPP's frames begin and end with other bytes, and a stream that halts goes on for longer.
"""
SHORT_GUARD_S = 0.3
"""What `SHORTER_GUARD` sets, and the margin."""
_GUARD_UNIT_S, _GUARD_MARGIN_S, _MOST_IN_REGISTER = 0.02, 0.1, 255
"""Fiftieths of a second; and what is added, because modem and station do not count from the same moment."""

_FASTEST_TELEPHONE_BPS, _PORTS_ONLY_BPS = 56_000, 38_400


@dataclass(frozen=True, slots=True)
class SetUpCommand:
    """One command. `is_must`: without it no call can be made; a refusal of any other is only noted."""

    command: str
    is_must: bool = False
    is_own: bool = False  # modem.extra_init


def port_settings(profile: ModemProfile, config: ModemConfig) -> tuple[int, FlowControl]:
    """Speed in bit/s and flow control of the port: the configuration's, otherwise the profile's."""
    flow = config.flow_control
    flow_control = profile.flow_control if flow is PortFlow.PROFILE else FlowControl(flow.value)
    return config.speed_bps or profile.speed_bps, flow_control


def line_rate_bps(told_bps: int | None, profile: ModemProfile, configured_bps: int, port_bps: int) -> int:
    """The line's rate. `told_bps` is from CONNECT, where many modems give the port's speed.

    A profile has a fixed rate if its CONNECT never reports the line's; a configured rate that is not the default
    overrides that. No telephone line is faster than V.92, and 38400 is a port's speed.
    """
    if profile.line_rate_bps:
        is_configured = configured_bps != LinkConfig().line_rate_bps
        return configured_bps if is_configured else profile.line_rate_bps
    if not told_bps or told_bps == port_bps:
        return configured_bps
    if profile.telephone and (told_bps > _FASTEST_TELEPHONE_BPS or told_bps == _PORTS_ONLY_BPS):
        return configured_bps
    return told_bps


def guard_time_s(lines: Iterable[str]) -> float | None:
    """The silence before and after the escape sequence, from the answer to `GUARD_QUERY`; None if it has none."""
    match [int(line) for line in lines if line.isascii() and line.isdigit()]:
        case [number] if number <= _MOST_IN_REGISTER:
            return round(number * _GUARD_UNIT_S + _GUARD_MARGIN_S, 2)
    return None


def sets_guard(profile: ModemProfile, config: ModemConfig) -> bool:
    """Whether the profile or modem.extra_init sets the guard time: then it is left alone."""
    commands = (*profile.init, config.extra_init)
    return any("S12=" in command.replace(" ", "").upper() for command in commands)


def set_up_commands(profile: ModemProfile, config: ModemConfig, country: Country) -> list[SetUpCommand]:
    """All of them in order. The first may restore the modem's defaults, and with them its echo."""
    commands = [SetUpCommand(command, command in profile.must) for command in profile.init]
    commands.append(SetUpCommand(PLAIN_WORDS))
    if profile.telephone:
        for setting in line_settings(config, country):
            of_profile = profile.blind_dial_init if setting == "X3" else setting
            if of_profile:
                commands.append(SetUpCommand(f"AT{of_profile}"))
    extra = config.extra_init
    if extra:
        own = extra if extra.upper().startswith("AT") else f"AT{extra}"
        commands.append(SetUpCommand(own, is_own=True))
    return commands
