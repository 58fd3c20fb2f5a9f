"""Manual pages in roff (man(7)), from the grammar: dialpost(1), and one page for each command with its verbs."""

from __future__ import annotations

import re

from grammar import Command, Option

_SECTION = re.compile(r"(?mi)^(examples|exit status|files|everyday commands):\n((?:  .*(?:\n|\Z))+)\n?")
_STATUS = re.compile(r"\bExit status(?: of (?P<of>--\w+))?: (?P<words>.*?)\Z", re.DOTALL)

_FILES = """\
/etc/dialpost/dialpost.toml   the configuration
/var/lib/dialpost             mail, queue, accounts and certificate (station.data_dir)
/run/dialpost/control.sock    where commands reach the daemon (station.run_dir)
"""
_ENVIRONMENT = (
    ("DIALPOST_CONFIG", "the configuration file, where --config names none"),
    ("DIALPOST_BOARD_DIR", "the folder of boards, modem profiles and countries, instead of the installed one"),
    ("DIALPOST_RUN_DIR", "the folder of the control socket, where there is no configuration"),
    ("DIALPOST_DATA_DIR", "the setting station.data_dir of a first configuration"),
    ("DIALPOST_FIRST_CONFIG", "a file of settings that a first configuration begins with"),
)
_STATUSES = """\
0  done
1  it could not be done; the reason is on standard error
2  the command was not understood
"""


def pages(root: Command, version: str, date: str) -> dict[str, str]:
    """The pages by file name."""
    made = {"dialpost.1": _program(root, version, date)}
    return made | {f"dialpost-{each.path[0]}.1": _page(each, version, date) for each in root.commands}


def _program(root: Command, version: str, date: str) -> str:
    text, sections = _split(root)
    others = [f".BR dialpost\\-{each.path[0]} (1)" for each in root.commands]
    return "\n".join(
        [
            _head("dialpost", version, date),
            ".SH NAME",
            "dialpost \\- mail station for a dialled line",
            ".SH SYNOPSIS",
            _synopsis(root),
            ".SH DESCRIPTION",
            *_paragraphs(text),
            ".SH OPTIONS",
            *_options(root.options),
            ".SH COMMANDS",
            *(
                line
                for each in root.commands
                for line in (".TP", f".BR {_quoted(f'dialpost {each.path[0]}')}", _escaped(_sentence(each.line)))
            ),
            ".SH EXAMPLES",
            *_verbatim(sections.get("everyday commands", ""))[1:],
            ".SH FILES",
            *_terms(_FILES),
            ".SH ENVIRONMENT",
            *(line for name, words in _ENVIRONMENT for line in (".TP", f".B {name}", _escaped(_sentence(words)))),
            ".SH EXIT STATUS",
            *_terms(_STATUSES),
            ".SH SEE ALSO",
            ",\n".join(others),
            "",
        ]
    )


def _page(command: Command, version: str, date: str) -> str:
    """The page of one command and its verbs."""
    text, sections = _split(command)
    lines = [
        _head(f"dialpost-{command.path[0]}", version, date),
        ".SH NAME",
        f"dialpost\\-{command.path[0]} \\- {_escaped(command.line.rstrip('?'))}",
        ".SH SYNOPSIS",
    ]
    leaves = [each for each in command.all() if not each.commands]
    for index, each in enumerate(leaves):
        lines += [*([".br"] if index else []), _synopsis(each)]
    lines += [".SH DESCRIPTION", *_paragraphs(text or _sentence(command.line))]
    if command.commands:
        lines += [".SH COMMANDS", *(line for each in command.commands for line in _verb(each))]
    else:
        lines += [".SH OPTIONS", *_options((*command.arguments, *command.options))]
    lines += [".SH EXAMPLES", *_verbatim(sections.get("examples", ""))[1:]]
    lines += [".SH FILES", *_terms(_FILES), ".SH EXIT STATUS", *_statuses(sections), ".SH SEE ALSO"]
    return "\n".join([*lines, ".BR dialpost (1)", ""])


def _verb(command: Command) -> list[str]:
    """A subsection for a verb."""
    text, sections = _split(command)
    lines = [f".SS {_quoted(command.name)}", *_paragraphs(text or _sentence(command.line))]
    lines += _options((*command.arguments, *(each for each in command.options if "--help" not in each.names)))
    if "exit status" in sections:
        lines += [".PP", "Exit status:", *_terms(sections["exit status"])]
    if "examples" in sections:
        lines += [".PP", "Examples:", *_verbatim(sections["examples"])]
    for each in command.commands:
        lines += _verb(each)
    return lines


def _split(command: Command) -> tuple[str, dict[str, str]]:
    """Its description, and the sections of its help by their headings."""
    sections = {found[1].lower(): _dedented(found[2]) for found in _SECTION.finditer(command.epilog + "\n")}
    status = _STATUS.search(command.description)
    text = command.description
    if status is not None:
        text = text[: status.start()].rstrip()
        words = " ".join(status["words"].split()).rstrip(".")
        sections["exit status"] = "\n".join(
            re.sub(r"^(\d) ", r"\1  ", part) for part in re.split(r"[;,] (?=\d )", words)
        )
    return text, sections


def _dedented(block: str) -> str:
    return "\n".join(line[2:] for line in block.rstrip("\n").split("\n"))


def _statuses(sections: dict[str, str]) -> list[str]:
    """The command's own options, together with those of all commands."""
    own = sections.get("exit status", "")
    told = {line[:1] for line in own.splitlines()}
    lines = [*own.splitlines(), *(line for line in _STATUSES.splitlines() if line[:1] not in told)]
    return _terms("\n".join(sorted(lines)))


def _head(name: str, version: str, date: str) -> str:
    title = name.upper().replace("-", "\\-")
    made = '.\\" Made from the grammar of the command line by release/pages.py.'
    return f'{made}\n.TH "{title}" 1 "{date}" "Dialpost {version}"'


def _synopsis(command: Command) -> str:
    return (
        f".B {_escaped(command.name)}\n{_escaped(command.usage)}"
        if command.usage
        else f".B {_escaped(command.name)}"
    )


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for block in filter(None, text.split("\n\n")):
        if any(line.startswith(" ") for line in block.split("\n")):
            lines += _verbatim(block)
        else:
            lines += [".PP", _escaped(" ".join(block.split()))]
    return lines[1:] if lines[:1] == [".PP"] else lines


def _options(options: tuple[Option, ...]) -> list[str]:
    lines: list[str] = []
    for each in options:
        value = f" \\fI{_escaped(each.value)}\\fR" if each.value and each.names else ""
        names = ", ".join(f"\\fB{_escaped(name)}\\fR{value}" for name in each.names)
        text = _sentence(each.help)
        lines += [".TP", names or f"\\fI{_escaped(each.value)}\\fR", _escaped(text)]
    return lines


def _terms(block: str) -> list[str]:
    """Lines with a term, at least two spaces, and its description."""
    lines: list[str] = []
    for line in filter(None, block.splitlines()):
        term, _, words = line.strip().partition("  ")
        lines += [".TP", f".B {_escaped(term)}", _escaped(_sentence(words.strip()))]
    return lines


def _verbatim(block: str) -> list[str]:
    return [".PP", ".nf", *(_escaped(line) for line in block.strip("\n").split("\n")), ".fi"] if block else []


def _sentence(text: str) -> str:
    text = text.strip()
    first = text.partition(" ")[0]
    if first.islower() and first.rstrip(",:;").replace("'", "").replace("-", "").isalpha():
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "?", "!")) else ".") if text else ""


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Escape backslashes, hyphens, and a dot or quote at the beginning of a line, which roff would interpret."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text
