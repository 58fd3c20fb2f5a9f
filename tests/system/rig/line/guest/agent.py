"""Inside a guest: does what the test outside says on the second serial line (rig/line/uml.py is the other end).

A request is one JSON object on a line, and so is an answer; binary data is base64. Requests are served at the same
time, each by a thread. What started processes write is sent as it comes. The guest is switched off when told so.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import tty
from typing import Any, BinaryIO

_POWER_OFF = 0x4321FEDC  # reboot(2): LINUX_REBOOT_CMD_POWER_OFF

_answering = threading.Lock()
_processes: dict[str, subprocess.Popen[bytes]] = {}


def _answer(line: BinaryIO, **fields: Any) -> None:
    with _answering:
        line.write(json.dumps(fields).encode() + b"\n")
        line.flush()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """To its end; its status and both outputs."""
    done = subprocess.run(
        request["argv"],
        input=base64.b64decode(request["input"]),
        capture_output=True,
        timeout=request["timeout_s"],
        env={**os.environ, **request["env"]},
    )
    return {"status": done.returncode, "stdout": _text(done.stdout), "stderr": _text(done.stderr)}


def _start(request: dict[str, Any], line: BinaryIO) -> dict[str, Any]:
    """In the background, in its own session; its output goes out as it comes, its end when it ends."""
    name = request["name"]
    process = subprocess.Popen(
        request["argv"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **request["env"]},
        start_new_session=True,
    )
    _processes[name] = process
    threading.Thread(target=_pump, args=(name, process, line), daemon=True).start()
    return {"pid": process.pid}


def _pump(name: str, process: subprocess.Popen[bytes], line: BinaryIO) -> None:
    assert process.stdout is not None
    while data := os.read(process.stdout.fileno(), 16_384):
        _answer(line, log=name, data=_text(data))
    _answer(line, ended=name, status=process.wait())


def _signal(request: dict[str, Any]) -> dict[str, Any]:
    """To the process and all of its session that did not leave its group."""
    process = _processes[request["name"]]
    if process.poll() is None:
        os.killpg(process.pid, request["signal"])
    return {}


def _serve(request: dict[str, Any], line: BinaryIO) -> None:
    try:
        match request["do"]:
            case "run":
                fields = _run(request)
            case "start":
                fields = _start(request, line)
            case "signal":
                fields = _signal(request)
            case other:
                fields = {"error": f"there is no {other}"}
    except subprocess.TimeoutExpired as error:
        fields = {"error": f"not done within {error.timeout:g} s; so far: {error.stdout!r} {error.stderr!r}"}
    except (OSError, KeyError) as error:
        fields = {"error": repr(error)}
    _answer(line, id=request["id"], **fields)


def main() -> None:
    signal.signal(signal.SIGHUP, lambda number, frame: None)  # not ignored: that would be handed on to children
    descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor, termios.TCSANOW)
    out = os.fdopen(os.dup(descriptor), "wb")
    _answer(out, ready=True)
    for text in os.fdopen(descriptor, "rb"):
        if text == b"\n":
            continue  # the heartbeat (rig/line/uml.py)
        request = json.loads(text)
        if request["do"] == "off":
            break
        threading.Thread(target=_serve, args=(request, out), daemon=True).start()
    os.sync()  # what is on the machine's side
    ctypes.CDLL(None).reboot(_POWER_OFF)


if __name__ == "__main__":
    main()
