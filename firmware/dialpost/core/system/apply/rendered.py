"""Files as values, the fixed list of their possible paths, and the final check of each value that goes into one.

Root writes these. The configuration they come from is a file the daemon's user can write, so it is treated as
hostile although it was checked when it was parsed: every value passes one of the checks here on its way into a
text, and a failed check stops the whole run before anything is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dialpost.core.ip_text import ip_address, ip_interface

NETWORK = "/run/systemd/network/10-dialpost-lan.network"
FIREWALL = "/run/dialpost-apply/firewall.nft"
HOSTNAME = "/run/dialpost-apply/hostname"
HOSTS = "/run/dialpost-apply/hosts"
LOCALTIME = "/run/dialpost-apply/localtime"
CHRONY = "/run/chrony-dhcp/dialpost.sources"
BATTERY_CLOCK = "/run/dialpost-apply/battery-clock"
DOVECOT = "/run/dialpost-apply/dovecot.conf"
PLACES = (FIREWALL, NETWORK, HOSTNAME, HOSTS, LOCALTIME, BATTERY_CLOCK, CHRONY, DOVECOT)
"""Every file that may exist, in the order in which they are applied."""

STATE = "/run/dialpost-apply/state.json"
RESULT = "/run/dialpost-apply/result.json"
RECORDS = (STATE, RESULT)
"""A run's memory and its report. Nothing but these and PLACES is ever written."""

HEADER = "# Made by dialpost-apply from the station's configuration; rewritten whenever that changes.\n"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*\Z")
_PATH = re.compile(r"(?:/[A-Za-z0-9_+@-][A-Za-z0-9_.+@-]{0,200}){1,40}\Z")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,3}\Z")
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file. `is_link`: it is a symbolic link to `text`. All belong to root."""

    path: str
    text: str
    mode: int = 0o644
    is_link: bool = False

    def __post_init__(self) -> None:
        if self.path not in (*PLACES, *RECORDS):
            raise ValueError(f"{self.path} is not one of our places")


def host_name(text: str) -> str:
    """A name in letters, digits, hyphens and dots. Raises: ValueError."""
    return _checked(_NAME, text, "host name", _LONGEST_NAME)


def plain_path(text: str) -> str:
    """An absolute path without anything that could mean something to a shell or Dovecot, or lead upwards. Raises:
    ValueError."""
    return _checked(_PATH, text.rstrip("/"), "path of plain letters and digits", 1024)


def zone(text: str) -> str:
    """A time zone's name; it can't leave the folder of the zones. Raises: ValueError."""
    return _checked(_ZONE, text, "time zone", 64)


def address(text: str) -> str:
    """An address, with or without /BITS, rendered from the parsed value. Raises: ValueError."""
    return str(ip_interface(text) if "/" in text else ip_address(text))


def _checked(pattern: re.Pattern[str], text: str, what: str, longest: int) -> str:
    if len(text) > longest or not pattern.match(text):
        raise ValueError(f"{text[:80]!r} is no {what}")
    return text
