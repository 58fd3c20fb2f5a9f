"""The hubs of docs/hub, started from the very files that people copy, with this machine's places filled in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from dialpost.core.config.text import parse_config
from rig.ports import free_port
from rig.servers.certificates import Authority
from rig.servers.chroots import Chroot, Inmate
from rig.servers.postfix import PROVIDER_ADDRESS, Postfix

KIT = Path(__file__).parents[4] / "docs" / "hub"
HUB = "hub.example.net"
STATION = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
"""What the station's configuration has beside what add-station prints; together it has to be free of faults."""

_OF_THE_RIG = (
    "queue_directory",
    "data_directory",
    "maillog_file",
    "maillog_file_prefixes",
    "inet_interfaces",
    "inet_protocols",
    "disable_dns_lookups",
    "smtp_host_lookup",
    "smtpd_client_event_limit_exceptions",
    "virtual_mailbox_base",
    "virtual_mailbox_domains",
    "virtual_mailbox_maps",
    "virtual_uid_maps",
    "virtual_gid_maps",
)


def filled(name: str, **places: str) -> str:
    """A file of the kit with places filled in; each of them has to be in it."""
    text = (KIT / name).read_text()
    for example, here in places.items():
        assert example in text, f"{name} has no {example}"
        text = text.replace(example, here)
    return text


def pem(authority: Authority, where: Path) -> Path:
    """Key and certificate of the hub in one file, as Postfix and Exim take them."""
    issued = authority.issue(HUB)
    where.write_text(issued.key.read_text() + issued.certificate.read_text())
    return where


class EtrnHub(Postfix):
    """docs/hub/postfix-etrn. Mail for world.example stays in a Maildir here, as the world's would."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, hostname=HUB, mailbox_domains=("world.example",))
        self._chroot = Chroot("hub", (directory,))
        self.authority = Authority(directory / "tls")
        kept = self._settings(("world.example",))
        rig = {key: kept[key] for key in _OF_THE_RIG} | {"smtp_bind_address": PROVIDER_ADDRESS}
        places = {
            "/etc/postfix": str(self._etc),
            "/etc/ssl/private/hub.example.net.pem": str(pem(self.authority, directory / "hub.pem")),
            "10.8.0.0/16": "127.0.0.0/8",
        }
        more = "".join(f"{key} = {value}\n" for key, value in rig.items())
        (self._etc / "main.cf").write_text(filled("postfix-etrn/main.cf", **places) + more)
        listen = {"smtp      inet": f"127.0.0.1:{self.port} inet"}
        (self._etc / "master.cf").write_text(filled("postfix-etrn/master.cf", **listen) + _VIRTUAL)
        shutil.copy(KIT / "add-station", directory)
        self.add("first.example", 9)

    def add_command(self, *arguments: str) -> list[str]:
        """The command line of add-station inside."""
        where = (f"ETC={self._etc.parent}", f"HUB={HUB}")
        return self._chroot.command("env", *where, self.directory / "add-station", *arguments)

    def add(self, domain: str, port: int) -> str:
        """A station that is reached at this port of 127.0.0.1; what add-station says."""
        done = subprocess.run(
            self.add_command("etrn", domain, "127.0.0.1", str(port)), capture_output=True, text=True, check=True
        )
        parse_config(STATION + done.stdout)
        return done.stdout

    def add_all(self, ports: Mapping[str, int]) -> None:
        """Very many stations at once, as add-station would write them one by one."""
        lines = (f"{domain} station:[127.0.0.1]:{port}\n" for domain, port in ports.items())
        (self._etc / "stations").write_text("".join(lines))
        self._chroot.run("postmap", "-c", self._etc, f"hash:{self._etc}/stations")

    def stations(self) -> str:
        return (self._etc / "stations").read_text()


class MailboxHub(Postfix):
    """docs/hub/mailbox: Postfix in front of Dovecot, one mailbox a station."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, hostname=HUB, mailbox_domains=("world.example",))
        self._chroot = Chroot("hub", (directory,))
        self.imap_port, self.imaps_port, self.submission_port = free_port(), free_port(), free_port()
        self.authority = Authority(directory / "tls")
        issued = self.authority.issue(HUB)
        kept = self._settings(("world.example",))
        private = directory / "queue" / "private"
        postfix = {
            "/etc/postfix": str(self._etc),
            "/etc/ssl/private/hub.example.net.pem": str(pem(self.authority, directory / "hub.pem")),
            "mynetworks = 127.0.0.0/8": "mynetworks = 127.0.0.99/32",
        }
        rig = "".join(f"{key} = {kept[key]}\n" for key in _OF_THE_RIG)
        (self._etc / "main.cf").write_text(filled("mailbox/main.cf", **postfix) + rig)
        listen = {
            "smtp      inet": f"127.0.0.1:{self.port} inet",
            "submission inet": f"127.0.0.1:{self.submission_port} inet",
        }
        (self._etc / "master.cf").write_text(filled("mailbox/master.cf", **listen) + _VIRTUAL)
        self._dovecot_etc = self._etc.parent / "dovecot"
        self._dovecot_etc.mkdir()
        self.mailboxes = directory / "stations"
        self.mailboxes.mkdir()
        self.mailboxes.chmod(0o777)
        dovecot = {
            "/etc/dovecot": str(self._dovecot_etc),
            "/var/mail/stations": str(self.mailboxes),
            "/var/spool/postfix/private": str(private),
            "/etc/ssl/certs/hub.example.net.pem": str(issued.certificate),
            "/etc/ssl/private/hub.example.net.key": str(issued.key),
            "mail_uid = vmail": "mail_uid = nobody",
            "mail_gid = vmail": "mail_gid = nogroup",
            "service imap-login {": _LISTEN.format(imap=self.imap_port, imaps=self.imaps_port),
        }
        rig = f"listen = 127.0.0.1\nbase_dir = /run/dovecot\nlog_path = {directory}/dovecot.log\n"
        rig += "first_valid_gid = 1\n"
        (self._dovecot_etc / "dovecot.conf").write_text(filled("mailbox/dovecot.conf", **dovecot) + rig)
        shutil.copy(KIT / "add-station", directory)
        self._dovecot: Inmate | None = None
        self.passwords: dict[str, str] = {}

    def add(self, domain: str) -> str:
        """A station; what add-station says."""
        where = (f"ETC={self._etc.parent}", f"HUB={HUB}")
        said = self._chroot.run("env", *where, self.directory / "add-station", "mailbox", domain)
        self.passwords[domain] = parse_config(STATION + said).inbound.mailbox[0].password
        return said

    def start(self) -> Self:
        super().start()  # it makes the folder for Dovecot's sockets
        config = self._dovecot_etc / "dovecot.conf"
        self._dovecot = self._chroot.start("dovecot", "-F", "-c", config, log=self.directory / "dovecot-output")
        self._dovecot.wait_for_greeting(self.imap_port, greeting=b"* OK")
        self._dovecot.wait_for_greeting(self.imaps_port)
        return self

    def stop(self) -> None:
        super().stop()
        if self._dovecot is not None:
            self._dovecot.kill()
            self._dovecot = None

    def waiting_script(self) -> str:
        """What the kit's script for monitoring says."""
        return _waiting("mailbox", self.mailboxes)


def _waiting(kind: str, spool: Path) -> str:
    command = [str(KIT / "waiting"), kind]
    where = os.environ | {"SPOOL": str(spool)}
    return subprocess.run(command, env=where, capture_output=True, text=True, check=True).stdout


class AtrnHub:
    """docs/hub/exim-atrn. Mail for world.example stays in a Maildir here, as the world's would."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self.directory = directory
        self.port, self.atrn_port = free_port(), free_port()
        behind = str(free_port())
        self.authority = Authority(directory / "tls")
        self.etc = directory / "etc" / "exim4"
        for folder in (self.etc, directory / "spool", directory / "log", directory / "mail"):
            folder.mkdir(parents=True)
        (directory / "mail").chmod(0o777)
        places = {
            "10366": behind,
            "[0.0.0.0]:25": f"[127.0.0.1]:{self.port}",
            "/var/spool/exim4": str(directory / "spool"),
            "/var/log/exim4": str(directory / "log"),
            "/etc/exim4/hub.example.net.pem": str(pem(self.authority, directory / "hub.pem")),
            "/etc/exim4": str(self.etc),
            "; 127.0.0.0/8 ; ::1 ;}": "; 127.0.0.99}",
            "begin routers": _WORLD_ROUTER,
            "begin transports": _WORLD_TRANSPORT.format(mail=directory / "mail"),
            "127.0.0.0/8 ; ::1": "::1",
        }
        for_tls = {"10366": behind, "accept = 366": f"accept = 127.0.0.1:{self.atrn_port}"}
        for_tls["/etc/exim4/hub.example.net.pem"] = places["/etc/exim4/hub.example.net.pem"]
        self._stunnel = directory / "stunnel.conf"
        rig = f"foreground = yes\npid =\noutput = {directory}/log/stunnel\n"
        self._stunnel.write_text(rig + filled("exim-atrn/stunnel.conf", **for_tls))
        config = directory / "exim4.conf"
        config.write_text(filled("exim-atrn/exim4.conf", **places))
        shutil.copy(KIT / "add-station", directory)
        self._chroot = Chroot("hub-exim", (directory,), ((config, "/etc/exim4/exim4.conf"),))
        self._child: Inmate | None = None
        for name in ("stations", "domains"):
            (self.etc / name).touch()

    def add(self, *domains: str) -> str:
        """A station with these domains; its password."""
        where = (f"ETC={self.etc.parent}", f"HUB={HUB}")
        said = self._chroot.run("env", *where, self.directory / "add-station", "atrn", *domains)
        return parse_config(STATION + said).atrn.password

    def start(self) -> Self:
        self._chroot.run("chown", "Debian-exim:", self.directory / "spool", self.directory / "log")
        self._child = self._chroot.start("exim4", "-bdf", log=self.directory / "output")
        self._child.wait_for_greeting(self.port, greeting=b"220 ")
        self._tls = self._chroot.start("stunnel", self._stunnel, log=self.directory / "stunnel-output")
        self._tls.wait_for_greeting(self.atrn_port)
        return self

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._tls.kill()
            self._child = None

    def __enter__(self) -> Self:
        return self if self._child else self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def waiting(self, domain: str) -> int:
        """How many messages are in a station's queue."""
        return sum(1 for _ in (self.directory / "spool" / domain / "input").glob("*-H"))

    def waiting_script(self) -> str:
        """What the kit's script for monitoring says."""
        return _waiting("atrn", self.directory / "spool")

    def maildir(self, domain: str) -> Path:
        return self.directory / "mail" / domain

    def log_text(self) -> str:
        return "".join(path.read_text("utf-8", "replace") for path in sorted((self.directory / "log").iterdir()))


_WORLD_ROUTER = """\
begin routers
to_the_tests_world:
  driver = accept
  domains = world.example
  transport = tests_world
"""
_WORLD_TRANSPORT = """\
begin transports
tests_world:
  driver = appendfile
  directory = {mail}/world.example
  maildir_format
  create_directory
  user = nobody
  group = nogroup
"""
_LISTEN = """\
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
"""
_VIRTUAL = "virtual unix - n n - - virtual\n"
