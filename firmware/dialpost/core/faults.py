"""What needs the operator: the faults that the panel and the console show and that a call can end with."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """What needs the operator, the most serious first. Each has its number of flashes."""

    STORAGE = "storage"  # the card is full or damaged
    SETUP = "setup"  # the configuration keeps mail from flowing: login refused, certificate ...
    LINE = "line"  # the last call did not connect, or was lost
    ETRN = "etrn"  # the provider refused ETRN: mail may wait there
    MAIL = "mail"  # mail could not be sent although the line was up
    BUDGET = "budget"  # the day's or month's minutes or money are used up: no call is made
    BUTTON = "button"  # the button is stuck: down when the station started, or held for too long
    UPDATE = "update"  # an update failed its trial and was rolled back
    UNSET = "unset"  # no usable configuration: not set up yet, or the file can't be used


FAULT_FLASHES: dict[Fault, int] = {fault: number for number, fault in enumerate(Fault, start=1)}
