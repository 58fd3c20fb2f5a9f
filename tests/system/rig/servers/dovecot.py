"""Real Dovecot of Debian 13: IMAP and POP3 on the station's own mailboxes and its own user file."""

from __future__ import annotations

from pathlib import Path

from rig.ports import free_port
from rig.servers.chroots import Chroot, Inmate

_CONFIG = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap pop3
base_dir = /run/dovecot
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
log_path = {directory}/dovecot.log
auth_verbose = yes
auth_mechanisms = plain login scram-sha-256
first_valid_gid = 1
mail_driver = maildir
mail_path = ~/
passdb passwd-file {{
  passwd_file_path = {users}
}}
service auth {{
  extra_groups = nogroup  # the user file is readable for the group the station runs in
}}
userdb passwd-file {{
  passwd_file_path = {users}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


class Dovecot:
    """Serves the mailboxes under `data_dir` to the accounts in the `users` file."""

    def __init__(self, directory: Path, *, users: Path, data_dir: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o777)
        self.directory = directory
        self.imap_port, self.pop3_port = free_port(), free_port()
        config = directory / "dovecot.conf"
        config.write_text(
            _CONFIG.format(directory=directory, users=users, imap=self.imap_port, pop3=self.pop3_port)
        )
        self._config = config
        self._chroot = Chroot("dovecot", (directory, data_dir))
        self._child: Inmate | None = None

    def __enter__(self) -> Dovecot:
        self._child = self._chroot.start("dovecot", "-F", "-c", self._config, log=self.directory / "output")
        self._child.wait_for_greeting(self.imap_port, greeting=b"* OK")
        self._child.wait_for_greeting(self.pop3_port, greeting=b"+OK")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._child is not None:
            self._child.kill()

    def log_text(self) -> str:
        log = self.directory / "dovecot.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""
