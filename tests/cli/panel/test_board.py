"""`dialpost board` and `dialpost panel`, down to libgpiod's requests."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gpiod
import pytest

from dialpost.__main__ import main
from dialpost.cli.panel import board as board_command
from dialpost.cli.panel import show as panel_command
from dialpost.cli.station import load_config
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.panel.gpio.factory import LibgpiodFactory
from dialpost.edge.panel.gpio.panel import BoardPanel
from dialpost.flow.panel import walk as panel_walk
from dialpost.flow.panel.methods import panel_methods
from dialpost.flow.panel.state import Panel
from dialpost.front_panel import FrontPanelOfProcess
from fake_gpiod import FakeMachine
from fakes import asked, leap
from known import known

CONFIG = """[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
run_dir = "{run}"
[panel]
{panel}
"""
LIGHTS = [
    "LED power (line 0, unknown) is lit ...",
    "LED line (line 1, unknown) is lit ...",
    "LED mail (line 2, unknown) is lit ...",
    "LED fault (line 4, unknown) is lit ...",
    "LED station is red (line 5) ...",
    "LED station is green (line 6) ...",
    "LED station is blue (line 7) ...",
    "all are dark",
]
"""What is reported of the lights of the emulator's board."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachine]:
    (tmp_path / "dev").mkdir()
    made = FakeMachine(tmp_path / "dev")
    made.plug(0, "9030000.pl061", 8)
    monkeypatch.setattr(gpiod, "Chip", made.Chip)
    monkeypatch.setattr(LibgpiodFactory.__init__, "__defaults__", (None, made.folder))
    monkeypatch.setattr(panel_walk, "LIT_S", 0.01)
    yield made
    assert made.open_chips == 0
    assert [line.holder for line in made.lines["gpiochip0"]] == [""] * 8


def file(folder: Path, panel: str = 'board = "qemu-virt"') -> str:
    path = folder / "dialpost.toml"
    path.write_text(CONFIG.format(run=folder / "run", panel=panel), "utf-8")
    return str(path)


def when(happens: Callable[..., Any], then: Callable[..., Any]) -> threading.Thread:
    """Do `then` once `happens`, in another thread."""

    def wait() -> None:
        until_s = time.monotonic() + 60
        while not happens() and time.monotonic() < until_s:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# -- board ----------------------------------------------------------------------------------------------


def test_list_names_every_board_and_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_command, "machine_model", lambda: "Raspberry Pi 4 Model B Rev 1.4")
    assert main(["board", "list"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines() if line.startswith("*")] == ["*", "*"]
    assert "*  rpi-4b" in told and "* is this machine (Raspberry Pi 4 Model B Rev 1.4)." in told
    for name in ("generic-libgpiod", "qemu-virt", "rpi-3b", "rpi-5", "rpi-zero-2w", "simulated"):
        assert name in told


def test_show_tells_pins_and_where_the_facts_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "show", "rpi-zero-2w"]) == 0
    told = capsys.readouterr().out
    assert "red 5, green 6, blue 13" in told
    assert "button call  line 26" in told
    assert "low, pull-up" in told
    assert "/dev/ttyS1" in told and "source: " in told


def test_a_board_that_is_not_there_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "show", "rpi-4"]) == 1
    assert "Did you mean rpi-4b?" in capsys.readouterr().err


def test_which_board_has_to_be_said_where_nothing_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_command, "machine_model", lambda: "")
    assert main(["--config", str(tmp_path / "none.toml"), "board", "show"]) == 1
    assert "`dialpost board list` lists them" in capsys.readouterr().err


def test_test_walks_the_leds_and_echoes_the_button(
    tmp_path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = BoardPanel.listen

    def listen_and_press(panel: BoardPanel, on_edge: Callable[[bool, float], None]) -> bool:
        def edge(closed: bool, at_s: float) -> None:
            on_edge(closed, at_s)
            if not closed:
                leap(60)  # nothing else comes

        down = listen(panel, edge)
        now_s = time.monotonic()
        known(machine.line(3).request).edge(True, now_s)
        known(machine.line(3).request).edge(False, now_s + 0.1)
        return down

    monkeypatch.setattr(BoardPanel, "listen", listen_and_press)
    assert main(["--config", file(tmp_path), "board", "test", "--seconds", "60"]) == 0
    told = capsys.readouterr().out
    assert [line.strip() for line in told.splitlines()][1:] == [
        *LIGHTS,
        "button key (line 3) is up; press it within 60 s ...",
        "button: down",
        "button: up after 0.10 s",
        "that is a press: dial and fetch, or hang up after the current message",
        "done",
    ]
    for line in (0, 1, 2, 4, 5, 6, 7):
        assert machine.line(line).levels.count(True) == 1


def test_test_says_who_has_the_lines(
    tmp_path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.line(2).holder = "dialpost"
    assert main(["--config", file(tmp_path), "board", "test"]) == 1
    machine.line(2).holder = ""
    told = capsys.readouterr().err
    assert "line 2 of 9030000.pl061 is in use by dialpost" in told


async def test_a_running_daemon_does_the_test(
    tmp_path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path)
    front = FrontPanelOfProcess(Panel())
    front.serve(load_config(argparse.Namespace(config=Path(path))), None)
    server = ControlServer(tmp_path / "run" / SOCKET_NAME, front.methods())
    await server.start()
    try:
        async with asyncio.timeout(60):
            while not machine.line(3).holder:
                await asyncio.sleep(0.005)
        asked = ["--config", path, "board", "test", "--seconds", "0.1"]
        assert await asyncio.to_thread(main, asked) == 0
        assert await asyncio.to_thread(main, [*asked, "rpi-4b"]) == 1
    finally:
        await server.close()
        await front.close()
    told, refused = capsys.readouterr()
    assert [line.strip() for line in told.splitlines()] == [
        "qemu-virt: QEMU virt machine (arm64)",
        *LIGHTS,
        "button key (line 3) is up; press it within 0.1 s ...",
        "done",
    ]
    assert "The station runs with the board qemu-virt" in refused


def test_a_time_that_is_too_long_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["board", "test", "--seconds", "121"])
    assert "from 0 to 120" in capsys.readouterr().err


def test_test_says_that_a_button_is_stuck(
    tmp_path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.line(3).level = True
    assert main(["--config", file(tmp_path), "board", "test", "--seconds", "0.1"]) == 0
    assert "is DOWN: it counts as stuck" in capsys.readouterr().out


# -- panel show -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "line", "flashes"), [("boot", 0, 2), ("shutdown", 0, 2), ("update", 0, 2), ("crashed", 4, 1)]
)
def test_show_takes_the_lines_until_it_is_ended(
    tmp_path: Path, machine: FakeMachine, phase: str, line: int, flashes: int
) -> None:
    ending = when(
        lambda: machine.line(line).levels.count(True) >= flashes, lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert main(["--config", file(tmp_path), "panel", "show", phase]) == 0
    ending.join()
    assert machine.line(line).levels[-1] is False
    assert not any(machine.line(1).levels)  # the line light says nothing


def test_show_waits_for_the_lines_and_then_says_who_has_them(
    tmp_path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_command, "WAIT_S", 0.2)
    machine.line(2).holder = "somebody"
    assert main(["--config", file(tmp_path), "panel", "show", "boot"]) == 1
    machine.line(2).holder = ""
    assert "in use by somebody" in capsys.readouterr().err


@pytest.mark.parametrize("panel", ['board = "none"', 'board = "simulated"'])
def test_show_does_nothing_where_there_is_no_panel(tmp_path: Path, machine: FakeMachine, panel: str) -> None:
    assert main(["--config", file(tmp_path, panel), "panel", "show", "boot"]) == 0


async def test_show_asks_the_daemon_that_has_the_lines(tmp_path: Path, machine: FakeMachine) -> None:
    panel, seen = Panel(), []
    panel.started()
    (tmp_path / "run").mkdir()
    server = ControlServer(tmp_path / "run" / SOCKET_NAME, panel_methods(panel))
    await server.start()
    path = file(tmp_path)
    process = await asyncio.create_subprocess_exec(
        "python",
        "-m",
        "dialpost",
        "--config",
        path,
        "panel",
        "show",
        "update",
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    changed = asyncio.Event()
    panel.watch(lambda state, lights: seen.append(state.phase.value) or changed.set())
    async with asyncio.timeout(60):
        while seen[-1] != "update":
            changed.clear()
            await changed.wait()
        process.terminate()
        assert await process.wait() == 0
    assert seen == ["running", "update", "running"]
    await server.close()


async def test_a_wish_that_is_not_renewed_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.flow.panel.methods.WISH_S", 0.05)
    panel, back = Panel(), asyncio.Event()
    panel.started()
    assert await asked(panel_methods(panel), "panel.show", {"phase": "update"}) == "update"
    panel.watch(lambda state, lights: back.set() if state.phase.value == "running" else None)
    await asyncio.wait_for(back.wait(), 60)
