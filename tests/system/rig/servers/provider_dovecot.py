"""Real Dovecot as a provider with mailboxes: 2.4 of Debian 13, and 2.3 of Debian 12, whose settings differ."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from rig.servers.mailbox_server import MailboxServer, into_maildir

_NOBODY = (65_534, 65_534)

_COMMON = """\
protocols = imap pop3
base_dir = /run/dovecot
listen = 127.0.0.1
log_path = {directory}/dovecot.log
auth_verbose = yes
auth_mechanisms = plain login cram-md5 scram-sha-256
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 100
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""

_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
auth_allow_cleartext = yes
ssl = yes
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = ~/Maildir
passdb passwd-file {{
  passwd_file_path = {users}
}}
userdb passwd-file {{
  passwd_file_path = {users}
}}
"""

_2_3 = """\
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = passwd-file
  args = {users}
}}
protocol imap {{
  mail_plugins = imap_zlib
}}
"""


class _ProviderDovecot(MailboxServer):
    """What both have in common; their mailboxes are Maildirs."""

    version_text: str

    def __init__(self, directory: Path, *, users: Mapping[str, str]) -> None:
        self._numbers = itertools.count(1)
        super().__init__(directory, users=users)

    def files(self) -> tuple[tuple[Path, str], ...]:
        users = self.directory / "users"
        ids = ":".join(map(str, _NOBODY))
        users.write_text("".join(f"{n}:{{PLAIN}}{p}:{ids}::{self._home(n)}::\n" for n, p in self.users.items()))
        self._config = self.directory / "dovecot.conf"
        self._config.write_text(
            (self.version_text + _COMMON).format(
                directory=self.directory,
                users=users,
                certificate=self.certificate.certificate,
                key=self.certificate.key,
                imap=self.imap_port,
                imaps=self.imaps_port,
                pop3=self.pop3_port,
                pop3s=self.pop3s_port,
            )
        )
        return ()

    def command(self) -> tuple[str, ...]:
        return ("dovecot", "-F", "-c", str(self._config))

    def _home(self, user: str) -> Path:
        home = self.directory / "mail" / user
        home.mkdir(parents=True, exist_ok=True)
        (self.directory / "mail").chmod(0o777)
        home.chmod(0o777)
        return home

    def put(self, user: str, message: bytes) -> None:
        into_maildir(self._home(user) / "Maildir", f"{next(self._numbers)}.rig", message, _NOBODY)

    def log_text(self) -> str:
        log = self.directory / "dovecot.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""


class Dovecot24(_ProviderDovecot):
    """Debian 13's."""

    chroot = "dovecot"
    version_text = _2_4


class Dovecot23(_ProviderDovecot):
    """Debian 12's, with COMPRESS switched on."""

    chroot = "dovecot-2.3"
    version_text = _2_3
