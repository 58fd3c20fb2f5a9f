"""A card that is full: new mail is put off (452), nothing acknowledged is lost, and room mends it."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.disks import SmallDisk, enter_mount_namespace
from rig.mailboxes import arrived, maildir_files, make_message
from rig.needs import needs
from rig.processes import eventually
from rig.station import DOMAIN, Station

pytestmark = [pytest.mark.system, needs(commands=("mkfs.ext4", "losetup", "mount"), root=True)]

ANNA, FRIEND = f"anna@{DOMAIN}", "friend@world.example"


@pytest.fixture
def disk(work: Path) -> Iterator[SmallDisk]:
    enter_mount_namespace()
    small = SmallDisk(work, "card", megabytes=32)
    yield small
    small.close()


def fill(station: Station) -> tuple[list[str], smtplib.SMTPResponseException]:
    """Send until refused: the Message-IDs that got 250, and the refusal."""
    taken: list[str] = []
    with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
        for number in range(1000):
            message_id = f"fill.{number}@lan.example"
            message = make_message(message_id, ANNA, [ANNA, FRIEND], size=150_000)
            try:
                client.sendmail(ANNA, [ANNA, FRIEND], message)
            except smtplib.SMTPRecipientsRefused as refused:
                code, text = next(iter(refused.recipients.values()))
                return taken, smtplib.SMTPResponseException(code, text)
            except smtplib.SMTPResponseException as refused:
                return taken, refused
            taken.append(message_id)
    raise AssertionError("the small card took everything")


@pytest.mark.parametrize("reserve", [0, 4_000_000], ids=["no reserve", "with a reserve"])
def test_full_is_said_kept_and_mended(work: Path, disk: SmallDisk, reserve: int) -> None:
    station = Station(
        work / "station",
        settings={"smtp": {"disk_reserve_bytes": reserve}},
        data_dir=disk.mountpoint / "data",
    )
    with station:
        station.add_account("anna")
        taken, refusal = fill(station)
        assert (refusal.smtp_code, refusal.smtp_error[:5]) == (452, b"4.3.1")
        assert len(taken) > 50
        eventually(lambda: len(maildir_files(station.maildir("anna"))) == len(taken))

        # Full or not, it can be asked, and it can be started again.
        assert station.waiting()["waiting_remote"] == len(taken)
        station.kill()
        station.start()
        assert arrived(station.maildir("anna")) == sorted(taken)
        assert sorted(station.waiting_message_ids(FRIEND)) == sorted(taken)

        # With room again it goes on by itself.
        for path in maildir_files(station.maildir("anna")):
            path.unlink()
        for message in json.loads(station.cli("queue", "list", "--json", "--limit", "20")):
            station.cli("queue", "delete", message["queue_id"], "--yes")
        eventually(lambda: fill_one(station), within_s=30, what="mail taken again once there is room")


def fill_one(station: Station) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
            client.sendmail(ANNA, [ANNA], make_message("again@lan.example", ANNA, [ANNA], size=150_000))
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
        return False
    return True
