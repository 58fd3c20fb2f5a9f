"""Who is measured: Dialpost and Postfix, each with its data on the disk it is given.

Both do the same: accept a message, make it durable, say 250, and then either put it into a Maildir ("local") or
keep it for a line that is down ("queue": Postfix with defer_transports, Dialpost without a call). Both run as
installed, with their logs on a disk other than the one measured.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rig.mailboxes import maildir_files
from rig.processes import eventually
from rig.servers.chroots import Chroot
from rig.servers.postfix import Postfix
from rig.station import DOMAIN, Station

LOCAL = f"anna@{DOMAIN}"
WORLD = "friend@world.example"
RECIPIENTS = {"local": LOCAL, "queue": WORLD}


class Contender(Protocol):
    """One mail server under measurement."""

    name: str
    port: int

    def stop(self) -> None: ...

    def settled(self) -> bool:
        """Whether nothing is left to do: each message is in the mailbox, or was deferred."""

    def delivered(self) -> int:
        """How many messages are in the mailbox."""


class Dialpost:
    """The unmodified station, on `directory`."""

    name = "Dialpost"

    def __init__(self, directory: Path, log: Path) -> None:
        settings: dict[str, dict[str, Any]] = {
            "smtp": {"max_message_bytes": 60_000_000},
            "call": {"grace_min_s": 0.5, "grace_max_s": 2.0},
        }
        self.station = Station(directory, settings=settings, log=log)
        self.station.start()
        self.station.add_account("anna")
        self.port = self.station.port

    def stop(self) -> None:
        self.station.__exit__(None, None, None)

    def settled(self) -> bool:
        return self.station.waiting()["waiting_local"] == 0

    def delivered(self) -> int:
        return len(maildir_files(self.station.maildir("anna")))

    @property
    def pid(self) -> int:
        assert self.station.child is not None
        return self.station.child.pid


class PostfixContender:
    """Debian's Postfix on `directory`: the same domain in Maildirs, mail for the world deferred."""

    name = "Postfix"

    def __init__(self, directory: Path, log: Path) -> None:
        main = {"defer_transports": "smtp", "default_transport": "smtp", "default_process_limit": "100"}
        self._postfix = Postfix(directory, mailbox_domains=(DOMAIN,), main=main, log=log)
        self._postfix.start()
        self.port = self._postfix.port

    def stop(self) -> None:
        self._postfix.stop()

    def settled(self) -> bool:
        queue = self._postfix.directory / "queue"
        return not any(
            path.is_file() for name in ("maildrop", "incoming", "active") for path in (queue / name).rglob("*")
        )

    def delivered(self) -> int:
        return len(maildir_files(self._postfix.maildir(DOMAIN)))


Maker = Callable[[Path, Path], Contender]
MAKERS: tuple[Maker, ...] = (Dialpost, PostfixContender)


def offer(contender: Contender, mode: str, *, messages: int, sessions: int, size: int = 4096) -> float:
    """Send with smtp-source; returns the seconds until the last message was acknowledged."""
    command = Chroot("postfix").command(
        "smtp-source",
        "-m",
        str(messages),
        "-s",
        str(sessions),
        "-l",
        str(size),
        "-f",
        "crowd@lan.example",
        "-t",
        RECIPIENTS[mode],
        f"127.0.0.1:{contender.port}",
    )
    begun = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - begun


def settle(contender: Contender) -> None:
    """Wait until the contender has nothing left to do."""
    eventually(contender.settled, within_s=600, what=f"{contender.name} to come to rest")
