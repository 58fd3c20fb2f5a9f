"""A handler bound to its declaration: checked parameters in, JSON out, events between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import pytest

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Access, Method, parameters_of
from dialpost.core.control.serving import (
    Emit,
    Pages,
    Served,
    answer_here,
    serve,
    serve_events,
    serve_pages,
    serve_talk,
    whole,
)
from dialpost.core.errors import ControlError
from dialpost.core.json_value import FaceConnection, JsonValue


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    number: Annotated[int, Setting("A number.", minimum=0, maximum=9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    doubled: Annotated[int, Setting("Twice as much.")]
    colours: Annotated[tuple[Colour, ...], Setting("All there are.")]


METHOD = Method("test.double", "Double it.", Params, Answer, access=Access.OWNER)
DOUBLED = {"doubled": 14, "colours": ["red"]}


class Connection:
    def __init__(self) -> None:
        self.events: list[JsonValue] = []

    user = "anna"

    def emit(self, event: JsonValue) -> None:
        self.events.append(event)

    def stay(self, gone: Callable[[], None]) -> None:
        raise AssertionError("no method here stays")


async def plain(params: Params) -> Answer:
    return Answer(doubled=2 * params.number, colours=(Colour.RED,))


async def with_events(params: Params, emit: Emit) -> Answer:
    emit("half")
    return await plain(params)


async def with_talk(params: Params, talk: FaceConnection) -> Answer:
    assert isinstance(talk, Connection)
    talk.emit("mine")
    return await plain(params)


@pytest.mark.parametrize(
    ("served", "events"),
    [
        (serve(METHOD, plain), []),
        (serve_events(METHOD, with_events), ["half"]),
        (serve_talk(METHOD, with_talk), ["mine"]),
    ],
)
async def test_each_kind_of_method(served: dict[str, Served], events: list[str]) -> None:
    [(name, method)] = served.items()
    assert (name, method.access) == ("test.double", Access.OWNER)
    asked = Connection()
    assert await method.run({"number": 7}, asked) == DOUBLED
    assert asked.events == events
    with pytest.raises(ControlError, match="number"):
        await method.run({"number": "x"}, asked)


async def test_a_question_asked_here_is_checked_like_one_over_the_socket() -> None:
    async def doubled(params: Params, emit: Emit) -> int:
        emit("nobody hears it")
        return 2 * params.number

    method = Method("test.double", "Double it.", Params, int)
    assert await answer_here(serve_events(method, doubled), method, number=7) == 14
    with pytest.raises(ControlError, match="number"):
        await answer_here(serve_events(method, doubled), method, number=99)


async def test_a_long_list_is_made_a_page_at_a_time() -> None:
    made: list[int] = []

    async def count_down(params: Params) -> AsyncIterator[Sequence[int]]:
        for number in range(params.number, 0, -1):
            made.append(number)
            yield [number, -number]

    method = Method("test.count", "Count down.", Params, tuple[int, ...])
    served = serve_pages(method, count_down)["test.count"]
    answer = await served.run({"number": 2}, Connection())
    assert isinstance(answer, Pages) and (answer.first, made) == ([2, -2], [2])
    assert (await whole(answer), made) == ([2, -2, 1, -1], [2, 1])
    assert await whole(await served.run({"number": 0}, Connection())) == []
    assert await answer_here({"test.count": served}, method, number=2) == (2, -2, 1, -1)
    with pytest.raises(ControlError, match="number"):
        await served.run({"number": 99}, Connection())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    low: Annotated[int, Setting("A number.", minimum=2, unit="seconds")]
    both: Annotated[int, Setting("A number.", minimum=2, maximum=5)]
    none: Annotated[float, Setting("A number.")]


def test_a_parameter_says_its_bounds() -> None:
    assert [parameter.words() for parameter in parameters_of(Bounds)] == [
        "a whole number of at least 2 seconds",
        "a whole number from 2 to 5",
        "a number",
    ]
