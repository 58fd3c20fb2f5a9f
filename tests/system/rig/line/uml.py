"""Guests: user-mode Linux, a whole Debian with its own kernel (and PPP) as an ordinary process.

A guest boots in a second or two from a chroot that it sees read-only; what it writes is in its memory and is
gone with it. Its first serial line is the one it is wired to the telephone with (/dev/ttyS0 inside); on the second
one an agent (guest/agent.py) does what the test says. All its processes are in their own namespace that ends
with the test's process, however that ends.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from rig.processes import RigError, eventually
from rig.servers.chroots import CACHE

_ROOT = Path(__file__).parents[4]
_GUEST = Path(__file__).parent / "guest"
KERNEL = "linux.uml"
MEMORY_MB = 192
HEARTBEAT_S = 0.02
"""User-mode Linux learns by a signal that a serial line takes bytes again, and the kernel below has a gap in which
none is sent (n_tty asks for it only after a write came back short; a quick reader has emptied the line by then).
Any other input makes it look at all its lines. Without it the line to the telephone stops at some time for good."""
BOOTS: list[tuple[str, float]] = []
"""The guests booted so far and how long each took, for the summary of a test run."""
_PRIVATE = ("secrets", ".private")
_XSTATE = CACHE / "uml-xstate.so"
"""What user-mode Linux needs where the processor has AMX (uml_xstate.c); tests/system/servers/install makes it."""
_INSIDE = "/opt/dialpost"

# In namespaces of its own: all of the guest's processes end with the first, that one with whoever started it, and
# its memory, a file that has to be executable, is on a file system nobody else sees.
_ALONE = [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--",
    "sh",
    "-euc",
    'mount -t tmpfs -o mode=700 tmpfs "$TMPDIR"; "$@"',
    "guest",
]


def python_path() -> str:
    """Where the guest's Python finds this tree's program, the pure-Python libraries it uses, and the rig."""
    (packages,) = (_ROOT / ".venv" / "lib").glob("python3*/site-packages")
    return f"{_INSIDE}/firmware:{_INSIDE}/{packages.relative_to(_ROOT)}:{_INSIDE}/tests/system"


class Guest:
    """One guest, booted from the chroot `tree`; `serial` is this machine's path of its /dev/ttyS0.

    `directory` is its own place here: the console, what its programs say (`log`), and `share`, which it sees as
    /opt/share. `files` are there from the beginning: absolute path -> content (programs begin with #!,
    what ends in secrets or .private is for root alone).
    The constructor starts it; `wait_ready` returns when it takes commands (several boot at once so).
    """

    def __init__(
        self,
        directory: Path,
        tree: str,
        *,
        name: str,
        serial: str | Path | None = None,
        hosts: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self.directory, self.name = directory, name
        self.share = directory / "share"
        memory, cache = directory / "memory", CACHE / "line-pycache"
        for place in (directory, self.share, memory, cache):
            place.mkdir(parents=True, exist_ok=True)
        names = [f"{address} {host}\n" for host, address in (hosts or {}).items()]
        self._lay("/etc/hosts", "".join(["127.0.0.1 localhost\n", f"127.0.1.1 {name}\n", *names]))
        for path, content in (files or {}).items():
            self._lay(path, content)
        self._socket, theirs = socket.socketpair()
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[dict[str, Any]]] = {}
        self._ended: dict[str, Future[int]] = {}
        self._ready = threading.Event()
        self._sending = threading.Lock()
        self.boot_s: float | None = None
        self._started = time.monotonic()
        boot = {
            "dp_guest": _GUEST,
            "dp_tree": _ROOT,
            "dp_share": self.share,
            "dp_cache": cache,
            "dp_name": name,
            "dp_path": python_path(),
        }
        kernel = [
            *(("env", f"LD_PRELOAD={_XSTATE}") if _needs_xstate() else ()),
            KERNEL,
            f"mem={memory_mb}M",
            "root=/dev/root",
            "rootfstype=hostfs",
            f"rootflags={CACHE / tree}",
            "ro",
            "quiet",
            "con=null",
            "con0=null,fd:1",
            f"ssl0=tty:{serial}" if serial else "ssl0=null",
            f"ssl1=fd:{theirs.fileno()}",
            f"umid={name}",
            f"uml_dir={memory}/",
            "panic=1",
            *(f"{key}={value}" for key, value in boot.items()),
            "init=/bin/sh",
            "--",
            '-c "mount -t hostfs -o $dp_guest none /mnt && . /mnt/init"',
        ]
        with (directory / "console").open("ab") as console:
            self._process = subprocess.Popen(
                [*_ALONE, *map(str, kernel)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(memory)},
                pass_fds=[theirs.fileno()],
            )
        theirs.close()
        threading.Thread(target=self._listen, daemon=True, name=f"guest-{name}").start()

    def _lay(self, path: str, content: str) -> None:
        place = self.share / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(0o755 if content.startswith("#!") else 0o600 if path.endswith(_PRIVATE) else 0o644)

    def wait_ready(self, within_s: float = 60.0) -> Guest:
        """Returns when it takes commands."""
        if not self._ready.wait(within_s) or self.boot_s is None:
            said = self.console()
            self.kill()
            raise RigError(f"the guest {self.name} did not boot within {within_s:g} s; it said:\n{said}")
        return self

    def run(
        self,
        *argv: str,
        input: str | bytes = "",
        timeout_s: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; with `check` it has to succeed."""
        data = input.encode() if isinstance(input, str) else input
        answer = self._ask(
            timeout_s + 10,
            do="run",
            argv=argv,
            timeout_s=timeout_s,
            env=dict(env or {}),
            input=base64.b64encode(data).decode(),
        )
        out, err = (base64.b64decode(answer[key]).decode("utf-8", "replace") for key in ("stdout", "stderr"))
        if check and answer["status"] != 0:
            raise AssertionError(f"in {self.name}, {argv} ended with {answer['status']}:\n{out}{err}")
        return subprocess.CompletedProcess(argv, answer["status"], out, err)

    def start(self, *argv: str, name: str, env: Mapping[str, str] | None = None) -> int:
        """Start a process inside; what it says is in `log(name)`, `wait(name)` is its end. Its id."""
        self._ended[name] = Future()
        pid: int = self._ask(30, do="start", argv=argv, name=name, env=dict(env or {}))["pid"]
        return pid

    def signal(self, name: str, number: int = signal.SIGTERM) -> None:
        """To a started process and its group; harmless when it has ended."""
        self._ask(30, do="signal", name=name, signal=int(number))

    def wait(self, name: str, timeout_s: float = 30.0) -> int:
        """The exit status of a started process, when it ends. Raises: TimeoutError."""
        return self._ended[name].result(timeout_s)

    def is_running(self, name: str) -> bool:
        return name in self._ended and not self._ended[name].done()

    def log(self, name: str) -> str:
        """What a started process has said so far."""
        path = self._log_path(name)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def wait_for_log(self, name: str, text: str, *, within_s: float = 20.0) -> None:
        def look() -> bool:
            return text in self.log(name)

        eventually(look, within_s=within_s, what=f"{text!r} in {name} of {self.name}")

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file inside."""
        script = 'umask 077; mkdir -p "${1%/*}"; cat >"$1"; chmod "$2" "$1"'
        self.run("sh", "-c", script, "sh", path, f"{mode:o}", input=content)

    def read(self, path: str) -> str:
        """Read a file inside; "" if there is none."""
        return self.run("sh", "-c", '[ ! -e "$1" ] || cat "$1"', "sh", path).stdout

    def fetch(self, path: str) -> Path:
        """Copy a file or directory out; returns where it is now. An empty directory if it does not exist."""
        place = f"fetched-{next(self._numbers)}"
        script = 'mkdir "/opt/share/$2"; [ ! -e "$1" ] || cp -a "$1" "/opt/share/$2/"'
        self.run("sh", "-c", script, "sh", path, place)
        return self.share / place / Path(path).name

    def console(self) -> str:
        """What the kernel and the first process said."""
        return (self.directory / "console").read_text("utf-8", "replace")

    def stop(self, timeout_s: float = 10.0) -> None:
        """Switch it off; what does not go is killed."""
        if self._process.poll() is None:
            with suppress(OSError):
                self._send({"do": "off"})
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._clean()

    def kill(self) -> None:
        """As a power cut: everything at once."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        if self._process.poll() is None:
            if first := children.read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(first[0]), signal.SIGKILL)
            self._process.kill()
        self._process.wait()
        self._clean()

    def _clean(self) -> None:
        shutil.rmtree(self.directory / "memory", ignore_errors=True)

    def __enter__(self) -> Guest:
        return self.wait_ready()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _log_path(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _ask(self, patience_s: float, **request: Any) -> dict[str, Any]:
        number = next(self._numbers)
        waiting: Future[dict[str, Any]] = Future()
        self._asked[number] = waiting
        self._send({"id": number, **request})
        try:
            answer = waiting.result(patience_s)
        except TimeoutError:
            raise RigError(
                f"the guest {self.name} does not answer {request['do']} {request.get('argv', '')} within"
                f" {patience_s:g} s; it said:\n{self.console()[-3000:]}"
            ) from None
        if "error" in answer:
            raise RigError(f"in {self.name}, {request['do']} {request.get('argv', '')}: {answer['error']}")
        return answer

    def _send(self, request: Mapping[str, Any]) -> None:
        with self._sending:
            self._socket.sendall(json.dumps(request).encode() + b"\n")

    def _listen(self) -> None:
        """Its own thread: what the agent says, until the guest is gone; and the heartbeat."""
        kept, next_beat = b"", 0.0
        try:
            while True:
                readable, _, _ = select.select([self._socket], [], [], HEARTBEAT_S)
                if time.monotonic() >= next_beat:
                    self._beat()
                    next_beat = time.monotonic() + HEARTBEAT_S
                if not readable:
                    continue
                if not (data := self._socket.recv(65_536)):
                    break
                *lines, kept = (kept + data).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
        except OSError:
            pass  # the guest is gone
        finally:
            self._over()

    def _beat(self) -> None:
        if self._ready.is_set() and self._sending.acquire(blocking=False):
            try:
                self._socket.send(b"\n", socket.MSG_DONTWAIT)
            finally:
                self._sending.release()

    def _hear(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self.boot_s = time.monotonic() - self._started
            BOOTS.append((self.name, self.boot_s))
            self._ready.set()
        elif "log" in said:
            with self._log_path(said["log"]).open("ab") as log:
                log.write(base64.b64decode(said["data"]))
        elif "ended" in said:
            self._ended[said["ended"]].set_result(said["status"])
        else:
            self._asked.pop(said["id"]).set_result(said)

    def _over(self) -> None:
        left: list[Future[Any]] = [*self._asked.values(), *self._ended.values()]
        for waiting in left:
            if not waiting.done():
                waiting.set_exception(RigError(f"the guest {self.name} is off; it said:\n{self.console()[-3000:]}"))
        self._ready.set()
        self._socket.close()


def _needs_xstate() -> bool:
    return "amx_tile" in Path("/proc/cpuinfo").read_text().split()


def missing_for_guests(*trees: str) -> str:
    """What guests lack on this machine, in words; "" if all is there."""
    lacking = [f"the command {KERNEL}"] if shutil.which(KERNEL) is None else []
    lacking += [str(_XSTATE)] if _needs_xstate() and not _XSTATE.exists() else []
    lacking += [f"the guests' tree {tree} in {CACHE}" for tree in trees if not (CACHE / f"{tree}.inputs").exists()]
    if os.geteuid() != 0:
        return "to be root, as guests see their trees as root does; run: sudo make test-line"
    return f"{', '.join(lacking)}; get it with: make system-deps (as root)" if lacking else ""


def compiled_parts() -> list[str]:
    """Compiled parts of the libraries the program imports: there must be none, as the guest's Python is another."""
    (packages,) = (_ROOT / ".venv" / "lib").glob("python3*/site-packages")
    used = ("aiosmtpd", "dns", "idna", "serial", "attr", "attrs", "public", "atpublic")
    return [str(path) for name in used for path in (packages / name).rglob("*.so")]
