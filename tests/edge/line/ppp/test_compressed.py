"""What the kernel counts of a PPP line, before and after compression."""

import socket
import struct

import pytest

from dialpost.core.line.compression import Crossed
from dialpost.edge.line.ppp import compressed


def _stat(plain: int, small: int, incompressible: int) -> bytes:
    """A struct compstat of linux/ppp_defs.h; the packets' counts are not looked at."""
    return struct.pack("8Id", plain, 9, small, 9, incompressible, 9, 0, 0, 0.0)


def test_both_sides_are_read_with_what_did_not_shrink() -> None:
    told = _stat(40_000, 9000, 1000) + _stat(70_000, 30_000, 500)
    assert compressed.parse(told, 1, 2) == Crossed(40_000, 10_000, 70_000, 30_500)


def test_a_line_without_compression_counts_alike() -> None:
    assert compressed.parse(bytes(80), 1234, 5678) == Crossed(1234, 1234, 5678, 5678)


@pytest.mark.parametrize("names", [[], ["lo", "eth0"], ["ppp0-is-gone"]])
def test_without_a_line_nothing_is_known(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(names, 1)))
    assert compressed.crossed() is None
