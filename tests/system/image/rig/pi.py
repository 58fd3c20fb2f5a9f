"""The emulated Raspberry Pi 3 and 4 (QEMU's -M raspi3b, raspi4b): U-Boot's build for the Pi, the Pi's own card
reader, UART and clock. QEMU starts U-Boot itself, in the place of the first stages of the real board, and hands it
the device tree of the boot partition, as those do.

There is neither a second console nor a network: what is seen is the UART on the header, and the card.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from image.rig.card import CACHE, OUT, Card
from image.rig.console import Console
from image.rig.machine import BOOT_S, BOOTS
from image.rig.qmp import Qmp

from rig.processes import RigError, eventually

_NOISE_EVERY_S = 0.1
ARGUMENTS = (
    "systemd.watchdog_sec=off systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900 kpti=off"
)
"""For args.txt. This machine of QEMU's is reset the moment its watchdog is armed; the rest is for its slowness
(root_shell.ARGUMENTS).
"""


_EMULATOR = CACHE / "emulator"
"""QEMU of Debian 13 in its own tree (make image-deps)."""


class Model(Enum):
    """A board: QEMU's name of it, its memory, its device tree on the boot partition."""

    PI3 = ("raspi3b", "1G", "bcm2837-rpi-3-b.dtb")
    PI4 = ("raspi4b", "2G", "bcm2711-rpi-4-b.dtb")


def emulator() -> list[str]:
    """A QEMU that knows the Raspberry Pi 4: this machine's, or that of the tree; [] if there is none."""
    own = ""
    if shutil.which("qemu-system-aarch64"):
        own = subprocess.run(
            ["qemu-system-aarch64", "-M", "help"], capture_output=True, text=True, check=False
        ).stdout
    if "raspi4b " in own:
        return ["qemu-system-aarch64"]
    if not (_EMULATOR / "usr/bin/qemu-system-aarch64").exists():
        return []
    libraries = next((_EMULATOR / "usr/lib").glob("*-linux-gnu"))
    loader = next((_EMULATOR / "usr/lib").rglob("ld-linux-*"))
    return [
        "env",
        f"QEMU_MODULE_DIR={libraries}/qemu",
        str(loader),
        "--library-path",
        str(libraries),
        str(_EMULATOR / "usr/bin/qemu-system-aarch64"),
        "-L",
        str(_EMULATOR / "usr/share/qemu"),
    ]


def _card(model: Model, path: Path) -> list[str]:
    """Where a real board has it. By itself QEMU hangs a Pi 4's card where the wireless chip is; the controller of
    its socket (emmc2) is the first of the two it calls generic-sdhci.
    """
    drive = f"format=raw,file={path},cache=writeback"
    if model is Model.PI3:
        return ["-drive", f"if=sd,{drive}"]
    return ["-drive", f"if=none,id=card,{drive}", "-device", "sd-card,drive=card,bus=/generic-sdhci/sd-bus"]


def _stick(path: Path) -> list[str]:
    return ["-drive", f"if=none,id=stick,format=raw,file={path}", "-device", "usb-storage,drive=stick"]


class Pi:
    """One Pi with one card in it, whose size must be a power of two. `folder` takes sockets and console.log.

    `stick`: the image of a USB stick that is plugged in. `noise`: bytes that come at the UART over and over, from
    the first moment until `quiet`. `arguments`: QEMU's, for what else is plugged in.
    """

    def __init__(
        self,
        card: Card,
        folder: Path,
        *,
        model: Model = Model.PI3,
        stick: Path | None = None,
        noise: bytes = b"",
        arguments: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.started_s = time.monotonic()
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            *(emulator() or ["qemu-system-aarch64"]),
            "-M",
            model.value[0],
            "-smp",
            "4",
            "-m",
            model.value[1],
            "-accel",
            "tcg,thread=multi",
            "-display",
            "none",
            "-kernel",
            str(OUT / "u-boot-pi.bin"),
            "-dtb",
            str(OUT / model.value[2]),
            *_card(model, card.path),
            *(_stick(stick) if stick is not None else []),
            # The first UART (PL011) is Bluetooth's on this board; the second is on the header.
            "-serial",
            "null",
            "-chardev",
            f"socket,id=uart,path={folder}/uart,server=on,wait=off,logfile={folder}/console.log",
            "-serial",
            "chardev:uart",
            *arguments,
            "-qmp",
            f"unix:{folder}/qmp,server=on,wait=off",
            "-S",  # it waits until somebody listens: words said before would be lost
        ]
        with (folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(self._is_reachable, within_s=30, what="QEMU's sockets")
            self.qmp = Qmp(folder / "qmp")
            self.console = Console(folder / "uart", BOOT_S)
            self._is_noisy = threading.Event()
            if noise:
                self._is_noisy.set()
                threading.Thread(target=self._make_noise, args=(noise,), daemon=True).start()
            self.qmp.ask("cont")
        except BaseException:
            self.pull_plug()
            raise

    def quiet(self) -> None:
        """No more noise at the UART."""
        self._is_noisy.clear()

    def _make_noise(self, noise: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._is_noisy.is_set():
                self.console.send(noise.decode("latin-1"))
                time.sleep(_NOISE_EVERY_S)

    def took(self, what: str) -> None:
        """Put on record how long after the start something was reached."""
        BOOTS.append((what, time.monotonic() - self.started_s))

    def console_text(self) -> str:
        """Everything the UART said so far."""
        return (self.folder / "console.log").read_text("utf-8", "replace")

    def pull_plug(self) -> None:
        """SIGKILL: what the guest had not written is lost."""
        if hasattr(self, "_is_noisy"):
            self.quiet()
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
