"""The accounts as Dovecot's passwd-file, so that IMAP and POP3 accept the same passwords.

No field may contain a separator of fields or lines. An address that does gets no line, and its owner logs in with
the account's name.

Format: `user:password:uid:gid:gecos:home:shell:extra` (Dovecot, "Passwd-file"). Written whole and renamed into
place; 0640, because Dovecot's own user reads it through the station's group.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from dialpost.core.mail.accounts import Account, Directory
from dialpost.edge.ground.durable import storage_error, write_durably

_FIELD = re.compile(r"[^\s:\x00-\x1f\x7f-\x9f\"\\#]+\Z")
"""The content a field can have: Dovecot knows no escaping, so an address like `"a:b"@...` can't be a login."""
_NOT_IN_A_NAME = re.compile(r"[:\x00-\x1f\x7f-\x9f]")
_SOON_S = 60  # a larger difference means that the clock was set back, and then the time differs anyway


class DovecotUsers:
    """The file at `path`, for Maildirs under `mail_root/NAME` owned by this process's user."""

    def __init__(self, path: Path, mail_root: Path) -> None:
        self._path = path
        self._mail_root = mail_root

    def write(self, directory: Directory, default_quota_bytes: int) -> None:
        """Write exactly these accounts, except disabled ones. Raises: StorageError."""
        usable = [account for account in directory.accounts.values() if self._can_log_in(account)]
        lines = [self._line(account, default_quota_bytes) for account in usable]
        lines += [
            _by_address(account, address)
            for account in usable
            for address in directory.addresses_of(account)
            if _FIELD.match(address)
        ]
        try:
            write_durably(self._path, "".join(lines).encode(), 0o640, before_rename=self._set_time)
        except OSError as error:
            raise storage_error(error, f"Dovecot's user file {self._path} could not be written") from error

    def _can_log_in(self, account: Account) -> bool:
        """Whether its line would mean what it should: no field contains a separator."""
        fields = (account.name, account.password_hash, str(self._mail_root / account.name))
        return account.enabled and all(map(_FIELD.match, fields))

    def _set_time(self, descriptor: int) -> None:
        """Dovecot rereads the file when its size or its time in whole seconds changes: a second change of a
        password within the same second (same size) must not be missed.
        """
        written_s = int(os.fstat(descriptor).st_mtime)
        before_s = int(self._path.stat().st_mtime) if self._path.exists() else 0
        if 0 <= before_s - written_s < _SOON_S:
            os.utime(descriptor, (before_s + 1, before_s + 1))

    def _line(self, account: Account, default_quota_bytes: int) -> str:
        home = self._mail_root / account.name
        quota = default_quota_bytes if account.quota_bytes is None else account.quota_bytes
        # `mail` and `quota_rule` are for Dovecot 2.3. Dovecot 2.4 has the mail location in its own configuration
        # (core/system/apply/dovecot), and calls the quota `quota_storage_size`.
        extra = f"userdb_mail=maildir:{home}"
        if quota:
            extra += f" userdb_quota_rule=*:bytes={quota} userdb_quota_storage_size={quota}B"
        full_name = " ".join(_NOT_IN_A_NAME.sub(" ", account.full_name).split())
        return f"{account.name}:{account.password_hash}:{os.geteuid()}:{os.getegid()}:{full_name}:{home}::{extra}\n"


def _by_address(account: Account, address: str) -> str:
    """A line to log in with the address, as mail programs like to: the same password, the same user."""
    return f"{address}:{account.password_hash}::::::user={account.name}\n"
