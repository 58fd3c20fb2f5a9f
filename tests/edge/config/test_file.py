"""The configuration file on the card: what can be wrong with a file, and that a write loses nothing."""

from pathlib import Path

import pytest

from dialpost.core.errors import ConfigError, NotFoundError, StorageError
from dialpost.edge.config.file import ConfigFile

TEXT = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
OTHER = TEXT.replace("mail.", "mx.")


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    (tmp_path / "dialpost.toml").write_text(TEXT)
    (tmp_path / "dialpost.toml").chmod(0o640)
    return ConfigFile(tmp_path / "dialpost.toml")


@pytest.mark.parametrize(
    "data", [TEXT.encode(), b"\xef\xbb\xbf" + TEXT.encode(), TEXT.replace("\n", "\r\n").encode()]
)
def test_as_editors_write_it(file: ConfigFile, data: bytes) -> None:
    file.path.write_bytes(data)
    assert file.load().station.hostname == "mail.clinic.example"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe[\0", "line 1 is not UTF-8"),
        (TEXT.encode() + b"# \xe9\n", "line 4 is not UTF-8"),
        (b"#" * 2_000_000, "larger than a megabyte"),
        (b"[station\n", "this is not TOML"),
        (
            TEXT.encode() + b'[schedule]\ntimezone = "Europe/Atlantis"\n',
            'schedule.timezone = "Europe/Atlantis" is not',
        ),
    ],
)
def test_what_is_no_configuration(file: ConfigFile, data: bytes, words: str) -> None:
    file.path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        file.load()
    (problem,) = caught.value.problems
    assert problem.startswith(str(file.path)) and words in problem


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="dialpost config init"):
        ConfigFile(tmp_path / "x.toml").load()


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        ConfigFile(tmp_path).load()


def test_a_first_file(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "new.toml")
    file.create(TEXT)
    assert file.load().station.domains == ("clinic.example",)
    assert not file.is_open_to_all
    with pytest.raises(ConfigError, match="already exists"):
        file.create(OTHER)
    assert file.path.read_text() == TEXT
    with pytest.raises(StorageError, match="can't be written: No such file"):
        ConfigFile(tmp_path / "gone" / "new.toml").create(TEXT)


def test_an_open_password_is_reported(file: ConfigFile) -> None:
    secret = TEXT + '[outbound]\nuser = "u"\npassword = "p"\nsmarthost = "smtp.provider.example"\n'
    file.path.chmod(0o644)
    assert file.warnings(file.load()) == ()
    file.path.write_text(secret)
    assert [sentence.split(",")[0] for sentence in file.warnings(file.load())] == ["It holds a password"]
    file.path.chmod(0o640)
    assert file.warnings(file.load()) == ()
