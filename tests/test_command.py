"""Ctrl-C from the first moment of the command to its last: the process ends, and nothing is said."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import os, signal, sys, types
from dialpost import command

class At:
    def find_spec(self, name, path, target=None):
        if name == "dialpost.__main__":
            {importing}
            sys.modules["made"] = made = types.ModuleType(name)
            made.main = running
            sys.modules[name] = made
            import importlib.machinery
            class Loader:
                def create_module(self, spec): return made
                def exec_module(self, module): pass
            return importlib.machinery.ModuleSpec(name, Loader())

def running():
    {running}
    print("ran", flush=True)
    return 7

sys.meta_path.insert(0, At())
status = command.main()
{leaving}
sys.exit(status)
"""
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"


def run(ignored: bool = False, **places: Any) -> subprocess.CompletedProcess[bytes]:
    script = BEGIN.format(**({"importing": "pass", "running": "pass", "leaving": "pass"} | places))
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler),
    )


@pytest.mark.parametrize(
    ("place", "status", "said"),
    [("importing", -signal.SIGINT, b""), ("running", 130, b""), ("leaving", -signal.SIGINT, b"ran\n")],
)
def test_an_interrupt_is_no_traceback_wherever_it_comes(place: str, status: int, said: bytes) -> None:
    changes: dict[str, Any] = {place: INTERRUPT}
    done = run(**changes)
    assert (done.returncode, done.stdout, done.stderr) == (status, said, b"")


@pytest.mark.parametrize("place", ["importing", "running", "leaving"])
def test_where_interrupts_are_ignored_they_stay_so(place: str) -> None:
    done = run(ignored=True, **{place: INTERRUPT})
    assert (done.returncode, done.stdout, done.stderr) == (7, b"ran\n", b"")
