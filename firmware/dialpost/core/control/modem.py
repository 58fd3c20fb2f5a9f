"""The modem's methods: the attempts at the SIM's PIN, which `dialpost modem test` shares with the station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method, NoParams


@dataclass(frozen=True, slots=True, kw_only=True)
class PinsParams:
    """Of `modem.refused_pins`."""

    keep: Annotated[str | None, Setting("Digests that replace the stored ones.")] = None


REFUSED_PINS = Method("modem.refused_pins", "The digests of PINs that a SIM refused.", PinsParams, str)
ALLOW_PIN = Method(
    "modem.allow_pin",
    "Allow another attempt with a refused PIN; the answer is the number of cleared attempts.",
    NoParams,
    int,
)

METHODS = (REFUSED_PINS, ALLOW_PIN)
