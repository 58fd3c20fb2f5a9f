"""The life of one station in these tests, over many starts: its card, what it promised, what is asked of it.

`Life` is what somebody outside knows; `check_card` looks at the card while the station is off, `Visitor` at the
station while it runs.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from image.rig.card import IMAGE, SLOT_BYTES, SLOT_OFFSETS, Card
from image.rig.machine import Machine

from dialpost.core.system.boot.state import Slot, choose
from rig.card.data_partition import DATA_OFFSET, copy_range, room_bytes, size_bytes
from rig.card.invariants import BOSS, PASSWORD, READER, Promise, Reset, config_number, config_text, judge_data
from rig.load import Ledger
from rig.processes import eventually

CARD_BYTES = 3 << 30
_LIFE_NUMBERS = 1000
_SLOT_ON = re.compile(r"rauc\.slot=([ab])")


@dataclass
class Life:
    """A station from a flashed card, or from its last factory reset, on. `number` tells one life from another."""

    card: Card
    number: int
    ledger: Ledger = field(default_factory=Ledger)
    committed: int = 0
    """The newest configuration that was acknowledged; the next may be there, as its commit may be under way."""
    has_accounts: bool = False
    is_configured: bool = False
    """Whether it was seen with its configuration: before, a first start may not have taken it over yet."""
    reset: Reset = Reset.NOT_ASKED
    update_lines: list[str] = field(default_factory=list)
    """What an update under way has said."""

    def __post_init__(self) -> None:
        self.committed = self.first_config

    @property
    def first_config(self) -> int:
        """The number of the configuration this life begins with."""
        return 20_000 + _LIFE_NUMBERS * self.number

    def provision(self) -> None:
        """Put this life's first configuration on the boot partition."""
        self.card.put("dialpost.toml", config_text(self.first_config))

    def following(self) -> Life:
        """The life after a factory reset of this one."""
        return Life(self.card, self.number + 1)

    @property
    def promise(self) -> Promise:
        return Promise(
            acknowledged=frozenset(self.ledger.acknowledged),
            offered=frozenset(self.ledger.offered),
            configs=frozenset({self.committed, self.committed + 1} if self.is_configured else ()),
            has_accounts=self.has_accounts,
            reset=self.reset,
        )


def new_life(path: Path, number: int) -> Life:
    """A card fresh from the image, with a root shell for the tests and a configuration to take over."""
    path.unlink(missing_ok=True)
    card = Card(path, size=CARD_BYTES)
    card.prepare()
    life = Life(card, number)
    life.provision()
    return life


def check_card(life: Life, work: Path) -> list[str]:
    """What is wrong with the card of a station that is off."""
    partition = work / "data.ext4"
    copy_range(life.card.path, partition, DATA_OFFSET)
    return judge(life.card, partition, life.promise)


def judge(card: Card, partition: Path, promise: Promise) -> list[str]:
    """What is wrong with a card's boot state, table and data partition (of which `partition` is a copy: it is
    spoiled), and with what is kept there.
    """
    sizes = [size_bytes(partition)]
    found = judge_data(partition, promise) + boot_faults(card)
    sizes.append(size_bytes(partition))
    if max(sizes) > (room := room_bytes(card.path)):
        found.append(f"the file system has {max(sizes)} bytes, its partition only {room}: it can't be mounted")
    return found


def boot_faults(card: Card) -> list[str]:
    """What would keep U-Boot from choosing a slot."""
    return [] if card.boot_state() else ["no record of the boot state is valid"]


def expected_slot(card: Card) -> Slot:
    """What U-Boot will start."""
    state = card.boot_state()
    assert state is not None
    return choose(state)[0]


def is_whole_release(card: Card, slot: Slot) -> bool:
    """Whether a slot holds the release of the image (an update with the same has the same bytes), as far as it
    goes.
    """
    with card.path.open("rb") as here, IMAGE.open("rb") as image:
        here.seek(SLOT_OFFSETS[slot])
        image.seek(SLOT_OFFSETS[Slot.A])
        return all(here.read(1 << 20) == image.read(1 << 20) for _ in range(SLOT_BYTES >> 20))


class Visitor:
    """Looks at a running station from its shell and over the LAN."""

    def __init__(self, machine: Machine, life: Life) -> None:
        self._machine, self._life = machine, life

    def wait_up(self, slot: Slot) -> None:
        """Until the start is over: that slot, nothing failed. Raises: AssertionError."""
        machine = self._machine
        state = machine.wait_up()
        failed = machine.run("systemctl --failed --no-legend --plain", check=False)
        assert (state, failed) == ("running", ""), machine.run(
            "journalctl -b -p warning --no-pager | tail -40", check=False
        )
        found = _SLOT_ON.search(machine.run("cat /proc/cmdline"))
        assert found, "the kernel does not know which slot this is"
        assert Slot(found[1]) is slot, f"slot {found[1]} runs instead of {slot.value}"

    def config(self) -> int:
        """The number of the active configuration. Raises: ValueError if its file is incomplete."""
        return config_number(self._machine.run("cat /etc/dialpost/dialpost.toml"))

    def size_of_data(self) -> int:
        return int(self._machine.run("findmnt -bno SIZE /data"))

    def make_accounts(self) -> None:
        for name in (BOSS, READER):
            self._machine.run(f"dialpost account add {name} --password-stdin <<<'{PASSWORD}'", within_s=180)
        self._life.has_accounts = True

    def wait_delivered(self) -> None:
        """Until all that was acknowledged can be read by IMAP; each once. Raises: AssertionError."""
        acknowledged = self._life.ledger.acknowledged
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with imaplib.IMAP4_SSL("127.0.0.1", self._machine.ports[993], ssl_context=context, timeout=120) as client:
            client.login(READER, PASSWORD)

            def missing() -> set[str]:
                return acknowledged - _message_ids(client).keys()

            eventually(
                lambda: not missing(), within_s=180, what="all that was acknowledged, by IMAP", longest_pause_s=2
            )
            found = _message_ids(client)
        assert [name for name, times in found.items() if times > 1] == []
        assert found.keys() <= self._life.ledger.offered


def _message_ids(client: imaplib.IMAP4_SSL) -> Counter[str]:
    """The Message-IDs of what is in the inbox."""
    said, messages = client.select(readonly=True)
    assert said == "OK", f"SELECT: {said} {messages}"
    if messages == [b"0"]:
        return Counter()
    _, answer = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    heads = (part[1] for part in answer if isinstance(part, tuple))
    return Counter(found[1].decode() for head in heads if (found := re.search(rb"<([^>]*)>", head)))
