"""The set-up wizard at a terminal: asks, applies the answers, tests the line, leaves a page to print.

Nothing is written until the operator says `yes` on the review page. Then accounts and admin password are made, and
finally the configuration is committed: that one rename is what makes the station. If an earlier step fails, or is
interrupted by a hang-up, it is undone; a power cut leaves no configuration, so the wizard starts over.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from dialpost.cli.console.line_test import try_line
from dialpost.cli.console.new_station import Made, Maker
from dialpost.cli.console.wizard_facts import look_around, look_for_modems
from dialpost.core.config.model import Config
from dialpost.core.console.terminal import Terminal
from dialpost.core.console.wizard.base import base_config
from dialpost.core.console.wizard.machine import REVIEW_KEY, Question, Result, Wizard
from dialpost.core.console.wizard.summary import Door, first_needed, summary
from dialpost.core.control import accounts
from dialpost.core.control import config as api
from dialpost.core.control.station import STATUS
from dialpost.core.errors import AskCancelledError, DialpostError, IdleTooLongError, TerminalGoneError
from dialpost.edge.control_socket import ControlClient, ControlConnection
from dialpost.edge.ground.durable import write_durably

SUMMARY = "summary.txt"
_WHO = "the set-up wizard"
_WIDTH = 76
_SET_UP, _RUNNING = "set-up", "running"

_WELCOME = """\
This station is not set up yet. The wizard asks a few questions; that takes about five minutes.
Have your provider's letter ready: number, user, password, mail host.

Enter accepts the value in [ ]. `?` explains a question, `back` returns to the previous one, `quit` stops without
saving. Nothing takes effect until you have reviewed all answers on one page and entered `yes`.
"""
_AGAIN = """\
The set-up wizard. The current values are shown in [ ]; press Enter to keep one. `?` explains a question, `back`
returns to the previous one, `quit` stops without saving.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the station is: its configuration file and control socket, and the terminal's own device ("" = none),
    which is not probed for a modem. Within `interruptible` Ctrl-C interrupts a long answer.
    """

    config_path: Path
    socket: Path
    own_tty: str = ""
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext


def set_up(terminal: Terminal, site: Site) -> bool:
    """Run the wizard; returns whether a configuration was committed.

    Raises: ControlError if no daemon answers, TerminalGoneError, IdleTooLongError.
    """
    with ControlConnection(site.socket, 120.0) as talk:
        mode = talk.ask(api.OPEN, who=_WHO).mode
        say(terminal, _WELCOME if mode == _SET_UP else _AGAIN)
        base = base_config(talk.ask(api.TEXT, secrets=True).text)
        names = _account_names(talk) if mode == _RUNNING else ()
        wizard = Wizard(look_around(site.config_path, names), base)
        maker = Maker(site.config_path, talk, is_running=mode == _RUNNING)
        while True:
            _ask_all(terminal, wizard, site)
            result = wizard.result()
            if result is None:
                return False
            made = _activate(terminal, maker, result)
            if made is not None:
                break
            wizard.reopen()
    text = leave_summary(terminal, site, result.config, [*names, *(name for name, _ in result.accounts)])
    left_open = try_line(terminal, result.config, ControlClient(site.socket), site.interruptible)
    terminal.say()
    terminal.say(first_needed(text))
    terminal.say()
    say_lines(
        terminal,
        f"The full page, including the lights and where files are, is saved as {SUMMARY}. `summary` shows it; "
        "`summary save` writes it to a USB stick.",
    )
    say_lines(terminal, _end(made.problems, left_open))
    return True


# -- asking ---------------------------------------------------------------------------------------------------


def say(terminal: Terminal, text: str) -> None:
    """Paragraphs, filled to the width of a terminal; lines that begin with a space are left unchanged."""
    for index, paragraph in enumerate(text.rstrip("\n").split("\n\n")):
        if index:
            terminal.say()
        lines = paragraph.splitlines()
        if any(line.startswith((" ", "-")) for line in lines) or not lines:
            terminal.say(paragraph)
        else:
            terminal.say(textwrap.fill(" ".join(lines), _WIDTH, break_on_hyphens=False, break_long_words=False))


def _ask_all(terminal: Terminal, wizard: Wizard, site: Site) -> None:
    """Ask until all answers are accepted or the operator quits. A question is shown once; after a refusal only its
    prompt returns. The ports are probed when the modem is asked for, each time until one is found.
    """
    shown: Question | None = None
    has_modem = False
    while not wizard.is_done:
        is_new = shown is None or shown.key != "port"
        if wizard.question().key == "port" and is_new and not has_modem:
            terminal.say()
            found = look_for_modems(terminal, site.own_tty, site.interruptible)
            has_modem = any(offer.profile for offer in found)
            wizard.learn_ports(found)
        question = wizard.question()
        if question != shown:
            _show(terminal, question)
            shown = question
        try:
            said = wizard.answer(terminal.ask(question.prompt, secret=question.secret))
        except AskCancelledError:
            said = "`quit` leaves the wizard, `back` returns to the previous question."
        if said:
            say_lines(terminal, said)
        elif wizard.question().key == REVIEW_KEY:
            shown = None


def _show(terminal: Terminal, question: Question) -> None:
    if not question.help:
        return
    terminal.say()
    if question.key == REVIEW_KEY:
        terminal.say(question.help)
        return
    say_lines(terminal, question.help)
    for number, choice in enumerate(question.choices, 1):
        terminal.say(f"{number:4}  {choice.words}")


def say_lines(terminal: Terminal, text: str) -> None:
    """Each line filled to the width."""
    for line in text.splitlines():
        terminal.say(textwrap.fill(line, _WIDTH, break_on_hyphens=False, break_long_words=False))


# -- committing -----------------------------------------------------------------------------------------------


def _account_names(talk: ControlConnection) -> tuple[str, ...]:
    return tuple(account.name for account in talk.ask(accounts.LIST))


def _activate(terminal: Terminal, maker: Maker, result: Result) -> Made | None:
    """The result if the station runs; None if it does not, which has been reported."""
    for sentence in result.warnings:
        say_lines(terminal, f"Note: {sentence}")
    terminal.say()
    terminal.say("Saving ...")
    try:
        made = maker.make(result, lambda sentences: _is_wanted(terminal, sentences))
    except (TerminalGoneError, IdleTooLongError):
        raise
    except DialpostError as error:
        say_lines(terminal, f"The settings could not be put into effect:\n{error}\nYour answers are kept.")
        return None
    for sentence in made.words:
        say_lines(terminal, sentence)
    return made


def _end(problems: Sequence[str], left_open: str) -> str:
    """Says that it works only if every step did."""
    if not problems:
        return f"The station is set up and running. {left_open}" if left_open else "The station works."
    lacks = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"The station is running, but not everything works yet:\n{lacks}\nChange the setting concerned (`set`, "
        "`commit`) or restart the station (`reboot`) to try again. `status` shows what remains."
        + (f"\n{left_open}" if left_open else "")
    )


def _is_wanted(terminal: Terminal, sentences: Sequence[str]) -> bool:
    say_lines(terminal, "\n".join(sentences))
    return terminal.ask("Do it anyway? yes or no [no]: ").strip().lower() in {"y", "yes"}


# -- afterwards -----------------------------------------------------------------------------------------------


def leave_summary(terminal: Terminal, site: Site, config: Config, users: Sequence[str]) -> str:
    """Make the page and keep it on the card; returns its text."""
    doors = []
    try:
        told = ControlClient(site.socket).ask(STATUS).doors
        doors = [door for words in told if (door := Door.from_words(words)) is not None]
    except DialpostError as error:
        say_lines(terminal, str(error))
    text = summary(config, users, doors, str(site.config_path))
    path = Path(config.station.data_dir) / SUMMARY
    try:
        write_durably(path, text.encode(), 0o640)
    except OSError as error:
        say_lines(terminal, f"The page could not be saved as {path}: {error.strerror or error}.")
    return text
