"""The configuration file on the card: what can be wrong with a file, and that a write loses nothing."""

import os
import stat

import pytest

from dialpost.core.errors import ConfigError, NotFoundError, StorageError
from dialpost.edge import config_file
from dialpost.edge.config_file import ConfigFile

TEXT = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
OTHER = TEXT.replace("mail.", "mx.")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "dialpost.toml").write_text(TEXT)
    (tmp_path / "dialpost.toml").chmod(0o640)
    return ConfigFile(tmp_path / "dialpost.toml")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(file):
    return sorted(path.name for path in file.path.parent.rglob("*"))


@pytest.mark.parametrize(
    "data", [TEXT.encode(), b"\xef\xbb\xbf" + TEXT.encode(), TEXT.replace("\n", "\r\n").encode()]
)
def test_as_editors_write_it(file, data):
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
def test_what_is_no_configuration(file, data, words):
    file.path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        file.load()
    (problem,) = caught.value.problems
    assert problem.startswith(str(file.path)) and words in problem


def test_no_file(tmp_path):
    with pytest.raises(NotFoundError, match="dialpost config init"):
        ConfigFile(tmp_path / "x.toml").load()


def test_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        ConfigFile(tmp_path).load()


def test_saving_keeps_what_was_there(file):
    assert file.history() == {}
    for text in (OTHER, TEXT, OTHER):
        file.save(text)
    assert file.path.read_text() == OTHER
    kept = file.history()
    assert {number: path.read_text() for number, path in kept.items()} == {1: TEXT, 2: OTHER, 3: TEXT}
    assert mode(file.path) == 0o640
    assert {mode(path) for path in kept.values()} == {0o600}
    assert names(file) == ["0001.toml", "0002.toml", "0003.toml", "dialpost.toml", "dialpost.toml.history"]


def test_the_oldest_go_first(file, monkeypatch):
    monkeypatch.setattr(config_file, "KEPT", 3)
    for text in (OTHER, TEXT) * 4:
        file.save(text)
    assert list(file.history()) == [6, 7, 8]


def test_a_file_open_to_all_is_closed_when_written(file):
    file.path.chmod(0o644)
    file.save(OTHER)
    assert mode(file.path) == 0o640


def test_nothing_unusable_is_saved(file):
    with pytest.raises(ConfigError, match=r"station\.domains is missing"):
        file.save('[station]\nhostname = "mail.clinic.example"\n')
    assert (file.path.read_text(), names(file)) == (TEXT, ["dialpost.toml"])


@pytest.mark.parametrize("step", ["fsync", "open"])
def test_a_card_that_fails_leaves_the_old_file(file, monkeypatch, step):
    def fails(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config_file.os, step, fails)
    with pytest.raises(StorageError, match="could not be saved: No space left"):
        file.save(OTHER)
    monkeypatch.undo()
    assert file.path.read_text() == TEXT
    assert [name for name in names(file) if name.endswith(".new")] == []


def test_the_content_is_safe_before_its_name_and_the_name_before_we_return(file, monkeypatch):
    file.save(OTHER)
    done = []
    real_fsync, real_replace = os.fsync, config_file.Path.replace

    def fsync(fd):
        done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real_fsync(fd)

    def replace(self, target):
        done.append(target.name)
        return real_replace(self, target)

    monkeypatch.setattr(config_file.os, "fsync", fsync)
    monkeypatch.setattr(config_file.Path, "replace", replace)
    file.save(TEXT)
    assert done == ["file", "0002.toml", "folder", "file", "dialpost.toml", "folder"]


def test_a_first_file(tmp_path):
    file = ConfigFile(tmp_path / "new.toml")
    file.create(TEXT)
    assert file.load().station.domains == ("clinic.example",)
    assert not file.is_open_to_all
    with pytest.raises(ConfigError, match="is there already"):
        file.create(OTHER)
    assert file.path.read_text() == TEXT
    with pytest.raises(StorageError, match="can't be written: No such file"):
        ConfigFile(tmp_path / "gone" / "new.toml").create(TEXT)


def test_an_open_password_is_told(file):
    secret = TEXT + '[outbound]\nuser = "u"\npassword = "p"\nsmarthost = "smtp.provider.example"\n'
    file.path.chmod(0o644)
    assert file.warnings(file.load()) == ()
    file.path.write_text(secret)
    assert [sentence.split(",")[0] for sentence in file.warnings(file.load())] == ["A password is in it"]
    file.path.chmod(0o640)
    assert file.warnings(file.load()) == ()
