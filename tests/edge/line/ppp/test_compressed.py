"""What the kernel counts of a PPP line, before and after compression."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from pathlib import Path

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


HEAD = (
    "Inter-|   Receive       |  Transmit\n face |bytes packets errs\n    lo: 111 1 0 0 0 0 0 0 111 1 0 0 0 0 0 0\n"
)
PPP0 = "  ppp0: 5678 9 0 0 0 0 0 0 1234 9 0 0 0 0 0 0\n"


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plays /proc/net/dev. Netlink is refused, as by RestrictAddressFamilies of dialpost.service."""

    def refused() -> list[tuple[int, str]]:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "if_nameindex", refused)
    monkeypatch.setattr(fcntl, "ioctl", lambda fd, request, argument: None)
    path = tmp_path / "dev"
    monkeypatch.setattr(compressed, "DEVICES", path)
    return path


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (bytes(80), Crossed(1234, 1234, 5678, 5678)),
        (_stat(40_000, 9000, 1000) + _stat(70_000, 30_000, 500), Crossed(40_000, 10_000, 70_000, 30_500)),
    ],
)
def test_the_kernel_is_asked_for_the_line_without_netlink(
    told: bytes, expected: Crossed, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kernel(fd: int, request: int, argument: bytes) -> None:
        name, address = struct.unpack_from("16sP", argument)
        assert (request, name.rstrip(b"\0")) == (0x89F2, b"ppp0")
        ctypes.memmove(address, told, len(told))

    monkeypatch.setattr(fcntl, "ioctl", kernel)
    devices.write_text(HEAD + PPP0)
    assert compressed.crossed() == expected


@pytest.mark.parametrize(
    "text", [None, "", HEAD, HEAD + "ppp0-is-gone: 1 2 3\n", HEAD + PPP0.replace("5678", "x"), HEAD + PPP0[:20]]
)
def test_without_a_line_nothing_is_known(text: str | None, devices: Path) -> None:
    if text is not None:
        devices.write_text(text)
    assert compressed.crossed() is None


def test_a_line_that_goes_down_meanwhile_is_no_fault(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(fd: int, request: int, argument: bytes) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(fcntl, "ioctl", gone)
    devices.write_text(HEAD + PPP0)
    assert compressed.crossed() is None
