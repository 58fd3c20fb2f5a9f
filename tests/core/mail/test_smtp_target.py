"""What is known of a next hop and of a session with it."""

import pytest

from dialpost.core.mail.smtp_target import NEEDS_OPERATOR, ConnectSettings, SessionEnd, SessionFate


def test_settings_show_no_password() -> None:
    settings = ConnectSettings(helo="station.example", user="anna", password="geheim")
    assert "geheim" not in repr(settings) and "anna" in repr(settings)


@pytest.mark.parametrize("fate", SessionFate)
def test_what_an_operator_must_change_is_not_tried_again(fate: SessionFate) -> None:
    assert SessionEnd(fate, "why").needs_operator is (fate in NEEDS_OPERATOR)
    assert {SessionFate.LOGIN_REFUSED, SessionFate.NEEDS_OPERATOR} <= NEEDS_OPERATOR
    assert not {SessionFate.DONE, SessionFate.LOST, SessionFate.CLOSED} & NEEDS_OPERATOR
