"""`dialpost config set` and its like against a running daemon."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dialpost.__main__ import main
from dialpost.daemon import Daemon
from known import known
from loop_thread import LoopThread

TEXT = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}/run"
[smtp]
listen = ["127.0.0.1:0"]
submission_listen = []
submissions_listen = []
disk_reserve_bytes = 0
[outbound]
user = "clinic"
password = "geheim"
[link]
kind = "gateway"
[panel]
board = "none"
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon in its own thread, so that the command line can be used as it is."""
    path = tmp_path / "dialpost.toml"
    path.write_text(TEXT.format(folder=tmp_path))
    daemon, loop = Daemon(path), LoopThread()
    loop.run(daemon.start())
    yield daemon
    loop.run(daemon.stop())
    loop.stop()


@pytest.fixture
def config(running: Daemon, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*words: str) -> tuple[int, list[str], str]:
        status = main(["--config", str(running.file.path), "config", *words])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return run


def test_set_unset_history_compare_rollback(running: Daemon, config: Callable[..., Any]) -> None:
    status, out, _ = config("set", "smtp.max_errors", "30", "modem.numbers", "0961 1, 0961 2", "--comment", "trial")
    assert (status, out[:2]) == (0, ["+ smtp.max_errors = 30", '+ modem.numbers = ["09611", "09612"]'])
    assert out[-1] == "Committed as number 2."
    assert (known(running.config).smtp.max_errors, known(running.config).modem.numbers) == (30, ("09611", "09612"))
    assert config("unset", "modem.numbers")[1][0] == '- modem.numbers = ["09611", "09612"]'
    assert config("compare", "1")[1] == ["+ smtp.max_errors = 30"]
    assert config("compare", "3")[1] == ["No differences."]
    assert config("rollback", "1")[0] == 0
    assert known(running.config).smtp.max_errors == 5
    status, out, _ = config("history")
    assert [line.split()[0] for line in out] == ["4", "3", "2", "1"]
    assert out[0].endswith("back to 1") and out[2].endswith("trial")


def test_what_is_refused_changes_nothing(running: Daemon, config: Callable[..., Any]) -> None:
    for words, said in (
        (("set", "smtp.max_erors", "30"), "Did you mean smtp.max_errors"),
        (("set", "smtp.max_errors"), "pairs of KEY and VALUE"),
        (("set", "smtp.max_errors", "x"), "a whole number from 3 to 1000"),
        (("unset", "outbound.password"), "outbound.user and outbound.password belong together"),
        (("rollback", "7"), "There is no configuration 7: 1 to 1 are kept."),
        (
            ("set", "smtp.listen", ""),
            "the station is no longer reachable at 127.0.0.1:0. To commit it anyway, give --anyway",
        ),
    ):
        status, _, err = config(*words)
        assert (status, said in err) == (1, True), err
    assert known(running.history.current()).number == 1
    assert config("set", "smtp.listen", "", "--anyway")[0] == 0


def test_a_password_from_standard_input_is_not_shown(
    running: Daemon, config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("geheim-2\n"))
    status, out, err = config("set", "outbound.password", "-")
    assert status == 0 and "geheim" not in "".join(out) + err
    assert known(running.config).outbound.password == "geheim-2"


def test_an_input_that_ends_without_a_value_sets_nothing(
    running: Daemon, config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, out, err = config("set", "outbound.password", "-")
    assert (status, out) == (1, []) and "nothing was done" in err
    assert known(running.history.current()).number == 1


def test_without_a_daemon_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(TEXT.format(folder=tmp_path))
    assert main(["--config", str(path), "config", "history"]) == 1
    assert "No Dialpost daemon is running" in capsys.readouterr().err
