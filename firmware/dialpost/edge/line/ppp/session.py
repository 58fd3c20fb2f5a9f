"""The root side of a PPP session: checks the request, writes pppd's files, sets up and clears the interface.

Runs as root: in `dialpost-ppp.service` (`main run`), where the daemon's request is not trusted, or without systemd
in the daemon itself. When the network comes and goes, pppd runs scripts that have this process call `up` and `down`
(edge/line/ppp/hooks). All files are in one folder that only root can read; secrets never appear on a command line.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
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

REQUEST, OPTIONS, SOCKET = "request.json", "options", "events"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NAME_SERVERS = Path("/usr/lib/dialpost/name-servers")
"""On the SD image: tells the whole system (including chrony) the line's name servers."""
ROUTES = Path("/proc/net/route")
_COMMAND_S = 10.0
_LARGEST_REQUEST = 65_536
SIGNALLED = 128  # as shells report a signal: 128 plus its number
_LAST_WORDS_S = 1.0
_LONGEST_LINE = 4096
_BAD_REQUEST = 2  # pppd's own status for impossible options


def prepare(folder: Path, request: PppRequest) -> list[str]:
    """Write pppd's files into the folder (made 0700); returns the command to run. Raises: OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    scripts = {name: folder / name for name in ("up", "down")}
    write_private(folder / REQUEST, request.to_json())
    write_private(
        folder / OPTIONS, options(request, up_script=str(scripts["up"]), down_script=str(scripts["down"])), 0o600
    )
    for name, script in scripts.items():
        write_private(script, script_text(name, folder), 0o700)
    pppd = shutil.which("pppd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") or "pppd"
    return [pppd, "file", str(folder / OPTIONS)]


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only the caller can read, from its first byte on. Raises: OSError."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    path.touch(mode=mode, exist_ok=False)
    path.write_text(text, "utf-8")


def hooks(folder: Path, socket_path: Path) -> Hooks:
    """What serves pppd's scripts, to be entered before pppd runs."""

    def act(name: str, environment: Mapping[str, str]) -> None:
        try:
            if name == "down":
                down(socket_path, environment)
            else:
                up(folder, socket_path, environment)
        except (SystemExit, Exception) as error:  # whatever it is: the scripts need somebody who listens
            _tell(socket_path, trouble(str(error)))
            _end_pppd(environment)

    return Hooks(folder, act)


def up(folder: Path, socket_path: Path, environment: Mapping[str, str]) -> None:
    """The network came up: set the firewall first, then the shaping, then notify the station, then the system."""
    request = PppRequest.from_json((folder / REQUEST).read_text("utf-8"))
    interface, peer, local = (environment[key] for key in ("IFNAME", "IPREMOTE", "IPLOCAL"))
    if wrong := why_not(local, peer, connected_networks(_routes())):
        raise SystemExit(wrong)
    rules = line_firewall.ruleset(
        interface,
        (*request.mail_hosts, ip_network(peer)),
        filtered=request.firewall,
        timestamps_off=request.shaping,
        share_with_lan=request.share_with_lan,
    )
    why = _run(["nft", "-f", "-"], rules)
    if request.firewall and why:  # an open line is worse than none: pppd ends
        raise SystemExit(f"The firewall of the line could not be set, so the station hung up ({why}).")
    if request.share_with_lan and (why := _run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])):
        _tell(socket_path, trouble(why))
    if request.shaping:
        line = line_shaping.shape(request.rate_bps, request.mtu)
        commands = line_shaping.commands(line, interface, peer, local, default_route=request.default_route)
        if why := _run(["ip", "-force", "-batch", "-"], "".join(f"{command}\n" for command in commands)):
            _tell(socket_path, trouble(why))
        _tune(line_shaping.tunables(line))
    _tell(socket_path, event("up", environment))
    # Mail does not wait for the rest of the system.
    _name_servers(*(environment[key] for key in ("DNS1", "DNS2") if environment.get(key)))
    if shutil.which("chronyc", path=SYSTEM_PATH):
        _run(["chronyc", "-m", "online", "burst 3/5"])


def down(socket_path: Path, environment: Mapping[str, str]) -> None:
    """The network is gone: remove everything that belongs to it."""
    _run(["nft", "-f", "-"], line_firewall.remove())
    if shutil.which("chronyc", path=SYSTEM_PATH):
        _run(["chronyc", "offline"])
    _name_servers()
    _tell(socket_path, event("down", environment))


def _routes() -> str:
    try:
        return ROUTES.read_text("ascii")
    except OSError:
        return ""


def _name_servers(*addresses: str) -> None:
    if NAME_SERVERS.exists():
        _run([str(NAME_SERVERS), "line", *addresses])


def _run(command: Sequence[str], given: str = "") -> str:
    """Run one command; returns "" or why it failed. Ends in bounded time whatever the command does."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
        )
        _, said = child.communicate(given, timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        child.kill()  # without waiting: a process stuck in the kernel can't even be killed
        return f"{shlex.join(command)}: nothing within {_COMMAND_S:g} s"
    except OSError as error:
        return f"{shlex.join(command)}: {fault_words(error)}"
    return f"{shlex.join(command)}: status {child.returncode}: {said.strip()}" if child.returncode else ""


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
    command = prepare(folder, request)
    with hooks(folder, events):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        signal.signal(signal.SIGTERM, lambda number, frame: child.send_signal(number))  # the unit is stopped
        lines: deque[str] = deque(maxlen=MOST_LOGGED)
        # A thread, because a process started by pppd may hold the pipe open after pppd has ended.
        reading = threading.Thread(target=_pass_on, args=(child, lines), daemon=True)
        reading.start()
        status = child.wait()
        reading.join(_LAST_WORDS_S)
    _tell(events, logged(lines))  # before this process ends: afterwards nobody listens
    raise SystemExit(status if status >= 0 else SIGNALLED - status)


def _pass_on(child: subprocess.Popen[bytes], lines: deque[str]) -> None:
    """Copy pppd's messages to the journal, and keep the last of them."""
    assert child.stdout is not None
    while line := child.stdout.readline(_LONGEST_LINE):
        text = line.decode("utf-8", "replace").strip()
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
