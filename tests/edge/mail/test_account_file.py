"""accounts.toml: comes back as it was written, survives damage, is never silently empty."""

import os
import stat
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.errors import AccountError, DamagedError, StorageError
from dialpost.core.mail.accounts import Account, Alias
from dialpost.edge.mail.account_file import AccountFile

ACCOUNTS = {
    "anna": Account("anna", ("info@c.example", "günther@b.example"), "{X}1,a,b", 0, False, 'Ann "A" \\ \x7fß'),
    "ben": Account("ben", password_hash="x", quota_bytes=2**40),
}
ALIASES = {"all@clinic.example": Alias("all@clinic.example", ("anna", "x@world.example"))}


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    return AccountFile(tmp_path / "accounts.toml")


def names(file: AccountFile) -> list[str]:
    return sorted(path.name for path in file.path.parent.iterdir())


def test_nothing_yet(file: AccountFile) -> None:
    assert file.load() == ({}, {})
    assert (file.report, names(file)) == ("", [])


def test_what_is_saved_comes_back(file: AccountFile) -> None:
    file.save(ACCOUNTS, ALIASES)
    assert file.load() == (ACCOUNTS, ALIASES)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert names(file) == ["accounts.toml"]


def test_the_one_before_is_kept(file: AccountFile) -> None:
    file.save({}, {})
    before = file.path.read_bytes()
    file.save(ACCOUNTS, ALIASES)
    assert names(file) == ["accounts.toml", "accounts.toml.previous"]
    assert (file.path.parent / "accounts.toml.previous").read_bytes() == before
    file.save(ACCOUNTS, {})
    assert AccountFile(file.path.parent / "accounts.toml.previous").load() == (ACCOUNTS, ALIASES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 400,
        b'version = 1\n[[account]]\nname = "an',
        b"version = 2\n",
        b"version = 1\naccount = 3\n",
        b"version = 1\naccount = [1]\n",
        b'version = 1\n[[account]]\nname = "anna"\n',
        b'version = 1\n[[account]]\nname = "../x"\npassword_hash = "x"\n',
        b'version = 1\n[[account]]\nname = "a"\npassword_hash = "x"\naddresses = "b@c"\n',
        b'version = 1\n[[account]]\nname = "a"\npassword_hash = "x"\naddresses = [1]\n',
        b'version = 1\n[[account]]\nname = "a"\npassword_hash = "x"\nenabled = "no"\n',
        b'version = 1\n[[account]]\nname = "a"\npassword_hash = "x"\nquota_bytes = true\n',
        b"version = 1\n" + 2 * b'[[account]]\nname = "a"\npassword_hash = "x"\n',
        b'version = 1\n[[alias]]\naddress = "a@b"\n',
        b"\xff\xfe",
    ],
)
def test_damage_falls_back_and_is_set_aside(file: AccountFile, content: bytes) -> None:
    file.save(ACCOUNTS, {})
    file.save(ACCOUNTS, ALIASES)
    file.path.write_bytes(content)
    assert file.load() == (ACCOUNTS, {})
    assert "is damaged" in file.report and "kept as accounts.toml.damaged-1" in file.report
    assert (file.path.parent / "accounts.toml.damaged-1").read_bytes() == content
    # The next start, before any change: the same accounts again.
    assert AccountFile(file.path).load() == (ACCOUNTS, {})


def test_what_is_no_utf8_is_said_in_words_with_its_line(file: AccountFile) -> None:
    file.path.write_bytes(b'version = 1\n\n[[account]]\nname = "J\xfcrgen"\n')
    with pytest.raises(DamagedError) as raised:
        file.load()
    assert "is damaged (line 4 is not UTF-8 text)" in str(raised.value)
    assert "codec" not in str(raised.value)


def test_damage_without_a_good_copy_stops_the_start(file: AccountFile) -> None:
    file.path.write_bytes(b"\0" * 100)
    with pytest.raises(DamagedError, match=r"no good accounts\.toml\.previous"):
        file.load()
    assert names(file) == ["accounts.toml"]  # nothing moved: it is for people to repair


def test_a_lost_file_comes_back_from_the_one_before(file: AccountFile) -> None:
    file.save(ACCOUNTS, {})
    file.save(ACCOUNTS, ALIASES)
    file.path.unlink()
    assert file.load() == (ACCOUNTS, {})
    assert "is missing" in file.report


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read")
def test_a_file_that_may_not_be_read_is_not_damaged(file: AccountFile) -> None:
    file.save(ACCOUNTS, {})
    file.save(ACCOUNTS, {})
    file.path.parent.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for folder in file.path.parent.parents:
                if str(folder).startswith(("/tmp/", "/dev/")) and folder.owner() == "root":
                    folder.chmod(folder.stat().st_mode | 0o011)
            os.setuid(65534)
            try:
                file.load()
            except StorageError as error:
                status = 0 if "by this user" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(file) == ["accounts.toml", "accounts.toml.previous"]


@pytest.mark.parametrize("step", ["fsync", "link", "replace", "open"])
def test_a_fault_while_saving(file: AccountFile, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    file.save(ACCOUNTS, {})

    def fails(*args: int | Path | str, **kwargs: Any) -> Never:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fails)
    if step == "link":  # a file system without links: only the second copy is missing
        file.save(ACCOUNTS, ALIASES)
        monkeypatch.undo()
        assert (file.load(), names(file)) == ((ACCOUNTS, ALIASES), ["accounts.toml"])
        return
    with pytest.raises(StorageError, match=r"could not be saved: .*No space left"):
        file.save(ACCOUNTS, ALIASES)
    monkeypatch.undo()
    assert file.load() == (ACCOUNTS, {})
    assert "accounts.toml.new" not in names(file)


def test_the_order_of_things_on_the_card(file: AccountFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content durable before its name, the name durable before we return."""
    file.save(ACCOUNTS, {})
    done = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(fd: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real_fsync(fd)

    def replace(*args: str, **kwargs: Any) -> None:
        done.append("rename")
        return real_replace(*args, **kwargs)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    file.save(ACCOUNTS, ALIASES)
    assert done == ["file", "rename", "folder"]


def test_two_at_once(file: AccountFile) -> None:
    with file.locked(), pytest.raises(AccountError, match="try again"), AccountFile(file.path).locked():
        pass
    with AccountFile(file.path).locked():
        pass
