"""All advice the program can give, taken out of its code: each command it names is one that exists here and now.

Every text in backticks must parse with the real command line, or be a line of the console's language, or be known
below for what else it is. And no advice names what nothing offers: backups, archives.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import re
from collections.abc import Iterator
from pathlib import Path

from cases import cases
from dialpost.cli.parser import make_parser, with_help_asked
from dialpost.core.call_reason import CallReason
from dialpost.core.console.language import Fault, Language
from dialpost.core.line.call.notes import attention, given_up_letter
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.link import DialResult
from dialpost.core.line.ppp.log import LOG_REASONS
from dialpost.core.line.reasons import DIAL_REASONS, MEDIUM_REASONS, PPP_REASONS, Reason
from dialpost.core.panel.lights import FAULT_WORDS

CODE = Path(__file__).parents[1] / "firmware" / "dialpost"
_HOLE = "\x00"
"""Where a value is put in."""
EXAMPLES = {
    "ID": "D0000001",
    "NAME": "anna",
    "KEY": "ppp.user",
    "N": "2",
    "NO": "2",
    "MINUTES": "5",
    "ADDRESS": "a@b.example",
    "COMMAND": "status",
    "TARGET": "anna",
    "FILE": "/tmp/x",
    _HOLE: "anna",
}
SYSTEM = {
    "journalctl -u dialpost",
    "systemctl restart dialpost",
    "systemctl start dialpost",
    "dmesg | tail",
    "gpiodetect",
    "ip address",
    "timedatectl list-timezones",
    "ulimit -n",
    "systemctl",
    "systemctl enable --now dialpost-console@NAME",
    "usermod -s /bin/sh dialpost",
    "rm /etc/dialpost/console-password",
    "make run",
    "minicom -D /dev/ttyUSB0 -b 115200",
    "screen\n/dev/ttyUSB0 115200",
    "ssh -t dialpost@mail.clinic.example",
    f"minicom -D {_HOLE}",
    f"screen {_HOLE}",
}
"""Programs of the system, as people type them."""
WIZARD = {"?", "back", "quit", "yes", "usb", "begin"}
"""Answers to the wizard's and other questions."""
NO_COMMANDS = re.compile(
    r"\A(?:/\S+|[\w.]+\.(?:py|toml|history/)|(?:core|firmware)/\S+|\w+(?:\.\w+)+(?: = \S+)?|TERM=dumb|call: .*"
    r"|\.venv/bin/python .*|mermaid\n\x00|soon|not before a change|\x00)\Z"
)
"""Files, settings with their section, lines of the log."""
KEYS = {
    "address",
    "at",
    "attempts",
    "big_windows",
    "certificate",
    "delete",
    "end",
    "every_min",
    "give_up_attempts",
    "host",
    "none",
    "password",
    "period_s",
    "start",
    "user",
    "dialpost",
}
"""Keys beside the one that is explained, values, a user of the system."""
NOT_OFFERED = re.compile(
    r"(?<!battery )\bback-?ups?\b|\b(?:make|put back) a copy\b|\barchive old\b|\brestart the station\b(?! \(`)",
    re.IGNORECASE,
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts in a module's code that are no docstrings, with their line; values put in are holes."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    passed = {
        id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            passed |= {id(value) for value in node.values}
            parts = [str(value.value) if isinstance(value, ast.Constant) else _HOLE for value in node.values]
            yield node.lineno, "".join(parts)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


@functools.cache
def everywhere() -> list[tuple[str, str]]:
    """The texts of all modules. Read by the tests and not on import: each process of a run would wait for it."""
    return [
        (f"{path.relative_to(CODE)}:{line}", text)
        for path in sorted(CODE.rglob("*.py"))
        for line, text in texts(path)
    ]


def quoted() -> dict[str, str]:
    """What stands in backticks, and where first."""
    return {
        words: where
        for where, text in reversed(everywhere())
        if "[^`" not in text  # a pattern that looks for advice
        for words in re.findall("`([^`]+)`", text)
    }


PARSER = functools.cache(make_parser)
LANGUAGE = Language(lambda source, before: (), lambda face: ())


def _example(command: str) -> str:
    return " ".join(EXAMPLES.get(word, word) for word in command.replace(_HOLE, f" {_HOLE} ").split())


def is_command_line(command: str) -> str:
    """ "" if the real parser takes it, else what it says."""
    words = _example(command).split()
    if words[:1] != ["dialpost"]:
        return "it does not begin with dialpost"
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            PARSER().parse_args(with_help_asked(words[1:]))
        except SystemExit as ended:
            return said.getvalue() if ended.code else ""
    return ""


def is_console_line(command: str) -> bool:
    """Whether the console carries it out; arguments may be left out where only the command is named."""
    found = LANGUAGE.parse(_example(command))
    return found is not None and (
        not isinstance(found, Fault) or "needs" in found.text or LANGUAGE.help(f"{command} ") != LANGUAGE.help("")
    )


def test_no_advice_needs_a_shell_that_a_station_with_only_a_console_lacks() -> None:
    needing = [
        text for _, text in everywhere() if re.search(r"systemctl (?:re)?start |journalctl .* dialpost", text)
    ]
    assert needing and all("at the console" in text for text in needing), needing


def test_there_is_advice_to_look_at() -> None:
    assert len(quoted()) > 100 and len(everywhere()) > 3000


def what_is_wrong_with(command: str) -> str:
    """Of a text in backticks; "" where it is a command that exists, or no command."""
    if command.startswith(f"dialpost {_HOLE}"):
        return ""  # any command of a table
    if command in SYSTEM or command in WIZARD or command in KEYS or NO_COMMANDS.match(command):
        return ""
    if command.startswith("dialpost "):
        # What only names a command (`dialpost queue delete`) may leave out its arguments.
        wrong = is_command_line(command)
        return "" if "arguments are required" in wrong else wrong
    return "" if is_console_line(command) else "neither a command of the console nor known here"


def test_what_stands_in_backticks_exists() -> None:
    found = [(where, command, what_is_wrong_with(command)) for command, where in quoted().items()]
    assert [one for one in found if one[2]] == []


def _spoken() -> Iterator[tuple[str, str]]:
    """Commands that stand in a text without backticks."""
    for where, text in everywhere():
        bare = re.sub("`[^`]*`", "", text)
        for found in re.findall(rf"(?:^|(?<=[ (]))dialpost(?: --?[\w-]+| [\w{_HOLE}@.-]+)+", bare):
            if not found.startswith(f"dialpost {_HOLE}"):
                yield where, found


def begins_with_a_command(command: str) -> bool:
    words = _example(command).split()
    best = next((n for n in range(len(words), 1, -1) if not is_command_line(" ".join(words[:n]))), 0)
    return bool(best) or "arguments are required" in is_command_line(command)


def test_a_command_named_without_backticks_exists() -> None:
    spoken = sorted(set(_spoken()))
    assert len(spoken) > 50
    unknown = [(where, command) for where, command in spoken if not begins_with_a_command(command)]
    assert [where for where, command in unknown if "did not answer" not in command] == []
    assert all(where.startswith("sim/simulate.py:") for where, _ in unknown), unknown  # a sentence about it


def test_nobody_is_told_to_do_what_nothing_offers() -> None:
    assert [(where, text) for where, text in everywhere() if NOT_OFFERED.search(text)] == []


@cases("words", FAULT_WORDS.values())
def test_the_fault_light_names_a_command(words: str) -> None:
    assert not is_command_line(words.rpartition(": ")[2])


REASONS = [
    *DIAL_REASONS.values(),
    *MEDIUM_REASONS.values(),
    *PPP_REASONS.values(),
    *(row.reason for row in LOG_REASONS),
]


@cases("reason", REASONS, ids=lambda reason: reason.log)
def test_only_what_can_be_a_cable_speaks_of_cables(reason: Reason) -> None:
    if re.search("cable|power", reason.next_step):
        assert reason.log in {"no-dialtone", "ppp-no-port", "ppp-loopback"}


@cases("result", [result for result in DialResult if result is not DialResult.CONNECTED])
def test_a_call_that_failed_tells_its_reason_once(result: DialResult) -> None:
    """The link's words and the table's were both told: "The link has a fault. Check its power and cables"."""
    said = "The provider refused the login on the line. Correct ppp.user."
    record = CallRecord(CallReason.SCHEDULE, "modem", result, 0, detail=said)
    told = [" ".join(attention(record)), given_up_letter(record, 3)]
    for text in told if result is not DialResult.CANCELLED else told[1:]:
        assert text.count("refused the login") == 1
        assert DIAL_REASONS[result].next_step not in text or not DIAL_REASONS[result].next_step
