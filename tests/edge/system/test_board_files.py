"""Finding and reading the files of the board folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import dialpost
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.system.board_files import BoardFiles

COUNTRY = 'name = "Nowhere"\nsource = "a test"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "countries").mkdir()
    (tmp_path / "countries" / "nowhere.toml").write_text(COUNTRY)
    (tmp_path / "countries" / "README").write_text("not one")
    return tmp_path


def test_a_name_is_a_file_of_the_folder(folder: Path) -> None:
    board = BoardFiles(folder)
    assert board.names("countries") == ["nowhere"]
    country = board.country("nowhere")
    assert (country.key, country.name) == ("nowhere", "Nowhere")
    assert board.countries() == [country]


def test_a_path_is_that_file(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_bytes(b"\xef\xbb\xbf" + COUNTRY.replace("\n", "\r\n").encode())
    assert BoardFiles(folder).country(str(own)).key == "own"
    with pytest.raises(NotFoundError, match="There is no file"):
        BoardFiles(folder).country("/no/such.toml")


def test_the_environment_wins_over_the_packages_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALPOST_BOARD_DIR", str(folder))
    assert BoardFiles().names("countries") == ["nowhere"]
    monkeypatch.delenv("DIALPOST_BOARD_DIR")
    assert BoardFiles().folder == Path(dialpost.__file__).parent / "board"
    assert "generic" in BoardFiles().names("countries")


def test_a_name_there_is_none_of_is_reported_with_the_nearest(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean nowhere"):
        BoardFiles(folder).country("No where")
    with pytest.raises(NotFoundError, match="dialpost modem countries"):
        BoardFiles(folder).country("xyzzy")


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="DIALPOST_BOARD_DIR"):
        BoardFiles(tmp_path).names("modems")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"# \xff\n", "line 1 is not UTF-8"),
        (b"#" * 200_001, "larger than 200 kB"),
        (b"name = 3\n", "name = 3 is not"),
    ],
)
def test_what_can_not_be_read_is_reported_with_the_file(folder: Path, data: bytes, says: str) -> None:
    path = folder / "countries" / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=says) as caught:
        BoardFiles(folder).country("bad")
    assert str(path) in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="can't be read"):
        BoardFiles(folder).country("bad")


def test_profiles_go_by_name_or_path(folder: Path, tmp_path: Path) -> None:
    (folder / "modems").mkdir()
    (folder / "modems" / "mine.toml").write_text('title = "Mine"\nsource = "a test"\n[probe]\nsays = ["Mine"]\n')
    board = BoardFiles(folder)
    assert board.profile("mine").name == "mine"
    own = str(folder / "modems" / "mine.toml")
    assert board.profile(own).name == own, "the name by which the configuration finds it again"
    assert [profile.title for profile in board.profiles()] == ["Mine"]
    assert board.hints()["mine"].says == ("Mine",)
    with pytest.raises(NotFoundError, match="dialpost modem list"):
        board.profile("xyzzy")
