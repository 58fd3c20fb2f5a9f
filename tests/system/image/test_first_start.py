"""The first start of a card with a configuration on its boot partition, and the start after that: everything is up,
nothing failed, what was made on the board is kept. One board for all, as a start takes a while.
"""

from __future__ import annotations

import imaplib
import json
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.rig.account import resident, wait_settled
from image.rig.card import OFFICE, OUT, Card
from image.rig.machine import Machine
from rig.processes import eventually

CARD_BYTES = 4 << 30
LINKS = {
    "/etc/hosts": "/run/dialpost-apply/hosts",
    "/etc/localtime": "/run/dialpost-apply/localtime",
    "/etc/resolv.conf": "/run/dialpost-resolv/resolv.conf",
}
SERVICES = ("dialpost", "dialpost-dovecot", "chrony", "systemd-networkd")


@pytest.fixture(scope="module")
def card(module_work: Path) -> Card:
    return Card(module_work / "card.img", size=CARD_BYTES).prepare(OFFICE)


@pytest.fixture(scope="module")
def board(card: Card, module_work: Path) -> Iterator[Machine]:
    with Machine(card, module_work / "first") as machine:
        yield machine


def test_it_is_up_and_nothing_failed(board: Machine) -> None:
    board.check_up()
    board.took("first start, until systemd has nothing more to do")
    for service in SERVICES:
        assert board.run(f"systemctl is-active {service}", check=False) == "active", service
    assert "ordering cycle" not in board.run("journalctl -b --no-pager")


def test_smtp_answers(board: Machine) -> None:
    with smtplib.SMTP("127.0.0.1", board.ports[25], timeout=60) as client:
        code, text = client.ehlo("pc.clinic.example")
        assert (code, text.split()[0]) == (250, b"station.clinic.example")


def test_the_configuration_was_taken_from_the_boot_partition(board: Machine, card: Card) -> None:
    assert board.run("cat /etc/dialpost/dialpost.toml") == OFFICE.rstrip()
    assert board.run("stat -c '%a %U %G' /etc/dialpost/dialpost.toml") == "640 dialpost dialpost"
    board.run("sync")
    assert card.get("dialpost.toml") is None
    assert board.run("findmnt -no OPTIONS /boot/firmware").split(",")[0] == "ro"


def test_a_letter_is_read_by_imap(board: Machine) -> None:
    board.run(
        "dialpost account add anna --password-stdin <<<'correct horse battery' || dialpost account add --help"
    )
    with smtplib.SMTP("127.0.0.1", board.ports[25], timeout=60) as client:
        client.sendmail("bob@clinic.example", ["anna@clinic.example"], "Subject: hello\r\n\r\nFirst letter.\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with imaplib.IMAP4_SSL("127.0.0.1", board.ports[993], ssl_context=context, timeout=60) as client:
        client.login("anna", "correct horse battery")
        eventually(lambda: client.select()[1] == [b"1"], within_s=60, what="the letter in the mailbox")
        assert b"First letter." in bytes(client.fetch("1", "(BODY[TEXT])")[1][0][1])  # type: ignore[index]


def test_data_has_grown_to_the_end_of_the_card(board: Machine) -> None:
    size = int(board.run("findmnt -bno SIZE /data"))
    assert size > 0.9 * (CARD_BYTES - (1668 << 20))
    assert board.run("sfdisk --disk-id $(readlink -f /dev/dialpost/p4 | sed 's/p*4$//')") != "0x64706f73"


def test_root_is_read_only_and_what_is_kept_is_on_data(board: Machine) -> None:
    assert board.run("findmnt -no OPTIONS / | cut -d, -f1") == "ro"
    assert board.run("touch /usr/x", check=False).endswith("Read-only file system")
    for place in ("/var/lib/dialpost", "/etc/dialpost", "/var/lib/chrony", "/var/lib/systemd"):
        assert board.run(f"findmnt -no SOURCE {place}").startswith(board.run("findmnt -no SOURCE /data")), place
    for option in ("nosuid", "nodev", "noexec", "noatime"):
        assert option in board.run("findmnt -no OPTIONS /data")


def test_the_bill_of_materials_is_what_runs(board: Machine) -> None:
    packages = json.loads((OUT / "dialpost.spdx.json").read_text())["packages"]
    told = {
        f"{package['name']}={package['versionInfo']}"
        for package in packages
        if package["SPDXID"].startswith("SPDXRef-deb-") and package["name"] not in {"raspi-firmware", "u-boot-rpi"}
    }
    runs = set(board.run("dpkg-query -W -f '${Package}=${Version}\\n'").split("\n"))
    assert told == runs
    wheels = {
        f"{package['name'].lower()}={package['versionInfo']}"
        for package in packages
        if package["SPDXID"].startswith(("SPDXRef-wheel-", "SPDXRef-own-"))
    }
    listing = (
        "python3 -c 'import importlib.metadata as m\n"
        'for d in m.distributions(path=["/usr/local/lib/python3.13/dist-packages"]): '
        'print(d.name.lower() + "=" + d.version)\''
    )
    assert wheels == set(board.run(listing).split("\n"))


def test_no_compiler_no_modem_manager_and_no_more_than_400_mb(board: Machine) -> None:
    assert board.run("for c in gcc cc c++ tcc ModemManager; do command -v $c; done; true") == ""
    # What is on the card: Debian's own figure counts drivers and manuals that are not unpacked.
    assert int(board.run("df -B1 --output=used / | tail -1")) <= 400_000_000


def test_the_system_takes_its_settings_from_the_configuration(board: Machine) -> None:
    for link, goal in LINKS.items():
        assert board.run(f"readlink {link}") == goal
    assert board.run("hostname; getent hosts station.clinic.example | cut -d ' ' -f 1") == "station\n127.0.1.1"
    assert board.run("nft list tables") == "table inet dialpost_lan"


def test_everybody_knows_the_name_servers_of_lan_and_line(board: Machine) -> None:
    """networkd learns of one, as from a router by DHCP (the emulator's tells none on a network without outside)."""
    assert board.run("cat /etc/resolv.conf") == ""
    board.run(
        "mkdir /run/systemd/network/10-dialpost-lan.network.d && "
        "printf '[Network]\\nDNS=192.0.2.1\\n' >/run/systemd/network/10-dialpost-lan.network.d/dns.conf && "
        "networkctl reload"
    )
    eventually(
        lambda: board.run("cat /etc/resolv.conf") == "nameserver 192.0.2.1",
        within_s=120,
        what="the LAN's name server, for everybody",
    )
    board.run("/usr/lib/dialpost/name-servers line 192.0.2.53")
    assert board.run("cat /etc/resolv.conf") == "nameserver 192.0.2.53\nnameserver 192.0.2.1"
    board.run("/usr/lib/dialpost/name-servers line")
    assert board.run("cat /etc/resolv.conf") == "nameserver 192.0.2.1"
    board.run("rm -r /run/systemd/network/10-dialpost-lan.network.d && networkctl reload")
    eventually(lambda: board.run("cat /etc/resolv.conf") == "", within_s=120, what="that it is forgotten")


def test_debians_own_services_stay_off_and_dovecot_is_the_stations(board: Machine) -> None:
    for unit in ("dovecot.service", "dovecot.socket", "nftables.service"):
        assert board.run(f"systemctl is-enabled {unit}", check=False) == "masked", unit
    listing = board.run("ps -C dovecot -o user=,args=")
    assert re.sub(" +", " ", listing) == "dialpost /usr/sbin/dovecot -F -c /run/dialpost-apply/dovecot.conf"


def test_what_the_daemons_user_may_and_may_not(board: Machine) -> None:
    as_daemon = "runuser -u dialpost -- systemctl --no-ask-password"
    board.run(f"{as_daemon} start dialpost-apply.service")
    for refused in ("start dialpost-health.service", "stop chrony.service", "stop dialpost-apply.service"):
        assert board.run(f"{as_daemon} {refused} || echo refused").endswith("refused"), refused
    assert board.run("systemctl is-active chrony") == "active"
    assert board.run("stat -c '%G %a' /dev/gpiochip0") == "gpio 660"
    assert board.run("ls /usr/lib/udev/rules.d | grep dialpost").split() == [
        "60-dialpost-gpio.rules",
        "90-dialpost-usb.rules",
    ]


def test_no_secret_is_the_same_in_two_stations(board: Machine) -> None:
    """Keys are made on the board: none came with the image."""
    found = board.run(
        "grep -rlE 'BEGIN [A-Z ]*PRIVATE KEY' /etc /usr/share /usr/lib/ssl /opt /root /srv", check=False
    )
    assert found == ""
    assert board.run("grep -c 'PRIVATE KEY' /var/lib/dialpost/tls/station.key") == "2"


def test_resident_memory(board: Machine) -> None:
    """What ours and Dovecot's hold when idle."""
    wait_settled(board)
    held = resident(board)
    names = {"daemon", "console", "dovecot"}
    assert {name for name in names if any(name in command for _, command in held)} == names, held
    assert sum(kilobytes for kilobytes, _ in held) < 90_000_000 / 1024, held


def test_the_second_start_keeps_what_was_made(board: Machine, card: Card, module_work: Path) -> None:
    made = "cat /data/station/machine-id /etc/machine-id; sha256sum /var/lib/dialpost/tls/*"
    before = board.run(made)
    assert len(set(before.split("\n")[:2])) == 1
    assert re.fullmatch(r"[0-9a-f]{32}", before.split("\n")[0])
    board.switch_off()
    with Machine(card, module_work / "second") as again:
        assert again.wait_up() == "running"
        again.took("second start")
        assert again.run(made) == before
        again.switch_off()
