"""A board's file: what is wrong with a pin is reported with the board, the LED and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import cases
from dialpost.core.errors import ConfigError
from dialpost.core.panel.board import Bias, Light, parse_board
from dialpost.core.panel.lights import Led
from dialpost.edge.system.board_files import BoardFiles, machine_model

HEAD = """
title = "Test board"
source = "made up"
[gpio]
chip = "chip-a"
lines = 20
[[reserved]]
lines = [2, 3]
why = "I2C of the clock"
"""
LED = '[[led]]\nname = "{name}"\nshows = ["{shows}"]\nline = {line}\n'
BUTTON = '[[button]]\nname = "call"\nline = {line}\n'


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        parse_board("mine", HEAD + text, "mine.toml")
    return list(told.value.problems)


def led(name: str, line: object, shows: str = "line") -> str:
    return LED.format(name=name, shows=shows, line=line)


@pytest.mark.parametrize("line", [20, 999, 99_999, -7])
def test_a_line_the_chip_has_not(line: int) -> None:
    assert faults(led("left", line)) == [
        f"mine.toml: board mine: LED left: line {line} does not exist: chip-a has lines 0 to 19."
    ]


def test_a_line_that_is_somebody_elses() -> None:
    assert faults(led("left", 3)) == ["mine.toml: board mine: LED left: line 3 is not free: I2C of the clock."]


def test_a_line_used_twice_names_both() -> None:
    assert faults(led("left", 5) + led("right", 5, "mail")) == [
        "mine.toml: board mine: LED right: line 5 is used already, by LED left."
    ]
    assert faults(led("left", 5) + BUTTON.format(line=5)) == [
        "mine.toml: board mine: button call: line 5 is used already, by LED left."
    ]
    rgb = '[[led]]\nname = "all"\nshows = ["line", "fault"]\nred = 6\ngreen = 7\nblue = 6\n'
    assert faults(rgb) == ["mine.toml: board mine: LED all (blue): line 6 is used already, by LED all (red)."]


def test_the_same_line_of_another_chip_is_another_line() -> None:
    board = parse_board("mine", HEAD + led("left", 5) + led("right", 5, "mail") + 'chip = "chip-b"\n', "mine.toml")
    assert board.chips == ("chip-a", "chip-b")


def test_all_faults_are_told_at_once() -> None:
    told = faults(led("left", 2) + led("left", 25, "mail") + BUTTON.format(line=2))
    assert [fault.removeprefix("mine.toml: board mine: ") for fault in told] == [
        "two LEDs are called left.",
        "LED left: line 2 is not free: I2C of the clock.",
        "LED left: line 25 does not exist: chip-a has lines 0 to 19.",
        "button call: line 2 is not free: I2C of the clock.",
        "button call: line 2 is used already, by LED left.",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it has neither [[led]] nor [[button]]; such a board needs no file."),
        (led("left", -1), "LED left: it needs line, or all three of red, green and blue."),
        (
            '[[led]]\nname = "x"\nshows = ["mail"]\nred = 5\n',
            "LED x: it needs line, or all three of red, green and blue.",
        ),
        (
            led("x", 5) + "red = 6\ngreen = 7\nblue = 8\n",
            "LED x: it has both line 5 and blue, green, red; give one or the other.",
        ),
        (
            '[[led]]\nname = "x"\nshows = []\nline = 5\n',
            "LED x: shows is empty; it must name at least one of: line, fault, mail, power.",
        ),
        (led("a", 5) + led("b", 6), "two LEDs show only line: remove one of them."),
    ],
)
def test_other_faults_of_a_board(text: str, fault: str) -> None:
    assert faults(text) == [f"mine.toml: board mine: {fault}"]


@pytest.mark.parametrize(("bias", "active_low"), [("pull-up", "false"), ("pull-down", "true")])
def test_a_button_that_would_always_be_pressed(bias: str, active_low: str) -> None:
    told = faults(BUTTON.format(line=5) + f'bias = "{bias}"\nactive_low = {active_low}\n')
    assert len(told) == 1
    assert told[0].startswith(f"mine.toml: board mine: button call (line 5): {bias} with active_low = {active_low}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (led("mail", '"17"'), 'led[1] (mail).line = "17" is not allowed'),
        (led("mail", 5, "post"), 'led[1] (mail).shows[1] = "post" is not allowed'),
        (
            led("mail", 5) + "active_lo = true\n",
            "There is no key led[1] (mail).active_lo. Did you mean led[1] (mail).active_low?",
        ),
        (BUTTON.format(line=5) + BUTTON.format(line=6), "button has 2 items; at most 1 are allowed."),
        ("[led]\nline = 5\n", "led = "),
        ("[[led]]\nline = 5\n", "led[1].name is missing"),
    ],
)
def test_what_a_key_can_not_be(text: str, words: str) -> None:
    told = faults(text)
    assert any(words in fault for fault in told), told


# -- the boards that come with Dialpost -----------------------------------------------------------------

CHIPS = {
    "generic-libgpiod": "1c20800.pinctrl",
    "qemu-virt": "9030000.pl061",
    "rpi-3b": "pinctrl-bcm2835",
    "rpi-4b": "pinctrl-bcm2711",
    "rpi-5": "pinctrl-rp1",
    "rpi-zero-2w": "pinctrl-bcm2835",
    "simulated": "simulated",
}


def test_every_board_is_there_with_the_chip_it_has() -> None:
    assert {board.name: board.gpio.chip for board in BoardFiles().boards()} == CHIPS


@pytest.mark.parametrize("name", CHIPS)
def test_every_board_shows_everything_and_has_its_button(name: str) -> None:
    board = BoardFiles().board(name)
    assert {shown for light in board.lights for shown in light.shows} == set(Led) or name == "generic-libgpiod"
    assert Led.LINE in {shown for light in board.lights for shown in light.shows}
    assert board.button is not None
    assert board.text.source and board.text.title
    assert board.text.uart or board.is_simulated


@pytest.mark.parametrize("name", [name for name in CHIPS if name.startswith("rpi-")])
def test_the_pins_of_a_raspberry_pi_are_on_the_header_and_nobody_elses(name: str) -> None:
    board = BoardFiles().board(name)
    used = {line for light in board.lights for line in light.lines.values()}
    assert board.button is not None
    used.add(board.button.line)
    spi, i2c, uart = {7, 8, 9, 10, 11}, {0, 1, 2, 3}, {14, 15}
    assert used <= set(range(28)) - spi - i2c - uart
    assert {2, 3, 14, 15} <= {line for reserved in board.text.reserved for line in reserved.lines}


def test_qemus_board_has_its_button_on_the_power_key() -> None:
    button = BoardFiles().board("qemu-virt").button
    assert button is not None
    assert (button.line, button.active_low, button.bias) == (3, False, Bias.NONE)


@cases(
    ("model", "name"),
    [
        ("Raspberry Pi Zero 2 W Rev 1.0", "rpi-zero-2w"),
        ("Raspberry Pi 3 Model B Rev 1.2", "rpi-3b"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi-3b"),
        ("Raspberry Pi 4 Model B Rev 1.4", "rpi-4b"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi-5"),
        ("linux,dummy-virt", "qemu-virt"),
        ("Raspberry Pi Model B Rev 2", None),
        ("", None),
    ],
)
def test_a_board_is_known_by_the_machines_own_name(model: str, name: str | None) -> None:
    board = BoardFiles().board_of(model)
    assert (board and board.name) == name


def test_the_machines_name_ends_with_a_zero_byte_in_the_device_tree(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert machine_model(tmp_path / "model") == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine_model(tmp_path / "none") == ""


def test_an_led_that_shows_something_twice() -> None:
    text = '[[led]]\nname = "left"\nshows = ["line", "line"]\nline = 5\n'
    assert faults(text) == ["mine.toml: board mine: LED left: shows names something twice."]


@pytest.mark.parametrize("lines", ["red = 5", "red = 5\ngreen = 6"])
def test_an_led_of_one_colour_or_two_lacks_the_third(lines: str) -> None:
    assert faults(f'[[led]]\nname = "left"\nshows = ["line"]\n{lines}\n') == [
        "mine.toml: board mine: LED left: it needs line, or all three of red, green and blue."
    ]


def test_a_light_of_three_colours_has_lines_and_no_line() -> None:
    assert Light("left", (Led.LINE,), line=5).is_coloured is False
    assert Light("left", (Led.LINE,), red=5).is_coloured is True


def test_a_light_is_a_table() -> None:
    with pytest.raises(ConfigError) as told:
        parse_board("mine", 'led = ["left"]\n' + HEAD, "mine.toml")
    [problem] = told.value.problems
    assert problem.endswith("is not allowed: write [[led]] and its keys below.")


def test_the_first_and_the_last_line_of_a_chip_are_there() -> None:
    board = parse_board("mine", HEAD + led("left", 0) + led("right", 19, "mail"), "mine.toml")
    assert [light.lines for light in board.lights] == [{"line": 0}, {"line": 19}]
    assert board.button is None and not board.is_simulated
    elsewhere = led("left", 500) + 'chip = "chip-b"\n'  # nobody knows how many lines that one has
    assert parse_board("mine", HEAD + elsewhere, "mine.toml").chips == ("chip-b",)
    assert "line -7 does not exist" in faults(led("left", -7) + 'chip = "chip-b"\n')[0]


@pytest.mark.parametrize(
    ("bias", "active_low"), [("pull-up", "true"), ("pull-down", "false"), ("none", "true"), ("none", "false")]
)
def test_a_button_that_is_pressed_only_when_pressed(bias: str, active_low: str) -> None:
    text = BUTTON.format(line=5) + f'bias = "{bias}"\nactive_low = {active_low}\n'
    board = parse_board("mine", HEAD + text, "mine.toml")
    assert board.button is not None and board.chips == ("chip-a",)


def test_lights_that_share_may_show_what_another_shows_alone() -> None:
    shared = '[[led]]\nname = "all"\nshows = ["line", "mail"]\nline = 6\n'
    assert len(parse_board("mine", HEAD + led("left", 5) + shared, "mine.toml").lights) == 2


def test_the_longest_name_a_file_knows_of_a_machine_counts() -> None:
    models = HEAD.replace("[gpio]", 'models = ["Board", "Board 3"]\n[gpio]', 1)
    board = parse_board("mine", models + led("left", 5), "mine.toml")
    assert [board.is_model(model) for model in ("Board 3 B", "Board 2", "Boar", "")] == [7, 5, 0, 0]


def test_what_a_board_must_say() -> None:
    with pytest.raises(ConfigError) as told:
        parse_board("mine", "[[reserved]]\n[[led]]\n[[button]]\n[[uart]]\n[gpio]\n", "mine.toml")
    missing = {problem.split()[1] for problem in told.value.problems if " is missing" in problem}
    assert missing == {
        "title",
        "source",
        "reserved[1].lines",
        "reserved[1].why",
        "led[1].name",
        "led[1].shows",
        "button[1].line",
        "uart[1].name",
        "uart[1].device",
        "gpio.chip",
        "gpio.lines",
    }
