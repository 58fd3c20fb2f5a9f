"""No test touches the machine it runs on: its USB sticks, modems and GPIO lines, its own station, the network.

What finds such things by itself is pointed at empty places for the whole run, children included. What a test opens,
makes, renames or removes in this process nevertheless, outside temporary folders, fails the test that did it. (The
system tests have rigs of their own and are not watched.)

Nor does a test leave a connection open when its event loop ends. Python 3.13 raises for one that a server
accepted, and it does so whenever the object is collected, so in the middle of some other test.

Tests with Hypothesis have no limit of wall clock time on one input, and the same inputs in each run: on a busy
machine neither may decide. New inputs are what `make fuzz` is for.

`make test` and `make check` run the tests in several processes at once (pytest-xdist); each watches itself.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import disorder
import fuzzing
import quick_passwords
from dialpost.cli import station
from dialpost.core import password
from dialpost.core.config import run_dir
from dialpost.edge.line import serial_ports
from dialpost.edge.system.update import file as update_file
from dialpost.edge.system.usb import sticks as usb_sticks

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background of a script deaf to Ctrl-C, which some tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dialpost", fuzzing.fuzz_settings(settings().max_examples))
settings.load_profile("dialpost")

_TREE = Path(__file__).parent.parent
_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 2 << 30

_WRITABLE = (
    tempfile.gettempdir(),
    "/tmp/dps",
    "/tmp/.doctor-",
    *(str(_TREE / name) for name in (".cache", ".hypothesis", ".pytest_cache", ".mypy_cache")),
    "/dev/null",
    "/dev/pts/",
    "/dev/ptmx",
    "/dev/tty",
    "/proc/self/",
    "/dev/fd/",
    "/dev/no-such",
)
_OTHERS = re.compile(
    r"/(run/media|media|mnt|data|etc/dialpost|var/lib/dialpost|run/dialpost|dev/serial|dev/tty[A-Z]|dev/gpiochip)"
)
"""Not even looked into: what belongs to a user, or to a station installed on this machine."""
_STATIONS = re.compile(r"/(etc|var/lib|run)/dialpost(/|$)")
"""Not even looked for: what a station has that is installed on this machine, where its daemon runs perhaps."""
_CHANGES = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.chmod": 1,
    "os.chown": 1,
    "os.truncate": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
}
"""Audit events of a change, and how many of their arguments are paths (a link's first is only its text)."""
_DESCRIPTORS = {
    "os.mkdir": 2,
    "os.chmod": 2,
    "os.chown": 3,
    "os.link": 2,
    "os.rename": 2,
    "os.symlink": 2,
    "os.utime": 3,
}
"""Which of an event's arguments on are descriptors of folders (-1: none); from the second where it is not here."""
_LOOKS = {"os.listdir", "os.scandir"}

_found: list[str] = []
_watching = False


def _path(value: object) -> str | None:
    """As an absolute path; None for a descriptor or a name relative to one."""
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    return os.path.abspath(value) if isinstance(value, str | os.PathLike) else None  # noqa: PTH100


def _is_writable(path: str) -> bool:
    return path.startswith(_WRITABLE) or "__pycache__" in path


def _is_our_own(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost", "localhost."):
        return True  # not .invalid: it is nobody's (RFC 6761 §6.4), but the network's name server is asked for it
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_relative(path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and not os.path.isabs(path)  # noqa: PTH117


def _opened(name: object, flags: object) -> str | None:
    path = _path(name)
    if path is None:
        return None
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return f"opened {path}" if _OTHERS.match(path) or (writes and not _is_writable(path)) else None


def _connected(address: object) -> str | None:
    is_other = not _is_our_own(address[0]) if isinstance(address, tuple) else _OTHERS.match(_path(address) or "")
    return f"connected to {address}" if is_other else None


def _complaint(event: str, args: tuple[object, ...]) -> str | None:
    if event == "open":
        is_os_open = args[1] is None
        return None if is_os_open and _is_relative(args[0]) else _opened(args[0], args[2])
    if event in _LOOKS:
        path = _path(args[0])
        return f"listed {path}" if path and _OTHERS.match(path) else None
    if event in _CHANGES:
        if any(isinstance(arg, int) and arg >= 0 for arg in args[_DESCRIPTORS.get(event, 1) :]):
            return None  # relative to a descriptor, which was opened before
        places = args[: _CHANGES[event]] if event != "os.symlink" else args[1:2]
        outside = [path for path in map(_path, places) if path and not _is_writable(path)]
        return f"{event} {outside[0]}" if outside else None
    if event == "socket.connect":
        return _connected(args[1])
    if event == "socket.getaddrinfo" and not _is_our_own(args[0]):
        return f"looked up {args[0]!r}"
    return None


def _audit(event: str, args: tuple[object, ...]) -> None:
    if _watching and (words := _complaint(event, args)):
        _found.append(words)


sys.addaudithook(_audit)


def _watched_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    """os.open. Its audit event does not say to which folder a name is relative (CPython, os_open_impl)."""
    if _watching and dir_fd is None and _is_relative(path) and (words := _opened(path, flags)):
        _found.append(words)
    return _real_open(path, flags, mode, dir_fd=dir_fd)


def _watched_stat(path: Any, **options: Any) -> os.stat_result:
    """os.stat, which has no audit event."""
    if _watching and isinstance(path, str | os.PathLike) and _STATIONS.match(os.fspath(path)):
        _found.append(f"looked for {path}")
    return _real_stat(path, **options)


_real_open, os.open = os.open, _watched_open
_real_stat, os.stat = os.stat, _watched_stat
os.supports_dir_fd.update((_watched_open, _watched_stat))
os.supports_fd.add(_watched_stat)
os.supports_follow_symlinks.add(_watched_stat)


_wakeup = asyncio.Server._wakeup  # type: ignore[attr-defined]


def _wake_once(server: asyncio.Server) -> None:
    """Python 3.13 raises TypeError of a connection that came in the very round of the loop in which a server was
    closed, and only when it is collected, so in some other test. The station's own servers don't close like that
    (edge/ground/transports); those of the tests' rigs may.
    """
    if server._waiters is not None:  # type: ignore[attr-defined]
        _wakeup(server)


asyncio.Server._wakeup = _wake_once  # type: ignore[attr-defined]


_left_open: list[str] = []
_close = asyncio.SelectorEventLoop.close


def _close_and_look(loop: asyncio.SelectorEventLoop) -> None:
    """Close an event loop, and note each connection it still holds."""
    for transport in [] if loop.is_closed() else list(loop._transports.values()):  # type: ignore[attr-defined]
        if transport._sock is not None:
            _left_open.append(f"{transport!r} of {transport.get_protocol()!r}")
    _close(loop)


asyncio.SelectorEventLoop.close = _close_and_look  # type: ignore[method-assign,assignment]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, and have it pass by what was collected: thousands of objects that stay
    to the end, which it would look through again and again, in each process.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Have the temporary folders of a parallel run in memory, where that can be: a test waits for fsync hundreds of
    times. The processes that run the tests, and their children, inherit it. TMPDIR chooses another place.
    """
    if "TMPDIR" in os.environ or not getattr(config.option, "numprocesses", 0):
        return
    if os.access(_MEMORY, os.W_OK | os.X_OK):
        there = os.statvfs(_MEMORY)
        if not there.f_flag & os.ST_NOEXEC and there.f_bavail * there.f_frsize >= _ENOUGH_BYTES:
            os.environ["TMPDIR"] = str(_MEMORY)
            tempfile.tempdir = None


if os.environ.get(disorder.ENVIRONMENT):
    disorder.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where an unkind schedule is asked for, give the test its own."""
    if seed := os.environ.get(disorder.ENVIRONMENT):
        disorder.draw_for(seed, item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """More processes than cores: many tests mostly wait, for sockets, children and serial lines. Each takes a
    quarter of a gigabyte, and three seconds to collect all tests.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # as xdist itself has it
    return min(3 * len(os.sched_getaffinity(0)) + 2, 16)


_LONG = (
    "tests/test_first_ten_minutes.py",
    "tests/sim/test_once.py::test_a_cut_at_each_byte",
    "tests/sim/test_once.py::test_ten_cuts",
    "tests/flow/mail/incoming/test_repeats.py::TestRepeats",
    "tests/sim/test_first_start.py",
    "tests/cli/console/test_s",
    "tests/cli/console/test_wizard.py",
    "tests/sim/",
    "tests/edge/mail/store/test_recovery_cut.py",
    "tests/system/machine/",
    "tests/test_plain_english.py",
)
"""Tests that take or wait many seconds, the slowest first, beside those that are marked as slow."""
_SHARE_BETWEEN = 0.4
"""Of a process's short tests, how many run between its long ones. The others follow."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the long tests over the first part of each process's list: most of them wait, and the short ones of
    the other processes use the cores meanwhile. None may start when all else is done. xdist gives each process an
    equal piece of the list, and what is left of it later to those that are idle.
    """
    processes = getattr(config, "workerinput", {}).get("workercount", 0)
    if not processes:
        return
    long: list[pytest.Item] = []
    short: list[pytest.Item] = []
    for item in items:
        is_long = item.nodeid.startswith(_LONG) or item.get_closest_marker("slow")
        (long if is_long else short).append(item)
    long.sort(key=_rank)
    bounds = [len(short) * number // processes for number in range(processes + 1)]
    items[:] = [
        item
        for number, (start, end) in enumerate(pairwise(bounds))
        for item in _spread(long[number::processes], short[start:end])
    ]


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, start in enumerate(_LONG) if item.nodeid.startswith(start)), len(_LONG))


def _spread(long: list[pytest.Item], short: list[pytest.Item]) -> list[pytest.Item]:
    """Each long one, and behind it some of the short ones."""
    step = int(_SHARE_BETWEEN * len(short) / (len(long) or 1))
    spread: list[pytest.Item] = []
    for number, item in enumerate(long):
        spread += [item, *short[number * step : (number + 1) * step]]
    return spread + short[len(long) * step :]


_inputs: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count here, where the reports of all processes come together."""
    if report.when == "call":
        _inputs[report.nodeid] += sum(int(str(count)) for name, count in report.user_properties if name == "inputs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = sorted((nodeid, count) for nodeid, count in _inputs.items() if count)
    if counted:
        terminalreporter.section("inputs of the fuzz tests")
        for nodeid, count in counted:
            terminalreporter.write_line(f"{count:9,}  {nodeid}")
        terminalreporter.write_line(f"{sum(count for _, count in counted):9,}  in all")


@pytest.fixture(scope="session", autouse=True)
def _empty_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    empty = tmp_path_factory.mktemp("nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)  # xdist tells its processes a width; terminals here have their own
        patch.setattr(run_dir, "DEFAULT_RUN_DIR", str(empty / "run"))
        patch.setattr(station, "DEFAULT_RUN_DIR", str(empty / "run"))
        patch.setattr(password.hash_password, "__defaults__", quick_passwords.QUICK_DEFAULTS)
        patch.setenv(usb_sticks.ENVIRONMENT, str(empty))
        patch.setenv(update_file.ENVIRONMENT, str(empty / "update.json"))
        patch.setenv(serial_ports.ENVIRONMENT, str(empty / "no-modem"))
        yield


@pytest.fixture(autouse=True)
def _touches_nothing_outside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that did, or left a connection open; what its threads do after its end goes to the next one.

    One fixture for all that is watched: it is set up for each of thousands of tests.
    """
    global _watching  # noqa: PLW0603
    _left_open.clear()
    _found.clear()
    _watching = request.node.get_closest_marker("system") is None
    try:
        yield
    finally:
        _watching = False
    assert not _left_open, f"left open when the event loop ended: {_left_open[:5]}"
    assert not _found, f"this test touches the machine it runs on: {_found[:5]}"
