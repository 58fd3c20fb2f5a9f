"""Binding a handler to its declaration: the parameters are checked before it runs, its answer becomes JSON after.

mypy checks a handler against its declaration: it takes the method's parameters and returns the method's answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dialpost.core.control.declared import A, Access, D, Method, P
from dialpost.core.control.requests import check
from dialpost.core.control.shapes import from_json, to_json
from dialpost.core.json_value import FaceConnection, JsonObject, JsonValue

_Item = TypeVar("_Item")

Emit = Callable[[JsonValue], None]
"""Sends one event at once."""


class Asked(FaceConnection, Protocol):
    """The current request: the connection it came on, and a way to send events before the answer."""

    def emit(self, event: JsonValue) -> None:
        """Send an event at once."""


@dataclass(frozen=True, slots=True)
class Pages:
    """An answer that is a list, made and sent a page at a time, so that a long one neither stops the station nor
    takes its memory. The first page is made already: what is wrong with a request shows by then.
    """

    first: Sequence[JsonValue]
    rest: AsyncIterator[Sequence[JsonValue]]


@dataclass(frozen=True, slots=True)
class Served:
    """A method that is served: what to run with its raw parameters, and who may call it."""

    run: Callable[[JsonObject, Asked], Awaitable[JsonValue | Pages]]
    access: Access = Access.ADMIN


ServedMethods = Mapping[str, Served]


def serve(method: Method[P, D, A], handler: Callable[[D], Awaitable[A]]) -> dict[str, Served]:
    """A plain method. Like the other `serve` functions, it returns a table with one entry, to be combined with
    `|`."""

    async def run(params: JsonObject, asked: Asked) -> JsonValue:
        return to_json(await handler(check(method, params)))

    return {method.name: Served(run, method.access)}


def serve_pages(
    method: Method[P, D, tuple[_Item, ...]], handler: Callable[[D], AsyncIterator[Sequence[_Item]]]
) -> dict[str, Served]:
    """A method whose answer is a list that may be long. Whatever can be wrong is raised before the first page."""

    async def run(params: JsonObject, asked: Asked) -> Pages:
        pages = _json_pages(handler(check(method, params)))
        async for first in pages:
            return Pages(first, pages)
        return Pages((), pages)

    return {method.name: Served(run, method.access)}


async def _json_pages(pages: AsyncIterator[Sequence[object]]) -> AsyncIterator[Sequence[JsonValue]]:
    async for page in pages:
        yield [to_json(item) for item in page]


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
    return from_json(method.answer, await whole(await methods[method.name].run(given, _Nobody())))


async def whole(answer: JsonValue | Pages) -> JsonValue:
    """An answer in this process's memory, all its pages."""
    if isinstance(answer, Pages):
        return [*answer.first, *[item async for page in answer.rest for item in page]]
    return answer


class _Nobody:
    """The connection of a request that came on none."""

    user = ""

    def stay(self, when_gone: Callable[[], None]) -> None:
        """There is nothing to keep open."""

    def emit(self, event: JsonValue) -> None:
        """Nobody listens."""
