"""pppd's scripts: what they say to the process that serves them, and what they do where nobody does."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from dialpost.edge.line.ppp.hooks import PIPE, Hooks, script

ENVIRONMENT = {"IFNAME": "ppp7", "IPLOCAL": "10.0.0.2", "IPREMOTE": "10.0.0.1", "PPPD_PID": ""}


def made(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(script(name, folder))
    path.chmod(0o755)
    return path


def test_what_scripts_say_is_done_in_order_before_it_ends(tmp_path: Path) -> None:
    heard: list[tuple[str, Mapping[str, str]]] = []
    up, down = (made(tmp_path, name) for name in ("up", "down"))
    with Hooks(tmp_path, lambda name, environment: heard.append((name, environment))):
        subprocess.run([up], env=ENVIRONMENT | {"DNS1": "192.0.2.53", "PATH": "/nonexistent"}, check=True)
        subprocess.run([down], env=ENVIRONMENT, check=True)
    given = {name: value for name, value in ENVIRONMENT.items() if value}
    assert heard == [("up", given | {"DNS1": "192.0.2.53"}), ("down", given)]
    assert not (tmp_path / PIPE).exists()


def test_a_script_that_nobody_can_hear_ends_pppd(tmp_path: Path) -> None:
    """No pipe, or something else in its place: without its firewall the line must not stay up."""
    up = made(tmp_path, "up")
    for _ in range(2):
        with subprocess.Popen(["sleep", "60"]) as pppd:
            subprocess.run([up], env=ENVIRONMENT | {"PPPD_PID": str(pppd.pid)}, check=True)
            assert pppd.wait(60) == -15
        (tmp_path / PIPE).write_text("")
    assert (tmp_path / PIPE).read_text() == ""


def test_an_odd_folder_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "a folder's name; $HOME"
    folder.mkdir()
    heard: list[str] = []
    with Hooks(folder, lambda name, environment: heard.append(name)):
        subprocess.run([made(folder, "up")], env=ENVIRONMENT, check=True)
    assert heard == ["up"]
