"""Every command that shows foreign text, with the worst of it: in a pipe, as JSON, at the console."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest

from cases import cases
from dialpost.__main__ import main
from dialpost.cli.console.faces import Faces
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.core.control.shapes import members
from dialpost.core.control.table import METHODS
from dialpost.core.printable import LONGEST_LINE
from dialpost.edge.control_socket import ControlClient, ControlConnection

POISON = "\x1b]0;x\x07\x9b31m\x00\u202e\u2066\u200f\u061c\u2028\x85\r\ud800\ue000\nATTENTION forged " + "x" * 3000
HARMFUL = set("\x1b\x07\x9b\x00\u202e\u2066\u200f\u061c\u2028\x85\r\ud800\ue000")


def filled(kind: Any, key: str = "") -> object:
    """An answer of a declared form with something in every member, and poison in every text.

    `mode` is a word that a command branches on.
    """
    if get_origin(kind) is tuple:
        return [filled(get_args(kind)[0], key)]
    if get_origin(kind) in {Union, types.UnionType}:
        return filled(get_args(kind)[0], key)
    if dataclasses.is_dataclass(kind):
        form: Any = kind
        return {member.name: filled(member.kind, member.name) for member in members(form)}
    plain: dict[Any, object] = {str: f"s{POISON}", int: 1, float: 1.0, bool: False, type(None): None}
    return "running" if key == "mode" else plain[kind]


COMMANDS = [
    ["queue", "list"],
    ["queue", "show", "D0000001"],
    ["queue", "retry", "D0000001"],
    ["inbound", "list"],
    ["inbound", "fetch", "3f9a1c20"],
    ["trace", "a@b.example"],
    ["status"],
    ["call", "history"],
    ["call", "show", "1"],
    ["call", "forecast"],
    ["call", "budget"],
    ["call", "learned"],
    ["call", "cancel"],
    ["account", "list"],
    ["alias", "list"],
]
WITH_JSON = [command for command in COMMANDS if command[1:2] not in (["retry"], ["cancel"], ["fetch"])]
WITH_JSON += [["config", "history"], ["config", "compare", "1"]]  # as text they are never cut
CONFIG = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "dialpost.toml"
    path.write_text(CONFIG)
    monkeypatch.setattr(ControlClient, "available", lambda self: True)
    for asking in (ControlClient, ControlConnection):
        monkeypatch.setattr(asking, "call", lambda self, method, **_: filled(METHODS[method].answer))
    monkeypatch.setattr(ControlConnection, "__init__", lambda self, *_: None)
    monkeypatch.setattr(ControlConnection, "close", lambda self: None)
    return path


def assert_harmless(text: str) -> None:
    assert not HARMFUL & set(text), sorted(HARMFUL & set(text))
    assert max(map(len, text.split("\n"))) <= LONGEST_LINE


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_listing_is_harmless_in_a_pipe(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    main(["--config", str(config), *command])
    said = capsys.readouterr()
    assert_harmless(said.out)
    assert "x" in said.out
    assert not said.err


@pytest.mark.parametrize("command", WITH_JSON, ids=" ".join)
def test_a_listing_as_json_is_harmless_even_once_it_is_read(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    def walk(value: object) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(name)
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str):
            assert_harmless(value)

    main(["--config", str(config), *command, "--json"])
    out = capsys.readouterr().out
    assert_harmless(out)
    walk(json.loads(out))


class Screen:
    """A tty that keeps what it is sent."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, timeout_s: float) -> bytes:
        return b""

    def write(self, data: bytes, timeout_s: float) -> None:
        self.data += data

    def is_busy(self) -> bool:
        return False

    def size(self) -> tuple[int, int]:
        return 80, 24

    def interruptible(self) -> AbstractContextManager[None]:
        return nullcontext()

    def lent(self) -> AbstractContextManager[int]:
        raise AssertionError("no listing lends the terminal")


@pytest.mark.parametrize("utf8", [True, False])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_listing_is_harmless_at_the_console(config: Path, command: list[str], utf8: bool) -> None:
    screen = Screen()
    terminal = ConsoleTerminal(screen, dumb=False, utf8=utf8, idle_s=0)
    Faces(argparse.Namespace(config=config), terminal).run(command)
    shown = screen.data.decode("utf-8" if utf8 else "ascii").replace("\r\n", "\n")
    assert_harmless(shown)
    assert "x" in shown


@pytest.mark.parametrize("command", [["trace", "a"], ["queue", "show", "D0000001"]], ids=" ".join)
def test_a_foreign_line_end_forges_no_line_in_what_is_reported(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    main(["--config", str(config), *command])
    assert not any(line.startswith("ATTENTION") for line in capsys.readouterr().out.splitlines())


# -- character sets and readers ---------------------------------------------------------------------------

SCRIPT = """
import sys
from dialpost.cli.output import print_json, table
from dialpost.cli import streams
def command():
    print(table(("", ""), [("\\u0141ukasz \\u017bak", "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442 \\u202e\\x9b")]))
    print_json({"name": "\\u0141ukasz \\u017bak"})
    sys.stderr.write("dialpost: \\u0141\\n")
    return 3
sys.exit(streams.run_with_streams(command))
"""


def run(script: str, **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
    """The command in its own process, as a shell starts it."""
    environment = {"PATH": os.environ["PATH"], **kwargs.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output="stdout" not in kwargs,
        timeout=60,
        check=False,
        **kwargs,
    )


@cases(
    ("env", "charset"),
    [
        ({"PYTHONIOENCODING": "iso-8859-1"}, "iso-8859-1"),  # what a German ISO-8859-1 locale makes of the streams
        ({"PYTHONIOENCODING": "ascii"}, "ascii"),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
        ({"PYTHONIOENCODING": "koi8-r"}, "koi8-r"),
        ({"LC_ALL": "C"}, "utf-8"),
        ({"LC_ALL": "POSIX"}, "utf-8"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii"),
        ({"LC_ALL": "C.UTF-8"}, "utf-8"),
    ],
)
def test_any_character_set_shows_every_name(env: dict[str, str], charset: str) -> None:
    done = run(SCRIPT, env=env)
    assert done.returncode == 3 and b"Traceback" not in done.stderr
    out = done.stdout.decode(charset)
    assert ("Łukasz Żak" if charset == "utf-8" else "Lukasz Zak") in out
    assert ("Привет" in out) == (charset in {"utf-8", "koi8-r"})
    assert "\u202e" not in out and "\x9b" not in out
    assert json.loads(out[out.index("{") :])["name"] in {"Łukasz Żak", "Lukasz Zak"}
    assert done.stderr.decode(charset) == ("dialpost: Ł\n" if charset == "utf-8" else "dialpost: L\n")


def closing(*descriptors: int) -> Callable[..., Any]:
    return lambda: [os.close(descriptor) for descriptor in descriptors]


@pytest.mark.parametrize("descriptors", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_streams_that_were_closed_before_are_no_fault(descriptors: tuple[int, ...]) -> None:
    done = run(SCRIPT, stdout=None, preexec_fn=closing(*descriptors))
    assert done.returncode == 3


ASKING = """
import sys
from dialpost.cli import output, streams
def command():
    print(sys.stdin.isatty())
    try:
        output.input_line()
    except EOFError:
        return 4
sys.exit(streams.run_with_streams(command))
"""


@pytest.mark.parametrize("descriptors", [(), (0,), (0, 2)])
def test_nobody_there_to_ask_is_the_end_of_input(descriptors: tuple[int, ...]) -> None:
    done = run(ASKING, preexec_fn=closing(*descriptors), stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (4, b"False\n")


def test_a_reader_that_has_gone_ends_the_command_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = run(SCRIPT, stdout=write, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (141, "dialpost: Ł\n".encode())
        assert run(SCRIPT, stdout=write, stderr=write).returncode == 141
    finally:
        os.close(write)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_reported(unbuffered: str) -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" > /dev/full', sys.executable, SCRIPT]
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False, env=environment)
    assert done.returncode == 1
    assert b"can't write the output: No space left on device" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["--help"], ["queue", "list", "--help"]])
def test_help_that_cannot_be_written_is_a_fault_as_well(words: list[str]) -> None:
    command = ["sh", "-c", 'exec "$@" > /dev/full', "sh", sys.executable, "-m", "dialpost", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"dialpost: can't write the output: No space left on device\n")


def test_a_configuration_is_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dialpost.toml"
    domains = [f"a-long-name-{number}.clinic.example" for number in range(100)]
    path.write_text(f'[station]\nhostname = "mail.clinic.example"\ndomains = {json.dumps(domains)}\n')
    assert main(["--config", str(path), "config", "show"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) > LONGEST_LINE and domains[-1] in out
