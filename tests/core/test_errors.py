"""Errors that carry more than their words."""

from dialpost.core.errors import ControlError, DamagedError, WarnFirstError


def test_what_they_carry() -> None:
    damaged, refused = DamagedError("broken", "/x/y"), ControlError("no", "NotFoundError")
    assert (str(damaged), damaged.set_aside, DamagedError("broken").set_aside) == ("broken", "/x/y", None)
    assert (str(refused), refused.kind, ControlError("no").kind) == ("no", "NotFoundError", "")
    warned = WarnFirstError(("One.", "Two."))
    assert (str(warned), warned.sentences) == ("One.\nTwo.", ("One.", "Two."))
