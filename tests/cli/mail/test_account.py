"""`dialpost account`, `alias` and `doctor`: without a daemon on the files, with one through its socket."""

import asyncio
import getpass
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cases import cases
from dialpost.__main__ import main
from dialpost.cli.mail.account import quota_bytes
from dialpost.cli.system import doctor
from dialpost.core.errors import AccountError
from dialpost.core.mail.accounts import Local
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.system import clock
from dialpost.edge.system.data_lock import DataLock
from dialpost.station import Station
from known import is_a

PASSWORD = "a good long one"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dialpost.toml"
    path.write_text(
        f"""\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example", "second.example"]
data_dir = "{tmp_path}/data"
run_dir = "{tmp_path}/run"
[smtp]
listen = ["127.0.0.1:0"]
submission_listen = ["127.0.0.1:0"]
submissions_listen = ["127.0.0.1:0"]
disk_reserve_bytes = 0
[outbound]
via = "mx"
[etrn]
use = "never"
[link]
kind = "dialup-gateway"
[schedule]
entry = [{{at = ["07:00"]}}]
"""
    )
    return path


@pytest.fixture(autouse=True)
def whatever_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own clock is no part of these tests."""
    monkeypatch.setattr(clock, "RELEASED_S", 0)
    monkeypatch.setattr(doctor, "RELEASED_S", 0)


@pytest.fixture
def dialpost(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command: exit status, standard output, standard error."""

    def run(*arguments: str, says: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(says))
        status = main(["--config", str(path), *arguments])
        said = capsys.readouterr()
        assert PASSWORD not in said.out + said.err
        return status, said.out, said.err

    return run


def add(dialpost: Callable[..., Any], name: str, *more: str) -> tuple[int, str, str]:
    return is_a(tuple, dialpost("account", "add", name, "--password-stdin", *more, says=PASSWORD + "\nnot this\n"))


def test_without_a_daemon(dialpost: Callable[..., Any], tmp_path: Path) -> None:
    status, out, err = add(dialpost, "Anna", "--address", "info@second.example", "--quota", "2G")
    assert (status, err) == (0, "")
    addresses = "anna@clinic.example, anna@second.example, info@second.example"
    assert out == f"Account anna created: {addresses}\nIt receives mail for postmaster.\n"
    accounts, _ = AccountFile(tmp_path / "data" / "accounts.toml").load()
    assert accounts["anna"].quota_bytes == 2_000_000_000
    assert (tmp_path / "data" / "mail" / "anna" / "new").is_dir()
    assert (tmp_path / "data" / "dovecot-users").read_text().startswith("anna:{SCRAM-SHA-256}")

    assert dialpost("alias", "add", "team", "anna", "x@world.example")[1] == (
        "team@clinic.example goes to anna, x@world.example\n"
    )
    assert "team@clinic.example  anna, x@world.example" in dialpost("alias", "list")[1]
    status, out, err = dialpost("alias", "add", "team", "y@world.example")
    assert (status, out) == (1, "") and "it goes to anna, x@world.example. Nothing was changed." in err
    assert dialpost("alias", "edit", "team", "--add", "y@world.example", "--remove", "anna")[1] == (
        "team@clinic.example goes to x@world.example, y@world.example\n"
    )
    assert dialpost("alias", "add", "--replace", "team", "anna", "x@world.example")[0] == 0
    assert json.loads(dialpost("account", "list", "--json")[1])[0]["addresses"] == [
        "anna@clinic.example",
        "anna@second.example",
        "info@second.example",
    ]
    assert "anna" in dialpost("account", "list")[1]
    assert dialpost("account", "edit", "anna", "--disable", "--quota", "default")[1] == (
        f"Account anna: {addresses}; quota no limit; locked, nobody can log in\n"
    )
    assert dialpost("account", "passwd", "anna", "--password-stdin", says="another good one")[1] == (
        "Account anna has a new password.\n"
    )
    assert (
        dialpost("alias", "delete", "team")[1]
        == "Alias team@clinic.example deleted; it went to anna, x@world.example.\n"
    )


def test_deleting_asks_what_shall_become_of_the_mail(dialpost: Callable[..., Any], tmp_path: Path) -> None:
    add(dialpost, "anna")
    (tmp_path / "data/mail/anna/new/1700000000.D0000001.dialpost,S=5").write_text("hello")
    status, out, err = dialpost("account", "delete", "anna")
    assert (status, out) == (1, "")
    assert "The mailbox of anna holds 1 message (5 bytes). Nothing was deleted." in err
    assert dialpost("account", "delete", "anna", "--archive")[0] == 0
    assert (tmp_path / "data/archive/anna/new/1700000000.D0000001.dialpost,S=5").read_text() == "hello"
    assert "No accounts yet" in dialpost("account", "list")[1]
    with pytest.raises(SystemExit):
        dialpost("account", "delete", "anna", "--archive", "--purge")


def test_an_old_mailbox_is_reported_to_the_new_owner(dialpost: Callable[..., Any]) -> None:
    add(dialpost, "anna")
    dialpost("account", "delete", "anna", "--keep-mail")
    assert "takes over" not in add(dialpost, "anna")[1]


@pytest.mark.parametrize(
    ("arguments", "says", "words"),
    [
        (("add", "anna", "--password-stdin"), "short\n", "too short"),
        (("add", "anna", "--password-stdin"), "", "no answer; nothing was done"),
        (("add", "a b", "--password-stdin"), PASSWORD, "can't be an account's name"),
        (("add", "anna"), "", "use --password-stdin"),
        (("add", "anna", "--quota", "5X", "--password-stdin"), PASSWORD, "'5X' is not a valid size"),
        (("passwd", "nobody", "--password-stdin"), PASSWORD, "no account 'nobody'"),
        (("edit", "nobody"), "", "Say what to change"),
        (("delete", "nobody", "--purge"), "", "no account 'nobody'"),
    ],
)
def test_refused(dialpost: Callable[..., Any], arguments: tuple[str, ...], says: str, words: str) -> None:
    status, out, err = dialpost("account", *arguments, says=says)
    assert (status, out) == (1, "")
    assert words in err and err.startswith("dialpost: ")


def test_a_password_never_stands_on_the_command_line(dialpost: Callable[..., Any]) -> None:
    with pytest.raises(SystemExit):
        dialpost("account", "add", "anna", "--password", PASSWORD)


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    given = iter(answers)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(given))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())


def test_asked_for_twice(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, PASSWORD, PASSWORD)
    assert main(["--config", str(path), "account", "add", "anna"]) == 0
    typed(monkeypatch, PASSWORD, "something else")
    assert main(["--config", str(path), "account", "add", "ben"]) == 1
    assert "passwords don't match. Nothing was changed" in capsys.readouterr().err
    typed(monkeypatch, "short")
    assert main(["--config", str(path), "account", "add", "ben"]) == 1


def test_a_daemon_that_does_not_answer_is_not_worked_around(dialpost: Callable[..., Any], tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "data")
    lock.acquire()
    status, _, err = add(dialpost, "anna")
    lock.release()
    assert status == 1 and "Another Dialpost" in err
    assert add(dialpost, "anna")[0] == 0


@cases(
    ("text", "size"),
    [
        (None, None),
        ("default", None),
        ("none", 0),
        ("None", 0),
        ("DEFAULT", None),
        ("0", 0),
        ("500", 500),
        ("1.5k", 1500),
        ("2 GB", 2 * 10**9),
        ("1t", 10**12),
    ],
)
def test_sizes(text: str | None, size: int | None) -> None:
    assert quota_bytes(text) == size


@cases("text", ["", "x", "-1", "1X", "1e9", "²", "5 M B", "0.5", "0.0001k", "٥M", "2T", "999999999999999T"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(AccountError, match="is not a valid size"):
        quota_bytes(text)


async def test_with_a_daemon_it_counts_at_once(dialpost: Callable[..., Any], path: Path) -> None:
    station = Station(ConfigFile(path).load())
    await station.start()
    try:
        status, out, err = await asyncio.to_thread(add, dialpost, "anna")
        assert (status, err) == (0, "")
        assert station.accounts.directory.resolve("anna@clinic.example") == Local(("anna",))
        assert await station.accounts.verify("anna", PASSWORD)
        status, _, err = await asyncio.to_thread(add, dialpost, "anna")
        assert (status, err) == (1, "dialpost: There is already an account anna.\n")
        status, out, _ = await asyncio.to_thread(dialpost, "doctor")
        assert status == 0, out
        assert "doors: smtp 127.0.0.1:" in out and "FAULT" not in out and "WARNING" not in out
        assert "made here, so mail programs ask once" in out
    finally:
        await station.stop()


def test_doctor_without_a_daemon(dialpost: Callable[..., Any], tmp_path: Path) -> None:
    add(dialpost, "anna")
    before = sorted(tmp_path.rglob("*"))
    status, out, _ = dialpost("doctor", "--json")
    found = json.loads(out)
    assert status == 2
    assert [(each["subject"], each["severity"]) for each in found if each["severity"] not in {"ok", "skipped"}] == [
        ("daemon", "fault")
    ]
    assert sorted(tmp_path.rglob("*")) == before  # looks, changes nothing


def test_doctor_of_a_faulty_configuration(path: Path, dialpost: Callable[..., Any]) -> None:
    path.write_text("[station]\n")
    status, out, _ = dialpost("doctor")
    assert status == 2
    assert out.count("FAULT   configuration: ") == 2
    path.unlink()
    assert dialpost("doctor", "--json")[0] == 2
