"""The lines operators grep for."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from dialpost.core.mail.reply import Reply
from dialpost.flow import maillog


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    caplog.set_level(logging.INFO, logger="dialpost.mail")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_one_line_for_each_fate(lines: Callable[..., Any]) -> None:
    maillog.accepted("A1", sender="", recipients=2, size=812, origin="lan", peer="127.0.0.1", account=None)
    maillog.relayed("A1", recipient="b@x.example", by="mx.x.example", reply=Reply(250, ("Ok",), "2.0.0"))
    maillog.deferred("A1", recipient="c@x.example", by="mx", reply=Reply(421, ("lost",)), answer_unknown=True)
    maillog.bounced("A1", recipient="d@x.example", by="mx", reply=Reply(550, ("no",), "5.1.1"))
    assert lines() == [
        ("INFO", "A1: accepted from=<> nrcpt=2 size=812 origin=lan peer=127.0.0.1"),
        ("INFO", 'A1: relayed to=<b@x.example> by=mx.x.example reply="250 2.0.0 Ok"'),
        ("INFO", 'A1: deferred to=<c@x.example> by=mx reply="421 lost" answer=unknown'),
        ("INFO", 'A1: bounced to=<d@x.example> by=mx reply="550 5.1.1 no"'),
    ]


def test_a_line_stays_one_line_whatever_a_server_says(lines: Callable[..., Any]) -> None:
    maillog.etrn_answered(host="p", name="c.example", reply="500 a\r\nb", advice="ask them", is_fault=True)
    assert lines() == [("WARNING", 'etrn: host=p name=c.example reply="500 a b" advice="ask them"')]
