"""The queue's methods on the control socket: `queue.list`, `queue.show`, `queue.retry` ... and `trace`.

They call `flow/mail/queue/control`, which does the work and words the answers.
"""

from __future__ import annotations

from dialpost.core.control import queue as api
from dialpost.core.control.serving import Served, serve
from dialpost.flow.mail.queue.control import QueueControl


def queue_methods(control: QueueControl) -> dict[str, Served]:
    """The methods by name."""

    async def listing(wanted: api.ListParams) -> tuple[api.Message, ...]:
        return tuple(
            await control.listing(
                address=wanted.address, held_only=wanted.held_only, limit=wanted.limit, offset=wanted.offset
            )
        )

    async def show(wanted: api.ShowParams) -> api.Message:
        return await control.show(wanted.queue_id)

    async def trace(wanted: api.TraceParams) -> tuple[api.Message, ...]:
        return tuple(await control.trace(wanted.text, wanted.limit))

    async def retry(wanted: api.RetryParams) -> api.Done:
        return await control.retry(wanted.queue_id)

    async def hold(wanted: api.MoveParams) -> api.Done:
        return await control.hold(wanted.queue_id, wanted.address)

    async def release(wanted: api.MoveParams) -> api.Done:
        return await control.release(wanted.queue_id, wanted.address)

    async def delete(wanted: api.MoveParams) -> api.Done:
        return await control.delete(wanted.queue_id, wanted.address)

    return {
        **serve(api.LIST, listing),
        **serve(api.SHOW, show),
        **serve(api.TRACE, trace),
        **serve(api.RETRY, retry),
        **serve(api.HOLD, hold),
        **serve(api.RELEASE, release),
        **serve(api.DELETE, delete),
    }
