"""What an operator should see to: the faults that the panel shows, the console tells and a call can end in."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """What the operator should see to, the gravest first. Each has its number of flashes."""

    STORAGE = "storage"  # the card is full or damaged
    SETUP = "setup"  # the configuration keeps mail from flowing: login refused, certificate ...
    LINE = "line"  # the last call did not come up, or was lost
    ETRN = "etrn"  # the provider refused ETRN: mail may wait there
    MAIL = "mail"  # mail could not be sent although the line was up
    BUDGET = "budget"  # the day's or month's minutes or money are used up: no call is made
    BUTTON = "button"  # the button is stuck: down when the station started, or for longer than anybody holds it
    UPDATE = "update"  # an update did not prove itself and was rolled back
    UNSET = "unset"  # no usable configuration: not set up yet, or the file can't be used


FAULT_FLASHES: dict[Fault, int] = {fault: number for number, fault in enumerate(Fault, start=1)}
