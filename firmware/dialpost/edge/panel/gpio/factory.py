"""gpiozero's pin factory on libgpiod: any Linux board, found by its chip's label.

Registered at gpiozero's entry point `gpiozero_pin_factories` as `dialpost-libgpiod` (GPIOZERO_PIN_FACTORY takes it,
then with the chip of DIALPOST_GPIO_CHIP, a Raspberry Pi's header, or the only one). gpiozero's own factories know
only Raspberry Pis and need something that Debian lacks (lgpio), that it forbids (/dev/mem), or that is no longer
maintained (RPi.GPIO).

`PiFactory` wants a Pi's revision to draw its header; here the pins are the chip's lines 0 to n-1, by number.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gpiod
from gpiozero.pins import BoardInfo, HeaderInfo, PinInfo
from gpiozero.pins.pi import PiFactory

from dialpost.edge.panel.gpio.chips import DEVICES, default_label, open_chip
from dialpost.edge.panel.gpio.pins import LibgpiodPin
from dialpost.edge.panel.gpio.pwm import SoftPwm
from dialpost.edge.panel.gpio.watcher import EdgeWatcher

CHIP_VARIABLE = "DIALPOST_GPIO_CHIP"


class LibgpiodFactory(PiFactory):  # type: ignore[misc]  # gpiozero has no types
    """The lines of one chip. `label` None: as described above. Raises: GpioError, GpioNotThereError."""

    def __init__(self, label: str | None = None, devices: Path = DEVICES) -> None:
        super().__init__()
        self.label = label or os.environ.get(CHIP_VARIABLE) or default_label(devices)
        self.chip: gpiod.Chip = open_chip(self.label, devices)
        self.pin_class = LibgpiodPin
        self.edges = EdgeWatcher()
        self.pwm = SoftPwm()
        self._lines = self.chip.get_info().num_lines
        self._info: Any = None

    def close(self) -> None:
        """Release every line. Harmless if called again."""
        super().close()
        self.edges.close()
        self.pwm.close()
        self.chip.close()

    @staticmethod
    def ticks() -> float:
        """The clock of the edges' times."""
        return time.monotonic()

    @staticmethod
    def ticks_diff(later: float, earlier: float) -> float:
        """Seconds between two."""
        return later - earlier

    def _get_revision(self) -> int:
        """No Raspberry Pi is assumed: there may be no device tree with a revision to read."""
        return 0

    def _get_board_info(self) -> Any:
        if self._info is None:
            pins = {line + 1: _pin_info(line) for line in range(self._lines)}
            header = HeaderInfo("GPIO", rows=(self._lines + 1) // 2, columns=2, pins=pins)
            self._info = BoardInfo(
                revision=f"{self._get_revision():04x}",
                model=self.label,
                pcb_revision="",
                released="",
                soc=self.label,
                manufacturer="",
                memory=0,
                storage="",
                usb=0,
                usb3=0,
                ethernet=0,
                eth_speed=0,
                wifi=False,
                bluetooth=False,
                csi=0,
                dsi=0,
                headers={"GPIO": header},
                board="",
            )
        return self._info

    def _get_spi_class(self, shared: bool, hardware: bool) -> Any:
        raise NotImplementedError("the panel has no SPI")


def _pin_info(line: int) -> Any:
    row, column = divmod(line, 2)
    name = f"GPIO{line}"
    return PinInfo(
        number=line + 1,
        name=name,
        names=frozenset({line, str(line), name}),
        pull="",
        row=row + 1,
        col=column + 1,
        interfaces=frozenset({"gpio"}),
    )
