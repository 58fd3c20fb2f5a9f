"""The commands of `dialpost`: each one's line of help and the module that declares the rest of it.

Read before anything else is, so this imports nothing: a command's module is imported when the command is chosen, or
when all of them are wanted (man pages, completion). A module of several commands adds them all at once.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("dialpost.cli.system.status", "what the station is doing, what is waiting, what needs attention"),
    "call": ("dialpost.cli.line.call", "dial now, hang up, look at past calls and their cost"),
    "queue": ("dialpost.cli.mail.queue", "what waits; retry, hold, release or delete it"),
    "trace": ("dialpost.cli.mail.queue", "where a message is, in words"),
    "account": ("dialpost.cli.mail.account", "mailboxes: who has one here"),
    "alias": ("dialpost.cli.mail.account", "aliases and groups"),
    "config": ("dialpost.cli.config.file", "check, show, explain and change the configuration"),
    "apply": ("dialpost.cli.system.apply", "put network, firewall, name, time zone and mailbox access in force"),
    "doctor": ("dialpost.cli.system.doctor", "is this station set up so that mail will arrive?"),
    "modem": ("dialpost.cli.line.modem", "find, test and talk to the modem; list profiles and countries"),
    "board": ("dialpost.cli.panel.board", "the board's LEDs, button and UARTs: list, show, test"),
    "panel": ("dialpost.cli.panel.show", "show on the panel that the station boots, goes down, is updated"),
    "console": ("dialpost.cli.console.console", "the console, at this terminal or at a serial line"),
    "update": ("dialpost.cli.system.update", "install a new release from a file"),
    "daemon": ("dialpost.cli.system.daemon", "run the station (systemd does this)"),
    "simulate": ("dialpost.sim.simulate", "try the station with a simulated line and provider"),
}
"""In the order of the help."""
