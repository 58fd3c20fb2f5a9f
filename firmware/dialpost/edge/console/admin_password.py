"""The console's admin password: its hash in a separate file beside the configuration.

It is a separate file so that it works even if the configuration can't be read, and so that going back to an older
configuration does not bring back an old password. `{SCRAM-SHA-256}` (core/password), mode 0600, written durably.
Without the file nobody is asked (before set-up, whoever can reach the console has the board in their hands).
"""

from __future__ import annotations

import os
from pathlib import Path

from dialpost.core.errors import DamagedError, StorageError
from dialpost.core.password import SALT_BYTES, SCHEME, check_strength, hash_password, verify_password
from dialpost.edge.ground.durable import write_durably

NAME = "console-password"
_MOST_BYTES = 4096
NO_PASSWORD = "This console has no admin password: whoever reaches it can change everything. `password` sets one."
"""Shown wherever somebody might leave it unset."""


class AdminPassword:
    """The password of the station whose configuration file is `config_path`."""

    def __init__(self, config_path: Path) -> None:
        self.path = config_path.with_name(NAME)

    def is_set(self) -> bool:
        """Whether a password is required. An unreadable file counts as one: a fault must not open the console."""
        try:
            return self.path.stat() is not None
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def is_right(self, password: str) -> bool:
        """Whether this is the password; takes about 50 ms on purpose. Raises: StorageError, DamagedError."""
        try:
            with self.path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("ascii", "replace").strip()
        except OSError as error:
            raise StorageError(
                f"The password's file {self.path} can't be read: {error.strerror or error}."
            ) from error
        if not text.startswith(SCHEME):
            raise DamagedError(f"The password's file {self.path} is damaged: nobody can log in. {_WAY_OUT}")
        return verify_password(password, text)

    def set(self, password: str) -> None:
        """Durable on return. Raises: AccountError for a weak one, StorageError; the old one still applies then."""
        check_strength(password)
        line = hash_password(password, os.urandom(SALT_BYTES)) + "\n"
        try:  # even if set by root, it belongs to the station's user, who owns the folder
            write_durably(self.path, line.encode(), owner=self.path.parent)
        except OSError as error:
            raise StorageError(f"The password could not be saved: {error.strerror or error}.") from error


_WAY_OUT = "The button held for 10 s and pressed once more resets the station; root can repair its files."
