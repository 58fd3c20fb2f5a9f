"""What became of one recipient at one host."""

from dialpost.core.mail.outcomes import Deferred
from dialpost.core.mail.reply import Reply


def test_a_deferral_is_a_try_without_doubt_unless_it_says_otherwise() -> None:
    deferred = Deferred(Reply(450, ("busy",)), "mx.example")
    assert (deferred.counts_as_attempt, deferred.answer_unknown, deferred.content_lost) == (True, False, False)
