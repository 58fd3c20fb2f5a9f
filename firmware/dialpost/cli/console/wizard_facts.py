"""What the set-up wizard has to know about this machine before it asks, gathered from the edges."""

from __future__ import annotations

import asyncio
import os
import zoneinfo
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from dialpost.core.console.terminal import Terminal
from dialpost.core.console.wizard.facts import Facts, PortOffer
from dialpost.core.line.modem.probe import PortFacts
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.line.serial_port import open_port
from dialpost.edge.line.serial_ports import serial_ports
from dialpost.edge.system.board_files import BoardFiles
from dialpost.flow.line.modem.find import Found, look, needed_flow

_LOCALTIME = Path("/etc/localtime")
_NONE_OF_ITS_OWN = {"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Universal", "Zulu"}


def look_around(config_path: Path, accounts: tuple[str, ...]) -> Facts:
    """Everything but the ports. Raises: ConfigError, NotFoundError if the board folder is damaged or missing."""
    files = BoardFiles()
    return Facts(
        profiles=tuple(files.profiles()),
        countries=tuple(files.countries()),
        timezones=frozenset(zoneinfo.available_timezones()),
        system_timezone=system_timezone(),
        accounts=accounts,
        has_admin_password=AdminPassword(config_path).is_set(),
    )


def system_timezone() -> str:
    """The machine's time zone by name; "" if it is UTC, a new board's default."""
    zone = os.environ.get("TZ", "").removeprefix(":")
    if not zone and _LOCALTIME.is_symlink():
        zone = str(_LOCALTIME.readlink()).partition("zoneinfo/")[2]
    return "" if zone in _NONE_OF_ITS_OWN or zone not in zoneinfo.available_timezones() else zone


def look_for_modems(
    terminal: Terminal, own_tty: str, interruptible: Callable[[], AbstractContextManager[None]] = nullcontext
) -> tuple[PortOffer, ...]:
    """Probe every port except the terminal's own. A silent one takes up to 40 s: Ctrl-C (a KeyboardInterrupt within
    `interruptible`) skips the rest.
    """
    files = BoardFiles()
    hints = files.hints()
    ports = [port for port in serial_ports() if not (own_tty and _is_same(port, own_tty))]
    if not ports:
        terminal.say("This machine has no serial port for a modem. Is the modem plugged in and switched on?")
        return ()
    terminal.say("Looking for a modem ...")
    offers: list[PortOffer] = []
    try:
        with interruptible():
            for port in ports:
                found = asyncio.run(look(port, hints, open_port))
                offers.append(_offer(found, files))
                if found.suggestion is None:
                    terminal.say(f"  {port.name or port.device}: {found.trouble or 'nothing answers'}")
    except KeyboardInterrupt:
        offers += [PortOffer(port.device, "not checked") for port in ports[len(offers) :]]
    return tuple(sorted(offers, key=lambda offer: not offer.profile))


def _offer(found: Found, files: BoardFiles) -> PortOffer:
    port, suggestion = found.port, found.suggestion
    if suggestion is None:
        return PortOffer(port.device, found.trouble or port.description or "nothing answers")
    profile = files.profile(suggestion.profile)
    says = f'"{found.says}", ' if found.says else ""
    speed_bps = found.speed_bps if found.speed_bps != profile.speed_bps else 0
    words = f"{says}profile {suggestion.profile}"
    flow_control = needed_flow(found, profile)
    return PortOffer(port.device, words, suggestion.profile, speed_bps, flow_control)


def _is_same(port: PortFacts, tty: str) -> bool:
    return os.path.realpath(port.device) == os.path.realpath(tty)
