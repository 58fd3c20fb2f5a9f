"""What of that which was sent the other side can have heard when it said something.

TCP tells: each segment of the other side acknowledges all that had reached it by then (RFC 9293 §3.4). So what is
not acknowledged when words of it are read, it had not heard when it said them; and words that lay unread in the
socket when something was written are no answer to that.

What this can't tell: words that left the other side after the last byte had reached its TCP, though its program had
not read it yet (or had said them before, and Nagle's algorithm held them back); and words that left before that, if
they are read so late that the acknowledgement is there, too (after a round trip).
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Written:
    """One write: `plain` bytes that became `raw` ones (TLS), after `came` bytes had come from the other side."""

    plain: int
    raw: int
    came: int


class Heard:
    """Keeps what was written until it must have been heard."""

    def __init__(self) -> None:
        self._written: deque[_Written] = deque()
        self._raw = 0

    def wrote(self, plain: int, raw: int, *, read: int, unread: int, unheard_raw: int) -> None:
        """Something is about to be written; `read` bytes were read, `unread` more wait in the socket.

        `unheard_raw`: bytes written before that are not acknowledged.
        """
        while self._written and self._written[0].came <= read and self._raw - self._written[0].raw >= unheard_raw:
            self._raw -= self._written.popleft().raw
        self._written.append(_Written(plain, raw, read + unread))
        self._raw += raw

    def unheard(self, *, read: int, unheard_raw: int) -> int:
        """How many of the last plain bytes the other side had certainly not heard when it said what was read last.

        Of a TLS record that is there in part nothing can be understood; but no more than its bytes is enough here.
        """
        plain = 0
        for one in reversed(self._written):
            if read <= one.came:
                plain += one.plain
            elif unheard_raw > 0:
                plain += max(0, one.plain - max(0, one.raw - unheard_raw))
            else:
                break
            unheard_raw -= one.raw
        return plain


def unacknowledged(sock: socket.socket) -> int:
    """Bytes the kernel has and the other side's TCP has not acknowledged (SIOCOUTQ, tcp(7)); 0 where unknown."""
    return _asked(sock, termios.TIOCOUTQ)


def unread(sock: socket.socket) -> int:
    """Bytes that came and were not read (SIOCINQ, tcp(7)); 0 where unknown."""
    return _asked(sock, termios.FIONREAD)


def _asked(sock: socket.socket, request: int) -> int:
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), request, struct.pack("i", 0)))
    except (OSError, ValueError):
        return 0
    return int(count)
