"""Dovecot's whole configuration: IMAP and POP3 on the station's Maildirs, for Dovecot 2.4 (Debian 13; 2.3 differs).

All of Dovecot runs as the station's user, who owns the Maildirs, the user file and the certificate's key. So it
needs no root, and nothing that this user writes (extra fields of the user file can name programs and plugins) is
ever read by a process with more privileges than the writer (decision 14).

Source: doc.dovecot.org/2.4.1, "Rootless", "Passwd-file", "Quota".
"""

from __future__ import annotations

from hashlib import sha256

from dialpost.core.config.model import Config, LanService
from dialpost.core.mail.certificate import certificate_names
from dialpost.core.system.apply.rendered import DOVECOT, HEADER, Rendered, host_name, plain_path

USER = "dialpost"
RUN = "/run/dialpost-dovecot"
MOST_CLIENTS = 100
"""Connections of each protocol; a board of 512 MB has no room for more."""


def dovecot(config: Config, user: str = USER, group: str = USER, run: str = RUN) -> Rendered | None:
    """The configuration; None if the LAN is offered no way to read mail. Raises: ValueError."""
    wanted = set(config.lan.services)
    if not wanted:
        return None
    protocols = [name for name, ways in _WAYS.items() if wanted & set(ways)]
    # Other names or addresses mean a new certificate in the same place: the text must differ, so that Dovecot is
    # restarted.
    certified = sha256(" ".join(certificate_names(config)).encode()).hexdigest()[:16]
    name = f"# For {host_name(config.station.hostname)} (certificate {certified})\n"
    parts = [name + _base(protocols, user, group, run), _tls(config), _users(config)]
    parts += [_login(name, wanted) for name in protocols]
    parts += [_service(name) for name in protocols]
    return Rendered(DOVECOT, "dovecot_config_version = 2.4.0\n" + HEADER + "\n".join(parts))


_WAYS = {"imap": (LanService.IMAP, LanService.IMAPS), "pop3": (LanService.POP3, LanService.POP3S)}


def _base(protocols: list[str], user: str, group: str, run: str) -> str:
    return f"""\
dovecot_storage_version = 2.4.0
protocols = {" ".join(protocols)}
listen = *, ::
base_dir = {plain_path(run)}
state_dir = {plain_path(run)}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {user}
mail_gid = {group}
service anvil {{
  chroot =
}}
"""


def _tls(config: Config) -> str:
    """The station's own certificate, the one its mail ports show."""
    own = f"{plain_path(config.station.data_dir)}/tls"
    certificate = plain_path(config.tls.certificate or f"{own}/station.pem")
    key = plain_path(config.tls.key or f"{own}/station.key")
    return f"""\
ssl = required
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
ssl_min_protocol = TLSv1.2
"""


def _users(config: Config) -> str:
    """The user file has each user's home and quota. Dovecot adds up its indexes, the station the files themselves.

    Not by `maildirsize` (quota_driver = maildir): there Dovecot subtracts a moved message in one folder and does
    not add it in the other.
    """
    data = plain_path(config.station.data_dir)
    return f"""\
auth_mechanisms = plain login scram-sha-256
auth_allow_cleartext = no
passdb passwd-file {{
  passwd_file_path = {data}/dovecot-users
}}
userdb passwd-file {{
  passwd_file_path = {data}/dovecot-users
}}
mail_driver = maildir
mail_home = {data}/mail/%{{user}}
mail_path = ~/
mailbox_list_layout = maildir++
mail_plugins {{
  quota = yes
}}
quota mailbox {{
  quota_driver = count
}}
namespace inbox {{
  inbox = yes
  separator = .
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
}}
"""


def _login(protocol: str, wanted: set[LanService]) -> str:
    """One process handles all logins of a protocol: a process for each client would take 4 MB each."""
    listeners = "".join(
        f"  inet_listener {way.value} {{\n    port = {way.port if way in wanted else 0}\n  }}\n"
        for way in _WAYS[protocol]
    )
    return (
        f"service {protocol}-login {{\n  chroot =\n  restart_request_count = unlimited\n  process_limit = 1\n"
        f"  client_limit = {MOST_CLIENTS * 2}\n{listeners}}}\n"
    )


def _service(protocol: str) -> str:
    plugins = "protocol imap {\n  mail_plugins {\n    imap_quota = yes\n  }\n}\n" if protocol == "imap" else ""
    return f"service {protocol} {{\n  process_limit = {MOST_CLIENTS}\n}}\n{plugins}"
