"""The station's edges on the model's sockets: what the kernel is asked is asked of the model instead.

Everything above is the station's own code: sessions, client, turns, windows, outlet, call, ETRN, queue, card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from call_model.network import INTERFACE, ModelLoop
from call_model.transport import ModelSocket, ioctl
from dialpost.edge.mail import smtp_client
from dialpost.edge.mail.smtp_server import connection, promises
from dialpost.edge.mail.store import writer
from dialpost.edge.mail.wire import heard

_T = TypeVar("_T")


class _Fcntl:
    """In place of the module fcntl."""

    ioctl = staticmethod(ioctl)


def _came_in_on(sock: ModelSocket) -> str:
    return sock.interface


def _socket_on_line(address: str, interface: str, local: str) -> ModelSocket | None:
    return ModelSocket(interface, local, (address, 25)) if interface == INTERFACE else None


@contextmanager
def modelled_edges(loop: ModelLoop) -> Iterator[None]:
    """While it lasts."""
    put: Callable[..., Any] = writer.Writer._put

    def counted(self: writer.Writer, task: Any) -> Any:
        """The database's writer is a thread, too: virtual time waits for it."""
        future = put(self, task)
        loop.jumping.at_work += 1
        future.add_done_callback(lambda _: _finished(loop))
        return future

    with ExitStack() as stack:
        stack.enter_context(patch.object(heard, "fcntl", _Fcntl))
        stack.enter_context(patch.object(promises, "fcntl", _Fcntl))
        stack.enter_context(patch.object(connection, "came_in_on", _came_in_on))
        stack.enter_context(patch.object(smtp_client, "socket_on_line", _socket_on_line))
        stack.enter_context(patch.object(writer.Writer, "_put", counted))
        yield


def _finished(loop: ModelLoop) -> None:
    loop.jumping.at_work -= 1
