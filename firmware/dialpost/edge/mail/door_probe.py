"""Knocking at one of the station's own doors: does an SMTP server greet there?"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from dialpost.edge.ground.transports import abort

TIMEOUT_S = 15.0
LINE_BYTES = 512
"""The most of a greeting that is read (RFC 5321 §4.5.3.1.5)."""


async def knock(door: str) -> str:
    """What is wrong at a door given as "submissions [::]:465" or "smtp 0.0.0.0:25"; "" if it greets with 220."""
    kind, _, place = door.partition(" ")
    host, _, port = place.rpartition(":")
    # A wildcard address can be listened on, but not connected to everywhere.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host.strip("[]"), host.strip("[]"))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _greeting(host, int(port), _any_certificate() if kind == "submissions" else None)
    except TimeoutError:
        return f"no greeting within {TIMEOUT_S:.0f} s"
    except (OSError, ValueError) as error:
        return f"no connection ({getattr(error, 'strerror', None) or error})"


async def _greeting(host: str, port: int, tls: ssl.SSLContext | None) -> str:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        line = await _first_line(reader)
        if line.startswith((b"220 ", b"220-", b"220\r", b"220\n")) and line.endswith(b"\n"):
            writer.write(b"QUIT\r\n")
            await writer.drain()
            await reader.read(LINE_BYTES)
            return ""
        return f"it says {line[:200].decode('utf-8', 'replace').strip()!r} instead of a greeting"
    finally:
        with contextlib.suppress(OSError):
            abort(writer.transport)  # without close(): TLS closed twice can't be aborted (Python 3.11.2)
            await writer.wait_closed()


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    """The first line, or the beginning of an endless one."""
    line = b""
    while b"\n" not in line and len(line) < LINE_BYTES:
        more = await reader.read(LINE_BYTES - len(line))
        if not more:
            break
        line += more
    return line.partition(b"\n")[0] + (b"\n" if b"\n" in line else b"")


def _any_certificate() -> ssl.SSLContext:
    """Accept any certificate: `doctor` judges it separately."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
