"""After a run: how many guests were booted and how long that took."""

from __future__ import annotations

import pytest
from rig.line.uml import BOOTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if seconds := sorted(seconds for _, seconds in BOOTS):
        terminalreporter.write_line(
            f"{len(seconds)} guests booted: in {seconds[0]:.1f} to {seconds[-1]:.1f} s,"
            f" half of them within {seconds[len(seconds) // 2]:.1f} s"
        )
