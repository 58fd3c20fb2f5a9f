"""Real Postfix: as the provider that holds the station's mail, as a receiver, and beside us in benchmarks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from rig.ports import free_port
from rig.processes import Child
from rig.servers.chroots import Chroot

PROVIDER_ADDRESS = "127.0.0.5"
"""What the provider's connections to the station come from: not the station's LAN (127.0.0.1)."""

_NOBODY = 65_534

MASTER = """\
{listen} inet n - n - - smtpd
{more}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
station unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One Postfix on its own port, with its queue and mailboxes under `directory`.

    Mail for `mailbox_domains` goes to Maildirs (`maildir(domain)`); anything else as `main` says.
    `directory` may lie on any file system; all that Postfix writes lies there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        hostname: str = "mail.provider.example",
        mailbox_domains: tuple[str, ...] = (),
        main: Mapping[str, str] | None = None,
        services: str = "",
        more_binds: tuple[Path, ...] = (),
        log: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self.directory = directory
        self.hostname = hostname
        self.port = free_port()
        self._chroot = Chroot("postfix", (directory, *((log.parent,) if log else ()), *more_binds))
        self._etc = directory / "etc" / "postfix"
        self._etc.mkdir(parents=True, exist_ok=True)
        self.log = log or directory / "maillog"
        self._child: Child | None = None
        settings = self._settings(mailbox_domains) | dict(main or {})
        (self._etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        (self._etc / "master.cf").write_text(MASTER.format(listen=f"127.0.0.1:{self.port}", more=services))
        for name in ("queue", "data", "mail"):
            (directory / name).mkdir(exist_ok=True)
        (directory / "mail").chmod(0o777)

    def _settings(self, mailbox_domains: tuple[str, ...]) -> dict[str, str]:
        mailboxes = self._etc / "mailboxes"
        mailboxes.write_text("".join(f"@{domain} {domain}/\n" for domain in mailbox_domains))
        return {
            "compatibility_level": "3.6",
            "queue_directory": str(self.directory / "queue"),
            "data_directory": str(self.directory / "data"),
            "maillog_file": str(self.log),
            "maillog_file_prefixes": "/",
            "myhostname": self.hostname,
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtpd_client_event_limit_exceptions": "127.0.0.0/8",
            "message_size_limit": "104857600",
            "mailbox_size_limit": "0",
            "virtual_mailbox_limit": "0",
            "disable_dns_lookups": "yes",
            "smtp_host_lookup": "native",
            "virtual_mailbox_base": str(self.directory / "mail"),
            "virtual_mailbox_domains": " ".join(mailbox_domains),
            "virtual_mailbox_maps": f"texthash:{mailboxes}",
            "virtual_uid_maps": f"static:{_NOBODY}",
            "virtual_gid_maps": f"static:{_NOBODY}",
        }

    def start(self) -> Self:
        self._chroot.run("chown", "postfix", self.directory / "data")
        self._child = self._chroot.start("postfix", "-c", self._etc, "start-fg", log=self.directory / "output")
        self._child.wait_for_greeting(self.port, greeting=b"220 ")
        return self

    def kill(self) -> None:
        """SIGKILL to all of it, as at a power cut."""
        self.stop()

    def stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def __enter__(self) -> Self:
        return self if self._child else self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def maildir(self, domain: str) -> Path:
        return self.directory / "mail" / domain

    def queue(self) -> list[dict[str, object]]:
        """What waits, one entry a message, as `postqueue -j` tells it."""
        listing = self._chroot.run("postqueue", "-c", self._etc, "-j")
        return [json.loads(line) for line in listing.splitlines()]

    def queue_files(self) -> int:
        """How many messages are in the queue, counted on the disk (quick, for large queues)."""
        return sum(
            1
            for name in ("incoming", "active", "deferred", "maildrop")
            for path in (self.directory / "queue" / name).rglob("*")
            if path.is_file()
        )

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def log_lines(self, pattern: str) -> list[str]:
        return [line for line in self.log_text().splitlines() if re.search(pattern, line)]


def provider(directory: Path, station_domains: tuple[str, ...], station_port: int, **main: str) -> Postfix:
    """A provider that holds mail for the station until ETRN, and takes the station's mail for world.example.

    The set-up is that of Postfix's ETRN_README ("Configuring a domain for ETRN service only").
    """
    transport = directory / "transport"
    directory.mkdir(parents=True, exist_ok=True)
    transport.write_text("".join(f"{d} station:[127.0.0.1]:{station_port}\n" for d in station_domains))
    settings = {
        "relay_domains": " ".join(station_domains),
        "fast_flush_domains": "$relay_domains",
        "transport_maps": f"texthash:{transport}",
        "defer_transports": "station",
        "smtpd_etrn_restrictions": "permit_mynetworks, reject",
        "smtp_bind_address": PROVIDER_ADDRESS,
    }
    return Postfix(directory, mailbox_domains=("world.example",), main=settings | main)
