"""The guard of tests/conftest.py: what a test touches outside its folders fails it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOUCHES = {
    'os.close(os.open("x", os.O_WRONLY | os.O_CREAT))': False,
    'os.close(os.open(b"x", os.O_RDWR | os.O_CREAT))': False,
    'os.close(os.open("x", os.O_WRONLY | os.O_CREAT, dir_fd=os.open(tmp_path, os.O_RDONLY)))': True,
    'os.close(os.open(".", os.O_RDONLY))': True,
    'os.close(os.open(os.path.abspath("x"), os.O_WRONLY | os.O_CREAT))': False,
    'open("x", "w").close()': False,
    'os.mkdir("y")': False,
    'open(tmp_path / "x", "w").close()': True,
    'lookup("x.invalid")': False,
    'lookup("provider.example")': False,
    'socket.getaddrinfo("127.0.0.1", 25)': True,
    'os.chdir(tmp_path); os.close(os.open("x", os.O_WRONLY | os.O_CREAT))': True,
}
SCRIPT = """
import os, socket
def lookup(name):
    try:
        socket.getaddrinfo(name, 25, flags=socket.AI_NUMERICHOST)  # told to the guard, and no server is asked
    except socket.gaierror:
        pass
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[int]:
    """Which of TOUCHES failed, each as its own test."""
    work, own = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("own")
    cases = "".join(f"def test_{number}(tmp_path):\n    {line}\n" for number, line in enumerate(TOUCHES))
    (own / "test_touches.py").write_text(SCRIPT + cases)
    paths = os.pathsep.join(map(str, (TESTS, *sys.path)))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            os.devnull,
            "--rootdir",
            own,
            "-p",
            "conftest",
            "-p",
            "no:cacheprovider",
            "-rE",
            own / "test_touches.py",
        ],
        cwd=work,
        env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(own)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    words = [
        line.partition("::test_")[2].split()[0] for line in done.stdout.splitlines() if line.startswith("ERROR ")
    ]
    assert f"{len(TOUCHES)} passed, {len(words)} errors" in done.stdout, done.stdout + done.stderr
    return set(map(int, words))


@pytest.mark.parametrize("number", range(len(TOUCHES)), ids=list(TOUCHES))
def test_what_is_outside_fails_the_test(failed: set[int], number: int) -> None:
    assert (number not in failed) is list(TOUCHES.values())[number]
