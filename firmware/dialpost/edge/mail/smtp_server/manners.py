"""How a client behaves, and when it has to go: wrong commands, refused addresses, commands that lead nowhere."""

from __future__ import annotations

from dialpost.core.config.model import SmtpConfig
from dialpost.core.mail.reply import Reply
from dialpost.edge.mail.smtp_server.replies import TOO_MANY_COMMANDS, TOO_MANY_ERRORS, TOO_MANY_REFUSALS

_LEADS_NOWHERE = frozenset({b"NOOP", b"RSET", b"VRFY", b"HELP", b"HELO", b"EHLO"})
_MOST_NOWHERE = 100
"""How many of these a client may send without a message: Postfix's smtpd_junk_command_limit."""


class Manners:
    """The counts of one connection."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._commands = self._errors = self._refusals = self._nowhere = 0

    @property
    def is_first(self) -> bool:
        """Whether the client has not had an answer to any command yet."""
        return self._commands == 0

    def command(self) -> None:
        """A command was answered, whatever the answer."""
        self._commands += 1

    def verb(self, verb: bytes) -> None:
        """One of the commands that mean something is about to be carried out."""
        if verb in _LEADS_NOWHERE:
            self._nowhere += 1
            self._errors += self._nowhere > _MOST_NOWHERE

    def error(self) -> None:
        """A command was wrong."""
        self._errors += 1

    def refusal(self) -> None:
        """A sender or recipient was refused. Getting a message across does not wipe these out, or who tries names
        would only have to send one now and then.
        """
        self._refusals += 1

    def message_taken(self) -> None:
        """A long session that gets mail across is not one that only makes mistakes."""
        self._errors = self._nowhere = 0

    def farewell(self) -> Reply | None:
        """Why the connection ends now, None while it may go on."""
        if self._errors >= self._config.max_errors:
            return TOO_MANY_ERRORS
        if self._refusals >= self._config.max_refusals:
            return TOO_MANY_REFUSALS
        return TOO_MANY_COMMANDS if self._commands >= self._config.max_commands else None
