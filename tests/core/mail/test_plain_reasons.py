"""What a clerk reads."""

from __future__ import annotations

from cases import cases
from dialpost.core.mail.plain_reasons import plain_reason
from dialpost.core.mail.reply import Reply


@cases(
    ("code", "enhanced", "expected"),
    [
        (550, "5.1.1", "Nobody has that address. Check the part before the @."),
        (550, "5.1.2", "The part after the @ does not exist. Check its spelling."),
        (452, "4.2.2", "The mailbox is full. Ask the recipient, by other means, to make room."),
        (550, "5.7.26", "The receiving mail host refused it under its own rules."),  # by its subject
        (550, "5.0.0", "The receiving mail host refused it. Check the address."),  # says nothing: by the code
        (552, None, "The message is too large, or the mailbox is full."),
        (571, None, "The receiving mail host refused it."),
        (499, None, "It could not be delivered yet."),
    ],
)
def test_reasons(code: int, enhanced: str | None, expected: str) -> None:
    assert plain_reason(Reply(code, ("whatever",), enhanced)) == expected


def test_each_code_that_is_known_has_its_own_words() -> None:
    codes = (421, 450, 451, 452, 550, 551, 552, 553, 554, 556)
    told = {code: plain_reason(Reply(code, ("whatever",))) for code in codes}
    assert len(set(told.values())) == len(codes)
    assert not {plain_reason(Reply(code, ("whatever",))) for code in (499, 571)} & set(told.values())
    assert "busy" in told[421] and "no room" in told[452] and "too large" in told[552] and "no mail" in told[556]
