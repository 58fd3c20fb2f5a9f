"""The image's tests: what they lack is said aloud; cards and machines are each test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from image.rig.card import Card
from image.rig.machine import BOOTS
from image.rig.needs import lacking


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = lacking()
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):  # of thousands of tests, each time some are collected
            item.add_marker(pytest.mark.system)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"this test needs {missing}"))


@pytest.fixture
def card(work: Path) -> Card:
    """A card of 4 GiB, freshly flashed."""
    return Card(work / "card.img")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, seconds in BOOTS:
        terminalreporter.write_line(f"{seconds:6.0f} s  {what}")
