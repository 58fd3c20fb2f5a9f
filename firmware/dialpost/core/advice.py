"""Advice given in more than one place, written once; all of it can be followed where it is read.

Advice names commands in backticks; tests/test_advice.py takes each to the real command line or console.
"""

from __future__ import annotations

LOG = "`log` at the console, or `journalctl -u dialpost`"
"""Where the log is."""
RESTART = "restart it with `reboot` at the console or `systemctl restart dialpost`"
"""How to restart the station."""
START = "`reboot` at the console or `systemctl start dialpost`"
"""How to start a daemon that is not running."""
MAKE_ROOM = (
    "Have people delete mail in their mail programs and empty the trash there; `dialpost queue list` shows what "
    "waits. Or use a larger card."
)
"""For a full card."""
WRITE_PROTECTED = (
    "Is the card's switch for write protection on? Switch the station off, move it, and start again. If not, the "
    "system found a fault on the card and writes no more, to save what is there. Have people fetch their mail with "
    "their mail programs, then replace the card."
)
"""For a card that is read-only."""
SAVE_ALL = (
    "Keep what is on it: `save to usb` at the console for the configuration, and have people fetch their mail with "
    "their mail programs."
)
"""For a card that is about to fail."""
