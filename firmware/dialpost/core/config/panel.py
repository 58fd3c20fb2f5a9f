"""The section of the configuration about the front panel: which board, how bright, when dark."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.setting import setting


@dataclass(frozen=True, slots=True)
class PanelConfig:
    """LEDs and button."""

    board: str = setting(
        "", "The board's file: a name (`dialpost board list`) or a path; none: no panel. "
        "Empty: found by the machine's own name (device tree).",
        example="rpi-4b",
    )  # fmt: skip
    brightness: int = setting(
        100, "How bright the LEDs are. Below 100 the program switches them a hundred times a second, which a small "
        "board feels (some percent of its time while one is lit): a larger resistor costs nothing.",
        unit="percent", minimum=1, maximum=100,
    )  # fmt: skip
    night_hours: tuple[str, ...] = setting(
        (), "Times of day in which the LEDs stay dark, local time. The button wakes them; they sleep only while "
        "the clock is right.", kind="time-span", maximum=10, example='["22:00-06:30"]',
    )  # fmt: skip
    night_wake_s: int = setting(
        60, "How long the LEDs stay awake at night after the button was touched.", unit="seconds", minimum=5,
        maximum=3600,
    )  # fmt: skip
    button_resets: bool = setting(True, "Whether the button can ask for a factory reset (10 s, then once more).")
