"""Binding a handler to its declaration: the parameters are checked before it runs, its answer becomes JSON after.

mypy holds a handler against its declaration: it takes the method's parameters and gives the method's answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.control.declared import A, Access, D, Method, P
from dialpost.core.control.requests import check
from dialpost.core.control.shapes import to_json
from dialpost.core.json_value import JsonObject, JsonValue, Talk

Emit = Callable[[JsonValue], None]
"""Sends one event at once."""


class Asked(Talk, Protocol):
    """The question under way: the connection it came on, and a way to send events before the answer."""

    def emit(self, event: JsonValue) -> None:
        """Send an event at once."""


@dataclass(frozen=True, slots=True)
class Served:
    """A method that is answered: what to run for its parameters as they came, and who may have it run."""

    run: Callable[[JsonObject, Asked], Awaitable[JsonValue]]
    access: Access = Access.ADMIN


ServedMethods = Mapping[str, Served]


def serve(method: Method[P, D, A], handler: Callable[[D], Awaitable[A]]) -> dict[str, Served]:
    """A plain method. Like its sisters it gives a table of one, to be joined with `|`."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params)))

    return {method.name: Served(run, method.access)}


def serve_events(method: Method[P, D, A], handler: Callable[[D, Emit], Awaitable[A]]) -> dict[str, Served]:
    """A method that streams events before its answer."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params), asked.emit))

    return {method.name: Served(run, method.access)}


def serve_talk(method: Method[P, D, A], handler: Callable[[D, Talk], Awaitable[A]]) -> dict[str, Served]:
    """A method that belongs to the connection it is asked on."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params), asked))

    return {method.name: Served(run, method.access)}
