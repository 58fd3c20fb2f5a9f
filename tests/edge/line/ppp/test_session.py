"""Root's side of a PPP session: what it takes from the daemon's folder, what it runs when the network comes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.ip_text import ip_network
from dialpost.core.line import firewall as line_firewall
from dialpost.core.line import shaping
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import Logged, PppUp, Trouble, parse_event
from dialpost.core.line.ppp.options import PppRequest
from dialpost.edge.line.ppp import session
from known import is_a, known

REQUEST = PppRequest(
    "/dev/ttyUSB0", 115_200, 33_600, user="clinic", password="s3cret", mail_hosts=(ip_network("192.0.2.25"),)
)
_TOOL = """#!{python}
import sys
sys.stderr.write("no\\n") if {status} else None
open({record!r}, "a").write(" ".join(sys.argv[1:]) + chr(10) + sys.stdin.read())
sys.exit({status})
"""
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
ENVIRONMENT = {"IFNAME": "ppp7", "IPLOCAL": "10.0.0.2", "IPREMOTE": "10.0.0.1", "DNS1": "192.0.2.53"}


def prepare(folder: Path) -> None:
    """What pppd's scripts find there."""
    session.command(folder)
    session.given(folder, REQUEST)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Programs that write down how they were run, in the place of nft and ip; no file of this machine's kernel."""
    monkeypatch.setattr(session, "ROUTES", tmp_path / "route")
    tunables = shaping.tunables
    monkeypatch.setattr(
        shaping,
        "tunables",
        lambda line: {str(tmp_path / Path(name).name): value for name, value in tunables(line).items()},
    )

    def make(status: int = 0) -> Path:
        folder = tmp_path / "tools"
        folder.mkdir(exist_ok=True)
        for name in ("nft", "ip", "sysctl"):
            (folder / name).write_text(
                _TOOL.format(
                    python=sys.executable, record=str(tmp_path / name), status=status if name == "nft" else 0
                )
            )
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return tmp_path

    return make


@pytest.fixture
def events(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "events"))
        sock.setblocking(False)
        yield sock


def test_when_it_comes_up_the_firewall_stands_before_anybody_is_told(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path
) -> None:
    record = tools()
    prepare(tmp_path / "work")
    session.up(tmp_path / "work", tmp_path / "events", ENVIRONMENT)
    rules = (record / "nft").read_text()
    assert "192.0.2.25" in rules and "10.0.0.1" in rules and 'iifname "ppp7" drop' in rules
    assert "route replace default dev ppp7" in (record / "ip").read_text()
    assert int((tmp_path / "alpha").read_text()) > 0
    assert parse_event(events.recv(4096)) == PppUp("ppp7", "10.0.0.2", "10.0.0.1", ("192.0.2.53",))


ROUTE_TABLE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100000A	0003	0	0	1024	00000000	0	0	0
eth0	0000000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


@pytest.mark.parametrize("change", [{}, {"IPREMOTE": "192.0.2.1"}, {"IPLOCAL": "192.0.2.2"}], ids=str)
def test_an_address_of_the_lan_is_refused_before_anything_is_set_up(
    tools: Callable[..., Any],
    events: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
) -> None:
    record = tools()
    (tmp_path / "route").write_text(ROUTE_TABLE)
    prepare(tmp_path / "work")
    with session.SessionHooks(tmp_path / "work", tmp_path / "events"):
        subprocess.run([tmp_path / "work" / "up"], env=ENVIRONMENT | change, check=True)
    heard = parse_event(events.recv(4096))
    assert isinstance(heard, Trouble) and "in the LAN's network 10.0.0.0/24" in heard.words
    assert "chain" not in (record / "nft").read_text() and not (record / "alpha").exists()


def test_the_system_learns_the_name_servers_of_the_line_and_forgets_them(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tools()
    told = tmp_path / "name-servers"
    told.write_text(f'#!/bin/sh\necho "$@" >>{record / "told"}\n')
    told.chmod(0o755)
    monkeypatch.setattr(session, "NAME_SERVERS", told)
    prepare(tmp_path / "work")
    session.up(tmp_path / "work", tmp_path / "events", ENVIRONMENT | {"DNS2": "192.0.2.54"})
    session.down(tmp_path / "events", ENVIRONMENT)
    assert (record / "told").read_text() == "line 192.0.2.53 192.0.2.54\nline\n"


def test_the_station_does_not_wait_for_the_rest_of_the_system(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools()
    heard: list[object] = []
    monkeypatch.setattr(session, "_name_servers", lambda *addresses: heard.append(parse_event(events.recv(4096))))
    prepare(tmp_path / "work")
    session.up(tmp_path / "work", tmp_path / "events", ENVIRONMENT)
    assert heard == [PppUp("ppp7", "10.0.0.2", "10.0.0.1", ("192.0.2.53",))]


def test_without_its_firewall_the_line_does_not_come_up(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path
) -> None:
    tools(status=1)
    prepare(tmp_path / "work")
    with pytest.raises(SystemExit, match="firewall"):
        session.up(tmp_path / "work", tmp_path / "events", ENVIRONMENT)
    with pytest.raises(BlockingIOError):
        events.recv(4096)


def test_why_the_line_was_put_down_again_is_reported_to_the_station(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(status=1)
    prepare(tmp_path / "work")
    with session.SessionHooks(tmp_path / "work", tmp_path / "events"), subprocess.Popen(SLEEPER) as pppd:
        subprocess.run([tmp_path / "work" / "up"], env=ENVIRONMENT | {"PPPD_PID": str(pppd.pid)}, check=True)
        assert pppd.wait(60) == -15
    heard = parse_event(events.recv(4096))
    assert isinstance(heard, Trouble)
    assert "firewall" in heard.words and "status 1: no" in heard.words


def test_a_command_that_hangs_holds_nobody_up(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tools()
    (record / "tools" / "ip").write_text("#!/bin/sh\nexec sleep 60\n")
    (record / "tools" / "nft").write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setenv("PATH", f"{record / 'tools'}:{os.environ['PATH']}:/bin:/usr/bin")

    class Popen(subprocess.Popen[Any]):
        """Has no patience with `ip`, and enough with the others on a busy machine."""

        def communicate(self, given: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
            return super().communicate(given, 0.1 if is_a(tuple, self.args)[0] == "ip" else 60)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    prepare(tmp_path / "work")
    session.up(tmp_path / "work", tmp_path / "events", ENVIRONMENT)
    trouble, up = (parse_event(events.recv(4096)) for _ in range(2))
    assert isinstance(trouble, Trouble) and "nothing within" in trouble.words
    assert isinstance(up, PppUp)


def test_going_down_takes_the_firewall_away(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path
) -> None:
    record = tools()
    session.down(tmp_path / "events", ENVIRONMENT)
    assert "delete table inet dialpost_line" in (record / "nft").read_text()
    assert parse_event(events.recv(4096)) is None


def test_what_goes_wrong_on_the_way_down_leaves_somebody_who_listens(
    events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> str:
        raise ValueError("no such thing")

    monkeypatch.setattr(session, "run", run)
    prepare(tmp_path / "work")
    with session.SessionHooks(tmp_path / "work", tmp_path / "events"):
        for _ in range(2):
            subprocess.run([tmp_path / "work" / "down"], env=ENVIRONMENT, check=True)
    assert [parse_event(events.recv(4096)) for _ in range(2)] == [Trouble("no such thing")] * 2


def test_what_pppd_is_given_is_roots_alone(tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = session.command(work)
    assert arguments[1:3] == ["file", "/proc/self/fd/0"]
    assert b"s3cret" in session.given(work, REQUEST) and "s3cret" not in " ".join(arguments)
    for path in work.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert "s3cret" not in (work / "up").read_text()


@pytest.mark.parametrize("knows", [False, True])
def test_debians_script_that_does_nothing_is_not_waited_for_where_pppd_can_leave_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    pppd = tmp_path / "pppd"
    pppd.write_text("#!/bin/sh\n# ip-pre-up-script\n" if knows else "#!/bin/sh\n# ip-up-script\n")
    pppd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    more = session.command(tmp_path / "work")[3:]
    assert more[:1] == (["ip-pre-up-script"] if knows else [])
    assert not any(Path(path).exists() for path in more[1:])


@pytest.mark.parametrize("kind", ["link", "pipe", "large", "missing", "bad", "plugin"])
def test_root_reads_nothing_but_a_small_checked_request(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "request.json"
    if kind == "link":
        (tmp_path / "real").write_text(REQUEST.to_json())
        path.symlink_to(tmp_path / "real")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.write_text(REQUEST.to_json() + " " * 70_000)
    elif kind == "bad":
        path.write_text("{")
    elif kind == "plugin":
        path.write_text(json.dumps(json.loads(REQUEST.to_json()) | {"user": "x\nplugin /tmp/x.so"}))
    with pytest.raises(SystemExit) as caught:
        session.main(["run", str(tmp_path / "work"), str(path)])
    assert caught.value.code == 2
    assert not (tmp_path / "work").exists()
    assert "s3cret" not in capsys.readouterr().err


def unit(tmp_path: Path, pppd: str, request: PppRequest = REQUEST) -> subprocess.Popen[bytes]:
    """The unit's process, with this shell script in the place of pppd: in its own session, as it takes signals."""
    program = tmp_path / "bin" / "pppd"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{pppd}\n")
    program.chmod(0o755)
    (tmp_path / "request.json").write_text(request.to_json())
    module = ["-m", "dialpost.edge.line.ppp.session", "run"]
    return subprocess.Popen(
        [sys.executable, *module, tmp_path / "work", tmp_path / "request.json"],
        env=os.environ | {"PATH": f"{program.parent}:/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_the_units_process_does_what_pppds_scripts_ask_for(events: socket.socket, tmp_path: Path) -> None:
    """Up, and down before it ends."""
    request = PppRequest("/dev/ttyUSB0", 115_200, 33_600, firewall=False, shaping=False)
    environment = "IFNAME=dp-none IPLOCAL=10.0.0.2 IPREMOTE=10.0.0.1 PPPD_PID=$$"
    run = f'env {environment} "$(echo "$text" | sed -n "s/^ip-$1-script //p")"'
    pppd = f'text=$(cat "$2")\nhook() {{ {run}; }}\nhook up\nhook down\nexit 0'
    with unit(tmp_path, pppd, request) as process:
        assert process.wait(60) == 0
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(json.loads(events.recv(65_536))["event"])
    assert [name for name in heard if name != "trouble"] == ["up", "down", "log"]


@pytest.mark.parametrize("child", ["none", "one that holds the pipe"])
def test_why_pppd_ended_is_reported_to_the_daemon_which_does_not_see_a_units_words(
    events: socket.socket, tmp_path: Path, child: str
) -> None:
    keeps = "sleep 60 &" if child != "none" else ""
    pppd = f"{keeps}\necho CHAP authentication failed: Access denied\necho Modem hangup\nexit 16"
    with unit(tmp_path, pppd) as process:
        try:
            assert process.wait(60) == 16
            told = parse_event(events.recv(65_536))
            assert told == Logged(("CHAP authentication failed: Access denied", "Modem hangup"))
            assert PppEnd(16, told.lines).log == "ppp-refused"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
        assert process.stderr is not None
        assert b"Access denied" in process.stderr.read()


def test_a_pppd_whose_peer_says_no_goodbye_is_not_waited_for(events: socket.socket, tmp_path: Path) -> None:
    """What its scripts set up goes all the same."""
    up = 'env IFNAME=dp-none IPLOCAL=10.0.0.2 IPREMOTE=10.0.0.1 PPPD_PID=$$ "$(sed -n "s/^ip-up-script //p" "$2")"'
    request = PppRequest("/dev/ttyUSB0", 115_200, 33_600, firewall=False, shaping=False)
    with unit(tmp_path, f"trap '' TERM\n{up}\nwhile :; do sleep 60; done", request) as process:
        events.setblocking(True)
        while json.loads(events.recv(65_536))["event"] != "up":
            pass
        process.terminate()
        assert process.wait(60) == 5, "as after SIGTERM: systemd must not count the unit as failed"
        os.killpg(process.pid, signal.SIGKILL)  # the program that stood in for it may have left a child
    heard = []
    events.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(json.loads(events.recv(65_536))["event"])
    assert "down" in heard


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.0.0.9"])
def test_the_firewall_of_the_call_before_is_there_before_the_network_and_set_again_where_it_differs(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    record, work = tools(), tmp_path / "work"
    monkeypatch.setattr(session, "NETWORK", tmp_path / "net")
    prepare(work)
    before = session.up(work, tmp_path / "events", ENVIRONMENT)
    (record / "nft").unlink()
    with session.SessionHooks(work, tmp_path / "events", before) as hooks:
        hooks.load()
        assert (record / "nft").read_text() == f"-f -\n{before.text}"
        subprocess.run([work / "up"], env=ENVIRONMENT | {"IPREMOTE": peer}, check=True)
        subprocess.run([work / "down"], env=ENVIRONMENT, check=True)
    assert (record / "nft").read_text().count("chain input") == (1 if peer == "10.0.0.1" else 2)
    assert (record / "nft").read_text().endswith(line_firewall.remove())
    assert peer in known(hooks.rules).text


@pytest.mark.parametrize("is_there", [False, True])
def test_a_firewall_that_was_not_needed_is_taken_away_and_another_interface_left_alone(
    tools: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    record = tools()
    monkeypatch.setattr(session, "NETWORK", tmp_path / "net")
    if is_there:
        (tmp_path / "net" / "ppp7").mkdir(parents=True)
    prepare(tmp_path / "work")
    with session.SessionHooks(
        tmp_path / "work", tmp_path / "events", session.Rules("ppp7", "the rules\n")
    ) as hooks:
        hooks.load()
    said = (record / "nft").read_text() if (record / "nft").exists() else ""
    assert ("the rules" in said, line_firewall.remove() in said) == (not is_there, not is_there)


LOG = """\
Using interface ppp7
Connect: ppp7 <--> /dev/ttyUSB0
CHAP authentication succeeded: local  IP address 192.0.2.99
local  IP address 10.0.0.2
remote IP address 10.0.0.1
primary   DNS address 192.0.2.53
secondary DNS address 192.0.2.54
"""


@pytest.mark.parametrize(
    ("dns", "lines", "is_up"), [(True, 7, True), (True, 6, False), (False, 5, True), (False, 4, False)]
)
def test_pppds_log_says_that_the_network_is_up_before_its_script_does(
    tools: Callable[..., Any], events: socket.socket, tmp_path: Path, dns: bool, lines: int, is_up: bool
) -> None:
    """If the log leaves something open, the script says it; otherwise it says nothing new."""
    tools()
    request = replace(REQUEST, use_peer_dns=dns)
    session.command(tmp_path / "work")
    session.given(tmp_path / "work", request)
    with session.SessionHooks(tmp_path / "work", tmp_path / "events") as hooks:
        hooks.expect(1, request)
        for line in LOG.splitlines()[:lines]:
            hooks.hear(line)
        by_script = ENVIRONMENT | {"IPLOCAL": "10.0.0.22"}
        subprocess.run([tmp_path / "work" / "up"], env=by_script, check=True)
    heard = [parse_event(events.recv(4096))]
    servers = ("192.0.2.53", "192.0.2.54") if dns else ()
    by_log = PppUp("ppp7", "10.0.0.2", "10.0.0.1", servers)
    assert heard == [by_log if is_up else PppUp("ppp7", "10.0.0.22", "10.0.0.1", ("192.0.2.53",))]
    assert parse_event(events.recv(4096)) is None, "it went down, and up only once"
    hooks.say("up", ENVIRONMENT)  # a late line of the log
