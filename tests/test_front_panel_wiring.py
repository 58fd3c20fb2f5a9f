"""The wiring of the panel: no board, a board that does not work, lines somebody holds, station after station."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import gpiod
import pytest

from dialpost import front_panel
from dialpost.core.config.model import Config, PanelConfig, StationConfig
from dialpost.core.errors import ConfigError, ControlError, LineBusyError, NotFoundError
from dialpost.core.faults import Fault
from dialpost.core.json_value import JsonValue
from dialpost.edge.panel.gpio.factory import LibgpiodFactory
from dialpost.edge.panel.gpio.panel import BoardPanel, open_panel
from dialpost.edge.system.board_files import BoardFiles
from dialpost.flow.panel import walk as panel_walk
from dialpost.flow.panel.state import Panel
from dialpost.front_panel import FrontPanelOfProcess, find_board
from fake_gpiod import FakeMachine
from fakes import Asking, asked, leap
from known import known
from panel_rig import FakeCalls

VIRT = BoardFiles().board("qemu-virt")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    (tmp_path / "dev").mkdir()
    made = FakeMachine(tmp_path / "dev")
    made.plug(0, "9030000.pl061", 8)
    monkeypatch.setattr(gpiod, "Chip", made.Chip)
    monkeypatch.setattr(LibgpiodFactory.__init__, "__defaults__", (None, made.folder))
    return made


def config(tmp_path: Path, board: str = "qemu-virt", **more: Any) -> Config:
    return Config(station=StationConfig(data_dir=str(tmp_path)), panel=PanelConfig(board=board, **more))


async def until(told: Callable[..., Any], seconds: float = 60.0) -> None:
    """Wait for what another thread or task brings about."""
    async with asyncio.timeout(seconds):
        while not told():
            await asyncio.sleep(0.005)


# -- which board ----------------------------------------------------------------------------------------


def test_which_board() -> None:
    assert find_board(PanelConfig(board="none"), model="Raspberry Pi 5 Model B") is None
    assert find_board(PanelConfig(), model="Some PC") is None
    found = find_board(PanelConfig(), model="Raspberry Pi 5 Model B")
    assert found is not None and found.name == "rpi-5"
    with pytest.raises(NotFoundError, match=r"Did you mean rpi-4b\?"):
        find_board(PanelConfig(board="rpi-4"))


async def test_without_a_board_all_works_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dialpost.panel")
    front = FrontPanelOfProcess(Panel())
    for _ in range(3):  # three stations, one after the other
        front.serve(config(tmp_path, board=""), FakeCalls(front.panel))
    assert caplog.text.count("no board with lights and a button here") == 1
    assert front.attention() == []
    await front.close()


async def test_a_board_that_is_not_known_is_reported_and_the_station_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = FrontPanelOfProcess(Panel())
    front.serve(config(tmp_path, board="rpi-9"), FakeCalls(front.panel))
    assert "rpi-9" in front.attention()[0]
    await front.close()


async def test_a_board_without_its_chip_is_reported(
    tmp_path: Path, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_panel, "WAIT_S", 0.0)
    front = FrontPanelOfProcess(Panel())
    front.serve(config(tmp_path, board="rpi-5"), FakeCalls(front.panel))
    await until(front.attention)
    assert front.attention()[0].startswith(
        "The panel of rpi-5 does not work: There is no GPIO chip labelled pinctrl-rp1"
    )
    await front.close()


# -- on the emulator's board, down to libgpiod's requests -----------------------------------------------


async def test_a_press_reaches_the_loop_and_the_lights_follow_the_station(
    tmp_path: Path, machine: FakeMachine
) -> None:
    front = FrontPanelOfProcess(Panel())
    calls = FakeCalls(front.panel)
    front.serve(config(tmp_path), calls)
    front.panel.started()
    await until(lambda: machine.line(0).level)  # power is lit
    request = machine.line(3).request
    now_s = asyncio.get_running_loop().time()
    assert request is not None
    request.edge(True, now_s)
    request.edge(False, now_s + 0.1)
    await until(lambda: calls.told)
    assert [what for _, what in calls.told] == ["request button"]
    front.panel.fault(Fault.LINE, True)
    await until(lambda: machine.line(4).level)
    front.serve(config(tmp_path), None)
    request.edge(True, now_s + 1)
    request.edge(False, now_s + 1.1)
    await front.close()
    assert [line.holder for line in machine.lines["gpiochip0"]] == [""] * 8
    assert machine.open_chips == 0
    assert len(calls.told) == 1
    # at full brightness an output is driven only when it changes
    assert all(a != b for a, b in zip(machine.line(4).levels, machine.line(4).levels[1:], strict=False))


async def test_the_lines_are_kept_over_stations_and_taken_again_for_another_brightness(
    tmp_path: Path, machine: FakeMachine
) -> None:
    front = FrontPanelOfProcess(Panel())
    front.serve(config(tmp_path), FakeCalls(front.panel))
    await until(lambda: machine.line(3).holder)
    taken = machine.line(3).request
    front.serve(config(tmp_path), FakeCalls(front.panel))
    assert machine.line(3).request is taken
    front.serve(config(tmp_path, brightness=40), FakeCalls(front.panel))
    await until(lambda: machine.line(3).request not in {taken, None})
    assert taken is not None
    assert taken.released
    await front.close()


# -- tried by hand while the daemon has the lines -------------------------------------------------------


async def tried(
    front: FrontPanelOfProcess, params: dict[str, JsonValue], say: Callable[..., Any] = lambda line: None
) -> None:
    """Ask for `panel.test`, each event said as it comes."""
    asking = Asking()
    asking.emit = say  # type: ignore[method-assign]
    await asked(front.methods(), "panel.test", params, asking)


async def test_the_lights_and_the_button_are_tried_and_then_the_stations_again(
    tmp_path: Path, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_walk, "LIT_S", 0.01)
    front = FrontPanelOfProcess(Panel())
    calls = FakeCalls(front.panel)
    told: list[str] = []
    front.serve(config(tmp_path), calls)
    front.panel.started()
    await until(lambda: machine.line(0).level)
    before = {line: list(machine.line(line).levels) for line in (1, 2, 4)}
    testing = asyncio.create_task(tried(front, {"seconds": 2}, told.append))
    await until(lambda: told and "press it within 2 s" in told[-1])
    assert not machine.line(0).level  # dark: not the station's state
    front.panel.fault(Fault.LINE, True)
    with pytest.raises(ControlError, match="test is already running"):
        await tried(front, {"seconds": 1}, told.append)
    request, now_s = machine.line(3).request, asyncio.get_running_loop().time()
    assert request is not None
    request.edge(True, now_s)
    request.edge(False, now_s + 0.1)
    assert await testing is None
    assert [line.strip() for line in told[-5:]][1:] == [
        "button: down",
        "button: up after 0.10 s",
        "that is a press: dial and fetch, or hang up after the current message",
        "done",
    ]
    for line, levels in before.items():
        assert machine.line(line).levels[len(levels) :][:2] == [True, False]
    assert calls.told == []  # nobody dialled
    await until(lambda: machine.line(0).level and machine.line(4).level)  # the state again, and what came meanwhile
    now_s = asyncio.get_running_loop().time()
    request.edge(True, now_s)
    request.edge(False, now_s + 0.1)
    await until(lambda: calls.told)
    assert [what for _, what in calls.told] == ["request button"]
    await front.close()
    assert machine.open_chips == 0


async def test_a_button_that_was_freed_during_the_test_is_no_longer_stuck(
    tmp_path: Path, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_walk, "LIT_S", 0.001)
    machine.line(3).level = True
    front = FrontPanelOfProcess(Panel())
    told: list[str] = []
    front.serve(config(tmp_path), FakeCalls(front.panel))
    await until(lambda: Fault.BUTTON in front.panel.state.faults)
    testing = asyncio.create_task(tried(front, {"seconds": 60}, told.append))
    await until(lambda: told and "DOWN: it counts as stuck" in told[-1])
    machine.line(3).level = False
    known(machine.line(3).request).edge(False, asyncio.get_running_loop().time())
    await until(lambda: any("it is free again" in line for line in told))
    leap(60)
    await testing
    assert Fault.BUTTON not in front.panel.state.faults
    await front.close()


async def test_another_board_in_the_middle_of_the_test_ends_it(
    tmp_path: Path, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_walk, "LIT_S", 60.0)
    front = FrontPanelOfProcess(Panel())
    front.serve(config(tmp_path), FakeCalls(front.panel))
    await until(lambda: machine.line(3).holder)
    testing = asyncio.create_task(tried(front, {"seconds": 60}))
    await until(lambda: machine.line(0).level)
    front.serve(config(tmp_path, board="none"), FakeCalls(front.panel))
    with pytest.raises(ControlError, match="set up again meanwhile"):
        await asyncio.wait_for(testing, 60)
    await until(lambda: machine.open_chips == 0)
    assert not machine.line(0).level
    assert [line.holder for line in machine.lines["gpiochip0"]] == [""] * 8
    with pytest.raises(ControlError, match="shows no panel now"):
        await tried(front, {"seconds": 60})
    await front.close()


@pytest.mark.parametrize("seconds", [-1, 121, True, "5", None])
async def test_a_time_that_is_none_is_refused(
    tmp_path: Path, machine: FakeMachine, seconds: int | str | None
) -> None:
    front = FrontPanelOfProcess(Panel())
    front.serve(config(tmp_path), FakeCalls(front.panel))
    await until(lambda: machine.line(3).holder)
    with pytest.raises(ControlError, match="from 0 to 120"):
        await tried(front, {"seconds": seconds})
    with pytest.raises(ControlError, match=r"runs with the board qemu-virt.*set panel\.board rpi-3b"):
        await tried(front, {"seconds": 1, "board": "rpi-3b"})
    await front.close()


# -- handing over ---------------------------------------------------------------------------------------


async def test_lines_another_process_holds_are_waited_for(machine: FakeMachine) -> None:
    machine.line(4).holder = "dialpost"  # whoever shows the boot
    opening = asyncio.create_task(open_panel(VIRT, 100, 60.0))
    await until(lambda: machine.line(0).levels)  # it tried
    assert not opening.done()
    machine.line(4).holder = ""
    panel = await asyncio.wait_for(opening, 60)
    assert machine.line(3).holder == "dialpost"
    panel.close()


async def test_waiting_for_lines_has_an_end_and_leaves_nothing_taken(machine: FakeMachine) -> None:
    machine.line(4).holder = "somebody"
    with pytest.raises(LineBusyError, match=r"line 4 of 9030000\.pl061 is in use by somebody"):
        await open_panel(VIRT, 100, 0.25)
    assert [line.holder for line in machine.lines["gpiochip0"]] == ["", "", "", "", "somebody", "", "", ""]
    assert machine.open_chips == 0


def test_a_light_whose_chip_is_gone_is_reported_once(
    machine: FakeMachine, caplog: pytest.LogCaptureFixture
) -> None:
    panel = BoardPanel(VIRT)
    request = machine.line(0).request
    assert request is not None

    def gone(*_: object) -> Never:
        raise OSError(19, "No such device")

    request.set_value = gone  # type: ignore[method-assign,assignment]
    for _ in range(5):
        panel.show(0, (1, 1, 1))
        panel.show(0, None)
    assert caplog.text.count("light power can't be set") == 1
    panel.close()


def test_a_board_with_a_bad_pin_is_reported_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'title="x"\nsource="x"\n[gpio]\nchip="c"\nlines=8\n[[led]]\nname="left"\nshows=["line"]\nline=9\n', "utf-8"
    )
    with pytest.raises(ConfigError, match="board mine: LED left: line 9 does not exist"):
        find_board(PanelConfig(board=str(path)))
