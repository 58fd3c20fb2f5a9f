"""The command line as a whole."""

import argparse
import errno
import os
from pathlib import Path
from typing import Never

import pytest

from dialpost.__main__ import _config_first, main
from dialpost.cli.parser import DEFAULT_CONFIG, make_parser


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["status", "--config", "f"], ["--config", "f", "status"]),
        (["queue", "list", "--config=f", "-n", "3"], ["--config=f", "queue", "list", "-n", "3"]),
        (["--config", "f", "daemon"], ["--config", "f", "daemon"]),
        (["trace", "--", "--config", "f"], ["trace", "--", "--config", "f"]),
        (["status", "--config"], ["status", "--config"]),
    ],
)
def test_the_configuration_may_be_named_anywhere(argv: list[str], expected: list[str]) -> None:
    assert _config_first(argv) == expected


def test_a_fault_is_one_plain_message_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(tmp_path / "none.toml")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("dialpost: ")
    assert "dialpost config init" in said
    assert "Traceback" not in said


def test_a_command_that_is_not_understood_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2


@pytest.mark.parametrize("argv", [["trace", "\udcff"], ["account", "add", "anna", "--full-name", "a\udce9"]])
def test_an_argument_that_is_no_text_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert main(["--config", str(tmp_path / "none.toml"), *argv]) == 2
    said = capsys.readouterr().err
    assert "is not text" in said and "Traceback" not in said


@pytest.mark.parametrize("name", ["/", ".", "..", ""])
@pytest.mark.parametrize(
    "argv",
    [
        ["daemon", "--config"],
        ["status", "--config"],
        ["config", "init"],
        ["config", "check"],
        ["simulate", "--once", "--report"],
        ["daemon", "--first-config"],
    ],
)
def test_a_path_that_names_no_file_is_not_understood(
    capsys: pytest.CaptureFixture[str], argv: list[str], name: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*argv, name])
    assert caught.value.code == 2 and "is not a file name" in capsys.readouterr().err


def test_an_empty_variable_names_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALPOST_CONFIG", "")
    assert str(make_parser().parse_args(["status"]).config) == DEFAULT_CONFIG


@pytest.mark.parametrize("number", ["-5", "x", "1.5", "9" * 30, "٥"])
@pytest.mark.parametrize(
    "argv",
    [
        ["queue", "list", "-n"],
        ["queue", "list", "--offset"],
        ["trace", "x", "-n"],
        ["call", "history", "-n"],
        ["call", "show"],
        ["config", "compare"],
        ["config", "rollback"],
    ],
)
def test_a_number_is_a_whole_one_within_bounds(
    capsys: pytest.CaptureFixture[str], argv: list[str], number: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*argv, number])
    said = capsys.readouterr().err
    assert caught.value.code == 2 and ("must be a whole number from" in said or "expected one" in said)


def test_a_call_after_years_has_a_number_too() -> None:
    assert make_parser().parse_args(["call", "show", "123456"]).number == 123_456


def test_a_file_that_no_command_thought_of_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: argparse.Namespace) -> Never:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "some/file")

    monkeypatch.setattr("dialpost.cli.system.status._status", fail)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "dialpost: some/file: File name too long\n"


@pytest.mark.parametrize(
    ("fault", "words"),
    [(EOFError(), "no answer"), (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "not text in utf-8")],
)
def test_an_answer_that_is_none_is_no_traceback(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    words: str,
) -> None:
    def ask(_: argparse.Namespace) -> Never:
        raise fault

    monkeypatch.setattr("dialpost.cli.system.status._status", ask)
    assert main(["status"]) == 1
    assert words in capsys.readouterr().err
