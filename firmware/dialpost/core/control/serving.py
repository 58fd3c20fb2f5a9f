"""Binding a handler to its declaration: the parameters are checked before it runs, its answer becomes JSON after.

mypy checks a handler against its declaration: it takes the method's parameters and returns the method's answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.control.declared import A, Access, D, Method, P
from dialpost.core.control.requests import check
from dialpost.core.control.shapes import from_json, to_json
from dialpost.core.json_value import FaceConnection, JsonObject, JsonValue

Emit = Callable[[JsonValue], None]
"""Sends one event at once."""


class Asked(FaceConnection, Protocol):
    """The current request: the connection it came on, and a way to send events before the answer."""

    def emit(self, event: JsonValue) -> None:
        """Send an event at once."""


@dataclass(frozen=True, slots=True)
class Served:
    """A method that is served: what to run with its raw parameters, and who may call it."""

    run: Callable[[JsonObject, Asked], Awaitable[JsonValue]]
    access: Access = Access.ADMIN


ServedMethods = Mapping[str, Served]


def serve(method: Method[P, D, A], handler: Callable[[D], Awaitable[A]]) -> dict[str, Served]:
    """A plain method. Like the other `serve` functions, it returns a table with one entry, to be combined with
    `|`."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params)))

    return {method.name: Served(run, method.access)}


def serve_events(method: Method[P, D, A], handler: Callable[[D, Emit], Awaitable[A]]) -> dict[str, Served]:
    """A method that streams events before its answer."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params), asked.emit))

    return {method.name: Served(run, method.access)}


def serve_talk(method: Method[P, D, A], handler: Callable[[D, FaceConnection], Awaitable[A]]) -> dict[str, Served]:
    """A method bound to the connection on which it is called."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params), asked))

    return {method.name: Served(run, method.access)}


async def answer_here(methods: ServedMethods, method: Method[P, D, A], *args: P.args, **params: P.kwargs) -> A:
    """The answer of a plain method called in this process, with the same checks and the same JSON as over the
    socket."""
    given = {name: to_json(value) for name, value in params.items()}
    return from_json(method.answer, await methods[method.name].run(given, _Nobody()))


class _Nobody:
    """The connection of a request that came on none."""

    user = ""

    def stay(self, when_gone: Callable[[], None]) -> None:
        """There is nothing to keep open."""

    def emit(self, event: JsonValue) -> None:
        """Nobody listens."""
