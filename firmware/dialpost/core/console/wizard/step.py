"""A question of the set-up wizard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.console.wizard.draft import Draft, check_key
from dialpost.core.console.wizard.facts import Choice

Check = Callable[[str, Draft], str]
"""Returns the answer in its normal form. Raises: ValueError, AccountError with what is allowed."""


def _yes(draft: Draft) -> bool:
    return True


def _no_text(draft: Draft) -> str:
    return ""


def _no_choices(draft: Draft) -> tuple[Choice, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Step:
    """One question. `default` is what Enter stands for, "" = an answer is required (unless `may_be_empty`). For a
    secret it is the value already set, which is never shown.

    `may_type` allows an answer that is not among the choices. `in_review_only`: not asked, but it can be changed on
    the review page, where `shown` is its value.
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
    """In the form that the key's declaration wants; the word `none` means an empty value."""
    return lambda typed, draft: "" if none and typed.lower() == none else check_key(key, typed)
