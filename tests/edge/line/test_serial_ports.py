"""The list of serial ports: lasting names, what is left out, what USB devices say."""

from __future__ import annotations

from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from dialpost.core.line.modem.probe import PortFacts
from dialpost.edge.line.serial_ports import ENVIRONMENT, serial_ports


def port(device: str, **known: object) -> ListPortInfo:
    info = ListPortInfo(device, skip_link_detection=True)
    for name, value in known.items():
        setattr(info, name, value)
    return info


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    acm = tmp_path / "ttyACM0"
    acm.touch()
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-Conexant_USB_Modem-if00").symlink_to(acm)
    for tty, kind in (("ttyS0", "4"), ("ttyS1", "0"), ("ttyAMA0", "5")):
        (tmp_path / "sys" / tty).mkdir(parents=True)
        (tmp_path / "sys" / tty / "type").write_text(kind + "\n")
    (tmp_path / "sys" / "console").mkdir()
    (tmp_path / "sys" / "console" / "active").write_text("tty0 ttyAMA0\n")
    ports = [
        port("/dev/ttyS0"),
        port("/dev/ttyS1"),
        port("/dev/ttyAMA0"),
        port(str(acm), vid=0x0572, pid=0x1340, manufacturer="Conexant", product="USB Modem", interface=None),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    return tmp_path


def test_what_is_listed(machine: Path) -> None:
    listed = [
        PortFacts("/dev/ttyS0", "/dev/ttyS0", "", ""),
        PortFacts(
            str(machine / "by-id" / "usb-Conexant_USB_Modem-if00"),
            str(machine / "ttyACM0"),
            "Conexant USB Modem",
            "0572:1340",
        ),
    ]
    by_device = sorted(listed, key=lambda port: port.device)  # where temporary folders are is not known
    assert serial_ports(machine / "sys", machine / "by-id") == by_device


def test_without_by_id_names_the_kernel_s_are_used(machine: Path) -> None:
    listed = ["/dev/ttyAMA0", "/dev/ttyS0", "/dev/ttyS1", str(machine / "ttyACM0")]
    assert [each.device for each in serial_ports(machine / "none", machine / "none")] == sorted(listed)


def test_the_environment_may_name_all_ports_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALPOST_SERIAL_PORTS", "/dev/pts/7:/tmp/remote")
    assert [port.device for port in serial_ports()] == ["/dev/pts/7", "/tmp/remote"]
