"""A board's file (board/NAME.toml): which GPIO lines its lights and its button are on, and its UARTs.

Declared like the configuration and read by `core/config/board_text`; `parse_board` adds the checks that no single
key can have: a line that the chip lacks, that is reserved, or that is used twice is reported with the board, the
light and the line. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from dialpost.core.config.board_text import TOP, read_tables
from dialpost.core.config.setting import setting
from dialpost.core.errors import ConfigError
from dialpost.core.panel.lights import Led

NO_LINE = -1
_MOST_LINES = 1024


class Bias(Enum):
    """What keeps a button's line at its level while nobody presses it."""

    PULL_UP = "pull-up"
    PULL_DOWN = "pull-down"
    NONE = "none"  # a resistor on the board does it


class LampColour(Enum):
    """The colour of a plain light, for people."""

    GREEN = "green"
    RED = "red"
    AMBER = "amber"
    BLUE = "blue"
    WHITE = "white"
    UNKNOWN = "unknown"


def _line(help: str) -> int:
    return setting(NO_LINE, help)  # its range depends on the chip: `_line_problems` names the light


@dataclass(frozen=True, slots=True)
class Gpio:
    """[gpio]: the chip, found by its label: the number of /dev/gpiochipN changes from kernel to kernel."""

    chip: str = setting("", "The chip's label (`gpiodetect` shows it in brackets).", required=True)
    lines: int = setting(0, "Number of lines.", minimum=1, maximum=_MOST_LINES, required=True)


@dataclass(frozen=True, slots=True)
class Reserved:
    """One [[reserved]]: lines with another use."""

    lines: tuple[int, ...] = setting((), "Which.", minimum=0, maximum=_MOST_LINES, required=True)
    why: str = setting("", "What uses them.", required=True)
    chip: str = setting("", "The chip; empty: the board's own.")


@dataclass(frozen=True, slots=True)
class Light:
    """One [[led]]: a plain light (`line`), or one of three colours (`red`, `green`, `blue`)."""

    name: str = setting("", "What is printed beside it.", required=True)
    shows: tuple[Led, ...] = setting((), "What it shows; several may share one light.", maximum=4, required=True)
    line: int = _line("The line of a plain light.")
    red: int = _line("The line of red in a three-colour light.")
    green: int = _line("The line of green.")
    blue: int = _line("The line of blue.")
    active_low: bool = setting(False, "Lit while the line is low.")
    colour: LampColour = setting(LampColour.UNKNOWN, "The colour of a plain light.")  # noqa: RUF009 - so declared
    chip: str = setting("", "The chip; empty: the board's own.")

    @property
    def lines(self) -> dict[str, int]:
        """Its lines, each with its name."""
        named = {"line": self.line, "red": self.red, "green": self.green, "blue": self.blue}
        return {name: line for name, line in named.items() if line != NO_LINE}

    @property
    def is_coloured(self) -> bool:
        """Whether it has three colours."""
        return self.line == NO_LINE


@dataclass(frozen=True, slots=True)
class Switch:
    """One [[button]]."""

    name: str = setting("call", "What is printed beside it.")
    line: int = setting(NO_LINE, "Its line.", required=True)
    active_low: bool = setting(True, "The line is low while it is pressed.")
    bias: Bias = setting(Bias.PULL_UP, "What holds the line at rest: pull-up, pull-down, none.")  # noqa: RUF009
    chip: str = setting("", "The chip; empty: the board's own.")


@dataclass(frozen=True, slots=True)
class Uart:
    """One [[uart]]: for people, and for the console."""

    name: str = setting("", "What it is for.", required=True)
    device: str = setting("", "Its device in Linux.", kind="path", required=True)
    note: str = setting("", "Where its pins are.")


@dataclass(frozen=True, slots=True)
class BoardText:
    """The keys before the first section, and the lists of tables."""

    title: str = setting("", "The board's name.", required=True)
    source: str = setting("", "Where these facts come from.", required=True)
    note: str = setting("", "Why these lines, and what to know.")
    models: tuple[str, ...] = setting(
        (), "The beginning of the machine's name (the model in its device tree).", maximum=20
    )
    reserved: tuple[Reserved, ...] = setting((), "Lines reserved for other uses.", maximum=50)
    led: tuple[Light, ...] = setting((), "The lights.", maximum=8)
    button: tuple[Switch, ...] = setting((), "The button.", maximum=1)
    uart: tuple[Uart, ...] = setting((), "The UARTs.", maximum=10)


@dataclass(frozen=True, slots=True)
class Board:
    """One board, checked. `is_simulated`: there are no lines, only a picture of the panel."""

    name: str
    text: BoardText
    gpio: Gpio = field(default_factory=Gpio)

    @property
    def is_simulated(self) -> bool:
        """No hardware: the panel in a terminal."""
        return self.gpio.chip == SIMULATED

    @property
    def lights(self) -> tuple[Light, ...]:
        """The lights, in the order of the file."""
        return self.text.led

    @property
    def button(self) -> Switch | None:
        """The button, None if it has none."""
        return self.text.button[0] if self.text.button else None

    def chip_of(self, part: Light | Switch | Reserved) -> str:
        """The label of the chip to which a part is connected."""
        return part.chip or self.gpio.chip

    @property
    def chips(self) -> tuple[str, ...]:
        """Every chip that a light or the button is on."""
        parts: list[Light | Switch] = [*self.text.led, *self.text.button]
        return tuple(dict.fromkeys(self.chip_of(part) for part in parts))

    def is_model(self, model: str) -> int:
        """How much of the machine's own name matches this board's file: characters, 0 = it is another board."""
        return max((len(known) for known in self.text.models if model.startswith(known)), default=0)


SIMULATED = "simulated"
"""The chip of the simulated board."""
NO_BOARD = "none"
"""The value of `panel.board` for a station without a panel."""


def parse_board(name: str, text: str, source: str) -> Board:
    """A board from its file. Raises: ConfigError with a sentence for each fault, naming board, light and line."""
    made = read_tables(text, source, {TOP: BoardText, "gpio": Gpio})
    top, gpio = made[TOP], made["gpio"]
    assert isinstance(top, BoardText) and isinstance(gpio, Gpio)
    board = Board(name, top, gpio)
    problems = tuple(f"{source}: board {name}: {problem}" for problem in _problems(board))
    if problems:
        raise ConfigError(problems)
    return board


def _problems(board: Board) -> Iterator[str]:
    if not board.lights and board.button is None:
        yield "it has neither [[led]] nor [[button]]; such a board needs no file."
    for light in board.lights:
        yield from _light_problems(light)
    yield from _name_problems(board)
    yield from _line_problems(board)
    button = board.button
    if button is not None and (button.bias, button.active_low) in _CONTRADICTIONS:
        yield (
            f"button {button.name} (line {button.line}): {button.bias.value} with active_low = "
            f"{str(button.active_low).lower()}: it would read as pressed when it is not. Change one of "
            'them, or set bias = "none" where a resistor on the board holds the line.'
        )


_CONTRADICTIONS = {(Bias.PULL_UP, False), (Bias.PULL_DOWN, True)}


def _light_problems(light: Light) -> Iterator[str]:
    if not light.shows:
        known = ", ".join(led.value for led in Led)
        yield f"LED {light.name}: shows is empty; it must name at least one of: {known}."
    if len(set(light.shows)) < len(light.shows):
        yield f"LED {light.name}: shows names something twice."
    colours = {"red", "green", "blue"} & set(light.lines)
    if light.line != NO_LINE and colours:
        yield (
            f"LED {light.name}: it has both line {light.line} and {', '.join(sorted(colours))}; give one or the "
            "other."
        )
    elif light.line == NO_LINE and len(colours) < 3:
        yield f"LED {light.name}: it needs line, or all three of red, green and blue."


def _name_problems(board: Board) -> Iterator[str]:
    names = [light.name for light in board.lights]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two LEDs are called {name}."
    shown = [led for light in board.lights for led in light.shows if len(light.shows) == 1]
    for led in Led:
        if shown.count(led) > 1:
            yield f"two LEDs show only {led.value}: remove one of them."


def _line_problems(board: Board) -> Iterator[str]:
    """Out of the chip's range, reserved, or used twice."""
    owners = {
        (board.chip_of(reserved), line): reserved.why for reserved in board.text.reserved for line in reserved.lines
    }
    used: dict[tuple[str, int], str] = {}
    for what, chip, line in _uses(board):
        if line < 0 or (chip == board.gpio.chip and line >= board.gpio.lines):
            yield f"{what}: line {line} does not exist: {chip} has lines 0 to {board.gpio.lines - 1}."
        if (chip, line) in owners:
            yield f"{what}: line {line} is not free: {owners[chip, line]}."
        if (chip, line) in used:
            yield f"{what}: line {line} is used already, by {used[chip, line]}."
        used.setdefault((chip, line), what)


def _uses(board: Board) -> Iterator[tuple[str, str, int]]:
    """What is on which line of which chip."""
    for light in board.lights:
        for name, line in light.lines.items():
            yield f"LED {light.name}" + ("" if name == "line" else f" ({name})"), board.chip_of(light), line
    button = board.button
    if button is not None:
        yield f"button {button.name}", board.chip_of(button), button.line
