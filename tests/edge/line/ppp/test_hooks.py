"""pppd's scripts: what they say to the process that serves them, and what they do where nobody does."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

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
        subprocess.run([made(folder, "down")], env=ENVIRONMENT, check=True)
    assert heard == ["down"]


def test_a_network_that_was_left_up_is_taken_down(tmp_path: Path) -> None:
    """As by a pppd that was killed before its script ran."""
    heard: list[str] = []
    with Hooks(tmp_path, lambda name, environment: heard.append(name)):
        subprocess.run([made(tmp_path, "up")], env=ENVIRONMENT, check=True)
    assert heard == ["up", "down"]


def test_a_pipe_at_which_nobody_is_left_to_listen_ends_pppd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pppd may outlive a process that was killed, and so does the pipe."""
    with monkeypatch.context() as killed:
        killed.setattr(os, "getpid", lambda: 1 << 23)  # greater than any process's (proc_sys_kernel(5), pid_max)
        up = made(tmp_path, "up")
    os.mkfifo(tmp_path / PIPE)
    with subprocess.Popen(["sleep", "60"]) as pppd:
        subprocess.run([up], env=ENVIRONMENT | {"PPPD_PID": str(pppd.pid)}, check=True, stderr=subprocess.DEVNULL)
        assert pppd.wait(60) == -15


def test_a_stop_that_takes_long_leaves_the_next_pipe_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    first, second = Hooks(tmp_path, lambda *_: None), Hooks(tmp_path, lambda name, environment: heard.append(name))
    first.start()
    join = first._thread.join

    def slow_join(patience_s: float | None) -> None:
        second.start()
        join(patience_s)

    monkeypatch.setattr(first._thread, "join", slow_join)
    first.stop()
    subprocess.run([made(tmp_path, "down")], env=ENVIRONMENT, check=True)
    second.stop()
    assert heard == ["down"]
