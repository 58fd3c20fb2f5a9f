"""The client sides of the control socket, for commands. Blocking."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from dialpost.core.advice import LOG, START
from dialpost.core.control.declared import A, D, Method, P
from dialpost.core.control.shapes import from_json, to_json
from dialpost.core.errors import ControlError
from dialpost.core.json_text import parse_object, render_json
from dialpost.core.json_value import JsonValue
from dialpost.edge.ground.unix_sockets import socket_path


class ControlClient:
    """The client side, for commands. Each request uses a new connection.

    `ask` and `follow` take a declared method and return its typed answer; `call` and `events` are the raw protocol.
    """

    def __init__(self, path: Path, timeout_s: float = 60.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def available(self) -> bool:
        """Whether a daemon listens there now."""
        try:
            with self._connect():
                return True
        except ControlError:
            return False

    def ask(self, method: Method[P, D, A], *args: P.args, **params: P.kwargs) -> A:
        """The method's answer. Raises: ControlError with the daemon's words, or why it can't be reached."""
        return from_json(method.answer, self.call(method.name, **_as_json(params)))

    def follow(
        self,
        method: Method[P, D, A],
        say: Callable[[str], None],
        timeout_s: float,
        *args: P.args,
        **params: P.kwargs,
    ) -> A:
        """The same, passing on each event as it comes; the daemon may be silent for `timeout_s`."""
        with contextlib.closing(self.events(method.name, _as_json(params), timeout_s=timeout_s)) as answers:
            for value in answers:
                if "result" in value:
                    return from_json(method.answer, value["result"])
                say(from_json(str, value.get("event")))
        raise _no_answer()

    def call(self, method: str, **params: JsonValue) -> Any:
        """The method's result as it came. Raises: ControlError."""
        with contextlib.closing(self.events(method, params)) as answers:  # left to itself it would eat a Ctrl-C
            for value in answers:
                if "result" in value:
                    return value["result"]
        raise _no_answer()

    def events(
        self, method: str, params: Mapping[str, JsonValue], *, timeout_s: float | None = None
    ) -> Generator[Any, None, None]:
        """Every answer line in turn: `{"event": ...}` any number of times, then `{"result": ...}`.

        Raises: ControlError, even if the daemon ends before the result.
        """
        with self._connect() as sock, sock.makefile("rwb") as stream:
            sock.settimeout(timeout_s or self._timeout_s)
            try:
                stream.write(render_json({"method": method, "params": params}).encode() + b"\n")
                stream.flush()
                for line in stream:
                    value: Any = parse_object(line)
                    if "error" in value:
                        raise ControlError(str(value["error"]), str(value.get("kind", "")))
                    yield value
                    if "result" in value:
                        return
                raise _no_answer()
            except TimeoutError:
                raise ControlError(
                    f"The daemon did not answer within {timeout_s or self._timeout_s:.0f} s."
                ) from None
            except (OSError, ValueError) as error:
                raise _lost(error) from error

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self._timeout_s)
        try:
            with socket_path(self._path) as short:
                sock.connect(short)
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            raise ControlError(
                f"No Dialpost daemon is running (nothing answers at {self._path}). Start it with {START}."
            ) from None
        except PermissionError:
            sock.close()
            raise ControlError(
                f"This user may not use the daemon's socket {self._path}. Use root, or become a member of its "
                "group (dialpost)."
            ) from None
        except OSError as error:
            sock.close()
            raise ControlError(f"Can't reach the daemon at {self._path}: {error.strerror or error}.") from error
        return sock


class ControlConnection:
    """The client side of one connection kept open, for a session of many requests. Blocking.

    `close` ends it, and with it what belongs to the connection (an editing session, an unconfirmed commit). A
    request interrupted by Ctrl-C is answered nevertheless: that answer is read before the next one, and dropped.
    """

    def __init__(self, path: Path, timeout_s: float = 180.0) -> None:
        """Connect. A commit may take a while, because it is applied to the system. Raises: ControlError."""
        self._timeout_s = timeout_s
        self._sock = ControlClient(path, timeout_s)._connect()
        self._stream = self._sock.makefile("rwb")
        self._owed = 0

    def __enter__(self) -> ControlConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, method: Method[P, D, A], *args: P.args, **params: P.kwargs) -> A:
        """The method's answer. Raises: ControlError with the daemon's words (its `kind` the class of the error)."""
        return from_json(method.answer, self.call(method.name, **_as_json(params)))

    def call(self, method: str, **params: JsonValue) -> Any:
        """The method's result as it came. Raises: ControlError."""
        try:
            while self._owed and self._stream.readline():
                self._owed -= 1
            self._owed += 1
            self._stream.write(render_json({"method": method, "params": params}).encode() + b"\n")
            self._stream.flush()
            while line := self._stream.readline():
                value: Any = parse_object(line)
                self._owed -= 1
                if "error" in value:
                    raise ControlError(str(value["error"]), str(value.get("kind", "")))
                if "result" in value:
                    return value["result"]
        except TimeoutError:
            raise ControlError(f"The daemon did not answer within {self._timeout_s:.0f} s.") from None
        except (OSError, ValueError) as error:
            raise _lost(error) from error
        raise _no_answer()

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self._sock.close()


def _as_json(params: Mapping[str, object]) -> dict[str, JsonValue]:
    return {name: to_json(value) for name, value in params.items()}


def _lost(error: Exception) -> ControlError:
    return ControlError(f"The connection to the daemon was lost ({getattr(error, 'strerror', None) or error}).")


def _no_answer() -> ControlError:
    """The connection ended first."""
    return ControlError(
        f"The daemon ended before it answered. `dialpost status` shows whether it runs again. Why: {LOG}."
    )
