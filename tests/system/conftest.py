"""The system tests' fixtures. Each test has servers, queues, mailboxes and ports of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def work() -> Iterator[Path]:
    """A directory that servers with users of their own can enter (pytest's tmp_path is closed to them)."""
    directory = Path(tempfile.mkdtemp(prefix="dp-sys-"))
    directory.chmod(0o755)
    yield directory
    if not os.environ.get("DIALPOST_TEST_KEEP"):  # to look at what a failed test left
        shutil.rmtree(directory, ignore_errors=True)
