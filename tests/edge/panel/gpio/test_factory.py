"""The pin factory, through gpiozero's own devices, against a chip at the level of libgpiod's requests."""

from __future__ import annotations

import contextlib
import gc
import queue
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Bias, Clock, Direction, Edge, Value
from gpiozero import LED, PWMLED, Button, Device, DigitalInputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin, PinSetInput

from dialpost.core.errors import GpioError, GpioNotThereError, LineBusyError
from dialpost.edge.panel.gpio import pwm
from dialpost.edge.panel.gpio.chips import default_label, open_chip
from dialpost.edge.panel.gpio.factory import LibgpiodFactory
from fake_gpiod import FakeMachine
from known import known

LABEL = "9030000.pl061"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachine]:
    made = FakeMachine(tmp_path)
    made.plug(0, LABEL, 8)
    monkeypatch.setattr(gpiod, "Chip", made.Chip)
    before = set(threading.enumerate())
    yield made
    assert made.open_chips == 0, "a chip was left open"
    assert not set(threading.enumerate()) - before, "a thread was left running"
    assert not [line for lines in made.lines.values() for line in lines if line.holder], "a line was left taken"


@pytest.fixture
def factory(machine: FakeMachine) -> Iterator[LibgpiodFactory]:
    made = LibgpiodFactory(LABEL, machine.folder)
    yield made
    made.close()


def soon(happens: queue.Queue[object]) -> object:
    """What the other thread puts there."""
    return happens.get(timeout=60)


# -- chips ----------------------------------------------------------------------------------------------


def test_a_chip_is_found_by_its_label_whatever_its_number(machine: FakeMachine) -> None:
    machine.plug(10, "pinctrl-rp1", 54)
    (machine.folder / "gpiochip4").symlink_to(machine.folder / "gpiochip10")  # some kernels leave such a link
    with open_chip("pinctrl-rp1", machine.folder) as chip:
        assert chip.get_info().num_lines == 54
    assert default_label(machine.folder) == "pinctrl-rp1"


def test_a_chip_that_is_not_there_is_reported_with_those_that_are(machine: FakeMachine) -> None:
    with pytest.raises(
        GpioNotThereError, match=r"labelled pinctrl-rp1 here; there are 9030000.pl061 \(gpiochip0\)"
    ):
        open_chip("pinctrl-rp1", machine.folder)
    with pytest.raises(GpioNotThereError, match="this machine has none"):
        open_chip("pinctrl-rp1", machine.folder / "none")


def test_two_chips_of_one_label_are_not_guessed_between(machine: FakeMachine) -> None:
    machine.plug(1, LABEL, 8)
    with pytest.raises(GpioError, match="Two GPIO chips are labelled"):
        open_chip(LABEL, machine.folder)


def test_a_chip_nobody_may_open_names_the_group(machine: FakeMachine) -> None:
    machine.denied.add("gpiochip0")
    with pytest.raises(GpioError, match="must be in the group gpio"):
        open_chip(LABEL, machine.folder)


def test_without_a_label_the_only_chip_is_taken_and_of_several_strange_ones_none(machine: FakeMachine) -> None:
    assert default_label(machine.folder) == LABEL
    machine.plug(1, "other", 8)
    with pytest.raises(GpioNotThereError, match=r"Name its label; there are: 9030000\.pl061, other"):
        default_label(machine.folder)


# -- gpiozero -------------------------------------------------------------------------------------------


def test_it_is_registered_at_gpiozeros_entry_point() -> None:
    (ours,) = (found for found in entry_points(group="gpiozero_pin_factories") if found.name == "dialpost-libgpiod")
    assert ours.load() is LibgpiodFactory


def test_gpiozero_takes_it_by_its_name_from_the_environment(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "dialpost-libgpiod")
    monkeypatch.setenv("DIALPOST_GPIO_CHIP", LABEL)
    monkeypatch.setattr("dialpost.edge.panel.gpio.factory.DEVICES", machine.folder)
    monkeypatch.setattr(LibgpiodFactory.__init__, "__defaults__", (None, machine.folder))
    made = Device._default_pin_factory()
    assert isinstance(made, LibgpiodFactory)
    assert made.label == LABEL
    made.close()


def test_trap_no_raspberry_pi_revision_is_wanted(factory: LibgpiodFactory) -> None:
    """`PiFactory` reads the device tree for it and fails on any other board; ours has the chip's lines instead."""
    assert factory.board_info.model == LABEL
    assert [info.name for info in factory.board_info.headers["GPIO"].pins.values()] == [
        f"GPIO{n}" for n in range(8)
    ]
    for name in (3, "3", "GPIO3"):
        assert factory.pin(name) is factory.pin(3)
    with pytest.raises(PinInvalidPin):
        factory.pin(8)


def test_trap_gpiozeros_default_factory_is_never_looked_for(factory: LibgpiodFactory) -> None:
    """It would try lgpio (whose stub an unpinned pip installs), RPi.GPIO and /dev/mem, warning each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with LED(1, pin_factory=factory) as led:
            led.on()
    assert Device.pin_factory is None


def test_trap_importing_gpiozero_needs_no_gpio() -> None:
    """`make run` and the tests work without GPIO; the daemon does not even import it then."""
    code = (
        "import sys; import dialpost.daemon, dialpost.__main__; "
        "sys.exit(any(name.split('.')[0] in {'gpiozero', 'gpiod'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


# -- lights ---------------------------------------------------------------------------------------------


def test_an_led_is_lit_and_dark(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    line = machine.line(1)
    with LED(1, pin_factory=factory) as led:
        led.on()
        led.off()
        led.toggle()
        assert led.value == 1
        assert line.holder == "dialpost"
    assert line.levels == [False, True, False, True]
    assert line.settings[0].direction is Direction.OUTPUT
    assert line.holder == ""


def test_an_active_low_led_is_dark_from_its_first_moment(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    with LED(1, active_high=False, pin_factory=factory) as led:
        led.on()
        led.off()
    assert machine.line(1).levels == [True, False, True]


def test_gpiozeros_own_blinking_works(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    with LED(1, pin_factory=factory) as led:
        led.blink(0.001, 0.001, n=3, background=False)
    assert machine.line(1).levels == [False, *[True, False] * 3]


def test_a_line_in_use_is_reported_with_who_has_it(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    machine.line(3).holder = "Power Button"
    with pytest.raises(LineBusyError, match=r"line 3 of 9030000\.pl061 is in use by Power Button"):
        LED(3, pin_factory=factory)
    machine.line(3).holder = ""
    gc.collect()  # gpiozero keeps the failed one's reservation until it is collected
    with LED(3, pin_factory=factory) as led:
        led.on()


def test_a_line_can_be_taken_once_in_one_process(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    with LED(1, pin_factory=factory), pytest.raises(GPIOPinInUse):
        LED(1, pin_factory=factory)


def test_closing_the_factory_lets_every_line_go(machine: FakeMachine) -> None:
    factory = LibgpiodFactory(LABEL, machine.folder)
    LED(1, pin_factory=factory).on()
    Button(3, pin_factory=factory)
    factory.close()
    assert [machine.line(n).holder for n in (1, 3)] == ["", ""]
    factory.close()


# -- brightness -----------------------------------------------------------------------------------------


class ClockOfWaits(threading.Condition):
    """A clock that only a wait moves on, by exactly its length."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return super().wait()
        self.now_s += timeout
        return super().wait(0.0001)


class NotedLevels(list[bool]):
    """Levels, and when the line took each."""

    def __init__(self, clock: ClockOfWaits) -> None:
        self._clock = clock
        self.at_s: list[float] = []

    def append(self, level: bool) -> None:
        super().append(level)
        self.at_s.append(self._clock.now_s)

    def share_high(self) -> float:
        spans = [later - at for at, later in pairwise(self.at_s)]
        return sum(span for span, high in zip(spans, self, strict=False) if high) / sum(spans)


@pytest.mark.parametrize("active_high", [True, False])
def test_a_dimmed_led_is_lit_for_its_share(
    machine: FakeMachine, factory: LibgpiodFactory, monkeypatch: pytest.MonkeyPatch, active_high: bool
) -> None:
    clock = ClockOfWaits()
    monkeypatch.setattr(pwm, "time", clock)
    factory.pwm._changed = clock
    levels = machine.line(1).levels = NotedLevels(clock)
    with PWMLED(1, active_high=active_high, initial_value=0.25, pin_factory=factory) as led:
        assert led.value == pytest.approx(0.25)
        while len(levels) < 100:
            time.sleep(0.001)
    assert (levels.share_high() if active_high else 1 - levels.share_high()) == pytest.approx(0.25, abs=0.02)


def test_full_and_dark_need_no_switching(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    with PWMLED(1, pin_factory=factory) as led:
        led.value = 1
        led.value = 0
        led.on()
        assert "gpio-pwm" not in {thread.name for thread in threading.enumerate()}
    # frequency and value are two steps in gpiozero, closing sets them back: no level between
    assert machine.line(1).levels == [False, False, True, False, True]


def test_a_dimmed_led_stops_switching_when_it_is_let_go(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    led = PWMLED(1, initial_value=0.5, pin_factory=factory)
    led.close()
    count = len(machine.line(1).levels)
    time.sleep(0.05)
    assert len(machine.line(1).levels) == count


def test_several_dimmed_leds_share_one_thread(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    leds = [PWMLED(n, initial_value=0.5, pin_factory=factory) for n in (1, 2, 4)]
    assert [thread.name for thread in threading.enumerate()].count("gpio-pwm") == 1
    for led in leds:
        led.close()


# -- the button -----------------------------------------------------------------------------------------


def test_a_button_asks_the_kernel_for_bias_debounce_edges_and_its_clock(
    machine: FakeMachine, factory: LibgpiodFactory
) -> None:
    with Button(3, pull_up=True, bounce_time=0.01, pin_factory=factory):
        settings = machine.line(3).settings[-1]
    assert settings.direction is Direction.INPUT
    assert settings.bias is Bias.PULL_UP
    assert settings.edge_detection is Edge.BOTH
    assert settings.event_clock is Clock.MONOTONIC
    assert settings.debounce_period.total_seconds() == 0.01
    assert not settings.active_low


@pytest.mark.parametrize(
    ("pull_up", "active_state", "bias"),
    [(True, None, Bias.PULL_UP), (False, None, Bias.PULL_DOWN), (None, True, Bias.DISABLED)],
)
def test_bias_and_what_counts_as_pressed(
    machine: FakeMachine, factory: LibgpiodFactory, pull_up: bool | None, active_state: bool | None, bias: Bias
) -> None:
    with DigitalInputDevice(3, pull_up=pull_up, active_state=active_state, pin_factory=factory) as button:
        assert machine.line(3).settings[-1].bias is bias
        machine.line(3).level = not pull_up
        assert button.is_active


def test_edges_come_with_the_kernels_time(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    happens: queue.Queue[object] = queue.Queue()
    machine.line(3).level = True
    with Button(3, pin_factory=factory) as button:
        button.when_pressed = lambda: happens.put(("pressed", factory.ticks() - button.active_time))
        button.when_released = lambda: happens.put(("released", factory.ticks() - button.inactive_time))
        request = machine.line(3).request
        assert request is not None
        request.edge(False, 100.0)
        request.edge(True, 100.25)
        assert soon(happens) == ("pressed", pytest.approx(100.0, abs=1e-3))
        assert soon(happens) == ("released", pytest.approx(100.25, abs=1e-3))


def test_trap_when_released_fires_after_a_hold_too(machine: FakeMachine, factory: LibgpiodFactory) -> None:
    """So a press is not told from a hold by gpiozero's events; `core/panel/button` does it, from the times."""
    happens: queue.Queue[object] = queue.Queue()
    machine.line(3).level = True
    with Button(3, hold_time=0.01, pin_factory=factory) as button:
        button.when_held = lambda: happens.put("held")
        button.when_released = lambda: happens.put("released")
        known(machine.line(3).request).edge(False, time.monotonic())
        assert soon(happens) == "held"
        known(machine.line(3).request).edge(True, time.monotonic())
        assert soon(happens) == "released"


def test_a_button_down_at_the_start_is_seen_though_no_edge_comes(
    machine: FakeMachine, factory: LibgpiodFactory
) -> None:
    machine.line(3).level = False
    with Button(3, pin_factory=factory) as button:
        assert button.is_pressed


def test_edges_lost_by_the_kernel_end_with_how_the_line_is_now(
    machine: FakeMachine, factory: LibgpiodFactory
) -> None:
    happens: queue.Queue[object] = queue.Queue()
    machine.line(3).level = True
    with Button(3, pin_factory=factory) as button:
        button.when_pressed = lambda: happens.put("pressed")
        button.when_released = lambda: happens.put("released")
        request = machine.line(3).request
        assert request is not None
        request.edge(False, 1.0)
        assert soon(happens) == "pressed"
        with request.lock:  # before the thread reads
            request.edge(True, 1.1, lost=True)
            request.edge(False, 1.2)
            request.edge(True, 1.3, lost=True)
        assert soon(happens) == "released"


@pytest.mark.parametrize("in_one_reading", [True, False])
def test_a_fault_in_what_an_edge_does_costs_no_other_edge(
    machine: FakeMachine, factory: LibgpiodFactory, caplog: pytest.LogCaptureFixture, in_one_reading: bool
) -> None:
    happens: queue.Queue[object] = queue.Queue()

    def fails() -> None:
        raise RuntimeError("a bug")

    machine.line(3).level = True
    with Button(3, pin_factory=factory) as button:
        button.when_pressed = fails
        button.when_released = lambda: happens.put("released")
        request = machine.line(3).request
        assert request is not None
        with request.lock if in_one_reading else contextlib.nullcontext():
            request.edge(False, 1.0)
            request.edge(True, 2.0)
        assert soon(happens) == "released"
    assert "what an edge should have done failed" in caplog.text


def test_an_input_has_no_level_to_set(factory: LibgpiodFactory) -> None:
    with DigitalInputDevice(3, pin_factory=factory) as button, pytest.raises(PinSetInput):
        button.pin.state = 1


# -- a real chip ----------------------------------------------------------------------------------------


def real_chip() -> str:
    """The label of a chip made for trying, "" if the kernel has none."""
    for path in sorted(Path("/dev").glob("gpiochip*")):
        try:
            with gpiod.Chip(str(path)) as chip:
                if chip.get_info().label.startswith(("gpio-sim", "gpio-mockup")):
                    return str(chip.get_info().label)
        except OSError:
            continue
    return ""


@pytest.mark.skipif(not real_chip(), reason="this kernel has no gpio-sim or gpio-mockup chip")
def test_on_a_real_chip_a_light_keeps_its_level() -> None:
    factory = LibgpiodFactory(real_chip())
    with LED(0, pin_factory=factory) as led:
        led.on()
        assert factory.pin(0)._taken().get_value(0) is Value.ACTIVE
    factory.close()
