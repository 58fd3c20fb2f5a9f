"""The system tests' fixtures. Each test has servers, queues, mailboxes and ports of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def module_work() -> Iterator[Path]:
    """A folder that the tests of a module share. Its name is short: sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="dp-img-"))
    yield folder
    if not os.environ.get("DIALPOST_TEST_KEEP"):  # to look at what a failed test left
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something on the terminal at once, whether the test fails or not; from any thread."""
    plugins, one_at_a_time = request.config.pluginmanager, threading.Lock()
    reporter, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")
    assert isinstance(reporter, pytest.TerminalReporter)

    def say(text: str) -> None:
        with one_at_a_time, capture.global_and_fixture_disabled():
            reporter.write_line(f"  {text}")

    return say
