"""Real processes of `python -m dialpost`, started in milliseconds: forked from one that has everything imported.

A new interpreter takes a third of a second of one core to import a daemon or a console, and the tests start
more than a hundred. Here one process per process of tests does it once. Each process forked from it is an orphan,
which the process of tests adopts, so that whoever started it can wait for it, signal it and give it a terminal.

It differs from a new one in what it has imported, its command line in /proc, and the way it reads its
environment: PYTHON* and LC_* are those of the first. Tests of these things start Python itself.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import gc
import importlib
import json
import os
import pty
import runpy
import signal
import socket
import subprocess
import sys
import termios
import time
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import pexpect
import ptyprocess
from ptyprocess.ptyprocess import _setecho, _setwinsize

from dialpost.cli.commands import COMMANDS

_BESIDE = (
    "dialpost.command",
    "dialpost.daemon",
    "dialpost.sim.world",
    "dialpost.sim.first_start",
    "serial.tools.miniterm",
)
"""What processes import beside the modules of their commands; what is not here each imports itself."""
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of <linux/prctl.h>."""
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class _Wish:
    """A process to start: `words` follow `python`, and begin with -m."""

    words: list[str]
    cwd: str
    environment: dict[str, str]
    has_terminal: bool
    """Its standard input becomes the terminal that controls its session."""


class _Source:
    """The process that all others are forked from, as the process of tests sees it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._socket = ours
        atexit.register(self._end)

    def start(self, wish: _Wish, streams: list[int]) -> int:
        """The new process's number. It has its own copies of the streams: input, output, errors."""
        prctl = ctypes.CDLL(None).prctl
        assert prctl(_SUBREAPER, 1, 0, 0, 0) == 0
        try:
            socket.send_fds(self._socket, [json.dumps(asdict(wish)).encode()], streams)
            said = self._socket.recv(100)
        finally:
            prctl(_SUBREAPER, 0, 0, 0, 0)  # orphans of other tests are none of ours
        assert said, "the process that starts others has ended"
        return int(said)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def _source() -> _Source:
    return _Source()


def _start(
    command: list[Any], cwd: Any, environment: Any, streams: list[int], *, has_terminal: bool = False
) -> int:
    words = [os.fsdecode(word) for word in command]  # pexpect has some of them as bytes
    assert words[:2] == [sys.executable, "-m"], words
    where = os.path.abspath(os.fspath(cwd) if cwd else ".")  # noqa: PTH100 - as the shell has it
    surroundings = dict(os.environ if environment is None else environment)
    return _source().start(_Wish(words[1:], where, surroundings, has_terminal), streams)


class QuickPopen(subprocess.Popen[Any]):
    """`subprocess.Popen` for `[sys.executable, "-m", ...]`, with input, output, errors, cwd and env."""

    def _execute_child(self, args: Any, *rest: Any) -> None:  # called by Popen with all it was given, in this order
        (_, preexec_fn, _, pass_fds, cwd, env, _, _, shell, *pipes) = rest
        assert not (preexec_fn or pass_fds or shell)
        p2cread, _, _, c2pwrite, _, errwrite = pipes[:6]
        streams = [own if given == -1 else given for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        self.pid = _start(list(args), cwd, env, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes[:6])  # type: ignore[attr-defined]


def quick_run(command: list[str], *, timeout: float, **keywords: Any) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run(command, capture_output=True, ...)`."""
    given = keywords.pop("input", None)
    keywords["stdin"] = subprocess.PIPE if given is not None else subprocess.DEVNULL
    with QuickPopen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords) as process:
        try:
            out, errors = process.communicate(given, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


class QuickSpawn(pexpect.spawn):  # type: ignore[misc]  # pexpect is not typed
    """`pexpect.spawn` for `sys.executable, ["-m", ...]`: at a terminal of its own."""

    def _spawnpty(self, args: list[str], **options: Any) -> ptyprocess.PtyProcess:
        assert options.get("preexec_fn") is None
        ours, theirs = pty.openpty()
        try:
            _setwinsize(theirs, *(options.get("dimensions") or (24, 80)))
            if not options["echo"]:
                _setecho(theirs, False)
            self.terminal_before = termios.tcgetattr(theirs)
            """Its settings before the process could change them."""
            pid = _start(args, options["cwd"], options["env"], [theirs] * 3, has_terminal=True)
        finally:
            os.close(theirs)
        return ptyprocess.PtyProcess(pid, ours)


# -- in the process that all others are forked from ---------------------------------------------------------


def _wishes(door: socket.socket) -> _Wish:
    """Serve until the process of tests ends; return only in a new process, which becomes what is wished for."""
    while True:
        said, streams, _, _ = socket.recv_fds(door, _LONGEST, 3)
        if not said:
            sys.exit(0)
        reading, writing = os.pipe()
        if (between := os.fork()) == 0:
            if (child := os.fork()) != 0:
                os.write(writing, str(child).encode())
                os._exit(0)  # now the child is an orphan
            for descriptor in (reading, writing, door.detach()):
                os.close(descriptor)
            _become(streams)
            return _Wish(**json.loads(said))
        os.close(writing)
        os.waitpid(between, 0)
        door.send(os.read(reading, 100))
        for descriptor in (reading, *streams):
            os.close(descriptor)


def _become(streams: list[int]) -> None:
    os.setsid()
    for own, given in enumerate(streams):
        os.dup2(given, own)
    for given in set(streams):
        os.close(given)


def _run(wish: _Wish) -> NoReturn:
    """What a new interpreter does between its start and the module's first line."""
    if wish.has_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(wish.environment)
    time.tzset()
    os.chdir(wish.cwd)
    sys.path[0] = wish.cwd
    kinds: tuple[tuple[str, str], ...] = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    for own, (name, mode) in enumerate(kinds):
        was = getattr(sys, name)
        is_line_buffered = name == "stderr" or os.isatty(own)
        buffering = 1 if is_line_buffered and mode == "w" else -1
        made = open(own, mode, buffering, was.encoding, was.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module = wish.words[1]
    sys.argv = [module, *wish.words[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    for _name in {*_BESIDE, *(module for module, _ in COMMANDS.values())}:
        importlib.import_module(_name)
    gc.collect()
    gc.freeze()
    _run(_wishes(socket.socket(fileno=int(sys.argv[1]))))
