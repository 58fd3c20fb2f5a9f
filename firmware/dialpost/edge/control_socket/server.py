"""The serving side of the control socket. Runs in the daemon's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import pwd
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dialpost.core.advice import LOG
from dialpost.core.control.declared import Access
from dialpost.core.control.requests import parse_request, unanswered
from dialpost.core.control.serving import Asked, Pages, Served, ServedMethods
from dialpost.core.errors import ControlError, DialpostError
from dialpost.core.json_text import render_json
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.edge.control_socket.client import ControlClient
from dialpost.edge.ground.durable import storage_error
from dialpost.edge.ground.transports import abort, close_server
from dialpost.edge.ground.unix_sockets import socket_path

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MOST_CONNECTIONS = 100
"""Connections at a time: a script that forgets to close its own must not use up the descriptors that mail needs."""
_KEPT_CONNECTIONS = 10
"""Additional connections for root and the station's own units: no other program can shut them out."""
_REQUEST_TIMEOUT_S = 60.0
_DRAIN_S = 5.0
"""How long to go on reading input after a refusal."""
_CHANGE_TIMEOUT_S = 60.0
"""How long a request waits while one station replaces another."""

_AT_THE_CARD = "`dialpost doctor` looks at the card."

_log = logging.getLogger(__name__)


def may_control(uid: int, gid: int) -> bool:
    """Whether a process of this user may use the socket: root, our own user, or a member of our group."""
    if uid in {0, os.geteuid()} or gid == os.getegid():
        return True
    try:
        name = pwd.getpwuid(uid).pw_name
        return name in grp.getgrgid(os.getegid()).gr_mem
    except KeyError:
        return False


def refuse_second(path: Path) -> None:
    """Raises: ControlError if a daemon already answers at this socket."""
    if ControlClient(path, 5.0).available():
        raise ControlError(
            f"Dialpost is already running: it answers at {path}. Stop that one first, or give this one folders and "
            "ports of its own (station.run_dir, station.data_dir, smtp.listen)."
        )


def may_call(access: Access, uid: int) -> bool:
    """Whether a user who may use the socket may call such a method. The rest is for interfaces with a login."""
    return access is not Access.OWNER or uid in {0, os.geteuid()}


class _Connection:
    """The server's side of one connection (core/control/serving.Asked)."""

    def __init__(self, uid: int, writer: asyncio.StreamWriter) -> None:
        self.timeout_s: float | None = _REQUEST_TIMEOUT_S
        self.uid, self._writer = uid, writer
        self._when_gone: list[Callable[[], None]] = []

    @property
    def user(self) -> str:
        """The peer's user name, or its number if it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def emit(self, event: JsonValue) -> None:
        """Send an event at once."""
        _send(self._writer, {"event": event})

    def stay(self, when_gone: Callable[[], None]) -> None:
        """No time limit from now on."""
        self.timeout_s = None
        self._when_gone.append(when_gone)

    def gone(self) -> None:
        """Notify those who asked for it, the latest first."""
        while self._when_gone:
            self._when_gone.pop()()


class ControlServer:
    """Serves the API on `path` until `close`: the given methods, and others while they are offered.

    Between `pause` and `resume` a request for a missing method waits, because it is about to be offered again.
    """

    def __init__(self, path: Path, methods: ServedMethods) -> None:
        self._path = path
        self._methods = dict(methods)
        self._otherwise = ""
        self._offered: set[asyncio.Future[JsonValue | Pages]] = set()
        self._complete = asyncio.Event()
        self._complete.set()
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._inode = 0

    async def start(self) -> None:
        """Listen. A socket file left by a killed daemon is replaced: the data lock, not this file, shows whether
        another daemon runs. Raises: ControlError if the path can't be made.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            refuse_second(self._path)
            self._path.unlink(missing_ok=True)
            bound = _bound(self._path)
            self._inode = self._path.stat().st_ino
            self._server = await asyncio.start_unix_server(self._accept, sock=bound, limit=MAX_REQUEST_BYTES)
        except OSError as error:
            raise ControlError(
                f"Can't make the control socket {self._path}: {error.strerror or error}. "
                "Set station.run_dir to a folder this user may write to."
            ) from error

    def offer(self, methods: ServedMethods, *, otherwise: str = "") -> Callable[[], None]:
        """Serve these, too, until the returned function is called. A method of the same name is replaced meanwhile.

        `otherwise` is the error for any other method meanwhile.

        A request in progress when they are withdrawn is interrupted, and the face gets an error.
        """
        covered, covered_words = self._methods, self._otherwise
        self._otherwise = otherwise
        self._methods = covered | {name: self._breakable(method) for name, method in methods.items()}

        def withdraw() -> None:
            self._methods, self._otherwise = covered, covered_words
            for task in self._offered:
                task.cancel()

        return withdraw

    def pause(self) -> None:
        """Methods are about to be withdrawn and offered again."""
        self._complete.clear()

    def resume(self) -> None:
        """They are all offered again."""
        self._complete.set()

    def _breakable(self, method: Served) -> Served:
        async def run(params: JsonObject, asked: Asked) -> JsonValue | Pages:
            task: asyncio.Future[JsonValue | Pages] = asyncio.ensure_future(method.run(params, asked))
            self._offered.add(task)
            try:
                await asyncio.wait([task])
            finally:
                self._offered.discard(task)
                task.cancel()  # the face has gone; harmless if it is done
            if task.cancelled():
                raise ControlError("The station has just taken a new configuration: try again.")
            return task.result()

        return replace(method, run=run)

    async def close(self) -> None:
        """Stop listening, end the current conversations and remove the socket file."""
        if self._server is None:
            return
        await close_server(self._server)
        writers = list(self._talks.values())
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        for writer in writers:
            abort(writer.transport)  # a face that doesn't read would hold up the rest of its answer, and us
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # not one that another daemon has made since
                self._path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin a conversation. Not a coroutine: one cancelled before its first step would close nothing."""
        task = asyncio.create_task(self._talk(reader, writer))
        self._talks[task] = writer
        task.add_done_callback(self._over)

    def _over(self, talk: asyncio.Task[None]) -> None:
        self._talks.pop(talk).close()
        if not talk.cancelled() and isinstance(error := talk.exception(), Exception):
            gone = isinstance(error, OSError | asyncio.IncompleteReadError)  # mail does not depend on a face
            _log.log(logging.DEBUG if gone else logging.ERROR, "control: a talk ended with %r", error)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid, gid = _peer_of(writer)
        is_ours = uid in {0, os.geteuid()}
        if len(self._talks) > MOST_CONNECTIONS + (_KEPT_CONNECTIONS if is_ours else 0):
            words = f"{MOST_CONNECTIONS} connections are open already: close some, then try again."
            if len(self._talks) > 2 * MOST_CONNECTIONS:
                await _refuse(writer, words)
            else:
                await _refuse_whole(reader, writer, words)
            return
        connection = _Connection(uid, writer)
        try:
            await self._questions(reader, writer, connection, gid)
        finally:
            connection.gone()

    async def _questions(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: _Connection,
        gid: int,
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(connection.timeout_s):
                    line = await reader.readline()
            except TimeoutError:
                await _refuse(writer, f"No whole request came within {_REQUEST_TIMEOUT_S:.0f} s.")
                return
            except ValueError:
                await _refuse_whole(reader, writer, f"The request has more than {MAX_REQUEST_BYTES} bytes.")
                return
            if not line:
                return
            if not may_control(connection.uid, gid):  # once it is read: closing earlier would lose the refusal
                _log.warning("control: refused uid=%s", connection.uid)
                await _refuse(writer, _not_allowed())
                return
            await _send_answer(writer, await self._answer(line, connection))
            await asyncio.sleep(0)  # a face that sends requests ahead lets the rest of the station have its turn

    async def _answer(self, line: bytes, connection: _Connection) -> dict[str, JsonValue] | Pages:
        method = ""
        try:
            method, params = parse_request(line)
            served = await self._served(method)
            if not may_call(served.access, connection.uid):
                raise ControlError(f"{method} is for the station's own units: root and the daemon's user.")
            answer = await served.run(params, connection)
            return answer if isinstance(answer, Pages) else {"result": answer}
        except DialpostError as error:
            return {"error": str(error), "kind": type(error).__name__}
        except OSError as error:  # the card or the system refuses: no fault of ours, and the reason helps
            fault = storage_error(error, "This could not be done")
            _log.error("control: %s could not be done: %s", method, fault)
            return {"error": f"{fault} {_AT_THE_CARD}", "kind": type(fault).__name__}
        except Exception as error:  # a bug of ours must not take the daemon down
            _log.exception("control: %s failed", method)
            return {
                "error": f"A bug in Dialpost stopped this ({type(error).__name__}). The log says more: {LOG}.",
                "kind": "InternalError",
            }

    async def _served(self, method: str) -> Served:
        """Waits while one station replaces another. Raises: ControlError if it is unknown."""
        if method not in self._methods:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHANGE_TIMEOUT_S):
                    await self._complete.wait()
        if method not in self._methods:
            raise ControlError(self._otherwise) if self._otherwise else unanswered(method)
        return self._methods[method]


def _bound(path: Path) -> socket.socket:
    """A socket at `path` that only this user and its group may connect to, from its first moment on.

    The umask could do this, too, but it belongs to the whole process and would affect files and folders that
    another task makes meanwhile.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(bound.fileno(), 0o600)  # Linux gives the file the mode of the socket, less the umask
        with socket_path(path) as short:
            bound.bind(short)
        path.chmod(0o660)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _peer_of(writer: asyncio.StreamWriter) -> tuple[int, int]:
    sock = writer.get_extra_info("socket")
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", packed)
    return uid, gid


def _not_allowed() -> str:
    group = str(os.getegid())
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(os.getegid()).gr_name
    return f"This user may not control the station. Use root, or become a member of the group {group}."


def _send(writer: asyncio.StreamWriter, value: Mapping[str, JsonValue]) -> None:
    writer.write(render_json(value).encode() + b"\n")


async def _send_answer(writer: asyncio.StreamWriter, answer: dict[str, JsonValue] | Pages) -> None:
    """One line. If a later page fails, the line ends in the middle, with the connection."""
    if not isinstance(answer, Pages):
        _send(writer, answer)
        await writer.drain()
        return
    writer.write(b'{"result":[' + _items(answer.first))
    await writer.drain()
    async for page in answer.rest:
        writer.write(b"," + _items(page) if page else b"")
        await writer.drain()
        await asyncio.sleep(0)  # `drain` alone lets nobody else have a turn
    writer.write(b"]}\n")
    await writer.drain()


def _items(page: Sequence[JsonValue]) -> bytes:
    return ",".join(map(render_json, page)).encode()


async def _refuse(writer: asyncio.StreamWriter, words: str) -> None:
    _send(writer, {"error": words, "kind": "ControlError"})
    await writer.drain()


async def _refuse_whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: str) -> None:
    """Say so, and go on reading for a moment: closing would interrupt a request that is still being sent, and with
    unread bytes the answer would be lost.
    """
    await _refuse(writer, words)
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while await reader.read(65_536):
                pass
