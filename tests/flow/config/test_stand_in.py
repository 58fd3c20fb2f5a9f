"""A configuration file the card spoilt: the newest whole text of the history takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialpost.core.config.history import Proof, Unproven
from dialpost.core.errors import ConfigError
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.flow.config.stand_in import stand_in
from fuzzing import SLOW_IS_NO_FAULT

TEXT = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n\n[smtp]\nmax_errors = 30\n'
OLDER = TEXT.replace("30", "20")


class Rig:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "dialpost.toml"
        self.file, self.book = ConfigFile(self.path), ConfigHistory(self.path)

    def commit(self, text: str) -> None:
        self.book.commit(text, "anna", "", 1_900_000_000, clock_trusted=True)

    def spoilt(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.path.parent.glob("*.spoilt-*"))]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.commit(OLDER)
    made.commit(TEXT)
    return made


def test_a_file_in_order_is_left_alone(rig: Rig) -> None:
    rig.path.write_text(rig.path.read_text().replace("30", "33"))  # with an editor
    before = rig.path.read_bytes()
    assert stand_in(rig.book, rig.file) is None
    assert (rig.path.read_bytes(), rig.spoilt()) == (before, [])


@pytest.mark.parametrize(
    "spoilt",
    [b"", b"\0" * 200, TEXT.encode().replace(b"[smtp]", b"\xffsmtp]"), b"[" * 50_000, TEXT.encode() + b"x"],
    ids=["empty", "zeros", "no text", "nested", "no TOML"],
)
def test_the_newest_that_can_be_used_takes_its_place(rig: Rig, spoilt: bytes) -> None:
    whole = rig.path.read_bytes()
    rig.path.write_bytes(spoilt)
    found = stand_in(rig.book, rig.file)
    assert found is not None and found.config.smtp.max_errors == 30
    assert "Configuration 2, the newest usable one" in found.words
    assert "dialpost.toml.spoilt-1" in found.words
    assert (rig.path.read_bytes(), rig.spoilt()) == (whole, [spoilt])
    assert stand_in(rig.book, rig.file) is None
    current = rig.book.current()
    assert current is not None and current.number == 2


def test_where_that_is_spoilt_too_the_one_before(rig: Rig) -> None:
    rig.path.write_bytes(b"[")
    (rig.path.with_name("dialpost.toml.history") / "0002.toml").write_bytes(b"\0")
    found = stand_in(rig.book, rig.file)
    assert found is not None and found.config.smtp.max_errors == 20
    rig.commit(TEXT)
    assert rig.file.load().smtp.max_errors == 30


@settings(
    max_examples=60, deadline=None, suppress_health_check=[*SLOW_IS_NO_FAULT, HealthCheck.function_scoped_fixture]
)
@given(offset=st.integers(0, 10_000), bit=st.integers(0, 7), is_cut=st.booleans())
def test_after_any_spoilt_byte_there_is_a_configuration(rig: Rig, offset: int, bit: int, is_cut: bool) -> None:
    data = bytearray((rig.path.with_name("dialpost.toml.history") / "0002.toml").read_bytes())
    offset %= len(data)
    if is_cut:
        del data[offset:]
    else:
        data[offset] ^= 1 << bit
    rig.path.write_bytes(data)
    stand_in(rig.book, rig.file)
    config = rig.file.load()
    if is_cut and not bytes(data).endswith(b"\n"):
        assert (config.station.hostname, config.smtp.max_errors) == ("mail.clinic.example", 30)


def test_a_file_that_is_gone_comes_back(rig: Rig) -> None:
    rig.path.unlink()
    found = stand_in(rig.book, rig.file)
    assert found is not None and "is missing, though there was one" in found.words
    assert rig.file.load().smtp.max_errors == 30


def test_one_that_was_never_there_or_was_rolled_back_does_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert stand_in(rig.book, rig.file) is None
    rig.book.commit(TEXT, "anna", "", 1_900_000_000, clock_trusted=True, proof=Proof.START)
    rig.book.revert(Unproven(1, 0, Proof.START), "it did not start", 1_900_000_000, clock_trusted=True)
    assert stand_in(rig.book, rig.file) is None
    rig.commit(OLDER)
    rig.path.unlink()
    assert stand_in(rig.book, rig.file) is not None


def test_where_nothing_can_stand_in_the_file_stays_as_it_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.path.write_bytes(b"[")
    assert stand_in(rig.book, rig.file) is None
    with pytest.raises(ConfigError):
        rig.file.load()
    assert rig.spoilt() == []


def test_a_card_that_takes_no_writes_still_gives_the_configuration(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.path.write_bytes(b"[")

    def refuse(*args: object, **more: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("dialpost.edge.config.history.write_durably", refuse)
    found = stand_in(rig.book, rig.file)
    assert found is not None and found.config.smtp.max_errors == 30
    assert "could not be written back" in found.words and "Read-only" in found.words
