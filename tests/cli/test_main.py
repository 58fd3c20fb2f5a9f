"""The command line as a whole."""

import pytest

from dialpost.__main__ import _config_first, main


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
def test_the_configuration_may_be_named_anywhere(argv, expected):
    assert _config_first(argv) == expected


def test_a_fault_is_one_plain_message_and_status_1(tmp_path, capsys):
    assert main(["status", "--config", str(tmp_path / "none.toml")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("dialpost: ")
    assert "dialpost config init" in said
    assert "Traceback" not in said


def test_a_command_that_is_not_understood_is_status_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2


@pytest.mark.parametrize("argv", [["trace", "\udcff"], ["account", "add", "anna", "--full-name", "a\udce9"]])
def test_an_argument_that_is_no_text_is_refused_before_anything_is_done(tmp_path, capsys, argv):
    assert main(["--config", str(tmp_path / "none.toml"), *argv]) == 2
    said = capsys.readouterr().err
    assert "no text" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("fault", "words"),
    [(EOFError(), "nothing was answered"), (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "no text in utf-8")],
)
def test_an_answer_that_is_none_is_no_traceback(tmp_path, capsys, monkeypatch, fault, words):
    def ask(_):
        raise fault

    monkeypatch.setattr("dialpost.cli.status._status", ask)
    assert main(["status"]) == 1
    assert words in capsys.readouterr().err
