"""edge/system/apply/battery_clock with a folder in the place of /sys: what is written where."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialpost.core.config.model import BatteryClock, ClockConfig, Config
from dialpost.core.system.apply.rendered import BATTERY_CLOCK
from dialpost.core.system.apply.system import battery_clock as render
from dialpost.edge.system.apply.battery_clock import HEADER, BatteryClockError, tell


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    """Two buses; the header's is the second, as numbers follow no rule."""
    folder = tmp_path / "class"
    folder.mkdir()
    for number, node in ((0, "i2c@7e205000"), (3, HEADER)):
        bus = tmp_path / f"devices/i2c-{number}"
        bus.mkdir(parents=True)
        (tmp_path / "firmware" / node).mkdir(parents=True)
        (bus / "of_node").symlink_to(tmp_path / "firmware" / node)
        for name in ("new_device", "delete_device"):
            (bus / name).write_text("")
        (folder / f"i2c-{number}").symlink_to(bus)
    return folder


def _bus(adapters: Path) -> Path:
    return adapters.parent / "devices/i2c-3"


def _put(adapters: Path, chip: str, address: str = "0068", *, answers: bool = True) -> None:
    """The kernel knows a chip there, with a driver where it answered."""
    device = _bus(adapters) / f"3-{address}"
    device.mkdir()
    (device / "name").write_text(chip + "\n")
    if answers:
        (device / "driver").symlink_to(adapters)


def _told(adapters: Path) -> tuple[str, str]:
    bus = _bus(adapters)
    return (bus / "new_device").read_text(), (bus / "delete_device").read_text()


def test_one_that_is_there_is_made_known_once(adapters: Path) -> None:
    _put(adapters, "ds3231")
    tell("ds3231 0x68\n", adapters)
    assert _told(adapters) == ("", "")


def test_another_chip_takes_its_place(adapters: Path) -> None:
    _put(adapters, "ds3231")
    with pytest.raises(BatteryClockError, match="no pcf85063 answers at 0x51"):
        tell("pcf85063 0x51\n", adapters, driver_s=0)
    assert _told(adapters)[0] == "pcf85063 0x51\n"
    tell("none\n", adapters)
    assert _told(adapters)[1] == "0x68\n"


def test_one_that_does_not_answer_is_reported_and_rolled_back(adapters: Path) -> None:
    with pytest.raises(BatteryClockError, match="check its wires"):
        tell("ds3231 0x68\n", adapters, driver_s=0)
    assert _told(adapters) == ("ds3231 0x68\n", "0x68\n")


def test_no_clock_where_there_is_no_bus_is_no_fault(tmp_path: Path) -> None:
    tell("none\n", tmp_path / "nothing")
    with pytest.raises(BatteryClockError, match="no I2C bus"):
        tell("ds3231 0x68\n", tmp_path / "nothing", driver_s=0)


@pytest.mark.parametrize(
    ("chip", "text"),
    [
        (BatteryClock.NONE, "none\n"),
        (BatteryClock.DS1307, "ds1307 0x68\n"),
        (BatteryClock.DS3231, "ds3231 0x68\n"),
        (BatteryClock.PCF8523, "pcf8523 0x68\n"),
        (BatteryClock.PCF85063, "pcf85063 0x51\n"),
    ],
)
def test_what_is_rendered(chip: BatteryClock, text: str) -> None:
    made = render(Config(clock=ClockConfig(battery=chip)))
    assert (made.path, made.text) == (BATTERY_CLOCK, text)
