"""What `--json` prints is what docs/control-api.md says: read back as the form that is declared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console_rig import LiveDaemon, live_daemon
from dialpost.__main__ import main
from dialpost.core.control.faces import COMMANDS
from dialpost.core.control.shapes import from_json

HERE = {
    "config check": (),
    "config explain": (),
    "modem list": (),
    "modem countries": (),
    "board list": (),
}
ASKED = {
    "status": (),
    "call history": (),
    "call forecast": (),
    "call budget": (),
    "call learned": (),
    "queue list": (),
    "inbound list": (),
    "account list": (),
    "alias list": (),
    "config compare": ("1",),
    "config history": (),
}
NEED_MORE = {
    *(f"queue {verb}" for verb in ("show", "retry", "hold", "release", "delete")),
    *("call show", "trace", "doctor", "modem probe", "modem test", "update"),
}
"""A call, a message, a modem or an update; tested where those are."""


def test_every_command_with_json_is_here() -> None:
    assert {name for name, act in COMMANDS.items() if act.json is not None} == {*HERE, *ASKED, *NEED_MORE}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path_factory.mktemp("json")) as running:
        yield running


@pytest.mark.parametrize(("name", "more"), [*HERE.items(), *ASKED.items()])
def test_json_has_its_form(
    daemon: LiveDaemon, capsys: pytest.CaptureFixture[str], name: str, more: tuple[str, ...]
) -> None:
    assert main(["--config", str(daemon.config_path), *name.split(), *more, "--json"]) in {0, 3}
    printed = json.loads(capsys.readouterr().out)
    form: Any = COMMANDS[name].json
    found: object = from_json(form, printed)
    assert found or name in {"call history", "queue list", "inbound list", "account list", "alias list"}


def test_a_list_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modem", "countries", "austria", "--json"]) == 0
    (country,) = json.loads(capsys.readouterr().out)
    assert country["name"] == "austria"
    assert main(["config", "explain", "smtp.listen", "--json"]) == 0
    (key,) = json.loads(capsys.readouterr().out)
    assert key["key"] == "smtp.listen"


def test_a_faulty_file_is_one_object_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text("[station]\nhostnme = 1\n")
    assert main(["config", "check", str(path), "--json"]) == 1
    form: Any = COMMANDS["config check"].json
    found: Any = from_json(form, json.loads(capsys.readouterr().out))
    assert not found.usable and any("hostname" in problem for problem in found.problems)
