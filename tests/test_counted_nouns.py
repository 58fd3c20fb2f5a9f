"""Nothing a user reads says "1 messages are": a number before a noun goes through `core/amounts.count_words`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from cases import cases

FIRMWARE = Path(__file__).parents[1] / "firmware" / "dialpost"
NOUNS = re.compile(
    r" (?:more |big |held |waiting )?"
    r"(?:messages|recipients|entries|calls|days|hours|minutes|seconds|times|lines|accounts)\b"
)
NEVER_ONE = frozenset(
    {
        "count",  # core/config/check: how often a name is repeated
        "failures",  # core/line/call/notes: has words of its own for one
        "given_up_after",  # core/line/call/notes: more than one
        "record.attempts",  # core/mail/dsn: "once"
        "self.count",  # core/logged_faults: more than one
        "max(facts.own_received, returns)",  # core/mail/intake_rules: a loop has several
        "learnt.silent_calls",  # core/mail/inbound/plan: three or more
        "lan.services.count(service)",  # core/config/lan_check: how often a name is repeated
        "recipient.number + 1",  # edge/mail/store/rows: more than a message may have
        "year_bytes / use.card_bytes",  # core/system/doctor/card_use: with a decimal place
        "idle_s / 60",  # the console's limit without input
    }
)


def uncounted(tree: ast.AST) -> Iterator[str]:
    """The expressions that stand before a plural noun in an f-string, other than constants."""
    for text in ast.walk(tree):
        if isinstance(text, ast.JoinedStr):
            for value, after in zip(text.values, text.values[1:], strict=False):
                if (
                    isinstance(value, ast.FormattedValue)
                    and isinstance(after, ast.Constant)
                    and NOUNS.match(str(after.value))
                ):
                    words = ast.unparse(value.value)
                    if not words.rpartition(".")[2].isupper() and words not in NEVER_ONE:
                        yield words


@cases("path", sorted(FIRMWARE.rglob("*.py")), ids=str)
def test_a_number_agrees_with_its_noun(path: Path) -> None:
    text = path.read_text()
    if re.search("}" + NOUNS.pattern, text):
        assert list(uncounted(ast.parse(text))) == []


def test_it_finds_one() -> None:
    assert list(uncounted(ast.parse('f"{number} messages are held", f"{MOST} days", f"{a.b} more lines"'))) == [
        "number",
        "a.b",
    ]
