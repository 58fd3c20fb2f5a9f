"""Errors that carry more than their words."""

from __future__ import annotations

import pytest

from dialpost.core.errors import ControlError, DamagedError, WarnFirstError, fault_words


def test_what_they_carry() -> None:
    damaged, refused = DamagedError("broken", "/x/y"), ControlError("no", "NotFoundError")
    assert (str(damaged), damaged.set_aside, DamagedError("broken").set_aside) == ("broken", "/x/y", None)
    assert (str(refused), refused.kind, ControlError("no").kind) == ("no", "NotFoundError", "")
    warned = WarnFirstError(("One.", "Two."))
    assert (str(warned), warned.sentences) == ("One.\nTwo.", ("One.", "Two."))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "rauc"), "No such file or directory: rauc"),
        (OSError("what only Python says"), "what only Python says"),
        (ValueError("not a number"), "not a number"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_faults_are_told_without_their_number(error: Exception, words: str) -> None:
    assert fault_words(error) == words
