"""Testing the line at the end of the set-up: the modem, step by step in words, then a first call if the operator
agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from dialpost.cli.line.call import GOES_ON
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.console.terminal import Terminal
from dialpost.core.control.calls import NOW
from dialpost.core.errors import AskCancelledError, DialpostError, IdleTooLongError, TerminalGoneError
from dialpost.core.findings import Finding, Severity
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.line.serial_port import open_port
from dialpost.edge.system.board_files import BoardFiles
from dialpost.flow.line.modem.check import ModemCheck

_CALL_S = 3600.0
_FAILED = "The first call did not succeed: `call show` says why, `call now` tries again."
_UNSEEN = "The first call is not over yet: `call history` shows its result."
_UNTESTED = "The line could not be tested: `call now` makes a call."
_FAULTY = "The test of the modem found a fault: `modem test` repeats it."
_AFTER = {0: "", 3: "The provider refused ETRN, so mail may still wait there: `call show` says what to do."}
"""By the exit status of `call now`."""
_MARKS = {Severity.OK: "ok", Severity.SKIPPED: "-", Severity.WARNING: "WARNING", Severity.FAULT: "FAULT"}


def try_line(
    terminal: Terminal,
    config: Config,
    client: ControlClient,
    interruptible: Callable[[], AbstractContextManager[None]],
) -> str:
    """What the test leaves open, a sentence for the operator; "" if nothing. Within `interruptible` Ctrl-C raises
    KeyboardInterrupt: then the call continues unseen. Raises: TerminalGoneError, IdleTooLongError.
    """
    uncalled = ""
    try:
        if config.link.kind is LinkKind.MODEM:
            terminal.say()
            terminal.say("The modem:")
            uncalled = _FAULTY if asyncio.run(_test_modem(terminal, config)) else ""
        if config.link.kind is not LinkKind.GATEWAY:
            return _first_call(terminal, client, interruptible, uncalled)
    except (TerminalGoneError, IdleTooLongError):
        raise
    except DialpostError as error:
        terminal.say(str(error))
        return _UNTESTED
    return ""


async def _test_modem(terminal: Terminal, config: Config) -> bool:
    """Whether it found a fault."""
    has_fault = False
    files = BoardFiles()
    profile, country = files.profile(config.modem.profile), files.country(config.modem.country)
    async for finding in ModemCheck(config.modem, profile, country, open_port).examine():
        if finding.subject != "a call":  # that follows next, with mail
            _show(terminal, finding)
            has_fault |= finding.severity is Severity.FAULT
    return has_fault


def _show(terminal: Terminal, finding: Finding) -> None:
    terminal.say(f"  {_MARKS[finding.severity]:<8}{finding.subject}: {finding.what}")
    if finding.advice:
        terminal.say(f"          -> {finding.advice}")


def _first_call(
    terminal: Terminal,
    client: ControlClient,
    interruptible: Callable[[], AbstractContextManager[None]],
    uncalled: str,
) -> str:
    """`uncalled`: what remains open if the operator wants no call."""
    terminal.say()
    terminal.say("Call the provider now? The station fetches waiting mail. A call may cost money.")
    try:
        typed = terminal.ask("Call now? yes or no [yes]: ").strip().lower()
    except AskCancelledError:
        typed = "no"
    if typed not in {"", "y", "yes"}:
        terminal.say("`call now` makes a call at any time.")
        return uncalled
    try:
        with interruptible():
            return _AFTER.get(_show_call(terminal, client), _FAILED)
    except KeyboardInterrupt:
        terminal.say(GOES_ON)
        return _UNSEEN


def _show_call(terminal: Terminal, client: ControlClient) -> int:
    ended = client.follow(NOW, lambda step: terminal.say(f"  {step}"), _CALL_S)
    for line in ended.words.splitlines():
        terminal.say(line)
    return ended.exit_status
