"""All methods of the control API, in the order of docs/control-api.md."""

from __future__ import annotations

from dialpost.core.control import accounts, calls, config, inbound, modem, panel, queue, station
from dialpost.core.control.declared import Declared

SUBJECTS: dict[str, tuple[Declared, ...]] = {
    "The station": station.METHODS,
    "Calls": calls.METHODS,
    "The queue": queue.METHODS,
    "Mail at providers": inbound.METHODS,
    "Accounts and aliases": accounts.METHODS,
    "The configuration": config.METHODS,
    "The panel": panel.METHODS,
    "The modem": modem.METHODS,
}
METHODS = {method.name: method for methods in SUBJECTS.values() for method in methods}
