"""docs/first-ten-minutes.md, typed as it is printed there: every command, every answer.

The second terminal is the program that the page names, at its speed. What differs from run to run (the folder,
ports, seconds, dates) is made equal on both sides; spaces in a row count as one. While a call waits it says for
what, and how long each wait is depends on the machine: these lines may be there or not, on both sides.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from dialpost.edge.control_socket import SOCKET_NAME, ControlClient
from first_start_rig import LOUDEST_S, SAME_LENGTH, FirstStartRig

PAGE = (Path(__file__).parents[1] / "docs/first-ten-minutes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (first terminal|console|shell) -->\n```\n(.*?)\n```", re.DOTALL)
UNSEEN = re.compile(r"^\| ([A-Za-z' -]+) \| `([^`]+)`", re.MULTILINE)
PROMPT = re.compile(
    r"(?P<prompt>(?:Domain|Provider's number|Dial-in user|Mail host|User \d|`yes`, or a number"
    r"|[\w' -]+password(?: again)?"
    r"|[A-Z][\w' -]+ \[[^\]]*\]|Call now\? yes or no \[yes\]):|dialpost>)(?: (?P<typed>.*))?\Z"
)
PORTS = {"2525": "listen", "2587": "submission_listen", "2465": "submissions_listen"}
CHANGING = (
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
    (r"\babout \d+ (s|min)\b", "about SOME"),
    (r"\b\d+ s on line\b", "SOME s on line"),
    (r" +", " "),
    (r"(D\d{7}) (?:\d+ (?:s|min) )+", r"\1 SOME s "),
)
WAITS = {
    "mail is being sent",
    "the provider is being asked for mail",
    "waiting for the provider to start",
    "the provider is connected",
    "waiting for more mail",
    "asking the provider for more mail",
}


@dataclass(frozen=True)
class Block:
    """One block of the page."""

    where: str
    lines: list[str]


def blocks() -> list[Block]:
    return [Block(where, text.split("\n")) for where, text in BLOCK.findall(PAGE)]


def unseen() -> dict[str, str]:
    """What is typed at the prompts that show nothing."""
    return dict(UNSEEN.findall(PAGE))


def same(line: str) -> str:
    for pattern, word in CHANGING:
        line = re.sub(pattern, word, line)
    return line.strip()


def comparable(lines: list[str]) -> list[str]:
    """What must be the same."""
    return [line for line in map(same, lines) if line not in WAITS]


class Reader:
    """Types the page and keeps what is answered."""

    def __init__(self, rig: FirstStartRig) -> None:
        self.rig = rig

    def _printed(self, text: str) -> list[str]:
        """As the page would have it."""
        text = text.replace("\r", "").replace(str(self.rig.folder), SAME_LENGTH)
        if (self.rig.folder / "dialpost.toml").exists():
            for shown, door in PORTS.items():
                text = text.replace(str(self.rig.port(door)), shown)
        return text.split("\n")

    def at_console(self, lines: list[str], *, is_asked: bool = False) -> list[str]:
        """Type what stands behind each prompt but the last; what the screen shows. `is_asked`: the first prompt was
        there already at the end of the block before.
        """
        console, shown = self.rig.console, ""
        for index, line in enumerate(lines):
            found = PROMPT.match(line)
            if found is None:
                continue
            if index or not is_asked:
                console.expect_exact(found["prompt"] + " ")
                shown += console.before + console.after
            else:
                shown = found["prompt"] + " "
            if index == len(lines) - 1:
                break
            if found["typed"] == "call now":
                self._until_on_hook()
            name = found["prompt"].removesuffix(":").removesuffix(" again")
            console.send(unseen().get(name, found["typed"] or "") + "\r")
        return self._printed(shown)

    def _until_on_hook(self) -> None:
        """An operator types slower than the line rests after a call."""
        client = ControlClient(self.rig.folder / "run" / SOCKET_NAME)
        give_up_s = time.monotonic() + LOUDEST_S
        while not str(client.call("status")["call_state_words"]).startswith("on hook"):
            assert time.monotonic() < give_up_s
            time.sleep(0.1)  # the daemon tells nobody when it has rested

    def in_shell(self, lines: list[str]) -> list[str]:
        """Run each command; it and what it printed."""
        shown: list[str] = []
        for line in lines:
            if not line.startswith("$ "):
                continue
            command = line[2:].replace("~/office", str(self.rig.folder))
            for port, door in PORTS.items():
                command = command.replace(port, str(self.rig.port(door)))
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, ""), command
            shown += [line, *self._printed(done.stdout.rstrip("\n"))] if done.stdout else [line]
        return shown


@pytest.fixture(scope="module")
def rig() -> Iterator[FirstStartRig]:
    with FirstStartRig(bps=115_200) as made:
        yield made


def test_the_page_is_complete() -> None:
    assert [block.where for block in blocks()] == ["first terminal", "console", "shell", "console", "shell"]
    assert set(unseen()) == {"Dial-in password", "Admin password", "anna's password"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page sends its letter with curl: install curl")
@pytest.mark.slow
def test_every_command_and_answer_is_as_printed(rig: FirstStartRig) -> None:
    first, wizard, letter, calls, mailbox = blocks()
    reader = Reader(rig)
    assert first.lines[0].startswith("$ make run ")
    instructions = reader._printed(rig.instructions)
    assert [same(line) for line in instructions] == [same(line) for line in first.lines[1:]]

    rig.press_enter()
    shown = reader.at_console(wizard.lines)
    begins = shown.index(wizard.lines[0])
    assert comparable(shown[begins:]) == comparable(wizard.lines)

    assert reader.in_shell(letter.lines) == letter.lines
    shown = reader.at_console(calls.lines, is_asked=True)
    assert comparable(shown) == comparable(calls.lines)
    assert [same(line) for line in reader.in_shell(mailbox.lines)] == [same(line) for line in mailbox.lines]

    rig.console.send("exit\r")
    rig.console.expect_exact("Good-bye.")
    rig.press_enter()
    rig.answer("Password:", unseen()["Admin password"])
    rig.console.expect_exact("dialpost> ")
    rig.first.sendintr()
    rig.first.expect(pexpect.EOF)
    assert "received a message from anna@clinic.example for cleo@world.example" in rig.first.before
