"""Manual pages and completion say what the parser takes: every command, verb and option, and no other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.cli.parser import Parser, make_parser

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, str(TREE / "release/pages.py"), str(folder), "2026-11-29"]
    environment = {"PATH": "/usr/bin:/bin", "DIALPOST_CONFIG": "/not/in/a/page", "COLUMNS": "40"}
    subprocess.run(command, check=True, timeout=60, env=environment)
    return folder


def commands(parser: Parser) -> Iterator[tuple[str, Parser]]:
    """Every command and verb as it is typed, with its parser."""
    yield parser.prog, parser
    for inner in parser.commands.choices.values() if parser.commands else ():
        yield from commands(inner)


def names_of(parser: Parser) -> set[str]:
    """Its options, those that help hides left out."""
    return {name for each in parser._actions if each.help != "==SUPPRESS==" for name in each.option_strings}


ALL = dict(commands(make_parser()))


def test_every_command_and_option_has_its_help() -> None:
    silent = [
        (name, each.dest)
        for name, parser in ALL.items()
        for each in parser._actions
        if not each.help and each is not parser.commands
    ]
    assert silent == []


def test_there_is_a_page_for_the_program_and_each_command_and_no_other(pages: Path) -> None:
    tops = {name.replace(" ", "-") for name in ALL if name.count(" ") < 2}
    assert {path.name for path in (pages / "man").iterdir()} == {f"{name}.1" for name in tops}


def _plain(page: Path) -> str:
    return re.sub(r"\\f[BIR]|\\&", "", page.read_text()).replace("\\-", "-")


@pytest.mark.parametrize("top", make_parser().commands.choices)
def test_a_page_has_the_verbs_and_options_of_its_command_and_no_other(pages: Path, top: str) -> None:
    text = _plain(pages / "man" / f"dialpost-{top}.1")
    within = {name: parser for name, parser in ALL.items() if name.split()[1:2] == [top]}
    shown = set(re.findall(r'^\.SS "(.*)"$', text, re.MULTILINE))
    assert shown == {name for name in within if name.count(" ") > 1}
    wanted = set.union(*map(names_of, within.values())) - {"-h", "--help"}
    terms = re.findall(r"^\.TP\n(-.*)$", text, re.MULTILINE)
    assert {word.split()[0] for line in terms for word in line.split(", ")} - {"-h", "--help"} == wanted
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "FILES", "EXIT STATUS", "SEE ALSO"):
        assert f"\n.SH {section}\n" in text


def test_no_section_of_a_page_is_empty(pages: Path) -> None:
    for page in (pages / "man").iterdir():
        parts = re.split(r"^\.SH (.+)\n", page.read_text(), flags=re.MULTILINE)[1:]
        empty = [title for title, text in zip(parts[::2], parts[1::2], strict=True) if not text.strip()]
        assert empty == [], page.name


def test_what_a_page_says_of_an_option_begins_with_a_capital(pages: Path) -> None:
    """Save where it begins with a name of ours, such as station.data_dir."""
    for page in (pages / "man").iterdir():
        said = re.findall(r"^\.TP\n\\fB.*\n(.+)", page.read_text(), flags=re.MULTILINE)
        assert [words for words in said if words[0].islower() and "." not in words.split()[0]] == [], page.name


def test_the_shell_that_makes_them_leaves_no_trace(pages: Path) -> None:
    assert not [path for path in pages.rglob("*") if path.is_file() and "/not/in/a/page" in path.read_text()]


def test_roff_has_no_complaint(pages: Path) -> None:
    lint = shutil.which("mandoc")
    if not lint and not (shutil.which("man") and shutil.which("groff")):
        pytest.skip("neither mandoc nor man with groff is here to read the pages")
    for page in sorted((pages / "man").iterdir()):
        if lint:
            command = [lint, "-Tlint", "-W", "warning", str(page)]
        else:
            command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        said = done.stdout if lint else ""
        assert (done.returncode, said, done.stderr) == (0, "", ""), page.name


BASH = """
source "$1"
compopt() { :; }
while IFS= read -r line; do
    COMP_WORDS=($line '') COMP_CWORD=$(($(wc -w <<<"$line")))
    _dialpost
    echo "${COMPREPLY[*]}"
done
"""


def completed(pages: Path, lines: list[str]) -> list[set[str]]:
    """What bash offers behind each of these."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    done = subprocess.run(
        [bash, "-c", BASH, "bash", pages / "completion" / "dialpost"],
        input="\n".join([*lines, ""]),
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_bash_offers_behind_every_command_what_the_parser_takes_there(pages: Path) -> None:
    found = completed(pages, list(ALL))
    assert len(found) == len(ALL)
    for (name, parser), offered in zip(ALL.items(), found, strict=True):
        inner = set(parser.commands.choices) if parser.commands else set()
        values = {
            str(word)
            for each in parser._actions
            if not each.option_strings and each is not parser.commands
            for word in each.choices or ()
        }
        assert offered == inner | values | names_of(parser), name


def test_bash_offers_the_values_of_an_option_and_passes_over_the_configurations_name(pages: Path) -> None:
    values, files, behind = completed(
        pages, ["dialpost simulate --console-bps", "dialpost --config", "dialpost --config status queue"]
    )
    assert values == {"9600", "19200", "38400", "57600", "115200"} and files == set()
    assert {"list", "retry", "--help"} <= behind


@pytest.mark.parametrize(("shell", "name"), [("bash", "dialpost"), ("zsh", "_dialpost")])
def test_the_shell_reads_it(pages: Path, shell: str, name: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not here to read its completion")
    done = subprocess.run(
        [path, "-n", pages / "completion" / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_zsh_has_a_function_for_every_command_with_its_options(pages: Path) -> None:
    text = (pages / "completion" / "_dialpost").read_text()
    functions = dict(re.findall(r"^(_dialpost\w*)\(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    assert set(functions) == {"_" + name.replace(" ", "_").replace("-", "_") for name in ALL}
    for name, parser in ALL.items():
        body = functions["_" + name.replace(" ", "_").replace("-", "_")]
        assert all(option in body for option in names_of(parser))
        assert all(
            f"                {verb})" in body for verb in (parser.commands.choices if parser.commands else ())
        )
