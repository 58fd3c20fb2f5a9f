"""The provider's mail servers in a guest: what each reads, how it starts, and where its mail lies.

Each holds mail for the station's domain until ETRN, and keeps what is sent to world.example in Maildirs. With a
certificate it uses TLS as its Debian package configures it: Postfix offers it and takes it, Exim only takes it,
sendmail does both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rig.line.places import STATION_ADDRESS
from rig.servers import exim, sendmail
from rig.servers.certificates import Certificate
from rig.servers.postfix import MASTER
from rig.station import DOMAIN

Kind = Literal["postfix", "exim", "sendmail"]
Files = Callable[[Mapping[str, str], Certificate | None], dict[str, str]]
CERTIFICATE, KEY = "/etc/ssl/provider.pem", "/etc/ssl/provider.private"

_MAIN = f"""\
compatibility_level = 3.6
maillog_file = /var/log/mail.log
myhostname = mail.provider.example
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8 10.64.0.0/16
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_peername_lookup = no
message_size_limit = 20000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
disable_dns_lookups = yes
smtp_host_lookup = native
virtual_mailbox_base = /var/mail
virtual_mailbox_domains = world.example
virtual_mailbox_maps = inline:{{@world.example=world.example/}}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
relay_domains = {DOMAIN}
fast_flush_domains = $relay_domains
transport_maps = inline:{{{DOMAIN}=station:[{STATION_ADDRESS}]:25}}
defer_transports = station
smtpd_etrn_restrictions = permit_mynetworks, reject
"""

POSTFIX_TLS = f"""\
smtpd_tls_cert_file = {CERTIFICATE}
smtpd_tls_key_file = {KEY}
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache
"""
"""What Debian's main.cf.tls says, with a certificate of ours."""


@dataclass(frozen=True)
class ProviderMail:
    """`prepare`, `clear` (of all mail) and `count` (the messages held) are shell scripts.

    `world` is the Maildir of world.example.
    """

    tree: str
    files: Files
    prepare: str
    clear: str
    command: tuple[str, ...]
    count: str
    world: str


def pem_files(certificate: Certificate) -> dict[str, str]:
    """The certificate and its key, as every server here reads them."""
    return {CERTIFICATE: certificate.certificate.read_text(), KEY: certificate.key.read_text()}


def _postfix_files(main: Mapping[str, str], certificate: Certificate | None) -> dict[str, str]:
    more = "".join(f"{key} = {value}\n" for key, value in main.items())
    files = {"/etc/postfix/master.cf": MASTER.format(listen="smtp", more="")}
    if certificate is None:
        return files | {"/etc/postfix/main.cf": _MAIN + more}
    return files | pem_files(certificate) | {"/etc/postfix/main.cf": _MAIN + POSTFIX_TLS + more}


def _exim_files(main: Mapping[str, str], certificate: Certificate | None) -> dict[str, str]:
    assert not main, "Exim has no main.cf"
    config = exim.config_text(
        directory="/var/exim",
        hostname="mail.provider.example",
        station_domains=(DOMAIN,),
        station_at=(STATION_ADDRESS, 25),
        listen_on="0.0.0.0",
        relay_hosts="127.0.0.0/8 : 10.64.0.0/16",
        etrn_names="/etc/exim4/etrn-names",
        is_plain=certificate is None,
    )
    return {"/etc/exim4/exim4.conf": config, "/etc/exim4/etrn-names": f"{DOMAIN}: {DOMAIN}\n"}


def _sendmail_files(main: Mapping[str, str], certificate: Certificate | None) -> dict[str, str]:
    assert not main, "sendmail has no main.cf"
    files = {
        "/etc/mail/provider.mc": sendmail.config_text(
            hostname="mail.provider.example",
            tls=(CERTIFICATE, KEY) if certificate else None,
        ),
        "/etc/mail/mailertable": f"{DOMAIN} station:[{STATION_ADDRESS}]\nworld.example maildir:world\n",
        "/etc/mail/relay-domains": f"{DOMAIN}\nworld.example\n",
        "/usr/local/bin/to-maildir": sendmail.TO_MAILDIR,
        "/etc/mail/local-host-names": "mail.provider.example\n",
        "/etc/mail/service.switch": "hosts files\naliases files\n",
    }
    return files | (pem_files(certificate) if certificate else {})


KINDS: dict[Kind, ProviderMail] = {
    "postfix": ProviderMail(
        "line",
        _postfix_files,
        "",
        "postsuper -d ALL; rm -rf /var/mail/*; : >/var/log/mail.log; pkill -HUP -x master",
        ("python3", "/opt/guest/postfix_start.py"),
        "postqueue -j | wc -l",
        "/var/mail/world.example",
    ),
    "exim": ProviderMail(
        "line-exim",
        _exim_files,
        "mkdir -p /var/exim/spool /var/exim/log /var/exim/mail; chmod 777 /var/exim/mail; "
        "chown -R Debian-exim: /var/exim/spool /var/exim/log",
        "pkill -KILL -x exim4 || true; rm -rf /var/exim/spool/* /var/exim/mail/*; : >/var/exim/log/mainlog",
        ("exim4", "-bdf"),
        "exim4 -bpc",
        "/var/exim/mail/world.example",
    ),
    "sendmail": ProviderMail(
        "line-sendmail",
        _sendmail_files,
        sendmail.PREPARE,
        "pkill -KILL -x sendmail || true; rm -rf /var/spool/mqueue/* /var/mail/*; : >/var/log/mail.log",
        ("/usr/lib/sendmail", "-bD"),
        "ls /var/spool/mqueue | grep -c ^qf || true",
        "/var/mail/world.example",
    ),
}
