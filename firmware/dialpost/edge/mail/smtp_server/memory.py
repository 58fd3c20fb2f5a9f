"""What a session costs in memory: small buffers while it lasts, and everything given back as soon as it is over.

asyncio reads TLS through a buffer of 256 kB for each connection, and fills it with zeros, so all of it is resident:
four fifths of what an open session cost. A TLS record holds 16 kB at most (RFC 8446 §5.1).

A session, its reader and its writer refer to each other in a cycle, and with TLS the writer holds OpenSSL's state
and asyncio's buffers. Python frees a cycle when its garbage collector finds it, and that counts objects, not bytes:
over a hundred dead sessions, 40 MB, waited for it after a burst of logins. What the allocator had taken for them it
could not give back, because newer objects lay in between.
"""

from __future__ import annotations

from asyncio import sslproto

from aiosmtpd.smtp import SMTP

_TLS_BUFFER_BYTES = 16_384


def use_small_buffers() -> None:
    """For all TLS connections of asyncio in this process."""
    # A constant of asyncio's from Python 3.11 on; there is no parameter for it.
    sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES


def release(session: SMTP, error: Exception | None) -> None:
    """The connection of this session is about to be lost: once its task has ended, too, take the cycle apart."""
    if error is not None:
        error.__traceback__ = None  # the session keeps the error, and the error would keep the session's frames
    task = session._handler_coroutine
    assert task is not None
    task.add_done_callback(lambda _: _take_apart(session))


def _take_apart(session: SMTP) -> None:
    for name in ("_handler_coroutine", "_reader", "_writer", "_client_connected_cb"):
        setattr(session, name, None)
