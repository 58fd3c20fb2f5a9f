"""Notifying the running system of what was written: the kernel, nftables, networkd, chrony, Dovecot.

Each is notified only of changes; a hash remembers its last notification, so that a run interrupted between a file
and its service is finished by the next. Commands are fixed words, run without a shell, with a time limit.

This runs in a unit that is ordered before those services (systemd's Before=). So nothing here may wait for a
systemd job for one of them, which would not start before this unit has ended. A service is notified by its own
means (D-Bus, a socket), or by a job that nobody waits for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.errors import fault_words
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
"""A commit waits 90 s in all (edge/system/apply_unit)."""
_FIREWALL_LIMIT_S = 240.0
"""During its start a slow board first unpacks the firewall's kernel modules, for which an emulated one on a busy
host took more than a minute. Without its firewall the start counts as failed.
"""
# Fixed, so that nothing in root's environment decides which program runs or in which language it answers.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_KERNEL_NAME = Path("/proc/sys/kernel/hostname")


class CommandError(Exception):
    """A command failed; the text says which, and quotes it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service to notify of the file at `path`.

    `tell` is called with whether the file exists, and raises CommandError; `lacks` returns whether the service has
    lost its state. `words` name it for people. The station works without one that `is_optional`: its failure is
    reported, but does not make a start a bad one.
    """

    path: str
    words: str
    tell: Callable[[bool], None]
    lacks: Callable[[], bool] = lambda: False
    is_optional: bool = False


def services(firewall_table: str) -> tuple[Service, ...]:
    """All services, in the order of notification: the firewall comes before anything that answers."""
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
    """Nobody to notify: programs reread the file."""


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
        raise CommandError(fault_words(error)) from error


def _dovecot(there: bool) -> None:
    """Restart it: its addresses may have changed. Don't wait for it: it may have to wait for the daemon."""
    _do("systemctl", "--no-block", "restart" if there else "stop", DOVECOT_UNIT)


def _if_active(unit: str, *command: str) -> None:
    """Run a command if the unit runs. At boot it does not yet, and reads its files when it starts."""
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
        raise CommandError(f"the command {command[0]} is missing") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{' '.join(command)}: {fault_words(error)}") from error
