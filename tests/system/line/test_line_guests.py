"""The guests themselves: they boot, take commands, leave nothing behind. What the other tests here stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rig.line.uml import Guest, compiled_parts
from rig.needs import needs_guests
from rig.processes import RigError, eventually
from rig.servers.chroots import CACHE

pytestmark = [pytest.mark.system, needs_guests("line", "line-exim")]

_BOOT_ONE = """
import sys
from pathlib import Path
from rig.line.uml import Guest
guest = Guest(Path(sys.argv[1]), "line", name="orphan").wait_ready()
print("up", flush=True)
sys.stdin.read()
"""


def _uml_processes(name: str) -> list[str]:
    """The command lines of this machine's processes that belong to the guest of that name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended
        if f"umid={name} " in line:
            found.append(line)
    return found


def test_two_guests_boot_at_once_from_one_tree_that_stays_clean(work: Path) -> None:
    one = Guest(work / "one", "line", name="one", hosts={"mail.provider.example": "10.64.0.1"})
    two = Guest(work / "two", "line", name="two")
    with one, two:
        for guest in (one, two):
            guest.write("/etc/ppp/options", guest.name)
            guest.run("rm", "/etc/postfix/dynamicmaps.cf")
        assert [guest.read("/etc/ppp/options") for guest in (one, two)] == ["one", "two"]
        assert one.run("hostname").stdout == "one\n"
        assert one.run("getent", "hosts", "mail.provider.example").stdout.split()[0] == "10.64.0.1"
        assert one.run("sh", "-c", "cat; echo oops >&2; exit 3", input="hello", check=False).stdout == "hello"
        assert one.fetch("/etc/ppp/options").read_text() == "one"
        assert one.fetch("/etc/ppp/nothing-there").exists() is False
    assert (CACHE / "line/etc/ppp/options").read_text() != "one"
    assert (CACHE / "line/etc/postfix/dynamicmaps.cf").exists()
    assert _uml_processes("one") == _uml_processes("two") == []


def test_what_a_guests_program_says_is_seen_at_once(work: Path) -> None:
    with Guest(work / "talker", "line", name="talker") as guest:
        guest.start("sh", "-c", "echo begun; sleep 600", name="sleeper")
        guest.wait_for_log("sleeper", "begun")
        assert guest.is_running("sleeper")
        guest.signal("sleeper")
        assert guest.wait("sleeper") == -signal.SIGTERM
        with pytest.raises(RigError, match="No such file"):
            guest.run("/no/such/program")


def test_much_output_on_both_serial_lines_gets_through(work: Path) -> None:
    """User-mode Linux loses word that a line takes bytes again; the heartbeat makes up for it."""
    outer, inner = os.openpty()
    with Guest(work / "writer", "line", name="writer", serial=os.ttyname(inner)) as guest:
        assert len(guest.run("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000
        for _ in range(3):
            guest.start(
                "sh", "-c", "stty -F /dev/ttyS0 raw -echo; head -c 300000 /dev/zero >/dev/ttyS0", name="out"
            )
            left = 300_000
            while left:
                left -= len(os.read(outer, 65_536))
            assert guest.wait("out") == 0
    os.close(outer)
    os.close(inner)


def test_a_guest_ends_with_the_process_that_started_it(work: Path) -> None:
    command = [sys.executable, "-c", _BOOT_ONE, str(work / "orphan")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        assert _uml_processes("orphan")
        starter.kill()
    eventually(lambda: not _uml_processes("orphan"), what="no process of the guest left")


def test_a_guest_that_does_not_boot_says_why(work: Path) -> None:
    broken = Guest(work / "broken", "no-such-tree", name="broken")
    with pytest.raises(RigError, match="did not boot"):
        broken.wait_ready(20)


@pytest.mark.parametrize("tree", ["line", "line-exim"])
def test_the_program_runs_on_the_stations_python(work: Path, tree: str) -> None:
    assert compiled_parts() == []
    with Guest(work / "station", tree, name="station") as guest:
        assert guest.run("python3", "--version").stdout.startswith("Python 3.13")
        assert "usage: dialpost" in guest.run("python3", "-m", "dialpost", "--help").stdout
