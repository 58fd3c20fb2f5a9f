"""What crossed a PPP line before and after compression, as the kernel counts it.

SIOCGPPPCSTATS, which any user may ask (pppstats(8) does; drivers/net/ppp/ppp_generic.c, linux/ppp-ioctl.h). Without
compression by CCP its counts are zero, and the interface's own stand for both.
"""

from __future__ import annotations

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
_STATISTICS = Path("/sys/class/net")


def crossed() -> Crossed | None:
    """The counts of the dialled line that is up; None without one."""
    for _, name in socket.if_nameindex():
        if is_line(name):
            return _counts(name)
    return None


def _counts(interface: str) -> Crossed | None:
    told = ctypes.create_string_buffer(2 * struct.calcsize(_SIDE))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(told)).ljust(_IFREQ_BYTES, b"\0")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock.fileno(), _SIOCGPPPCSTATS, request)
        folder = _STATISTICS / interface / "statistics"
        sent, received = (int((folder / name).read_text()) for name in ("tx_bytes", "rx_bytes"))
    except (OSError, ValueError):
        return None
    return parse(told.raw, sent, received)


def parse(told: bytes, sent: int, received: int) -> Crossed:
    """`told` is the kernel's struct ppp_comp_stats, `sent` and `received` the interface's counts."""
    up = _side(told, 0, sent)
    return Crossed(*up, *_side(told, struct.calcsize(_SIDE), received))


def _side(told: bytes, offset: int, counted: int) -> tuple[int, int]:
    plain, _, compressed, _, incompressible, *_ = struct.unpack_from(_SIDE, told, offset)
    return (plain, compressed + incompressible) if plain else (counted, counted)
