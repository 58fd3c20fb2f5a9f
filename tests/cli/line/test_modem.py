"""`dialpost modem`: against the simulated telephone line, as a user would call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from dialpost.__main__ import main
from dialpost.cli.line import modem as face
from dialpost.core.config.model import StationConfig
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import ServedMethods, serve
from dialpost.core.control.station import STATUS, Status
from dialpost.core.line.modem.probe import PortFacts
from dialpost.core.line.modem.profile import FlowControl
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.line.serial_port import open_port
from dialpost.flow.line.modem.refused_pin import RefusedPin, pin_methods
from dialpost.sim.telephone import Telephone
from dialpost.sim.telephone_line import TelephoneSettings
from fakes import MemoryCallStore
from known import known
from loop_thread import LoopThread
from quick_start import QuickSpawn


class Line:
    """A simulated line in its own thread; `path` is the modem's port."""

    def __init__(self, settings: TelephoneSettings) -> None:
        self.telephone = Telephone(settings)
        self._loop = LoopThread()
        self._loop.run(self.telephone.start())
        self.path = self.telephone.station_path

    def stop(self) -> None:
        self._loop.run(self.telephone.stop())
        self._loop.stop()


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    made = Line(getattr(request, "param", TelephoneSettings(dial_s=0.01)))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration and no daemon of the machine is met."""
    monkeypatch.setenv("DIALPOST_CONFIG", str(tmp_path / "dialpost.toml"))
    monkeypatch.setattr(face, "StationConfig", lambda: StationConfig(run_dir=str(tmp_path / "run")))


def configure(folder: Path, port: str, more: str = "") -> str:
    path = folder / "dialpost.toml"
    path.write_text(
        f'[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\nrun_dir = "{folder}/run"\n'
        '[outbound]\nsmarthost = "192.0.2.1"\n[ppp]\ndefault_route = true\n'
        f'[modem]\nport = "{port}"\nnumbers = ["0961123456"]\n{more}'
    )
    return str(path)


@contextlib.contextmanager
def station(folder: Path, methods: ServedMethods) -> Iterator[None]:
    """A control socket that answers these."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        server = ControlServer(folder / "run" / SOCKET_NAME, methods)
        await server.start()
        ready.set()
        await asyncio.to_thread(over.wait)
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        over.set()
        thread.join(60)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(["modem", *argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_list_and_countries(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert [row.split()[0] for row in out.splitlines()[1:6]] == [
        "cellular",
        "courier",
        "hayes",
        "iridium",
        "usb-v92",
    ]
    assert "source:     Iridium ISU AT Command Reference" in run(capsys, "list", "iridium")[1]
    out = run(capsys, "countries")[1]
    assert "12 in a row, then a pause of 1 h" in next(row for row in out.splitlines() if row.startswith("austria"))
    out = run(capsys, "countries", "new-zealand")[1]
    assert "10 in 30 min" in out and "tone only" in out and "Telepermit" in out
    status, _, err = run(capsys, "countries", "Austira")
    assert (status, "Did you mean austria?" in err) == (1, True)


def test_probe_finds_the_modem_and_says_what_to_configure(
    line: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf_end, deaf_port = os.openpty()
    deaf = os.ttyname(deaf_port)
    ports = [PortFacts(deaf, deaf), PortFacts(line.path, line.path, "Conexant USB Modem", "0572:1340")]
    monkeypatch.setattr(face, "serial_ports", lambda: ports)
    status, out, _ = run(capsys, "probe", "--speed", "115200")
    assert status == 0
    assert f"{deaf}: nothing answers" in out
    assert 'says "56000; Simulated Modem V.90; Dialpost"; profile usb-v92: its USB id is 0572:1340' in out
    assert f'[modem]\nprofile = "usb-v92"\nport = "{line.path}"\n' in out
    found = json.loads(run(capsys, "probe", "--json", "--port", line.path)[1])
    assert [(one["device"], one["profile"], one["speed_bps"]) for one in found] == [(line.path, "usb-v92", 115_200)]
    os.close(deaf_end)
    os.close(deaf_port)


def test_probe_without_a_modem_says_what_to_look_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "serial_ports", list)
    assert run(capsys, "probe")[:2] == (
        1,
        "This machine has no serial port. Is the modem plugged in and switched on? `dmesg | tail` lists new USB "
        "devices.\n",
    )
    status, out, _ = run(capsys, "probe", "--port", "/dev/no-such")
    assert status == 1
    assert "There is no /dev/no-such" in out and "No modem found" in out


def subjects(out: str) -> list[tuple[str, str]]:
    found = [
        row.split(":")[0].split(None, 1) for row in out.splitlines() if row[:1] not in {"", " "} and ":" in row
    ]
    return [(mark, subject) for mark, subject in found]


def test_every_step_of_a_sound_modem(line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, line.path)
    status, out, _ = run(capsys, "test")
    assert subjects(out) == [
        ("ok", "settings"),
        ("ok", "port"),
        ("ok", "answer"),
        ("ok", "identity"),
        ("ok", "set-up"),
        ("ok", "control lines"),
        ("ok", "dial tone"),
        ("-", "a call"),
    ]
    assert status == 0
    assert out.endswith("\nThe modem is ready.\n")
    assert line.telephone.calls == 0, "nothing was dialled"


def test_a_call_is_made_when_asked_for_and_hung_up(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, line.path)
    status, out, _ = run(capsys, "test", "--dial")
    assert status == 0, out
    assert "0961123456 answered: CONNECT" in out and "The line is down again." in out
    assert line.telephone.calls == 1
    assert not line.telephone.is_up


@pytest.mark.parametrize("line", [TelephoneSettings(dial_s=0.01, results=("BUSY",))], indirect=True)
def test_a_call_that_fails_says_why(line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, line.path)
    status, out, _ = run(capsys, "test", "--dial")
    assert (status, "FAULT   a call: 0961123456: busy." in out) == (2, True)


@pytest.mark.parametrize("line", [TelephoneSettings(dial_s=0.01, results=("NO DIALTONE",))], indirect=True)
def test_no_dial_tone_is_reported_and_nothing_is_dialled_then(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, line.path)
    status, out, _ = run(capsys, "test", "--dial")
    assert status == 2
    assert "FAULT   dial tone: There is none.\n        -> Check the cable between modem and socket." in out
    assert "a call: Nothing was dialled because of the fault above." in out
    assert line.telephone.calls == 0


@pytest.mark.parametrize("line", [TelephoneSettings(sim_pin="1234")], indirect=True)
def test_a_sim_s_pin_is_not_entered(line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, line.path, 'profile = "cellular"\n')
    status, out, _ = run(capsys, "test")
    assert (status, "SIM: The SIM asks for its PIN.\n        -> Set modem.sim_pin." in out) == (2, True)
    configure(tmp_path, line.path, 'profile = "cellular"\nsim_pin = "9999"\n')
    status, out, _ = run(capsys, "test")
    assert (status, "This test does not enter it: a call does, once." in out) == (0, True)


@pytest.mark.parametrize("line", [TelephoneSettings(sim_pin="1234")], indirect=True)
def test_a_wrong_pin_is_entered_once_however_often_a_call_is_tried(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def status(wanted: NoParams) -> Status:
        return Status(mode="running", version="1", attention=(), call_state_words="on hook", link="modem")

    def tries() -> int:
        return known(line.telephone._station.modem).pin_tries

    configure(tmp_path, line.path, 'profile = "cellular"\nsim_pin = "9999"\n')
    before, store = tries(), MemoryCallStore()
    assert (
        "can't find out whether the SIM refused this PIN before, so it does not try it"
        in run(capsys, "test", "--dial")[1]
    )
    assert tries() == before
    with station(tmp_path, serve(STATUS, status) | pin_methods(store)):
        assert "The SIM refused the PIN." in run(capsys, "test", "--dial")[1]
        assert "The SIM refused this PIN before" in run(capsys, "test", "--dial")[1]
        assert tries() == before - 1
        assert "9999" not in str(store.values)
        assert "refused" in asyncio.run(RefusedPin(store).why_not("9999", tries_known=True))
        assert "1 failed attempt cleared" in run(capsys, "allow-pin")[1]
        assert "No failed attempt was on record" in run(capsys, "allow-pin")[1]
        assert "The SIM refused the PIN." in run(capsys, "test", "--dial")[1]
        assert tries() == before - 2
        run(capsys, "allow-pin")
        assert "Put it into a phone" in run(capsys, "test", "--dial")[1]
        assert tries() == before - 2, "the last attempt is the operator's"


@pytest.mark.parametrize("profile", ["cellular", "iridium"])
def test_network_and_signal(line: Line, profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, line.path, f'profile = "{profile}"\n')
    status, out, _ = run(capsys, "test")
    assert status == 0, out
    assert "network: The modem is in its home network." in out
    assert ("-73 dBm (20 of 31)" if profile == "cellular" else "5 of 5 bars") in out
    assert "dial tone" not in out


def test_what_the_modem_does_not_take_is_named(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, line.path, 'extra_init = "AT+NO"\n')
    status, out, _ = run(capsys, "test")
    assert status == 1
    assert "WARNING set-up: It rejects AT+NO. Calls work all the same" in out
    assert "-> Correct modem.extra_init." in out


def test_a_port_in_use_is_reported(line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, line.path)
    port = open_port(line.path, 115_200, FlowControl.NONE)
    try:
        status, out, _ = run(capsys, "test")
    finally:
        port.close(keep_dtr=True)
    assert (status, "is in use by another Dialpost program" in out) == (2, True)


def test_without_a_port_it_says_how_to_find_it(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("test", "terminal"):
        status, _, err = run(capsys, verb)
        assert (status, "Find the port with `dialpost modem probe`" in err) == (1, True)


@pytest.mark.parametrize("verb", ["probe", "test", "terminal"])
@pytest.mark.parametrize(
    ("words", "link", "refused"),
    [
        ("on line", "modem", True),
        ("dialling", "modem", True),
        ("on hook", "modem", False),
        ("on hook; redialling in 20 s", "modem", False),
        ("on line", "gateway", False),
    ],
)
def test_a_station_in_a_call_keeps_its_modem(
    verb: str,
    words: str,
    link: str,
    refused: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(tmp_path, "/dev/no-such")
    monkeypatch.setattr(face, "serial_ports", list)

    async def status(wanted: NoParams) -> Status:
        return Status(mode="running", version="1", attention=(), call_state_words=words, link=link)

    with station(tmp_path, serve(STATUS, status)):
        _, out, err = run(capsys, verb)
    assert (f"The station is using the modem for a call ({words})." in err) is refused
    assert ("no-such" in out + err or "no serial port" in out) is not refused


def test_the_terminal_talks_until_ctrl_bracket(line: Line, tmp_path: Path) -> None:
    config = configure(tmp_path, line.path)
    child = QuickSpawn(sys.executable, ["-m", "dialpost", "--config", config, "modem", "terminal"], timeout=60)
    child.expect_exact("Ctrl-] leaves.")
    child.send("ATI3\r")
    child.expect_exact("Simulated Modem V.90")
    child.expect_exact("OK")
    child.send("ATS7=33\r\x1d")
    child.expect_exact("The modem keeps its settings.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    again = QuickSpawn(sys.executable, ["-m", "dialpost", "--config", config, "modem", "terminal"], timeout=60)
    again.expect_exact("Ctrl-] leaves.")
    again.send("ATS7?\r")
    again.expect_exact("033")
    again.send("\x1d")
    again.expect(pexpect.EOF)
    again.close()
