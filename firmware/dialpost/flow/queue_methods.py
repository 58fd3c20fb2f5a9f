"""The queue's commands as methods of the control socket: JSON in, JSON out."""

from __future__ import annotations

from dataclasses import asdict

from dialpost.core.errors import ControlError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.flow.queue_control import MessageView, QueueControl


def queue_methods(control: QueueControl) -> dict[str, ControlMethod]:
    """The methods of the control socket for the queue.

    `queue.list` {address?, held?, limit?, offset?}, `queue.show` {id}, `queue.trace` {text, limit?} give message
    views; `queue.retry` {id?}, `queue.hold`, `queue.release`, `queue.delete` {id, address?} give {count, words}.
    """

    async def list_(params: JsonObject) -> JsonValue:
        views = await control.listing(
            address=_text(params, "address"),
            held_only=bool(params.get("held")),
            limit=_number(params, "limit", 100),
            offset=_number(params, "offset", 0),
        )
        return [_json(view) for view in views]

    async def show(params: JsonObject) -> JsonValue:
        return _json(await control.show(_required(params, "id")))

    async def trace(params: JsonObject) -> JsonValue:
        views = await control.trace(_required(params, "text"), _number(params, "limit", 20))
        return [_json(view) for view in views]

    async def retry(params: JsonObject) -> JsonValue:
        return asdict(await control.retry(_text(params, "id")))

    async def hold(params: JsonObject) -> JsonValue:
        return asdict(await control.hold(_required(params, "id"), _text(params, "address")))

    async def release(params: JsonObject) -> JsonValue:
        return asdict(await control.release(_required(params, "id"), _text(params, "address")))

    async def delete(params: JsonObject) -> JsonValue:
        return asdict(await control.delete(_required(params, "id"), _text(params, "address")))

    return {
        "queue.list": list_,
        "queue.show": show,
        "queue.trace": trace,
        "queue.retry": retry,
        "queue.hold": hold,
        "queue.release": release,
        "queue.delete": delete,
    }


def _json(view: MessageView) -> JsonValue:
    return asdict(view) | {"sentences": list(view.sentences)}


def _text(params: JsonObject, name: str) -> str | None:
    value = params.get(name)
    return value if isinstance(value, str) and value else None


def _required(params: JsonObject, name: str) -> str:
    value = _text(params, name)
    if value is None:
        raise ControlError(f"{name!r} is missing.")
    return value


def _number(params: JsonObject, name: str, default: int) -> int:
    value = params.get(name, default)
    return value if isinstance(value, int) else default
