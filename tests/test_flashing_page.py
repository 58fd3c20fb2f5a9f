"""docs/flashing.md says where to put a wire: its pins are those of the board files, and of the header."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dialpost.core.panel.board import Board, Light
from dialpost.edge.system.board_files import BoardFiles

_TREE = Path(__file__).parents[1]
PAGE = (_TREE / "docs/flashing.md").read_text()
FOUR_LAMPS = ("rpi-3b", "rpi-4b", "rpi-5")
ONE_LAMP = ("rpi-zero-2w",)

# Raspberry Pi documentation, "GPIO and the 40-pin header": the same on every board that has it.
HEADER = {
    3: 2,
    5: 3,
    7: 4,
    8: 14,
    10: 15,
    11: 17,
    12: 18,
    13: 27,
    15: 22,
    16: 23,
    18: 24,
    19: 10,
    21: 9,
    22: 25,
    23: 11,
    24: 8,
    26: 7,
    27: 0,
    28: 1,
    29: 5,
    31: 6,
    32: 12,
    33: 13,
    35: 19,
    36: 16,
    37: 26,
    38: 20,
    40: 21,
}
GROUND = {6, 9, 14, 20, 25, 30, 34, 39}
SUPPLY = {1: "3V3", 17: "3V3", 2: "5V", 4: "5V"}
PIN_OF = {gpio: pin for pin, gpio in HEADER.items()}
_LABEL = r"GPIO\d+|GND|3V3|5V"
_ROW = re.compile(
    rf"^ *(?P<part>[a-z][a-z, A-Z]*?)? *(?:<-R-|----)? *(?P<left>{_LABEL})? +(?P<odd>\d+) \| "
    rf"(?P<even>\d+) *(?P<right>{_LABEL})?(?: .*)?$"
)


def drawing(number: int) -> list[re.Match[str]]:
    """The rows of a diagram of the page. Every line of it must be one."""
    drawn = re.findall(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[number]
    rows = [(line, _ROW.match(line)) for line in drawn.rstrip("\n").split("\n")]
    assert [line for line, row in rows if row is None] == []
    return [row for _, row in rows if row is not None]


def wired(number: int) -> dict[str, tuple[int, str]]:
    """What a diagram puts at which pin (all are in the left row), with what it calls the pin."""
    return {row["part"]: (int(row["odd"]), row["left"]) for row in drawing(number) if row["part"]}


def wanted(name: str) -> dict[str, tuple[int, str]]:
    """The same of a board's file."""
    board = BoardFiles(_TREE / "board").board(name)
    parts = {part: line for light in board.lights for part, line in lines_of(light).items()}
    parts["button"] = button_line(board)
    return {part: (PIN_OF[line], f"GPIO{line}") for part, line in parts.items()} | {"common": (39, "GND")}


def lines_of(light: Light) -> dict[str, int]:
    assert not light.active_low, "the page wires lamps to ground"
    if light.is_coloured:
        return {f"{colour} of the LED": line for colour, line in light.lines.items()}
    return {f"{light.name} LED, {light.colour.value}": light.line}


def button_line(board: Board) -> int:
    (button,) = board.text.button
    assert button.active_low
    assert button.bias.value == "pull-up", "the page wires the button to ground without a resistor"
    return button.line


@pytest.mark.parametrize("board", FOUR_LAMPS)
def test_the_diagram_of_four_lamps_is_the_board_file(board: str) -> None:
    assert wired(0) == wanted(board)


@pytest.mark.parametrize("board", ONE_LAMP)
def test_the_diagram_of_one_lamp_is_the_board_file(board: str) -> None:
    assert wired(1) == wanted(board)


def test_every_raspberry_pi_is_on_the_page() -> None:
    names = {path.stem for path in (_TREE / "board").glob("rpi-*.toml")}
    assert names == {*FOUR_LAMPS, *ONE_LAMP}


def test_what_stands_beside_a_pin_is_what_the_header_has_there() -> None:
    told = {}
    for number in (0, 1):
        for row in drawing(number):
            for pin, label in ((int(row["odd"]), row["left"]), (int(row["even"]), row["right"])):
                if label:
                    told[pin] = label
    real = {pin: f"GPIO{gpio}" for pin, gpio in HEADER.items()} | dict.fromkeys(GROUND, "GND") | SUPPLY
    assert told == {pin: real[pin] for pin in told}
    assert set(told) >= GROUND | set(SUPPLY), "grounds and supplies are all named: a wrong one costs the board"
    assert [(int(row["odd"]), int(row["even"])) for row in drawing(0)] == [(n, n + 1) for n in range(1, 41, 2)]


@pytest.mark.parametrize("board", [*FOUR_LAMPS, *ONE_LAMP])
def test_the_serial_console_is_where_the_board_file_says(board: str) -> None:
    console = next(uart for uart in BoardFiles(_TREE / "board").board(board).text.uart if uart.name == "console")
    assert "pins 8 (transmit) and 10 (receive), 3.3 V; lines 14 and 15" in console.note
    ends = [re.search(r"(\d+)  *(GPIO\d+)  (--->|<---) (RX|TX) ", row[0]) for row in drawing(0)]
    assert [end.groups() for end in ends if end] == [
        ("8", "GPIO14", "--->", "RX"),
        ("10", "GPIO15", "<---", "TX"),
    ]
    assert "ground to 6, the adapter's RX to 8, its TX to 10" in PAGE


@pytest.mark.parametrize("board", [*FOUR_LAMPS, *ONE_LAMP])
def test_the_pins_in_a_board_file_s_comments_are_those_of_its_lines(board: str) -> None:
    text = (_TREE / "board" / f"{board}.toml").read_text()
    told = {int(line): int(pin) for line, pin in re.findall(r"= (\d+)  # pin (\d+)", text)}
    tables = tomllib.loads(text)
    used = {
        line
        for part in (*tables["led"], *tables["button"])
        for key, line in part.items()
        if key in {"line", "red", "green", "blue"}
    }
    assert told == {line: PIN_OF[line] for line in used}
