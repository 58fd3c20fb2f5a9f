"""Dovecot's user file: one line for each way to log in, written whole."""

import errno
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.errors import StorageError
from dialpost.core.mail.accounts import Account, Directory
from dialpost.edge.mail.dovecot_users import DovecotUsers

ACCOUNTS = [
    Account("anna", ("info@second.example",), "{SCRAM-SHA-256}1,a,b,c", None, True, "Anna:\nMüller"),
    Account("ben", (), "{SCRAM-SHA-256}2,a,b,c", 5000),
    Account("carl", (), "{SCRAM-SHA-256}3,a,b,c", 0),
    Account("locked", (), "{SCRAM-SHA-256}4,a,b,c", enabled=False),
    Account("empty", (), ""),
]
DIRECTORY = Directory({account.name: account for account in ACCOUNTS}, {}, ("clinic.example", "second.example"))


def test_lines(tmp_path: Path) -> None:
    DovecotUsers(tmp_path / "users", tmp_path / "mail").write(DIRECTORY, 900)
    ids, mail = f"{os.geteuid()}:{os.getegid()}", tmp_path / "mail"
    quota, size, at = " userdb_quota_rule=*:bytes=", "userdb_quota_storage_size", "userdb_mail=maildir"
    assert (tmp_path / "users").read_text().splitlines() == [
        f"anna:{{SCRAM-SHA-256}}1,a,b,c:{ids}:Anna Müller:{mail}/anna::{at}:{mail}/anna{quota}900 {size}=900B",
        f"ben:{{SCRAM-SHA-256}}2,a,b,c:{ids}::{mail}/ben::{at}:{mail}/ben{quota}5000 {size}=5000B",
        f"carl:{{SCRAM-SHA-256}}3,a,b,c:{ids}::{mail}/carl::{at}:{mail}/carl",
        "anna@clinic.example:{SCRAM-SHA-256}1,a,b,c::::::user=anna",
        "anna@second.example:{SCRAM-SHA-256}1,a,b,c::::::user=anna",
        "info@second.example:{SCRAM-SHA-256}1,a,b,c::::::user=anna",
        "ben@clinic.example:{SCRAM-SHA-256}2,a,b,c::::::user=ben",
        "ben@second.example:{SCRAM-SHA-256}2,a,b,c::::::user=ben",
        "carl@clinic.example:{SCRAM-SHA-256}3,a,b,c::::::user=carl",
        "carl@second.example:{SCRAM-SHA-256}3,a,b,c::::::user=carl",
    ]
    assert stat.S_IMODE((tmp_path / "users").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["users"]


@pytest.mark.parametrize(
    "address",
    [
        '"a:b"@clinic.example',
        '"a b"@clinic.example',
        '"#x"@clinic.example',
        "x:y@clinic.example",
        "#x@clinic.example",
    ],
)
def test_an_address_that_would_move_the_fields_gets_no_line(tmp_path: Path, address: str) -> None:
    anna = Account("anna", (address, "info@clinic.example"), "{SCRAM-SHA-256}1,a,b,c")
    DovecotUsers(tmp_path / "users", tmp_path / "mail").write(Directory({"anna": anna}, {}, ("clinic.example",)), 0)
    lines = (tmp_path / "users").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["anna", "anna@clinic.example", "info@clinic.example"]
    assert all(len(line.split(":")) in {8, 9} for line in lines)


@given(
    st.text(max_size=12),
    st.text(max_size=20),
    st.text(max_size=12).map("{{SCRAM-SHA-256}}{}".format),
)
def test_whatever_an_account_holds_each_line_has_its_fields(local: str, full_name: str, password_hash: str) -> None:
    account = Account("anna", (f"{local}@clinic.example",), password_hash, full_name=full_name)
    with tempfile.TemporaryDirectory() as folder:
        users = DovecotUsers(Path(folder, "users"), Path("/mail"))
        users.write(Directory({"anna": account}, {}, ("clinic.example",)), 0)
        data = Path(folder, "users").read_bytes().decode()
    for line in data.removesuffix("\n").split("\n") if data else []:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
        fields = line.split(":")
        assert fields[1] == password_hash
        assert line.startswith("anna") or fields[0] == f"{local}@clinic.example"
        assert len(fields) == (9 if fields[0] == "anna" else 8)


def test_a_fault_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = DovecotUsers(tmp_path / "users", tmp_path / "mail")
    users.write(DIRECTORY, 0)
    before = (tmp_path / "users").read_bytes()

    def full(fd: int) -> Never:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="could not be written"):
        users.write(Directory({}, {}, ("clinic.example",)), 0)
    assert (tmp_path / "users").read_bytes() == before


def test_dovecot_sees_each_of_several_changes_in_one_second(tmp_path: Path) -> None:
    users = DovecotUsers(tmp_path / "users", tmp_path / "mail")
    times = []
    for _ in range(3):
        users.write(DIRECTORY, 0)
        times.append(int((tmp_path / "users").stat().st_mtime))
    assert len(set(times)) == 3  # the size is the same; Dovecot compares that and the whole seconds


def test_a_card_that_loses_the_folder_leaves_the_file_before_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new name is durable only when the folder is synced; where that fails, the change must not count."""
    users = DovecotUsers(tmp_path / "users", tmp_path / "mail")
    users.write(DIRECTORY, 900)
    before, synced = (tmp_path / "users").read_bytes(), []

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if synced == [False, True]:
            raise OSError(errno.EIO, "the card is gone")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError):
        users.write(DIRECTORY, 5)
    assert synced[:2] == [False, True]
    assert (tmp_path / "users").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["users"]
