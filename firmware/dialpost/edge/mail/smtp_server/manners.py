"""When a client is disconnected for its behaviour: wrong commands, refused addresses, commands without purpose."""

from __future__ import annotations

from dialpost.core.config.model import SmtpConfig
from dialpost.core.mail.reply import Reply
from dialpost.edge.mail.smtp_server.replies import TOO_MANY_COMMANDS, TOO_MANY_ERRORS, TOO_MANY_REFUSALS

_LEADS_NOWHERE = frozenset({b"NOOP", b"RSET", b"VRFY", b"HELP", b"HELO", b"EHLO"})
_MOST_NOWHERE = 100
"""The number of these that a client may send per message: Postfix's smtpd_junk_command_limit."""


class Manners:
    """The counts of one connection."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._commands = self._errors = self._refusals = self._nowhere = 0

    @property
    def is_first(self) -> bool:
        """Whether no command was answered yet."""
        return self._commands == 0

    def command(self) -> None:
        """A command was answered, whatever the reply."""
        self._commands += 1

    def verb(self, verb: bytes) -> None:
        """A known command is about to be carried out."""
        if verb in _LEADS_NOWHERE:
            self._nowhere += 1
            self._errors += self._nowhere > _MOST_NOWHERE

    def error(self) -> None:
        """A command was wrong."""
        self._errors += 1

    def refusal(self) -> None:
        """A sender or recipient was refused. An accepted message does not reset this count; otherwise a client that
        guesses names would only have to send one now and then.
        """
        self._refusals += 1

    def message_taken(self) -> None:
        """A message was accepted: a long session that delivers mail is not one that only makes mistakes."""
        self._errors = self._nowhere = 0

    def farewell(self) -> Reply | None:
        """The reply with which the connection ends now; None while it may continue."""
        if self._errors >= self._config.max_errors:
            return TOO_MANY_ERRORS
        if self._refusals >= self._config.max_refusals:
            return TOO_MANY_REFUSALS
        return TOO_MANY_COMMANDS if self._commands >= self._config.max_commands else None
