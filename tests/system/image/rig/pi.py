"""The emulated Raspberry Pi 3 (QEMU's -M raspi3b): U-Boot's build for the Pi, the Pi's own card reader, UART and
clock. QEMU starts U-Boot itself, in the place of the first stages of the real board.

There is neither a second console nor a network: what is seen is the UART on the header, and the card.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from image.rig.card import OUT, Card
from image.rig.console import Console
from image.rig.machine import BOOT_S, BOOTS
from image.rig.qmp import Qmp

from rig.processes import RigError, eventually

ARGUMENTS = (
    "systemd.watchdog_sec=off systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900 kpti=off"
)
"""For args.txt. This machine of QEMU's is reset the moment its watchdog is armed; the rest is for its slowness
(root_shell.ARGUMENTS).
"""


class Pi:
    """One Pi with one card in it, whose size must be a power of two. `folder` takes sockets and console.log."""

    def __init__(self, card: Card, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.started_s = time.monotonic()
        command = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-aarch64", "-M", "raspi3b", "-smp", "4", "-m", "1G", "-accel", "tcg,thread=multi",
            "-display", "none", "-kernel", str(OUT / "u-boot-pi.bin"), "-dtb", str(OUT / "bcm2837-rpi-3-b.dtb"),
            "-drive", f"if=sd,format=raw,file={card.path},cache=writeback",
            # The first UART (PL011) is Bluetooth's on this board; the second is on the header.
            "-serial", "null",
            "-chardev", f"socket,id=uart,path={folder}/uart,server=on,wait=off,logfile={folder}/console.log",
            "-serial", "chardev:uart",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
            "-S",  # it waits until somebody listens: words said before would be lost
        ]  # fmt: skip
        with (folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(self._is_reachable, within_s=30, what="QEMU's sockets")
            self.qmp = Qmp(folder / "qmp")
            self.console = Console(folder / "uart", BOOT_S)
            self.qmp.ask("cont")
        except BaseException:
            self.pull_plug()
            raise

    def took(self, what: str) -> None:
        """Put on record how long after the start something was reached."""
        BOOTS.append((what, time.monotonic() - self.started_s))

    def console_text(self) -> str:
        """Everything the UART said so far."""
        return (self.folder / "console.log").read_text("utf-8", "replace")

    def pull_plug(self) -> None:
        """SIGKILL: what the guest had not written is lost."""
        self._process.kill()
        self._process.wait()
        for name in ("qmp", "console"):
            if hasattr(self, name):
                getattr(self, name).close()

    def __enter__(self) -> Pi:
        return self

    def __exit__(self, *exc: object) -> None:
        self.pull_plug()

    def _is_reachable(self) -> bool:
        if self._process.poll() is not None:
            raise RigError(f"QEMU ended at once: {(self.folder / 'qemu.log').read_text()}")
        return all((self.folder / name).exists() for name in ("uart", "qmp"))
