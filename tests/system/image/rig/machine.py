"""The emulated board (-M virt): starts the image from its card by U-Boot, as a Pi does, without a network outside.

What an operator has at hand is here: the serial console, the button, the lamps, the plug. Times are those of
software emulation on a shared host; every wait ends with an event, its limit is only for what never comes.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from image.rig.card import OUT, Card
from image.rig.console import Console
from image.rig.qmp import Qmp
from image.rig.root_shell import RootShell

from rig.ports import free_port
from rig.processes import RigError, eventually

MEMORY_MIB = 512
BOOT_S = 900.0
BOOTS: list[tuple[str, float]] = []
"""What took how long from the plug on, for the end of a run."""
PORTS = (25, 587, 465, 143, 993, 995)


def u_boot_command(card: Path) -> list[str]:
    """The board with a card and the serial line on stdout, for what U-Boot does alone."""
    return [*_board(), *_card(card), "-serial", "stdio"]


def _board() -> list[str]:
    """Without ACPI: with it and a firmware QEMU leaves the PL061 out, and so button and lamps.

    One processor: where the host has none to spare, two wait for each other, and a start of one minute takes five.
    (The Pi of rig/pi.py has four.)
    """
    return [
        "qemu-system-aarch64",
        "-M",
        "virt,acpi=off",
        "-cpu",
        "cortex-a53",
        "-smp",
        "1",
        "-m",
        str(MEMORY_MIB),
        "-accel",
        "tcg",
        "-display",
        "none",
        "-nodefaults",
        "-bios",
        str(OUT / "u-boot-virt.bin"),
    ]


def _card(path: Path) -> list[str]:
    drive = f"if=none,id=card,format=raw,file={path},cache=writeback,discard=unmap"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=card"]


class Machine:
    """One board with one card in it. `folder` takes its sockets and the console's record (console.log).

    `drive`: QEMU's arguments for the card, where they are not the usual ones. `lan`: what else its network has.
    """

    def __init__(
        self,
        card: Card,
        folder: Path,
        *,
        modem: str = "",
        arguments: Sequence[str] = (),
        clock: str = "utc",
        drive: Sequence[str] = (),
        lan: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.card = card
        self.folder = folder
        self.ports = {port: free_port() for port in PORTS}
        """Where the station's ports are reached on 127.0.0.1."""
        self.started_s = time.monotonic()
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in self.ports.items())
        lan_options = ",".join([f"user,id=lan,restrict=on{forwards}", *lan])
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            *_board(),
            *(drive or _card(card.path)),
            "-chardev",
            f"socket,id=uart,path={folder}/uart,server=on,wait=off,logfile={folder}/console.log",
            "-serial",
            "chardev:uart",
            "-device",
            "virtio-serial-pci",
            "-chardev",
            f"socket,id=shell,path={folder}/shell,server=on,wait=off,logfile={folder}/shell.log",
            "-device",
            "virtconsole,chardev=shell",
            "-qmp",
            f"unix:{folder}/qmp,server=on,wait=off",
            "-netdev",
            lan_options,
            "-device",
            "virtio-net-pci,netdev=lan,romfile=",
            "-device",
            "qemu-xhci",
            "-device",
            "i6300esb",
            "-action",
            "watchdog=reset",
            "-rtc",
            f"base={clock}",
            *arguments,
        ]
        if modem:
            command += ["-chardev", f"serial,id=modem,path={modem}", "-device", "usb-serial,chardev=modem"]
        with (folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(self._is_reachable, within_s=30, what="QEMU's sockets")
            self.qmp = Qmp(folder / "qmp")
            self.shell = RootShell(folder / "shell")
            self.console = Console(folder / "uart", BOOT_S)
        except BaseException:
            self.pull_plug()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_up(self, within_s: float = BOOT_S) -> str:
        """Until systemd has done all it wanted to at the start; its word for the result ("running")."""
        self.shell.wait_ready(within_s)
        return self.shell.run("systemctl is-system-running --wait", within_s=within_s, check=False)

    def check_up(self) -> None:
        """As `wait_up`, and nothing may have failed. Raises: AssertionError with what did."""
        state = self.wait_up()
        failed = self.run("systemctl --failed --no-legend --plain", check=False)
        if (state, failed) != ("running", ""):
            warnings = self.run("journalctl -b -p warning --no-pager -o short-monotonic | tail -60", check=False)
            raise AssertionError(f"{state}: {failed}\n{warnings}")

    def took(self, what: str) -> float:
        """Put on record how long after the start something was reached."""
        seconds = time.monotonic() - self.started_s
        BOOTS.append((what, seconds))
        return seconds

    def run(self, command: str, *, within_s: float = 60.0, check: bool = True) -> str:
        """A command as root, in the machine."""
        return self.shell.run(command, within_s=within_s, check=check)

    def switch_off(self, within_s: float = 120.0) -> None:
        """Shut down in order."""
        self.run("systemctl --no-block poweroff")
        self._process.wait(within_s)
        self._close()

    def pull_plug(self) -> None:
        """SIGKILL: what the guest had not written is lost."""
        self._process.kill()
        self._process.wait()
        self._close()

    def console_text(self) -> str:
        """Everything the serial line said so far."""
        return (self.folder / "console.log").read_text("utf-8", "replace")

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.is_running():
            self.pull_plug()

    def _is_reachable(self) -> bool:
        if not self.is_running():
            raise RigError(f"QEMU ended at once: {(self.folder / 'qemu.log').read_text()}")
        return all((self.folder / name).exists() for name in ("uart", "shell", "qmp"))

    def _close(self) -> None:
        for name in ("qmp", "shell", "console"):
            if hasattr(self, name):
                getattr(self, name).close()
