"""What a power cut leaves of Dovecot's files of a mailbox: after ours has looked, real Dovecot opens it at the
first word, with the numbers the messages had.
"""

from __future__ import annotations

import imaplib
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rig.clients import send
from rig.mailboxes import maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.dovecot import Dovecot
from rig.station import DOMAIN, PASSWORD, Station

from dialpost.edge.mail.dovecot_indexes import forget_torn

pytestmark = [pytest.mark.system, needs("dovecot")]

FILES = ("dovecot.index.log", "dovecot.index", "dovecot.index.cache", "dovecot.list.index.log")
BLOCK = 4096
TEARS: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "zeros to the block's end": lambda data: data[: len(data) * 2 // 3 & ~3].ljust(
        (len(data) + BLOCK) // BLOCK * BLOCK, b"\0"
    ),
    "zeros only": lambda data: bytes(len(data)),
    "nothing": lambda data: b"",
}


@pytest.fixture
def station(work: Path) -> Iterator[Station]:
    with Station(work / "station", unprivileged=True) as running:
        running.add_account("anna")
        yield running


def _read(dovecot: Dovecot, *, readonly: bool) -> dict[str, tuple[str, str]]:
    """By Message-ID: the message's number (UID) and flags. The first answer has to be a good one."""
    with imaplib.IMAP4("127.0.0.1", dovecot.imap_port) as client:
        client.login("anna", PASSWORD)
        said, told = client.select(readonly=readonly)
        assert said == "OK", told
        said, parts = client.fetch("1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        assert said == "OK", parts
    found: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, tuple):
            uid = re.search(rb"UID (\d+)", part[0])
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])
            name = re.search(rb"<([^>]*)>", part[1])
            assert uid and flags and name
            kept = " ".join(sorted(flag for flag in flags[1].decode().split() if flag != "\\Recent"))
            found[name[1].decode()] = (uid[1].decode(), kept)
    return found


def _has(station: Station, count: int) -> bool:
    return len(maildir_files(station.maildir("anna"))) == count


def _use(station: Station, dovecot: Dovecot) -> dict[str, tuple[str, str]]:
    """Mail comes, is read and marked, more comes; so that every file has something in it."""
    for number in range(1, 4):
        send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix=f"m{number}")
        eventually(partial(_has, station, number))
        with imaplib.IMAP4("127.0.0.1", dovecot.imap_port) as client:
            client.login("anna", PASSWORD)
            client.select()
            client.store(str(number), "+FLAGS", "(\\Seen \\Flagged)" if number == 2 else "(\\Seen)")
            client.list()
    return _read(dovecot, readonly=True)


@pytest.mark.parametrize("is_readonly", [True, False], ids=["EXAMINE", "SELECT"])
def test_dovecot_opens_the_mailbox_at_once(station: Station, work: Path, is_readonly: bool) -> None:
    folder, torn = station.maildir("anna"), []
    with Dovecot(work / "d", users=station.dovecot_users, data_dir=station.data_dir) as dovecot:
        before = _use(station, dovecot)
    assert len(before) == 3 and sum("Flagged" in flags for _, flags in before.values()) == 1
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert "dovecot.index.log" in there
    for name in FILES:
        for tear, cut in TEARS.items():
            if name not in there:
                continue
            for path, data in there.items():
                _put(folder / path, data)
            _put(folder / name, cut(there[name]))
            gone = forget_torn(station.data_dir / "mail")
            torn += [f"{name}: {tear}"] if gone else []
            with Dovecot(work / "d", users=station.dovecot_users, data_dir=station.data_dir) as dovecot:
                try:
                    assert _read(dovecot, readonly=is_readonly) == before
                except (AssertionError, imaplib.IMAP4.error) as error:
                    raise AssertionError(f"{name}, {tear}: {error}\n{dovecot.log_text()[-2000:]}") from None
    assert {f"dovecot.index.log: {tear}" for tear in TEARS} <= set(torn)


def test_without_a_look_it_refuses_the_first_word(station: Station, work: Path) -> None:
    """If this fails, Dovecot has learned it, and ours is no longer needed."""
    log = station.maildir("anna") / "dovecot.index.log"
    with Dovecot(work / "d", users=station.dovecot_users, data_dir=station.data_dir) as dovecot:
        _use(station, dovecot)
    (station.maildir("anna") / "dovecot.index").unlink(missing_ok=True)
    _put(log, TEARS["zeros to the block's end"](log.read_bytes()))
    with (
        Dovecot(work / "d", users=station.dovecot_users, data_dir=station.data_dir) as dovecot,
        pytest.raises(AssertionError, match="SERVERBUG"),
    ):
        _read(dovecot, readonly=True)


def _put(path: Path, data: bytes) -> None:
    """Keeps owner and mode."""
    if path.exists():
        path.write_bytes(data)
        return
    owner = path.parent.stat()
    path.write_bytes(data)

    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o600)
