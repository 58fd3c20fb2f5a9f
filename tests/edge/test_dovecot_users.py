"""Dovecot's user file: one line for each way to log in, written whole."""

import os
import stat

import pytest

from dialpost.core.accounts import Account, Directory
from dialpost.core.errors import StorageError
from dialpost.edge.dovecot_users import DovecotUsers

ACCOUNTS = [
    Account("anna", ("info@second.example",), "{SCRAM-SHA-256}1,a,b,c", None, True, "Anna:\nMüller"),
    Account("ben", (), "{SCRAM-SHA-256}2,a,b,c", 5000),
    Account("carl", (), "{SCRAM-SHA-256}3,a,b,c", 0),
    Account("locked", (), "{SCRAM-SHA-256}4,a,b,c", enabled=False),
    Account("empty", (), ""),
]
DIRECTORY = Directory({account.name: account for account in ACCOUNTS}, {}, ("clinic.example", "second.example"))


def test_lines(tmp_path):
    DovecotUsers(tmp_path / "users", tmp_path / "mail").write(DIRECTORY, 900)
    ids, mail = f"{os.geteuid()}:{os.getegid()}", tmp_path / "mail"
    quota, size, at = " userdb_quota_rule=*:bytes=", "userdb_quota_storage_size", "userdb_mail=maildir"
    assert (tmp_path / "users").read_text().splitlines() == [
        f"anna:{{SCRAM-SHA-256}}1,a,b,c:{ids}:Anna Müller:{mail}/anna::{at}:{mail}/anna{quota}900 {size}=900B",
        f"ben:{{SCRAM-SHA-256}}2,a,b,c:{ids}::{mail}/ben::{at}:{mail}/ben{quota}5000 {size}=5000B",
        f"carl:{{SCRAM-SHA-256}}3,a,b,c:{ids}::{mail}/carl::{at}:{mail}/carl",
        "anna@clinic.example:{SCRAM-SHA-256}1,a,b,c::::::user=anna",
        "info@second.example:{SCRAM-SHA-256}1,a,b,c::::::user=anna",
        "ben@clinic.example:{SCRAM-SHA-256}2,a,b,c::::::user=ben",
        "carl@clinic.example:{SCRAM-SHA-256}3,a,b,c::::::user=carl",
    ]
    assert stat.S_IMODE((tmp_path / "users").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["users"]


def test_a_fault_leaves_the_old_file(tmp_path, monkeypatch):
    users = DovecotUsers(tmp_path / "users", tmp_path / "mail")
    users.write(DIRECTORY, 0)
    before = (tmp_path / "users").read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="could not be written"):
        users.write(Directory({}, {}, ("clinic.example",)), 0)
    assert (tmp_path / "users").read_bytes() == before


def test_dovecot_sees_each_of_several_changes_in_one_second(tmp_path):
    users = DovecotUsers(tmp_path / "users", tmp_path / "mail")
    times = []
    for _ in range(3):
        users.write(DIRECTORY, 0)
        times.append(int((tmp_path / "users").stat().st_mtime))
    assert len(set(times)) == 3  # the size is the same; Dovecot compares that and the whole seconds
