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
