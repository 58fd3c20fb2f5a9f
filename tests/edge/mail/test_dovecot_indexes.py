"""Taking away what a power cut tore, and nothing else. (What Dovecot makes of it: card/test_torn_indexes.)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dialpost.edge.mail.dovecot_indexes import forget_torn, main

WHOLE = bytes.fromhex("0103280021e6076b02000000000000000000000021e6076b0100000001000000") + bytes(8)
TORN = WHOLE + bytes(16)


def lay(folder: Path, log: bytes) -> None:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "dovecot.index.log").write_bytes(TORN)  # a message may have any name
    for name, data in {
        "dovecot.index": b"i",
        "dovecot.index.log": log,
        "dovecot.index.cache": b"c",
        "dovecot-uidlist": b"3",
        "dovecot-keywords": b"k",
        "dovecot.list.index.log": WHOLE,
    }.items():
        (folder / name).write_bytes(data)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_only_the_indexes_of_a_torn_log_go(tmp_path: Path) -> None:
    lay(tmp_path / "anna", TORN)
    lay(tmp_path / "anna" / ".Sent", WHOLE)
    lay(tmp_path / "ben", WHOLE)
    before = files(tmp_path / "ben")
    gone = forget_torn(tmp_path)
    assert [path.name for path in gone] == ["dovecot.index", "dovecot.index.cache", "dovecot.index.log"]
    assert {path.parent for path in gone} == {tmp_path / "anna"}
    assert files(tmp_path / "anna") == ["dovecot-keywords", "dovecot-uidlist", "dovecot.list.index.log"]
    assert files(tmp_path / "anna" / ".Sent") == files(tmp_path / "ben") == before
    assert (tmp_path / "anna" / "new" / "dovecot.index.log").exists()
    assert forget_torn(tmp_path) == []


@pytest.mark.parametrize("name", ["dovecot.list.index.log", "dovecot.index.log.2"])
def test_the_list_of_folders_and_the_log_before(tmp_path: Path, name: str) -> None:
    lay(tmp_path / "anna", WHOLE)
    (tmp_path / "anna" / name).write_bytes(b"")
    assert forget_torn(tmp_path) != []
    assert not (tmp_path / "anna" / name).exists()
    assert ("dovecot.index.cache" in files(tmp_path / "anna")) == name.startswith("dovecot.list")


def test_where_the_mailboxes_are_is_read_in_dovecots_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path / "mail" / "anna", TORN)
    config = tmp_path / "dovecot.conf"
    monkeypatch.setattr(sys, "argv", ["x", str(config)])
    assert main() == 1
    assert "No such file" in capsys.readouterr().err
    config.write_text(f"mail_driver = maildir\nmail_home = {tmp_path}/mail/%{{user}}\nmail_path = ~/\n")
    assert main() == 0
    assert "dovecot.index.log: its log was torn by a power cut" in capsys.readouterr().err
    assert "dovecot.index.log" not in files(tmp_path / "mail" / "anna")
    config.write_text("mail_driver = maildir\n")
    assert main() == 1
