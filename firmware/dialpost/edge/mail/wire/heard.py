"""Which of the bytes sent the other side can have received when it sent a reply.

TCP shows it: each segment from the other side acknowledges everything that had reached it by then (RFC 9293 §3.4).
So bytes that are unacknowledged when a reply is read had not been received when it was sent; and a reply that
already lay unread in the socket when something was written is not an answer to that.

This can't detect a reply that left the other side after the last byte had reached its TCP but before its program
read it (or that was written earlier and held back by Nagle's algorithm), nor one that left before that and is read
so late, after a round trip, that the acknowledgement has arrived, too.
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
    """Remembers writes until the other side must have received them."""

    def __init__(self) -> None:
        self._written: deque[_Written] = deque()
        self._raw = 0

    def wrote(self, plain: int, raw: int, *, read: int, unread: int, unheard_raw: int) -> None:
        """Something is about to be written; `read` bytes were read so far, `unread` more wait in the socket.

        `unheard_raw`: bytes written before that are unacknowledged.
        """
        while self._written and self._written[0].came <= read and self._raw - self._written[0].raw >= unheard_raw:
            self._raw -= self._written.popleft().raw
        self._written.append(_Written(plain, raw, read + unread))
        self._raw += raw

    def unheard(self, *, read: int, unheard_raw: int) -> int:
        """The number of last plain bytes that the other side had certainly not received when it sent the last
        reply.

        Nothing in a partly received TLS record can be decrypted, but counting its missing bytes is enough here.
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
    """Bytes in the kernel that the other side's TCP has not acknowledged (SIOCOUTQ, tcp(7)); 0 if unknown."""
    return _asked(sock, termios.TIOCOUTQ)


def unread(sock: socket.socket) -> int:
    """Bytes received but not yet read (SIOCINQ, tcp(7)); 0 if unknown."""
    return _asked(sock, termios.FIONREAD)


def _asked(sock: socket.socket, request: int) -> int:
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), request, struct.pack("i", 0)))
    except (OSError, ValueError):
        return 0
    return int(count)
