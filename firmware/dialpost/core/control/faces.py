"""Every action of the command line and of the console: the methods it calls, or why it needs none.

So nothing can be reachable by one face only unless the reason is given here. A test compares both grammars with
these tables, and docs/control-api.md shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.control import accounts, calls, config, inbound, local, modem, panel, queue, station
from dialpost.core.control.declared import Declared


@dataclass(frozen=True, slots=True)
class Act:
    """What a command does. `local`: why it is done without a method. `json`: the form of its `--json`."""

    methods: tuple[Declared, ...] = ()
    local: str = ""
    json: object = None


def _asks(*methods: Declared, json: object = None, local: str = "") -> Act:
    return Act(methods, local, json)


def _shows(method: Declared, *others: Declared) -> Act:
    """`--json` prints the first method's answer."""
    return Act((method, *others), json=method.answer)


def _here(why: str, json: object = None) -> Act:
    return Act((), why, json)


_BOARD_FOLDER = "It reads the board folder, which is part of the program."
_HARDWARE = "It opens the serial port itself, and only while no call uses it; it must work before a station exists."
_ROOT = "It needs root, and the daemon does not run as root."
_FILE = "It handles a file, which need not be the station's."
_TERMINAL = "It is about this terminal."
_MANY = (queue.MATCH, queue.CHANGE)
_COMMITS = (config.OPEN, config.CHECK, config.COMMIT)

COMMANDS: dict[str, Act] = {
    "status": _shows(station.STATUS),
    "call now": _asks(calls.NOW, calls.REQUEST),
    "call cancel": _asks(calls.CANCEL),
    "call history": _shows(calls.HISTORY),
    "call show": _shows(calls.SHOW),
    "call forecast": _shows(calls.FORECAST),
    "call budget": _shows(calls.BUDGET),
    "call learned": _shows(calls.LEARNED, calls.SET_WAITS, calls.FORGET_LEARNED),
    "queue list": _shows(queue.LIST),
    "queue show": _shows(queue.SHOW),
    "queue retry": _asks(queue.RETRY, *_MANY, json=local.QueueChange),
    "queue hold": _asks(queue.HOLD, *_MANY, json=local.QueueChange),
    "queue release": _asks(queue.RELEASE, *_MANY, json=local.QueueChange),
    "queue delete": _asks(queue.SHOW, queue.DELETE, *_MANY, json=local.QueueChange),
    "trace": _shows(queue.TRACE),
    "inbound list": _shows(inbound.LIST),
    "inbound fetch": _asks(inbound.FETCH),
    "inbound drop": _asks(inbound.DROP),
    "account add": _asks(accounts.ADD),
    "account passwd": _asks(accounts.PASSWD),
    "account edit": _asks(accounts.EDIT),
    "account delete": _asks(accounts.DELETE),
    "account list": _shows(accounts.LIST),
    "alias add": _asks(accounts.ALIAS_ADD),
    "alias edit": _asks(accounts.ALIAS_EDIT),
    "alias delete": _asks(accounts.ALIAS_DELETE),
    "alias list": _shows(accounts.ALIAS_LIST),
    "config check": _here(_FILE, local.FileCheck),
    "config show": _here(_FILE + " `config.show` returns what the station is running with."),
    "config explain": _here("It reads the declarations, which are part of the program.", tuple[local.Key, ...]),
    "config init": _here(_FILE),
    "config set": _asks(config.SET, *_COMMITS),
    "config unset": _asks(config.UNSET, *_COMMITS),
    "config rollback": _asks(config.ROLLBACK, config.COMPARE, *_COMMITS),
    "config compare": _shows(config.COMPARE, config.OPEN),
    "config history": _asks(config.HISTORY, config.OPEN, json=tuple[config.Commit, ...]),
    "apply": _here(_ROOT),
    "doctor": _asks(
        station.STATUS, local="It checks the rest from outside, as a peer would.", json=tuple[local.Finding, ...]
    ),
    "modem list": _here(_BOARD_FOLDER, tuple[local.Profile, ...]),
    "modem countries": _here(_BOARD_FOLDER, tuple[local.Country, ...]),
    "modem probe": _asks(station.STATUS, local=_HARDWARE, json=tuple[local.Port, ...]),
    "modem terminal": _asks(station.STATUS, local=_HARDWARE),
    "modem test": _asks(station.STATUS, modem.REFUSED_PINS, local=_HARDWARE, json=tuple[local.Finding, ...]),
    "modem allow-pin": _asks(modem.ALLOW_PIN),
    "board list": _here(_BOARD_FOLDER, tuple[local.Board, ...]),
    "board show": _here(_BOARD_FOLDER),
    "board test": _asks(panel.TEST),
    "panel show": _asks(panel.SHOW),
    "console": _here(_TERMINAL),
    "update": _asks(
        station.UPDATE_LOOK, station.UPDATE_STATUS, station.UPDATE_SEEN, local=_ROOT, json=local.UpdateNow
    ),
    "daemon": _here("It is the daemon."),
    "simulate": _here("It runs a separate station with a simulated line."),
}

CONSOLE: dict[str, Act] = {
    "show": _asks(config.SHOW),
    "show all": _asks(config.SHOW),
    "set": _asks(config.SET),
    "unset": _asks(config.UNSET),
    "explain": _here("It reads the declarations, which are part of the program."),
    "compare": _asks(config.COMPARE),
    "check": _asks(config.CHECK),
    "commit": _asks(config.COMMIT),
    "commit confirm": _asks(config.COMMIT),
    "commit comment": _asks(config.COMMIT),
    "confirm": _asks(config.CONFIRM),
    "discard": _asks(config.DISCARD),
    "rebase": _asks(config.REBASE),
    "rollback": _asks(config.ROLLBACK),
    "history": _asks(config.HISTORY),
    "save to usb": _asks(local="The stick is in this machine; elsewhere, `config.text` returns the same."),
    "save to screen": _asks(config.TEXT),
    "restore from usb": _asks(config.LOAD, config.COMPARE),
    "restore from paste": _asks(config.LOAD, config.COMPARE),
    "summary": _asks(accounts.LIST, station.STATUS),
    "summary save": _asks(accounts.LIST, station.STATUS),
    "log": _asks(
        station.LOG, local="It reads the journal first, if there is one: the journal reaches further back."
    ),
    "ping": _asks(station.LOOKUP, local="It runs the system's own `ping`."),
    "lookup": _asks(station.LOOKUP),
    "help": _here(_TERMINAL),
    "setup": _asks(
        config.OPEN, config.TEXT, config.LOAD, config.COMMIT, accounts.LIST, accounts.ADD, station.STATUS, calls.NOW
    ),
    "who": _asks(config.NOTICES),
    "password": _here("It changes the console's own password, which the daemon never learns."),
    "exit": _here(_TERMINAL),
    "shutdown": _here("The service manager does it, even if no daemon answers."),
    "reboot": _here("The service manager does it, even if no daemon answers."),
    "factory-reset": _here("It happens at the next start, even if no daemon answers."),
}

OTHERS: dict[str, Act] = {
    "dialpost-health.service": _asks(station.STATUS, station.TRIAL_OVER, station.UPDATE_LOOK),
}
"""Other callers: the station's own units."""
