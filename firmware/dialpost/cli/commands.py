"""The commands of `dialpost`: for each, its line of help and the module that declares the rest.

Loaded before anything else, so this imports nothing: a command's module is imported when the command is chosen, or
when all of them are needed (man pages, completion). A module with several commands adds all of them at once.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("dialpost.cli.system.status", "what the station is doing, what is waiting, what needs attention"),
    "call": ("dialpost.cli.line.call", "dial now, hang up, show past calls and their cost"),
    "queue": ("dialpost.cli.mail.queue", "list waiting messages; retry, hold, release or delete them"),
    "trace": ("dialpost.cli.mail.queue", "where a message is, in words"),
    "inbound": ("dialpost.cli.mail.inbound", "list mail left in mailboxes at providers; fetch or drop it"),
    "account": ("dialpost.cli.mail.account", "manage mailboxes"),
    "alias": ("dialpost.cli.mail.account", "manage aliases and groups"),
    "config": ("dialpost.cli.config.file", "check, show, explain and change the configuration"),
    "apply": (
        "dialpost.cli.system.apply",
        "apply network, firewall, host name, time zone and mailbox settings to the system",
    ),
    "doctor": ("dialpost.cli.system.doctor", "check whether everything is set up for mail to arrive"),
    "modem": ("dialpost.cli.line.modem", "find, test and talk to the modem; list profiles and countries"),
    "board": ("dialpost.cli.panel.board", "list, show and test the board's LEDs, button and UARTs"),
    "panel": (
        "dialpost.cli.panel.show",
        "show on the panel that the station is starting, shutting down or updating",
    ),
    "console": ("dialpost.cli.console.console", "open the console, at this terminal or on a serial line"),
    "update": ("dialpost.cli.system.update", "install a new release"),
    "daemon": ("dialpost.cli.system.daemon", "run the station (systemd does this)"),
    "simulate": ("dialpost.sim.simulate", "try out the station with a simulated line and provider"),
}
"""In the order of the help."""
