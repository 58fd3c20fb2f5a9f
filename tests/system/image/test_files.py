"""The files that are given away: each is what its checksum says, and both ways of writing make the same card."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import pytest
from image.rig.card import IMAGE, OUT

from dialpost.core.system.boot.state import FRESH, RECORD_BYTES, RECORD_OFFSETS, BootState, Slot, newest

_PIECE = 1 << 20


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """The checksums told beside the files."""
    rows = [line.split() for line in (OUT / "dialpost.sha256").read_text().splitlines()]
    return {name: digest for digest, name in rows}


def test_every_file_is_what_its_checksum_says(told: dict[str, str]) -> None:
    wanted = {"", ".zst", ".bmap"}
    assert set(told) == {f"dialpost.img{end}" for end in wanted} | {
        "dialpost.spdx.json",
        "dialpost.raucb",
        "dialpost-boot.zip",
    }
    assert told == {name: digest_of(OUT / name) for name in told}


def test_the_packed_card_is_the_card(told: dict[str, str]) -> None:
    with subprocess.Popen(["zstd", "-dc", f"{IMAGE}.zst"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        digest = _digest(process.stdout)
    assert (process.returncode, digest) == (0, told["dialpost.img"])


def test_what_the_block_map_names_is_all_there_is_on_the_card(told: dict[str, str], module_work: Path) -> None:
    """A card that held only zeros, written by the map, is the card; each range has the checksum the map tells."""
    tree = ElementTree.parse(f"{IMAGE}.bmap").getroot()
    block = int(tree.findtext("BlockSize", ""))
    made = module_work / "by-map.img"
    with IMAGE.open("rb") as card, made.open("wb") as copy:
        copy.truncate(int(tree.findtext("ImageSize", "")))
        for part, (first, last) in zip(tree.iter("Range"), _ranges(tree), strict=True):
            offset, length = first * block, (last - first + 1) * block
            card.seek(offset)
            data = card.read(length)
            assert hashlib.sha256(data).hexdigest() == part.get("chksum")
            copy.seek(offset)
            copy.write(data)
    assert digest_of(made) == told["dialpost.img"]


def test_nothing_of_an_earlier_life_of_the_card_chooses_the_slot() -> None:
    """A card whose boot state said slot B, written again by the map: what is there now says slot A."""
    tree = ElementTree.parse(f"{IMAGE}.bmap").getroot()
    block = int(tree.findtext("BlockSize", ""))
    earlier = BootState(sequence=0x70, first=Slot.B, good=Slot.B, left_a=0, left_b=3).render()
    mapped = {
        offset: any(first * block <= offset < (last + 1) * block for first, last in _ranges(tree))
        for offset in RECORD_OFFSETS
    }
    with IMAGE.open("rb") as card:
        records = [
            os.pread(card.fileno(), RECORD_BYTES, offset) if mapped[offset] else earlier
            for offset in RECORD_OFFSETS
        ]
    assert newest(records) == FRESH


def _ranges(tree: ElementTree.Element) -> list[tuple[int, int]]:
    """First and last block of each part of the card that is written."""
    told = [(part.text or "").strip().partition("-") for part in tree.iter("Range")]
    return [(int(first), int(last or first)) for first, _, last in told]


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
