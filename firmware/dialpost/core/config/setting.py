"""How a field of the configuration is declared: its help, unit, range and kind beside its default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a field's declaration says besides its name and type.

    `kind` refines the type: "hostname", "domain", "host", "ip", "interface" (a network interface's name),
    "interface-address" (ADDRESS/BITS), "listen" (ADDRESS:PORT), "network" (CIDR), "address" (a mailbox),
    "separator", "time" (HH:MM), "weekday", "etrn-name" (domain, @domain or #name), "path", "account", "timezone",
    "fingerprint" (SHA-256, hex), "phone-number", "dial-prefix", "dial-suffix", "apn", "time-span" (HH:MM-HH:MM),
    "login-text" or "" for plain. In a list it applies to each item. `minimum` and `maximum` bound a number (both
    inclusive) or, for lists, the number of items.
    """

    help: str
    unit: str = ""
    kind: str = ""
    minimum: float | None = None
    maximum: float | None = None
    secret: bool = False
    required: bool = False
    example: str = ""


def setting(
    default: _T,
    help: str,
    *,
    unit: str = "",
    kind: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
    required: bool = False,
    example: str = "",
) -> _T:
    """Declare one field of a section (a dataclass field whose metadata holds the `Setting`)."""
    declared = Setting(help, unit, kind, minimum, maximum, secret, required, example)
    made: _T = field(default=default, metadata={"setting": declared})
    return made


def section(factory: Callable[[], _T], help: str) -> _T:
    """Declare a nested section with all its defaults."""
    made: _T = field(default_factory=factory, metadata={"setting": Setting(help)})
    return made


def plain_number(value: float) -> str:
    """In everyday notation: 1099511627776, 0.5; never 1.1e+12."""
    return str(int(value)) if value == int(value) else str(value)
