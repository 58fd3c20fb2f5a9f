"""The hubs of docs/hub, started from the very files that people copy, with this machine's places filled in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rig.servers.certificates import Authority
from rig.servers.chroots import Chroot
from rig.servers.postfix import PROVIDER_ADDRESS, Postfix

KIT = Path(__file__).parents[4] / "docs" / "hub"
HUB = "hub.example.net"
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
        return done.stdout

    def stations(self) -> str:
        return (self._etc / "stations").read_text()


_VIRTUAL = "virtual unix - n n - - virtual\n"
