"""Hints name a command as the console takes it."""

from cases import cases
from dialpost.core.console.hints import at_console


@cases(
    ("said", "here"),
    [
        ("`dialpost queue show ID` shows one in full.", "`queue show ID` shows one in full."),
        ("`dialpost config explain` lists them all.", "`explain` lists them all."),
        ("See `dialpost config set KEY VALUE`.", "See `set KEY VALUE`."),
        ("`dialpost call cancel --now` or `dialpost doctor`", "`call cancel --now` or `doctor`"),
        ("`dialpost config check FILE` says why.", "`dialpost config check FILE` says why."),
        ("`dialpost config init`", "`dialpost config init`"),
        ("`dialpost apply --dry-run`", "`dialpost apply --dry-run`"),
        ("`dialpost statuses`", "`dialpost statuses`"),
        ("dialpost status", "dialpost status"),
    ],
)
def test_a_hint(said: str, here: str) -> None:
    assert at_console(said) == here
