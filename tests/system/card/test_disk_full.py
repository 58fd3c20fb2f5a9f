"""A card that is full, without inodes or read-only: new mail is deferred (452), nothing
acknowledged is lost, the station starts and says why, and goes on by itself when it can.
"""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rig.card.disks import SmallDisk, enter_mount_namespace
from rig.mailboxes import arrived, maildir_files, make_message
from rig.needs import needs
from rig.processes import eventually
from rig.station import DOMAIN, PASSWORD, Station

pytestmark = [pytest.mark.system, needs(commands=("mkfs.ext4", "losetup", "mount"), root=True)]

FULL = re.compile(r"^ATTENTION .*The card (is full|has no room)", re.MULTILINE)

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
def test_full_is_said_kept_and_repaired(work: Path, disk: SmallDisk, reserve: int) -> None:
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


@pytest.fixture(params=["bytes", "inodes"])
def used_up(request: pytest.FixtureRequest, work: Path) -> Iterator[tuple[SmallDisk, Callable[[], None]]]:
    """A disk, and what takes all of its bytes or inodes."""
    enter_mount_namespace()
    small = SmallDisk(work, "card", megabytes=64, inodes=512)
    yield small, small.fill if request.param == "bytes" else small.use_up_inodes
    small.close()


def on_disk(work: Path, disk: SmallDisk) -> Station:
    """A station all of which is on the disk, with a mailbox and two messages."""
    return Station(disk.mountpoint / "station", log=work / "station.log")


def send(station: Station, number: int) -> int:
    """The code a message gets."""
    try:
        with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
            client.sendmail(ANNA, [FRIEND], make_message(f"m{number}@lan.example", ANNA, [FRIEND], size=150_000))
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    return 250


def test_a_full_card_keeps_the_running_station_and_lets_it_start(
    work: Path, used_up: tuple[SmallDisk, Callable[[], None]]
) -> None:
    disk, use_up = used_up
    station = on_disk(work, disk)
    with station:
        station.add_account("anna")
        assert [send(station, number) for number in range(3)] == [250, 250, 250]
        process = station.child
        use_up()
        before = station.config.read_bytes()

        refused = station.run("config", "set", "station.postmaster", "anna")
        assert refused.returncode == 1, refused
        assert "the card is full" in refused.stderr and "Nothing was changed" in refused.stderr, refused.stderr
        assert station.config.read_bytes() == before
        assert station.child is process and process is not None and process.is_running()
        refused = station.run("account", "add", "ben", "--password-stdin", input=f"{PASSWORD}\n")
        assert refused.returncode == 1 and "the card is full" in refused.stderr, refused
        assert "ben" not in station.cli("account", "list")
        assert send(station, 3) == 452

        for ending in (station.kill, station.stop):
            ending()
            station.start()
            use_up_again(disk, use_up)
            assert send(station, 4) == 452
            asked = station.run("status")
            assert asked.returncode == 3 and FULL.search(asked.stdout), asked
            assert sorted(station.waiting_message_ids(FRIEND)) == [f"m{n}@lan.example" for n in range(3)]

        first, *_ = json.loads(station.cli("queue", "list", "--json"))
        station.cli("queue", "delete", first["queue_id"], "--yes")
        assert len(station.waiting_message_ids(FRIEND)) == 2
        disk.free()
        eventually(lambda: send(station, 5) == 250, within_s=30, what="mail taken again once there is room")
        station.cli("config", "set", "station.postmaster", "anna")
    assert "Traceback" not in station.log_text()


def use_up_again(disk: SmallDisk, use_up: Callable[[], None]) -> None:
    """Also what the station gave back of its own."""
    if use_up == disk.fill:
        disk.fill()


def test_a_read_only_card_is_said_and_the_station_starts_when_it_can(work: Path, disk: SmallDisk) -> None:
    station = on_disk(work, disk)
    with station:
        station.add_account("anna")
        assert send(station, 0) == 250
        disk_config = station.config.read_bytes()
        station.stop()
        disk.be("ro")
        station.start()
        assert send(station, 1) == 452
        asked = station.run("status")
        assert asked.returncode == 3 and "read-only" in asked.stdout, asked
        for command in (
            ["queue", "list"],
            ["queue", "delete", "D0000001", "--yes"],
            ["account", "list"],
            ["config", "set", "station.postmaster", "anna"],
        ):
            refused = station.run(*command)
            assert refused.returncode == 1 and "read-only" in refused.stderr, refused
        disk.be("rw")
        eventually(lambda: send(station, 2) == 250, within_s=60, what="a station once the card can be written")
        assert sorted(station.waiting_message_ids(FRIEND)) == ["m0@lan.example", "m2@lan.example"]
        assert station.config.read_bytes() == disk_config
    assert "Traceback" not in station.log_text()
