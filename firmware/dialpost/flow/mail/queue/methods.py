"""The queue's methods on the control socket: `queue.list`, `queue.show`, `queue.retry` ... and `trace`.

They call `flow/mail/queue/control`, which does the work and words the answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from dialpost.core.control import queue as api
from dialpost.core.control.serving import Served, serve, serve_pages
from dialpost.flow.mail.queue.control import PAGE, QueueControl


def queue_methods(control: QueueControl) -> dict[str, Served]:
    """The methods by name."""

    def listing(wanted: api.ListParams) -> AsyncIterator[Sequence[api.Message]]:
        return control.listing(
            address=wanted.address,
            held_only=wanted.held_only,
            limit=wanted.limit,
            offset=wanted.offset,
            after=wanted.after,
        )

    async def show(wanted: api.ShowParams) -> api.Message:
        return await control.show(wanted.queue_id)

    async def trace(wanted: api.TraceParams) -> AsyncIterator[Sequence[api.Message]]:
        found = await control.trace(wanted.text, wanted.limit)
        for first in range(0, len(found), PAGE):
            yield found[first : first + PAGE]

    async def retry(wanted: api.RetryParams) -> api.Done:
        return await control.retry(wanted.queue_id)

    async def hold(wanted: api.MoveParams) -> api.Done:
        return await control.hold(wanted.queue_id, wanted.address)

    async def release(wanted: api.MoveParams) -> api.Done:
        return await control.release(wanted.queue_id, wanted.address)

    async def delete(wanted: api.MoveParams) -> api.Done:
        return await control.delete(wanted.queue_id, wanted.address)

    return {
        **serve_pages(api.LIST, listing),
        **serve(api.SHOW, show),
        **serve_pages(api.TRACE, trace),
        **serve(api.RETRY, retry),
        **serve(api.HOLD, hold),
        **serve(api.RELEASE, release),
        **serve(api.DELETE, delete),
        **serve(api.MATCH, control.many.match),
        **serve(api.CHANGE, control.many.change),
    }
