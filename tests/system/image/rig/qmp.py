"""QEMU's control socket (QMP): the button, the lamps, events of the machine."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import Any


class Qmp:
    """One connection; answers and events are lines of JSON."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw", encoding="utf-8", newline="\n")
        self.events: list[dict[str, Any]] = []
        self._read()  # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Run a command; what it returns. Raises: RuntimeError."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = self._read()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            else:
                return answer["return"]

    def monitor(self, line: str) -> str:
        """A command of the monitor for an operator."""
        return str(self.ask("human-monitor-command", **{"command-line": line}))

    def wait_for(self, event: str, within_s: float) -> dict[str, Any]:
        """The next event of that name (one that came before counts). Raises: TimeoutError."""
        deadline = time.monotonic() + within_s
        while True:
            for index, seen in enumerate(self.events):
                if seen["event"] == event:
                    return self.events.pop(index)
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                answer = self._read()
            except TimeoutError:
                raise TimeoutError(f"no {event} within {within_s:g} s; seen: {self.events}") from None
            finally:
                self._socket.settimeout(30)
            self.events.append(answer)

    def press_button(self) -> None:
        """Pulse line 3 of the PL061 for about 0.1 s: QEMU's power button."""
        self.ask("system_powerdown")

    def lamps(self) -> int:
        """The levels of the PL061's eight lines, as its data register shows them."""
        answer = self.monitor("xp /1wx 0x90303fc")
        found = re.search(r":\s*0x([0-9a-f]+)", answer)
        if not found:
            raise RuntimeError(f"no register in {answer!r}")
        return int(found[1], 16)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise ConnectionError("QEMU is gone")
        return dict(json.loads(line))
