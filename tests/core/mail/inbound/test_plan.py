"""Which ways a call takes: as configured, by what is supported, and by what earlier calls taught."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.json_value import JsonValue
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.plan import (
    RECHECK_CALLS,
    SILENT_CALLS,
    Learnt,
    Plan,
    after_call,
    boxes_for,
    boxes_for_accounts,
    etrn_not_supported,
    is_plain,
    make_plan,
    provider_of,
)
from dialpost.core.mail.reply import Reply

ETRN, ATRN, IMAP, POP3 = Way.ETRN, Way.ATRN, Way.IMAP, Way.POP3
HEAD = '[station]\nhostname = "mail.a.example"\ndomains = ["a.example"]\n[outbound]\nsmarthost = "m.example"\n'
LOGIN = '[atrn]\nuser = "u"\npassword = "p"\n'
OTHER = '[etrn]\nhost = "e.example"\n'


def box(kind: str, account: str = "") -> str:
    more = f'account = "{account}"\n' if account else ""
    place = f'host = "{kind}.example"\nuser = "u"\npassword = "p"\n{more}'
    return f'[[inbound.mailbox]]\nname = "{kind}{account}"\nkind = "{kind}"\n{place}'


def made(text: str = "") -> Config:
    return parse_config(HEAD + text)


@cases(
    ("text", "begin", "reserve"),
    [
        ("", [ETRN], []),
        (LOGIN, [ATRN], [ETRN]),
        (LOGIN + 'host = "other.example"\n', [ATRN], [ETRN]),
        (LOGIN + OTHER, [ATRN], [ETRN]),
        (LOGIN + 'host = "other.example"\n' + OTHER, [ETRN], [ATRN]),
        (box("imap") + box("pop3"), [ETRN], [IMAP, POP3]),
        (LOGIN + box("pop3"), [ATRN], [ETRN, POP3]),
        ('[etrn]\nuse = "never"\n', [], []),
        ('[etrn]\nuse = "never"\n' + box("pop3") + box("imap"), [IMAP], [POP3]),
        (box("imap", account="anna"), [ETRN], []),
    ],
)
def test_auto_begins_with_etrn_or_with_what_replaces_it(text: str, begin: list[Way], reserve: list[Way]) -> None:
    plan = make_plan(made(text), Learnt())
    assert (list(plan.begin), list(plan.reserve)) == (begin, reserve)
    assert bool(plan.why) is (begin not in ([ETRN], []))


def test_anything_else_is_what_each_call_does() -> None:
    config = made('[inbound]\nuse = ["etrn", "imap"]\n' + box("imap") + box("imap", account="anna"))
    assert make_plan(config, Learnt(silent_calls=9)) == Plan((ETRN, IMAP), why="As configured: ETRN and IMAP.")
    assert [one.name for one in boxes_for(config, IMAP)] == ["imap", "imapanna"]
    assert boxes_for_accounts(config) == ()


def test_a_mailbox_of_one_account_is_read_in_every_call() -> None:
    config = made(box("imap", account="anna") + box("imap") + box("pop3", account="ben"))
    assert [one.name for one in boxes_for_accounts(config)] == ["imapanna", "pop3ben"]
    assert [one.name for one in boxes_for(config, IMAP)] == ["imap"]
    assert boxes_for(config, POP3) == ()


def test_where_etrn_is_all_there_is_nothing_is_planned() -> None:
    assert is_plain(made()) and is_plain(made('[etrn]\nuse = "never"\n'))
    assert not any(is_plain(made(text)) for text in (LOGIN, box("imap"), '[inbound]\nuse = ["etrn"]\n'))


def test_what_worked_is_where_the_next_call_begins() -> None:
    config = made(LOGIN + box("imap"))
    plan = make_plan(config, Learnt(works=IMAP, rested_calls=RECHECK_CALLS - 1))
    assert (plan.begin, plan.reserve) == ((IMAP,), ())
    assert plan.why == "ATRN and ETRN not supported by the provider in an earlier call; IMAP is used."
    assert make_plan(config, Learnt(works=ETRN)).begin == (ETRN,)
    assert make_plan(config, Learnt(works=IMAP, rested_calls=RECHECK_CALLS)).begin == (ATRN,)
    assert make_plan(config, Learnt(works=POP3)).begin == (ATRN,), "it is not configured any more"


def test_a_promise_that_is_never_kept_brings_in_the_next_way() -> None:
    config = made(box("imap") + box("pop3"))
    plan = make_plan(config, Learnt(silent_calls=SILENT_CALLS))
    assert (plan.begin, plan.reserve) == ((ETRN, IMAP), (POP3,))
    assert plan.why.startswith("The provider promised mail (ETRN) in 3 calls, and nobody came")
    assert make_plan(config, Learnt(silent_calls=SILENT_CALLS - 1)).begin == (ETRN,)
    assert make_plan(made(), Learnt(silent_calls=SILENT_CALLS)).begin == (ETRN,)
    assert make_plan(made(LOGIN), Learnt(silent_calls=SILENT_CALLS)).begin == (ATRN,)


def test_what_counts_as_not_supported() -> None:
    def answers(*codes: int) -> tuple[EtrnAnswer, ...]:
        return tuple(classify("a.example", Reply(code, ("no",))) for code in codes)

    assert all(etrn_not_supported(answers(code)) for code in (500, 502, 504))
    assert not any(
        etrn_not_supported(answers(*codes)) for codes in ((), (458,), (459,), (501,), (530,), (502, 250))
    )


NOTHING = {"worked": None, "etrn_promised": False, "etrn_brought": False, "is_cut": False}


@pytest.mark.parametrize(
    ("learnt", "call", "after"),
    [
        (Learnt(), {}, Learnt()),
        (Learnt(), {"etrn_promised": True, "worked": ETRN}, Learnt(silent_calls=1)),
        (Learnt(silent_calls=2), {"etrn_promised": True, "worked": ETRN}, Learnt(silent_calls=3)),
        (Learnt(silent_calls=2), {"etrn_promised": True, "is_cut": True}, Learnt(silent_calls=2)),
        (Learnt(silent_calls=2), {"etrn_promised": True, "etrn_brought": True, "worked": ETRN}, Learnt()),
        (Learnt(silent_calls=2), {"worked": ETRN}, Learnt(silent_calls=2)),
        (Learnt(silent_calls=1), {"worked": IMAP}, Learnt(IMAP, 1)),
        (Learnt(IMAP, rested_calls=9), {"worked": ETRN}, Learnt()),
        (Learnt(IMAP, rested_calls=9), {"worked": IMAP}, Learnt(IMAP)),
    ],
)
def test_what_a_call_teaches(learnt: Learnt, call: dict[str, object], after: Learnt) -> None:
    plan = Plan((ETRN,), (IMAP,))
    assert after_call(plan, learnt, **(NOTHING | call)) == after  # type: ignore[arg-type]


def test_calls_that_leave_something_out_are_counted() -> None:
    plan, learnt = Plan((IMAP,), (POP3,)), Learnt(IMAP, 2, 4)
    call = {**NOTHING, "worked": IMAP}
    assert after_call(plan, learnt, **call) == Learnt(IMAP, 0, 5)  # type: ignore[arg-type]


def test_through_json_and_back() -> None:
    for learnt in (Learnt(), Learnt(POP3, 2, 7)):
        assert Learnt.from_json(learnt.to_json()) == learnt
    odd: dict[str, JsonValue] = {"works": None, "silent": "two"}
    assert Learnt.from_json(odd) == Learnt()
    with pytest.raises(ValueError, match="fax"):
        Learnt.from_json({"works": "fax"})


def test_what_is_learnt_belongs_to_a_provider() -> None:
    assert provider_of(made()) == "m.example"
    assert provider_of(made(OTHER)) == "e.example"
    config = replace(made(), outbound=Config().outbound)
    assert provider_of(replace(config, atrn=replace(config.atrn, host="A.example."))) == "a.example"
