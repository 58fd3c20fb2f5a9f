"""The files that are given away: each is what its checksum says, and both ways of writing make the same card.

And what can be seen of a slot without starting it.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import pytest
from image.rig.card import IMAGE, OUT, SLOT_OFFSETS

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


def test_the_completion_offers_every_command_and_each_has_a_manual_page(work: Path) -> None:
    """Each is read as it is on the slot. The image has no `man` and no zsh: only the files can be looked at."""
    _dump("/usr/share/bash-completion/completions/dialpost", work / "completion")
    press_tab = 'COMP_WORDS=(dialpost ""); COMP_CWORD=1; _dialpost; echo "${COMPREPLY[@]}"'
    script = f'source "$1"; complete -p dialpost; {press_tab}'
    done = subprocess.run(
        ["bash", "--norc", "-ec", script, "bash", work / "completion"], capture_output=True, text=True, check=True
    )
    registered, offered = done.stdout.splitlines()
    assert registered == "complete -F _dialpost dialpost"
    commands = {word for word in offered.split() if not word.startswith("-")}
    assert {"status", "queue", "config", "daemon"} <= commands
    _dump("/usr/share/man/man1", work / "man1", folder=True)
    pages = {path.name: gzip.decompress(path.read_bytes()) for path in (work / "man1").iterdir()}
    own = {name for name in pages if name.startswith("dialpost")}
    assert own == {"dialpost.1.gz"} | {f"dialpost-{command}.1.gz" for command in commands}
    assert all(pages[name].startswith(b".TH ") or b"\n.TH " in pages[name] for name in own)
    _dump("/usr/share/zsh/vendor-completions/_dialpost", work / "zsh")
    assert (work / "zsh").read_text().startswith("#compdef dialpost\n")


def _dump(path: str, to: Path, *, folder: bool = False) -> None:
    """A file or folder of slot A as the image has it; nothing is mounted."""
    request = f"rdump {path} {to.parent}" if folder else f"dump {path} {to}"
    done = subprocess.run(
        ["debugfs", "-R", request, f"{IMAGE}?offset={SLOT_OFFSETS[Slot.A]}"], capture_output=True, text=True
    )
    assert to.exists(), done.stderr


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
