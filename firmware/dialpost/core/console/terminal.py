"""What a dialogue needs from a terminal: printing lines and asking for lines.

The wizard, the rescue menu and the command line's questions use this; `cli/console/console` has the real one.
"""

from __future__ import annotations

from typing import Protocol


class Terminal(Protocol):
    """One person, one line at a time."""

    def say(self, text: str = "") -> None:
        """Print a line, or several (with newlines between them). Raises: TerminalGoneError."""

    def ask(self, prompt: str, *, secret: bool = False) -> str:
        """What was typed up to Enter, without it; a secret leaves no trace on the screen.

        Raises: AskCancelledError (Ctrl-C, Ctrl-D), IdleTooLongError, TerminalGoneError.
        """
