"""What crossed a PPP line before and after compression, as the kernel counts it.

SIOCGPPPCSTATS, which any user may ask (pppstats(8) does; drivers/net/ppp/ppp_generic.c, linux/ppp-ioctl.h). Without
compression by CCP its counts are zero, and the interface's own stand for both.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import socket
import struct
from pathlib import Path

from dialpost.core.line.compression import Crossed
from dialpost.core.line_peers import is_line

_SIOCGPPPCSTATS = 0x89F2  # SIOCDEVPRIVATE + 2
_SIDE = "8Id"
"""struct compstat: bytes and packets uncompressed, compressed, incompressible; two sums; a ratio."""
_IFREQ_BYTES = 40
DEVICES = Path("/proc/net/dev")
"""Interfaces and their counts (proc_net(5)). if_nameindex(3) needs netlink, which dialpost.service may not use."""
_RECEIVED_AT, _SENT_AT = 0, 8


def crossed() -> Crossed | None:
    """The counts of the dialled line that is up; None without one, and if the kernel does not give them."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in DEVICES.read_text(encoding="ascii").splitlines():
            name, _, counts = line.strip().partition(":")
            if counts and is_line(name):
                numbers = counts.split()
                return parse(_compressor(name), int(numbers[_SENT_AT]), int(numbers[_RECEIVED_AT]))
    return None


def _compressor(interface: str) -> bytes:
    """The kernel's struct ppp_comp_stats. Raises: OSError."""
    told = ctypes.create_string_buffer(2 * struct.calcsize(_SIDE))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(told)).ljust(_IFREQ_BYTES, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock.fileno(), _SIOCGPPPCSTATS, request)
    return told.raw


def parse(told: bytes, sent: int, received: int) -> Crossed:
    """`told` is the kernel's struct ppp_comp_stats, `sent` and `received` the interface's counts."""
    up = _side(told, 0, sent)
    return Crossed(*up, *_side(told, struct.calcsize(_SIDE), received))


def _side(told: bytes, offset: int, counted: int) -> tuple[int, int]:
    plain, _, compressed, _, incompressible, *_ = struct.unpack_from(_SIDE, told, offset)
    return (plain, compressed + incompressible) if plain else (counted, counted)
