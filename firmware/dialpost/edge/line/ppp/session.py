"""The root side of a PPP session: checks the request, writes pppd's files, sets up and clears the interface.

Runs as root: in `dialpost-ppp.service` (`main run`), where the daemon's request is not trusted, or without systemd
in the daemon itself. When the network comes and goes, pppd runs scripts that have this process call `up` and `down`
(edge/line/ppp/hooks). All files are in one folder that only root can read; secrets never appear on a command line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.errors import fault_words
from dialpost.core.ip_text import ip_network
from dialpost.core.line import firewall as line_firewall
from dialpost.core.line import shaping as line_shaping
from dialpost.core.line.addresses import connected_networks, why_not
from dialpost.core.line.ppp.events import MOST_LOGGED, event, logged, trouble
from dialpost.core.line.ppp.options import PppRequest, options
from dialpost.edge.ground.folders import open_folder
from dialpost.edge.line.ppp.hooks import Hooks
from dialpost.edge.line.ppp.hooks import script as script_text
from dialpost.edge.line.ppp.tools import IP, NFT, SYSTEM_PATH, Run, Tools, run

REQUEST, SOCKET = "request.json", "events"
NAME_SERVERS = Path("/usr/lib/dialpost/name-servers")
"""On the SD image: tells the whole system (including chrony) the line's name servers."""
ROUTES = Path("/proc/net/route")
NETWORK = Path("/sys/class/net")
TERMINATE_S = 0.3
"""The time pppd has to close the link in order. Its Terminate-Request has left by then, and the answer is not worth
a round trip of a paid line: hanging up, which follows, ends the link at the peer, too (RFC 1661 §3.7).
"""
_STANDARD_INPUT = "/proc/self/fd/0"
_NO_SCRIPT = "none"
_LOGGED = {
    "Using interface ": "IFNAME",
    "local  IP address ": "IPLOCAL",
    "remote IP address ": "IPREMOTE",
    "primary   DNS address ": "DNS1",
    "secondary DNS address ": "DNS2",
}
"""How lines of pppd's log begin that have the value of a script's variable, in their order."""
_NEEDED = {"IFNAME", "IPLOCAL", "IPREMOTE"}
_LARGEST_REQUEST = 65_536
SIGNALLED = 128  # as shells report a signal: 128 plus its number
_LAST_WORDS_S = 1.0
_LONGEST_LINE = 4096
_TERMINATED = 5  # pppd's status after SIGTERM (pppd(8)): the unit was stopped, it did not fail
_BAD_REQUEST = 2  # pppd's own status for impossible options


def command(folder: Path) -> list[str]:
    """Write pppd's scripts into the folder (made 0700); returns the command to run. Raises: OSError.

    pppd reads its options (`given`) from its standard input before it does anything. So it can be started and
    loaded before the line is paid for, and its password is in no file.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    for name in ("up", "down"):
        write_private(folder / name, script_text(name, folder), 0o700)
    pppd = shutil.which("pppd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") or "pppd"
    return [pppd, "file", _STANDARD_INPUT, *_without_ip_pre_up(pppd, folder)]


def given(folder: Path, request: PppRequest) -> bytes:
    """Note the request for the scripts; returns pppd's options, for its standard input. Raises: OSError."""
    write_private(folder / REQUEST, request.to_json())
    return options(request, up_script=str(folder / "up"), down_script=str(folder / "down")).encode()


def _without_ip_pre_up(pppd: str, folder: Path) -> list[str]:
    """Debian's script ip-pre-up does nothing here, but pppd waits for it. Before 2.5 it had no such option."""
    try:
        knows = b"ip-pre-up-script" in Path(pppd).read_bytes()
    except OSError:
        knows = False
    return ["ip-pre-up-script", str(folder / _NO_SCRIPT)] if knows else []


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only the caller can read, from its first byte on. Raises: OSError."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    path.touch(mode=mode, exist_ok=False)
    path.write_text(text, "utf-8")


@dataclass(frozen=True, slots=True)
class Rules:
    """The firewall of a session."""

    interface: str
    text: str


class SessionHooks(Hooks):
    """Serves pppd's scripts; to be entered before pppd runs. `rules` are those that were set last.

    `load` may be called before: the line's firewall takes the kernel some tenths of a second, and mostly it is the
    one of the call before.
    """

    def __init__(self, folder: Path, socket_path: Path, rules: Rules | None = None) -> None:
        super().__init__(folder, self._act_on)
        self.rules = rules
        self._heard: dict[str, str] = {}
        self._last = ""
        self._files, self._socket_path = folder, socket_path
        self._tools = Tools()
        self._loaded: Rules | None = None

    def start(self) -> None:
        super().start()
        self._tools.start()

    def expect(self, pid: int, request: PppRequest) -> None:
        """pppd runs for this request."""
        self._heard, self._last = {"PPPD_PID": str(pid)}, "DNS2" if request.use_peer_dns else "IPREMOTE"

    def hear(self, line: str) -> None:
        """A line of pppd's log. That of the network's coming is there before the script's shell has started.

        If the peer gives fewer addresses than it is asked for, the script is waited for.
        """
        for beginning, variable in _LOGGED.items():
            if line.startswith(beginning):
                self._heard[variable] = line.removeprefix(beginning)
                if variable == self._last and self._heard.keys() >= _NEEDED:
                    self.say("up", self._heard)

    def load(self) -> None:
        """Set the firewall of the call before, if there is no such interface now."""
        rules = self.rules
        if rules is not None and not (NETWORK / rules.interface).exists() and not run(NFT, rules.text):
            self._loaded = rules

    def stop(self) -> None:
        super().stop()
        self._tools.stop()
        if self._loaded is not None:  # the network never came
            run(NFT, line_firewall.remove())

    def _act_on(self, name: str, environment: Mapping[str, str]) -> None:
        try:
            loaded, self._loaded = self._loaded, None
            if name == "down":
                down(self._socket_path, environment)
            else:
                self.rules = up(self._files, self._socket_path, environment, self._tools.run, loaded)
        except (SystemExit, Exception) as error:  # whatever it is: the scripts need somebody who listens
            _tell(self._socket_path, trouble(str(error)))
            _end_pppd(environment)


def up(
    folder: Path, socket_path: Path, environment: Mapping[str, str], run: Run = run, loaded: Rules | None = None
) -> Rules:
    """The network came up: set the firewall first, then the shaping, then notify the station, then the system.

    Returns the firewall; nothing is to be done for it if that is `loaded`.
    """
    request = PppRequest.from_json((folder / REQUEST).read_text("utf-8"))
    interface, peer, local = (environment[key] for key in ("IFNAME", "IPREMOTE", "IPLOCAL"))
    if wrong := why_not(local, peer, connected_networks(_routes())):
        raise SystemExit(wrong)
    text = line_firewall.ruleset(
        interface,
        (*request.mail_hosts, ip_network(peer)),
        filtered=request.firewall,
        timestamps_off=request.shaping,
        share_with_lan=request.share_with_lan,
    )
    rules = Rules(interface, text)
    why = "" if rules == loaded else run(NFT, text)
    if request.firewall and why:  # an open line is worse than none: pppd ends
        raise SystemExit(f"The firewall of the line could not be set, so the station hung up ({why}).")
    if request.share_with_lan and (why := run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], "")):
        _tell(socket_path, trouble(why))
    if request.shaping:
        line = line_shaping.shape(request.rate_bps, request.mtu)
        commands = line_shaping.commands(line, interface, peer, local, default_route=request.default_route)
        if why := run(IP, "".join(f"{command}\n" for command in commands)):
            _tell(socket_path, trouble(why))
        _tune(line_shaping.tunables(line))
    _tell(socket_path, event("up", environment))
    # Mail does not wait for the rest of the system.
    _name_servers(*(environment[key] for key in ("DNS1", "DNS2") if environment.get(key)))
    if shutil.which("chronyc", path=SYSTEM_PATH):
        run(["chronyc", "-m", "online", "burst 3/5"], "")
    return rules


def down(socket_path: Path, environment: Mapping[str, str]) -> None:
    """The network is gone: remove everything that belongs to it."""
    run(NFT, line_firewall.remove())
    if shutil.which("chronyc", path=SYSTEM_PATH):
        run(["chronyc", "offline"])
    _name_servers()
    _tell(socket_path, event("down", environment))


def _routes() -> str:
    try:
        return ROUTES.read_text("ascii")
    except OSError:
        return ""


def _name_servers(*addresses: str) -> None:
    if NAME_SERVERS.exists():
        run([str(NAME_SERVERS), "line", *addresses])


def _tune(parameters: Mapping[str, int]) -> None:
    for parameter, value in parameters.items():
        with contextlib.suppress(OSError):  # not in this kernel: the line works without it
            Path(parameter).write_text(str(value), "ascii")


def _tell(socket_path: Path, datagram: bytes) -> None:
    """Send a datagram to the daemon. Its folder is not root's: a link there could redirect root's data."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        folder = open_folder(socket_path.parent)
        try:
            if stat.S_ISSOCK(os.stat(socket_path.name, dir_fd=folder, follow_symlinks=False).st_mode):
                sock.sendto(datagram, f"/proc/self/fd/{folder}/{socket_path.name}")
        finally:
            os.close(folder)


def _serve(folder: Path, request_file: Path) -> None:
    """The unit's whole work: check the daemon's request, run pppd, and exit with its status.

    pppd must not be a session leader, as a unit's first process is: the tty would become its controlling terminal,
    and when pppd ends it would be hung up for the daemon, too, which could then not make the modem hang up.
    """
    try:
        request = PppRequest.from_json(_read_foreign(request_file))
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{request_file}: {fault_words(error)}\n")
        raise SystemExit(_BAD_REQUEST) from error
    events = request_file.with_name(SOCKET)
    arguments, text = command(folder), given(folder, request)
    with SessionHooks(folder, events) as hooks:
        child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda number, frame: _terminate(child, stopped))  # the unit is stopped
        hooks.expect(child.pid, request)
        _give(child, text)
        lines: deque[str] = deque(maxlen=MOST_LOGGED)
        # A thread, because a process started by pppd may hold the pipe open after pppd has ended.
        reading = threading.Thread(target=_pass_on, args=(child, lines, hooks), daemon=True)
        reading.start()
        status = child.wait()
        if stopped.is_set() and status < 0:
            status = _TERMINATED
        reading.join(_LAST_WORDS_S)
    _tell(events, logged(lines))  # before this process ends: afterwards nobody listens
    raise SystemExit(status if status >= 0 else SIGNALLED - status)


def _give(child: subprocess.Popen[bytes], text: bytes) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:  # it has ended: its status says why
        child.stdin.write(text)


def _terminate(child: subprocess.Popen[bytes], stopped: threading.Event) -> None:
    """End pppd: in order if it has been quick, otherwise by force."""
    stopped.set()
    child.terminate()
    timer = threading.Timer(TERMINATE_S, child.kill)
    timer.daemon = True
    timer.start()


def _pass_on(child: subprocess.Popen[bytes], lines: deque[str], hooks: SessionHooks) -> None:
    """Copy pppd's messages to the journal, and keep the last of them."""
    assert child.stdout is not None
    while line := child.stdout.readline(_LONGEST_LINE):
        text = line.decode("utf-8", "replace").strip()
        hooks.hear(text)
        lines.append(text)
        sys.stderr.write(text + "\n")


def _read_foreign(path: Path) -> str:
    """Read a small regular file, not a link, in a folder that is not root's. Raises: OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(_LARGEST_REQUEST + 1)
    if len(data) > _LARGEST_REQUEST:
        raise ValueError("it is too large for a request")
    return data.decode("utf-8")


def main(arguments: Sequence[str]) -> None:
    """`run FOLDER REQUEST`, by the unit."""
    what, folder, request_file = arguments
    assert what == "run"
    _serve(Path(folder), Path(request_file))


def _end_pppd(environment: Mapping[str, str]) -> None:
    """End pppd. It ignores the exit status of its scripts, but names itself in PPPD_PID (pppd(8), SCRIPTS)."""
    pid = environment.get("PPPD_PID", "")
    if pid.isdigit():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
