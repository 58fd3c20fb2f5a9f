"""The wall clock, and whether it can be believed.

A board without a battery clock starts in the past. Nothing may expire before the clock is right, so it counts as
trusted only from the date this release was made on; on the station, time comes from the line on link-up.
"""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from dialpost.core.mail.queue.records import EARLIEST_TRUE_TIME_S

RELEASED_S = EARLIEST_TRUE_TIME_S


class Clock:
    """Wall and monotonic time. `wall_s` is Unix seconds as believed; no decision rests on it alone."""

    def wall_s(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    def is_trusted(self) -> bool:
        """Whether the wall clock can be right."""
        return self.wall_s() >= RELEASED_S

    def set_by(self, offset_s: float) -> str:
        """Move the wall clock by this many seconds; "" or why it can't be done, in words."""
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
    """The time zone of that name, "" = the system's."""
    if name:
        return ZoneInfo(name)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone
