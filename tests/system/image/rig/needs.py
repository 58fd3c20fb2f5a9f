"""What the emulated board needs on this machine."""

from __future__ import annotations

import shutil

from image.rig.card import IMAGE

_COMMANDS = ("qemu-system-aarch64", "mcopy", "/sbin/sfdisk", "/sbin/mke2fs", "zstd")


def lacking() -> str:
    """What is not there, and how to get it; "" if all is."""
    for command in _COMMANDS:
        if shutil.which(command) is None:
            return f"the command {command}; get it with: make image-deps"
    return "" if IMAGE.exists() else f"the image {IMAGE}; make it with: make image"
