"""A question of the set-up wizard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.console.wizard.draft import Draft, check_key
from dialpost.core.console.wizard.facts import Choice

Check = Callable[[str, Draft], str]
"""Gives the answer in its normal form. Raises: ValueError, AccountError with what is allowed."""


def _yes(draft: Draft) -> bool:
    return True


def _no_text(draft: Draft) -> str:
    return ""


def _no_choices(draft: Draft) -> tuple[Choice, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Step:
    """One question. `default` is what Enter takes, "" = an answer is wanted (unless `may_be_empty`). A secret's is
    the one that is set already; it is never shown.

    `may_type` lets an answer stand that is none of the choices. `in_review_only`: not asked, but it can be changed
    on the review page, where `shown` is its value.
    """

    name: str
    label: str
    help: str
    check: Check
    more: str = ""
    applies: Callable[[Draft], bool] = _yes
    default: Callable[[Draft], str] = _no_text
    choices: Callable[[Draft], tuple[Choice, ...]] = _no_choices
    may_type: bool = False
    may_be_empty: bool = False
    is_secret: bool = False
    in_review_only: bool = False
    empty_words: str = "none"
    shown: Callable[[Draft], str] = _no_text


def by_key(key: str, *, none: str = "") -> Check:
    """As the declaration of that key wants it; the word `none` stands for an empty value."""
    return lambda typed, draft: "" if none and typed.lower() == none else check_key(key, typed)
