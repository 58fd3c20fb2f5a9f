"""The wall clock, and whether it can be trusted.

A board without a battery clock starts in the past. Nothing may expire before the clock is right, so it is trusted
only from the date of this release on; the station gets the time over the line on connect.
"""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from dialpost.core.mail.queue.records import EARLIEST_TRUE_TIME_S

RELEASED_S = EARLIEST_TRUE_TIME_S


class Clock:
    """Wall and monotonic time. No decision rests on `wall_s` alone."""

    def wall_s(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes backwards."""
        return time.monotonic()

    def is_trusted(self) -> bool:
        """Whether the wall clock can be right."""
        return self.wall_s() >= RELEASED_S

    def set_by(self, offset_s: float) -> str:
        """Move the wall clock by this many seconds; returns "" or why that failed, in words."""
        try:
            time.clock_settime(time.CLOCK_REALTIME, time.time() + offset_s)
        except PermissionError:
            return "the station may not set it (on the station chrony does)"
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def is_kept_by_chrony(self) -> bool:
        """Whether chronyd runs on this machine."""
        return Path("/run/chrony/chronyd.pid").exists() or Path("/run/chronyd.pid").exists()


def zone_of(name: str) -> tzinfo:
    """The time zone of that name; "" = the system's."""
    if name:
        return ZoneInfo(name)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone
