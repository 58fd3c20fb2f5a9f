"""The configuration's front panel section: which board, how bright, when dark."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.setting import setting


@dataclass(frozen=True, slots=True)
class PanelConfig:
    """LEDs and button."""

    board: str = setting(
        "",
        "The board: a name from `dialpost board list` or a file's path; none: no panel. Empty: detected "
        "from the device tree.",
        example="rpi-4b",
    )
    brightness: int = setting(
        100,
        "LED brightness. Below 100 the program switches the LEDs a hundred times a second, which takes a "
        "small board a few percent of its time while one is lit; a larger resistor costs nothing.",
        unit="percent",
        minimum=1,
        maximum=100,
    )
    night_hours: tuple[str, ...] = setting(
        (),
        "Times of day when the LEDs stay dark (local time). The button wakes them; they go dark only while "
        "the clock is right.",
        kind="time-span",
        maximum=10,
        example='["22:00-06:30"]',
    )
    night_wake_s: int = setting(
        60,
        "How long the LEDs stay awake at night after a button press.",
        unit="seconds",
        minimum=5,
        maximum=3600,
    )
    button_resets: bool = setting(
        True, "Whether the button can start a factory reset (hold 10 s, then press again)."
    )
