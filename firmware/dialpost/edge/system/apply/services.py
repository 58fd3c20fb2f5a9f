"""Telling the running system what was written: the kernel, nftables, networkd, chrony, Dovecot.

Each hears only of what is new to it; a hash remembers what it has heard, so that a run that was cut off
between a file and its service is finished by the next. Commands are fixed words, run without a shell, with a limit.

The unit this runs in is ordered before those services (systemd's Before=). So nothing here may wait for a job of
systemd's for one of them: it would not begin before this unit has ended. A service is notified by its own means
(D-Bus, a socket), or by a job that nobody waits for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.system.apply.rendered import (
    BATTERY_CLOCK,
    CHRONY,
    DOVECOT,
    FIREWALL,
    HOSTNAME,
    HOSTS,
    LOCALTIME,
    NETWORK,
)
from dialpost.edge.system.apply import battery_clock
from dialpost.edge.system.apply.battery_clock import BatteryClockError

DOVECOT_UNIT = "dialpost-dovecot.service"
_NETWORKD = "systemd-networkd.service"
_CHRONY_UNIT = "chrony.service"
_LIST_TABLE = ("nft", "list", "table", "inet")
_LIMIT_S = 30.0
"""Who commits waits 90 s in all (edge/system/apply_unit)."""
_FIREWALL_LIMIT_S = 240.0
"""A slow board that is just starting unpacks the firewall's kernel modules first; an emulated one on a busy host
took more than a minute for it. Without its firewall the start counts as a failed one.
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_KERNEL_NAME = Path("/proc/sys/kernel/hostname")


class CommandError(Exception):
    """A command did not do what it should; the text says which and what it said."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who has to hear of the file at `path`.

    `tell` gets whether the file is there, and raises CommandError; `lacks` says that the service has lost
    what it had. `words` name it for people. Without one that `is_optional` the station still works:
    its failure is reported, and makes no start a bad one.
    """

    path: str
    words: str
    tell: Callable[[bool], None]
    lacks: Callable[[], bool] = lambda: False
    is_optional: bool = False


def services(firewall_table: str) -> tuple[Service, ...]:
    """All of them, in the order in which they are notified: the firewall stands before anything answers."""
    return (
        Service(FIREWALL, "the firewall", _firewall, lambda: not _is_true(*_LIST_TABLE, firewall_table)),
        Service(NETWORK, "the network", lambda there: _if_active(_NETWORKD, "networkctl", "reload")),
        Service(HOSTNAME, "the host name", _hostname),
        Service(HOSTS, "the names of hosts", _nobody),
        Service(LOCALTIME, "the time zone", _nobody),
        Service(BATTERY_CLOCK, "the clock with a battery", _battery_clock, is_optional=True),
        Service(CHRONY, "the time servers", lambda there: _if_active(_CHRONY_UNIT, "chronyc", "reload", "sources")),
        Service(DOVECOT, "Dovecot", _dovecot),
    )


def _nobody(there: bool) -> None:
    """Whoever needs it rereads it."""


def _firewall(there: bool) -> None:
    _do("nft", "-f", FIREWALL, limit_s=_FIREWALL_LIMIT_S)


def _hostname(there: bool) -> None:
    try:
        _KERNEL_NAME.write_text(Path(HOSTNAME).read_text("ascii"), "ascii")
    except OSError as error:
        raise CommandError(f"{_KERNEL_NAME}: {error.strerror or error}") from error


def _battery_clock(there: bool) -> None:
    try:
        battery_clock.tell(Path(BATTERY_CLOCK).read_text("ascii") if there else "none")
    except (BatteryClockError, OSError) as error:
        raise CommandError(str(error)) from error


def _dovecot(there: bool) -> None:
    """Restarted, as it may have to listen elsewhere; not waited for, as it may have to wait for the daemon."""
    _do("systemctl", "--no-block", "restart" if there else "stop", DOVECOT_UNIT)


def _if_active(unit: str, *command: str) -> None:
    """At boot it is not up yet, and reads what it needs when it starts."""
    if _is_true("systemctl", "is-active", "--quiet", unit):
        _do(*command)


def _is_true(*command: str) -> bool:
    try:
        return _run(command).returncode == 0
    except CommandError:
        return False


def _do(*command: str, limit_s: float = _LIMIT_S) -> None:
    done = _run(command, limit_s)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise CommandError(f"{' '.join(command)}: {said[:500]}")


def _run(command: Sequence[str], limit_s: float = _FIREWALL_LIMIT_S) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )
    except FileNotFoundError:
        raise CommandError(f"the command {command[0]} is not there") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{' '.join(command)}: {error}") from error
