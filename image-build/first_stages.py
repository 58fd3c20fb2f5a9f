"""Check that the FAT partition has every file that the Pi's own first stages load; otherwise `build` makes no card.

    first_stages.py FAT_FOLDER BOOT_FOLDER     the partition, a slot's /boot; status 1 and why if one lacks

Which files those are follows from config.txt, for each model that this image supports. A setting under a filter
that only the board itself can evaluate ([EDID=...], [gpio4=1], [tryboot]) may apply or not: the files of both cases
are required. If the firmware's order of precedence is undocumented, the files of every possibility are required.

Source: Raspberry Pi documentation, config.txt (boot, memory, conditional filters, device trees, legacy options);
that `gpu_mem` under 32 takes the cut-down firmware: the strings in bootcode.bin and raspberrypi/linux issue 503.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST_LINE = 98
"""How much of a line of config.txt the firmware reads; it ignores the rest."""
_MODEL_FILTERS = {
    "pi0",
    "pi0w",
    "pi02",
    "pi1",
    "pi2",
    "pi3",
    "pi3+",
    "pi4",
    "pi400",
    "pi5",
    "pi500",
    "cm0",
    "cm1",
    "cm3",
    "cm3+",
    "cm4",
    "cm4s",
    "cm5",
}
_PLAIN_GPU_MIB = 32
_YES = "1"
_MOST_INCLUDES = 20
"""A file that includes itself ends here."""


@dataclass(frozen=True, slots=True)
class Model:
    """One board. `generation`: "" or "4", as in start4.elf. `memory_mib`: which gpu_mem_... is its own."""

    name: str
    filters: frozenset[str]
    generation: str
    memory_mib: tuple[int, ...]
    device_tree: str
    downstream_tree: str


MODELS = (
    Model("Raspberry Pi 3 B", frozenset({"pi3"}), "", (1024,), "bcm2837-rpi-3-b.dtb", "bcm2710-rpi-3-b.dtb"),
    Model(
        "Raspberry Pi 3 B+",
        frozenset({"pi3", "pi3+"}),
        "",
        (1024,),
        "bcm2837-rpi-3-b-plus.dtb",
        "bcm2710-rpi-3-b-plus.dtb",
    ),
    Model(
        "Raspberry Pi Zero 2 W",
        frozenset({"pi0", "pi0w", "pi02"}),
        "",
        (512,),
        "bcm2837-rpi-zero-2-w.dtb",
        "bcm2710-rpi-zero-2-w.dtb",
    ),
    Model("Raspberry Pi 4 B", frozenset({"pi4"}), "4", (1024,), "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-4-b.dtb"),
)
"""The boards that docs/flashing.md lists."""


@dataclass(frozen=True, slots=True)
class Want:
    """A file; any of `names` will do. `why` is the setting it follows from, for the operator."""

    names: tuple[str, ...]
    why: str


class Settings:
    """The settings for one model: for each key every value it may have. Cumulative ones (overlays) are all kept."""

    _LISTS = frozenset({"dtoverlay", "device_tree_overlay", "initramfs", "ramfsfile", "include"})

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def set(self, key: str, value: str, *, certain: bool) -> None:
        if not certain or key in self._LISTS:
            self._values.setdefault(key, ["" if key in self._LISTS else _UNSET]).append(value)
        else:
            self._values[key] = [value]

    def get(self, key: str, default: str = "") -> list[str]:
        """Never empty."""
        return [default if value is _UNSET else value for value in self._values.get(key, [_UNSET])]

    def is_set(self, key: str) -> bool:
        return key in self._values


_UNSET = "(unset)"


def wanted(model: Model, read: Callable[[str], str | None]) -> Iterator[Want]:
    """Every file required on `model`. `read` returns a text file from the partition, None if there is none."""
    settings = Settings()
    text = read("config.txt")
    if text is None:
        yield Want(("config.txt",), "the kernel's name stands in it")
        return
    includes: list[str] = []
    _take(text, model, settings, read, includes, certain=True)
    for name in includes:
        yield Want((name,), f"include {name}")
    if not model.generation:
        yield Want(("bootcode.bin",), "the first file this board reads")
    yield from _firmware(model, settings)
    yield from _kernel(model, settings)
    yield from _named(settings)


def _take(
    text: str,
    model: Model,
    settings: Settings,
    read: Callable[[str], str | None],
    includes: list[str],
    *,
    certain: bool,
) -> None:
    """Read one file's lines; filters apply up to its end, model filters replace each other, others accumulate."""
    of_model, other = True, ""
    for raw in text.splitlines():
        line = raw[:LONGEST_LINE].strip()
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1].lower()
            if name == "all":
                of_model, other = True, ""
            elif name in _MODEL_FILTERS:
                of_model = name in model.filters
            else:
                other = "never" if name == "none" else other or "maybe"
            continue
        if not line or line.startswith("#") or not of_model or other == "never":
            continue
        key, value = _split(line)
        if key == "include":
            includes.append(value)
            if len(includes) < _MOST_INCLUDES:
                # bootcode.bin does not support include, start.elf does: settings in it apply to only some stages.
                _take(read(value) or "", model, settings, read, includes, certain=False)
        else:
            settings.set(key, value, certain=certain and not other)


def _split(line: str) -> tuple[str, str]:
    """`key=value`, or `include FILE` and `initramfs FILE [ADDRESS]`, which have no character between."""
    first, _, rest = line.partition(" ")
    if first in {"include", "initramfs"}:
        return first, rest.strip().split(" ")[0]
    key, _, value = line.partition("=")
    return key.strip(), value.strip()


def _firmware(model: Model, settings: Settings) -> Iterator[Want]:
    kinds: dict[str, str] = {}
    for setting, kind in (("start_x", "x"), ("start_debug", "db")):
        if _YES in settings.get(setting):
            kinds[kind] = f"{setting}=1"
    keys = [f"gpu_mem_{size}" for size in model.memory_mib if settings.is_set(f"gpu_mem_{size}")] or ["gpu_mem"]
    for key in keys:
        for value in settings.get(key, "64"):
            if not value.isdigit():
                raise ValueError(f"config.txt: {key}={value}, but it must be a number of MiB")
            if int(value) < _PLAIN_GPU_MIB:
                kinds["cd"] = f"{key}={value}, which takes the cut-down firmware"
            elif not kinds:
                kinds[""] = f"{key}={value}" if settings.is_set(key) else "the default"
    for setting, stem, ending in (("start_file", "start", "elf"), ("fixup_file", "fixup", "dat")):
        for chosen in settings.get(setting):
            if chosen:
                yield Want((chosen,), f"{setting}={chosen}")
                continue
            for kind, why in kinds.items():
                plain = f"{stem}_{kind}.{ending}" if kind else f"{stem}.{ending}"
                yield Want((f"{stem}4{kind}.{ending}" if model.generation == "4" else plain,), why)


def _kernel(model: Model, settings: Settings) -> Iterator[Want]:
    for prefix in settings.get("os_prefix"):
        for kernel in settings.get("kernel", "kernel8.img"):
            yield Want(
                (prefix + kernel,), f"kernel={kernel}" if settings.is_set("kernel") else "no kernel= is given"
            )
        for tree in settings.get("device_tree", "default"):
            if not tree:
                raise ValueError(
                    "config.txt: `device_tree=` hands none over, and it tells U-Boot which card is ours"
                )
            if tree != "default":
                yield Want((prefix + tree,), f"device_tree={tree}")
                continue
            for upstream in settings.get("upstream_kernel", "0"):
                if upstream == _YES:
                    names = (f"upstream/{model.device_tree}", prefix + model.device_tree)
                    yield Want(names, "upstream_kernel=1")
                else:
                    yield Want((prefix + model.downstream_tree,), "no upstream_kernel=1")
        for key in ("initramfs", "ramfsfile"):
            for value in settings.get(key):
                for name in filter(None, value.split(",")):
                    yield Want((prefix + name,), f"{key} {name}")
        for folder in settings.get("overlay_prefix", "overlays/"):
            for value in settings.get("dtoverlay"):
                name = value.partition(",")[0].partition(":")[0]
                if name:
                    yield Want((f"{prefix}{folder}{name}.dtbo",), f"dtoverlay={name}")
        for name in filter(None, settings.get("device_tree_overlay")):
            yield Want((prefix + name,), f"device_tree_overlay={name}")


def _named(settings: Settings) -> Iterator[Want]:
    """Files that are required only if a setting names them."""
    for key in ("armstub", "cmdline", "hdmi_edid_filename"):
        for name in filter(None, settings.get(key)):
            yield Want((name,), f"{key}={name}")


def problems(fat: Path, slot_boot: Path) -> Iterator[str]:
    """A sentence for each missing file."""
    there = {
        str(path.relative_to(fat)).lower() for path in fat.rglob("*") if path.is_file() and path.stat().st_size
    }

    def read(name: str) -> str | None:
        path = fat / name
        return path.read_text("utf-8", "replace") if path.is_file() else None

    for line in (read("config.txt") or "").splitlines():
        if len(line) > LONGEST_LINE and not line.startswith("#"):
            yield f"config.txt: the firmware reads {LONGEST_LINE} characters of a line: {line[:40]}..."
    for name in ("boot.scr", "uboot.env"):
        if name not in there:
            yield f"{name} is not on the FAT partition; U-Boot asks for it"
    for name in ("slot.scr", "vmlinuz", "initrd.img"):
        if not (slot_boot / name).is_file():
            yield f"/boot/{name} is not in the slot"
    for model in MODELS:
        if not (slot_boot / "dtb/broadcom" / model.device_tree).is_file():
            yield f"{model.name}: {model.device_tree} is not in the slot's /boot/dtb/broadcom"
        try:
            for want in wanted(model, read):
                if not any(name.lower() in there for name in want.names):
                    yield f"{model.name}: {' or '.join(want.names)} is not on the FAT partition ({want.why})"
        except ValueError as error:
            yield f"{model.name}: {error}"


def main() -> int:
    if len(sys.argv) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    found = list(problems(Path(sys.argv[1]), Path(sys.argv[2])))
    for problem in found:
        sys.stderr.write(f"first stages: {problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
