"""The queue's commands on the control socket: `queue.list`, `queue.show`, `queue.retry` ... and `trace`.

Takes JSON parameters apart and hands them to `flow/mail/queue/control`, which does the work and finds the words.
"""

from __future__ import annotations

from dataclasses import asdict

from dialpost.core.errors import ControlError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.flow.mail.queue.control import Done, MessageView, QueueControl


def queue_methods(control: QueueControl) -> dict[str, ControlMethod]:
    """The methods by name."""

    async def listing(params: JsonObject) -> JsonValue:
        found = await control.listing(
            address=_text(params, "address"),
            held_only=bool(params.get("held_only")),
            limit=_number(params, "limit", 100),
            offset=_number(params, "offset", 0),
        )
        return [_json(view) for view in found]

    async def show(params: JsonObject) -> JsonValue:
        return _json(await control.show(_wanted(params)))

    async def trace(params: JsonObject) -> JsonValue:
        found = await control.trace(_wanted(params, "text"), _number(params, "limit", 20))
        return [_json(view) for view in found]

    async def retry(params: JsonObject) -> JsonValue:
        return _done(await control.retry(_text(params, "queue_id")))

    async def hold(params: JsonObject) -> JsonValue:
        return _done(await control.hold(_wanted(params), _text(params, "address")))

    async def release(params: JsonObject) -> JsonValue:
        return _done(await control.release(_wanted(params), _text(params, "address")))

    async def delete(params: JsonObject) -> JsonValue:
        return _done(await control.delete(_wanted(params), _text(params, "address")))

    return {
        "queue.list": listing,
        "queue.show": show,
        "queue.retry": retry,
        "queue.hold": hold,
        "queue.release": release,
        "queue.delete": delete,
        "trace": trace,
    }


def _json(view: MessageView) -> JsonValue:
    fields: dict[str, JsonValue] = asdict(view)
    return fields | {"sentences": list(view.sentences)}


def _done(done: Done) -> JsonValue:
    return {"count": done.count, "words": done.words}


def _text(params: JsonObject, key: str) -> str | None:
    value = params.get(key)
    if value is not None and not isinstance(value, str):
        raise ControlError(f"{key} must be a text.")
    return value


def _wanted(params: JsonObject, key: str = "queue_id") -> str:
    value = _text(params, key)
    if value is None:
        raise ControlError(f"{key} is missing.")
    return value


def _number(params: JsonObject, key: str, default: int) -> int:
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ControlError(f"{key} must be a whole number.")
    return value
