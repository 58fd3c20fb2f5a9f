"""Words that nobody writing English natively would choose, and that this project has retired.

The test looks in all that people read: pages, Python strings, docstrings and comments, board files, units, scripts.
It leaves names in code alone. `plain_english_todo.txt` lists the files that still have such words; it only shrinks.
`python tests/test_plain_english.py` prints every hit, `... --list` the files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cases import cases

TREE = Path(__file__).parents[1]
TODO = Path(__file__).with_name("plain_english_todo.txt")

RETIRED = {
    r"\bput(?:s|ting)? (?:it |them |mail |all |this )?off\b": "defer",
    r"\bc[oa]m(?:e|es|ing) again\b": "retry, return, restart",
    r"(?<!-)\banew\b": "again, restart",
    r"\bmend(?:s|ed|ing|er)?\b": "repair, fix",
    r"\bso long\b(?! that\b)": "for this long, as long as, how long ...",
    r"\bso often\b(?! that\b)": "how often ..., as often as",
    r"\bso many\b(?! (?:that|words)\b)": "this many, how many ...",
    r"\b(?:is|are|was|were|be|been|being) (?:not |never |only |also )?told\b(?! (?:from|apart)\b)": "say, report",
    r"\ba person\b": "an operator, somebody, you",
    r"\bstays? with\b": "keeps",
    r"\b(?-i:dear)\b": "expensive",
    r"\b(?:an?|the|this|these|those|which|other|control|no|any|one) signs?\b(?! (?:of|that|to)\b)": "character",
    r"\b(?:taken|took) back\b|\btakes? (?:it|them|this) back\b": "roll back, cancel, undo",
    r"\bbroken off\b|\bbreaks? off\b": "interrupt, end, cut",
    r"(?<!there )\bis no (?:hosts?|terminal|result|account|type of|traceback|matter|business)\b": "is not a ...",
    r"\bnothing had to be\b": "nothing was ..., none",
    r"\bblott?ed out\b": "masked",
    r"\bstands? in quotes\b": "put it in quotes",
    r"\bmay be given again\b": "repeatable",
    r"\bsigns? (?:\+|outside|of the (?:name|word|text|line))": "character",
    r"(?<!there )\bis no (?:account|address|terminal|network|password|id|field)\b": "is not a ...",
    r"\b(?:in|into) force\b": "active, applied, takes effect",
    r"\bpassed over\b": "ignored, skipped",
    r"\bg(?:ives?|ave|iving) way\b": "makes room, backs off",
    r"\bbroke off\b|\bbreaking off\b": "ended, was lost, interrupting",
    r"\bpaid anyway\b": "paid for anyway",
    r"(?:\bNone|\"\"|\(\)|\[\]|Error) where (?!it (?:was|is)\b)": "if",
    r"\b(?:CR)?LF line ends\b": "line endings",
    r"\b(?:came|comes?) of (?:it|this|them|that)\b": "the result, what happened",
    r"\b(?:hand(?:s|ed|ing)? (?:it |mail |them |messages )?in)\b(?! hand\b)": "submit",
    r"\bthe person\b": "the operator, the user",
    r"\bt(?:ell|ells|old|elling) of\b": "report, mention",
    r"\bheld against\b": "compared with",
    r"\blooked through\b": "searched, examined",
    r"\bwhere there is none\b": "if there is none",
    r"\bat want of\b|\bfor want of better\b": "by default",
}
"""What to look for (case does not count, a line's end is a blank), and what to write instead."""

EXEMPT = frozenset(
    {
        "docs/glossary.md",  # may name the old word beside the new one
        "tests/test_plain_english.py",
        "LICENSE",
    }
)
QUOTED = (
    "Dear ",  # a letter's salutation
)
"""Words of others, or of a letter, that stay as they are."""
TEXTS = (".md", ".toml", ".service", ".socket", ".rules", ".udev", ".sysusers", ".tmpfiles", ".cmd", ".sh", ".txt")
SCRIPTS = ("Makefile", ".ci/run", "image-build/", "systemd/", "tests/debian")

PATTERNS = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in RETIRED.items()]


def _needed(pattern: str) -> list[str]:
    """Parts of words of which each text that matches has one, in lower case: looking for them is much quicker."""
    bare = re.sub(r"\\.|\[[^]]*\]", "~", pattern)
    while (less := re.sub(r"\([^()]*\)\??|\w\?", "~", bare)) != bare:
        bare = less
    return [max(re.findall(r"[a-z]*", part), key=len) for part in bare.lower().split("|")]


_CHEAP = [(pattern, better, _needed(pattern.pattern)) for pattern, better in PATTERNS]


def readable(name: str) -> str:
    """What people read of a file, code left out, each piece on a line of its own."""
    text = (TREE / name).read_text(encoding="utf-8")
    return (
        "\n".join(_python_texts(text)) if name.endswith(".py") or text.startswith("#!/usr/bin/env python") else text
    )


_PYTHON = re.compile(
    r"""
    [rRbBfFuU]{0,2}(?P<long>\"{3}|\'{3})(?P<inner>(?:\\.|(?!(?P=long)).)*)(?P=long)
    | [rRbBfFuU]{0,2}"(?P<double>(?:\\.|[^"\\\n])*)"
    | [rRbBfFuU]{0,2}'(?P<single>(?:\\.|[^'\\\n])*)'
    | \#(?P<comment>[^\n]*)
    """,
    re.VERBOSE | re.DOTALL,
)
"""Strings and comments. The tokenizer of the standard library takes ten times as long."""


def _python_texts(source: str) -> Iterator[str]:
    """Strings and comments; neighbouring ones joined, as they are read."""
    joined: list[str] = []
    end = 0
    for found in _PYTHON.finditer(source):
        if joined and source[end : found.start()].strip():
            yield " ".join(joined)
            joined = []
        inner = str(found[found.lastgroup or 0])
        joined.append(inner.strip("#\"' \n") if found.lastgroup == "comment" else inner)
        end = found.end()
    if joined:
        yield " ".join(joined)


@cache
def hits(name: str) -> list[str]:
    """The retired words in a file, each with its surroundings and what is better."""
    text = re.sub(r"(?<=\S)[ \t]*\n[ \t]*(?:#+ ?|//+ ?)?(?=\S)", " ", readable(name))
    for quoted in QUOTED:
        text = text.replace(quoted, "")
    lower = text.lower()
    return [
        f"...{text[max(0, found.start() - 30) : found.end() + 30]!r}: write {better}"
        for pattern, better, needed in _CHEAP
        if any(part in lower for part in needed)
        for found in pattern.finditer(text)
    ]


def names() -> list[str]:
    """Every file of the tree that people read."""
    listed = subprocess.run(["git", "ls-files"], cwd=TREE, capture_output=True, text=True, check=True).stdout
    return [
        name
        for name in listed.splitlines()
        if (name.endswith((".py", *TEXTS)) or name.startswith(SCRIPTS))
        and name not in EXEMPT
        and name != f"tests/{TODO.name}"
        and _is_text(TREE / name)
    ]


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return False
    return True


def still_failing() -> list[str]:
    return TODO.read_text(encoding="utf-8").split() if TODO.exists() else []


def test_no_other_file_has_retired_words() -> None:
    left = set(still_failing())
    found = {name: hits(name) for name in names() if name not in left}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_list_of_files_still_to_do_only_shrinks() -> None:
    done = [name for name in still_failing() if not (TREE / name).exists() or not hits(name)]
    assert done == [], f"these have no retired words any more: take them off tests/{TODO.name}"


@cases(
    ("text", "is_found"),
    [
        ("New mail is put off (452)", True),
        ("it begins anew", True),
        ("So often the evidence\nis looked at", True),
        ("a name so long that it is cut", False),
        ("one of the signs + - =", True),
        ("signed with the key, a sign of trouble", False),
        ("the amended text", False),
        ("Nobody is told of it", True),
        ("He told us so", False),
        ("the commit is taken back", True),
        ("the call was broken off", True),
        ("nowhere is no host", True),
        ("there is no host here", False),
        ("set aside: nothing had to be", True),
        ("the configuration in\nforce", True),
        ("by force", False),
        ("Returns the name; None where there is none", True),
        ("content with CRLF line ends", True),
        ("a line ends there", False),
        ("the wait is paid anyway", True),
        ("idle strangers give way", True),
    ],
)
def test_the_words_are_known(text: str, is_found: bool) -> None:
    flat = " ".join(text.split())
    assert any(pattern.search(flat) for pattern, _ in PATTERNS) is is_found


def main() -> None:
    """For people: what is left."""
    found = {name: hits(name) for name in names()}
    for name, words in found.items():
        if words and "--list" in sys.argv:
            print(name)  # noqa: T201
        elif words:
            print(name, *words, sep="\n    ")  # noqa: T201


if __name__ == "__main__":
    main()
