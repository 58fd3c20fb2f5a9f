"""The accounts as Dovecot's passwd-file, so that IMAP and POP3 ask the same passwords.

A field holds nothing that parts fields or lines; an address that does gets no line of its own, and its owner logs
in by the account's name.

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
"""What a field can hold: Dovecot knows no escaping, so an address like `"a:b"@...` can't be a name to log in by."""
_NOT_IN_A_NAME = re.compile(r"[:\x00-\x1f\x7f-\x9f]")
_SOON_S = 60  # beyond that the clock was set back, and the time differs anyway


class DovecotUsers:
    """The file at `path`, for Maildirs under `mail_root/NAME` owned by this process's user."""

    def __init__(self, path: Path, mail_root: Path) -> None:
        self._path = path
        self._mail_root = mail_root

    def write(self, directory: Directory, default_quota_bytes: int) -> None:
        """Make the file say just these accounts; disabled ones are left out. Raises: StorageError."""
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
        """Whether a line for it says what it shall: no field of it holds what parts fields or lines."""
        fields = (account.name, account.password_hash, str(self._mail_root / account.name))
        return account.enabled and all(map(_FIELD.match, fields))

    def _set_time(self, descriptor: int) -> None:
        """Dovecot rereads the file when its size or its time in whole seconds is another: a password
        changed twice within a second (same size) must not go unseen.
        """
        written_s = int(os.fstat(descriptor).st_mtime)
        before_s = int(self._path.stat().st_mtime) if self._path.exists() else 0
        if 0 <= before_s - written_s < _SOON_S:
            os.utime(descriptor, (before_s + 1, before_s + 1))

    def _line(self, account: Account, default_quota_bytes: int) -> str:
        home = self._mail_root / account.name
        quota = default_quota_bytes if account.quota_bytes is None else account.quota_bytes
        # `mail` and `quota_rule` are for Dovecot 2.3. 2.4 knows where mail is from its own configuration
        # (core/system/apply/dovecot), and the quota as `quota_storage_size`.
        extra = f"userdb_mail=maildir:{home}"
        if quota:
            extra += f" userdb_quota_rule=*:bytes={quota} userdb_quota_storage_size={quota}B"
        full_name = " ".join(_NOT_IN_A_NAME.sub(" ", account.full_name).split())
        return f"{account.name}:{account.password_hash}:{os.geteuid()}:{os.getegid()}:{full_name}:{home}::{extra}\n"


def _by_address(account: Account, address: str) -> str:
    """Mail programs like to log in with the address: the same password, the same user."""
    return f"{address}:{account.password_hash}::::::user={account.name}\n"
