"""Asks a time server over UDP. Runs in the event loop; the arithmetic is `core/system/sntp`."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time

from dialpost.core.system.sntp import PORT, ClockOffset, answer, question

TRY_S = 8.0
"""The wait for one answer: a satellite's round trip is 2 s, and mail shares the line."""
TRIES = 3


async def ask(
    address: str, *, not_before_s: float, port: int = PORT, try_s: float = TRY_S, tries: int = TRIES
) -> ClockOffset:
    """The offset from the server at this IP address; a time before `not_before_s` (Unix seconds) is rejected.

    Raises: OSError, TimeoutError, ValueError (an implausible answer), each with words for the log.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, port))  # so that the kernel drops answers from other hosts
        for number in range(tries):
            # Only an answer that repeats these bits was made by somebody who saw the question (RFC 4330 §5).
            cookie = secrets.randbits(64)
            sent_s, began_s = time.time(), time.monotonic()
            await loop.sock_sendall(sock, question(cookie))
            try:
                async with asyncio.timeout(try_s):
                    packet = await loop.sock_recv(sock, 512)
                return answer(packet, cookie, sent_s, time.monotonic() - began_s, not_before_s=not_before_s)
            except TimeoutError:
                if number == tries - 1:
                    raise TimeoutError(f"{address} does not answer") from None
    raise AssertionError("unreachable")
