"""Real Cyrus of Debian 13 as a provider with mailboxes, IMAP and POP3."""

from __future__ import annotations

import imaplib
from pathlib import Path

from rig.servers.mailbox_server import HOST, MailboxServer

_IMAPD = """\
configdirectory: {directory}/lib
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: {directory}/spool
servername: {host}
altnamespace: yes
unixhierarchysep: yes
virtdomains: off
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {directory}/lib/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256
autocreate_quota: 0
popminpoll: 0
allowstarttls: on
tls_server_cert: {certificate}
tls_server_key: {key}
idlesocket: /run/cyrus/idle
notifysocket: /run/cyrus/notify
"""

_SERVICES = """\
START {{
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}}
SERVICES {{
  imap cmd="imapd -U 30" listen="127.0.0.1:{imap}" prefork=0 maxchild=100
  imaps cmd="imapd -s -U 30" listen="127.0.0.1:{imaps}" prefork=0 maxchild=100
  pop3 cmd="pop3d -U 30" listen="127.0.0.1:{pop3}" prefork=0 maxchild=100
  pop3s cmd="pop3d -s -U 30" listen="127.0.0.1:{pop3s}" prefork=0 maxchild=100
}}
EVENTS {{
}}
"""

_START = """\
set -e
mkdir -p /run/cyrus/proc /run/cyrus/lock {directory}/spool
for user in {users}; do mkdir -p {directory}/lib/log/$user; done
while read -r name password; do
  printf %s "$password" | saslpasswd2 -p -c -f {directory}/lib/sasldb2 -u {host} "$name"
done <{directory}/logins
chown -R cyrus:mail /run/cyrus {directory}/lib {directory}/spool
exec /usr/sbin/cyrmaster -C /etc/imapd.conf -M /etc/cyrus.conf
"""


class Cyrus(MailboxServer):
    """Cyrus with its own mailbox format. It logs to syslog, so what is kept is the dialogue of each session."""

    chroot = "hub-exim"

    def files(self) -> tuple[tuple[Path, str], ...]:
        values = {
            "directory": self.directory,
            "host": HOST,
            "certificate": self.certificate.certificate,
            "key": self.certificate.key,
            "imap": self.imap_port,
            "imaps": self.imaps_port,
            "pop3": self.pop3_port,
            "pop3s": self.pop3s_port,
            "users": " ".join(self.users),
        }
        (self.directory / "logins").write_text("".join(f"{n} {p}\n" for n, p in self.users.items()))
        for name, text in (("imapd.conf", _IMAPD), ("cyrus.conf", _SERVICES), ("start", _START)):
            (self.directory / name).write_text(text.format(**values))
        (self.directory / "lib").mkdir(exist_ok=True)
        return tuple((self.directory / name, f"/etc/{name}") for name in ("imapd.conf", "cyrus.conf"))

    def command(self) -> tuple[str, ...]:
        return ("sh", str(self.directory / "start"))

    def put(self, user: str, message: bytes) -> None:
        client = imaplib.IMAP4("127.0.0.1", self.imap_port)
        client.login(user, self.users[user])
        kind, said = client.append("INBOX", "", imaplib.Time2Internaldate(0.0), message)
        assert kind == "OK", said
        client.logout()

    def log_text(self) -> str:
        files = sorted((self.directory / "lib" / "log").glob("*/*"))
        return "".join(path.read_text("utf-8", "replace") for path in files)
