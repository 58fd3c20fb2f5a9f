"""Asking by ETRN: whom, how often, and what the log says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dialpost.core.config.model import Config, EtrnConfig, OutboundConfig, StationConfig
from dialpost.core.mail.etrn import EtrnOutcome
from dialpost.core.mail.mx import AddressAnswer, DnsTrouble
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, SessionFate
from dialpost.flow.mail.outgoing.etrn import PAUSE_S, EtrnAsk
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from fakes import now, run_virtual

CONFIG = Config(
    station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example", "ward.example")),
    outbound=OutboundConfig(smarthost="smtp.provider.example"),
    etrn=EtrnConfig(port=2525, user="clinic", password="secret"),
)
DOWN = EtrnDialogue((), "no route to host", offered=False, fate=SessionFate.UNREACHABLE)


def spoken(*codes: int) -> EtrnDialogue:
    names = CONFIG.etrn_names
    return EtrnDialogue(
        tuple((name, Reply(code, (f"said {code}",))) for name, code in zip(names, codes, strict=False)),
        None,
        offered=True,
    )


class Speaker:
    """Gives scripted dialogues, and keeps whom it was asked to speak to."""

    def __init__(self, *dialogues: EtrnDialogue) -> None:
        self.dialogues = list(dialogues)
        self.asked: list[tuple[float, HostTarget, tuple[str, ...]]] = []
        self.settings: list[ConnectSettings] = []

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        self.asked.append((now(), target, tuple(names)))
        self.settings.append(settings)
        return self.dialogues.pop(0)


class Names:
    """Every host has one address, unless there is trouble first."""

    def __init__(self, *troubles: DnsTrouble) -> None:
        self.troubles = list(troubles)

    async def addresses(self, host: str) -> AddressAnswer:
        return self.troubles.pop(0) if self.troubles else ("192.0.2.25",)


def ask(speaker: Speaker, names: Names | None = None, config: Config = CONFIG) -> list[tuple[str, object]]:
    asker = EtrnAsk(config, speaker, names or Names())
    answers = run_virtual(asker.ask())
    assert asker.last_answers == answers
    return [(answer.name, answer.outcome) for answer in answers]


def test_every_name_is_asked_for_in_one_dialogue() -> None:
    speaker = Speaker(spoken(250, 251))
    assert ask(speaker) == [
        ("clinic.example", EtrnOutcome.STARTED),
        ("ward.example", EtrnOutcome.NOTHING_WAITS),
    ]
    target = HostTarget("smtp.provider.example", ("192.0.2.25",), 2525)
    assert speaker.asked == [(0.0, target, ("clinic.example", "ward.example"))]
    (settings,) = speaker.settings
    assert (settings.helo, settings.user, settings.password) == ("mail.clinic.example", "clinic", "secret")


def test_names_and_host_of_its_own() -> None:
    etrn = EtrnConfig(host="etrn.provider.example", names=("@clinic.example", "#clinic"))
    speaker = Speaker(EtrnDialogue((("@clinic.example", Reply(250, ("ok",))),), "lost", offered=True))
    assert ask(speaker, config=replace(CONFIG, etrn=etrn)) == [
        ("@clinic.example", EtrnOutcome.STARTED),
        ("#clinic", EtrnOutcome.UNREACHABLE),
    ]
    assert speaker.asked[0][1].host == "etrn.provider.example"


def test_a_host_out_of_reach_is_tried_once_more() -> None:
    speaker = Speaker(DOWN, spoken(250, 250))
    assert [outcome for _, outcome in ask(speaker)] == [EtrnOutcome.STARTED] * 2
    assert [at for at, _, _ in speaker.asked] == [0.0, PAUSE_S]


def test_and_then_told() -> None:
    assert [outcome for _, outcome in ask(Speaker(DOWN, DOWN))] == [EtrnOutcome.UNREACHABLE] * 2


def test_dns_trouble_is_reported_too() -> None:
    trouble = DnsTrouble("smtp.provider.example", "no answer within 45 s")
    asker = EtrnAsk(CONFIG, Speaker(), Names(trouble, trouble))
    answers = run_virtual(asker.ask())
    assert [answer.outcome for answer in answers] == [EtrnOutcome.UNREACHABLE] * 2
    assert "no answer within 45 s" in answers[0].text


def test_without_a_host_an_operator_is_needed() -> None:
    config = replace(CONFIG, outbound=OutboundConfig(), etrn=EtrnConfig())
    assert ask(Speaker(), config=config) == [
        ("clinic.example", EtrnOutcome.NEEDS_OPERATOR),
        ("ward.example", EtrnOutcome.NEEDS_OPERATOR),
    ]


@pytest.mark.parametrize("code", [458, 459, 500, 501, 502])
def test_the_log_has_the_servers_words_and_what_to_do(code: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="dialpost.mail")
    ask(Speaker(spoken(code)))
    record = caplog.records[0]
    assert record.levelname == "WARNING"
    line = record.getMessage()
    start = f'etrn: host=smtp.provider.example name=clinic.example reply="{code} said {code}" advice="'
    assert line.startswith(start)
    assert ("asks again at the next connection" in line) is (code < 500)
    assert ("does not support ETRN" in line) is (code >= 500)


def test_a_good_answer_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="dialpost.mail")
    ask(Speaker(spoken(253, 251)))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", 'etrn: host=smtp.provider.example name=clinic.example reply="253 said 253"'),
        ("INFO", 'etrn: host=smtp.provider.example name=ward.example reply="251 said 251"'),
    ]


def test_a_cancelled_question_ends() -> None:
    class Silent(Speaker):
        async def etrn(self, *args: object) -> EtrnDialogue:
            await asyncio.Event().wait()
            raise AssertionError

    async def scene() -> None:
        task = asyncio.create_task(EtrnAsk(CONFIG, Silent(), Names()).ask())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(scene())


def test_a_login_refused_at_etrn_is_not_tried_in_each_call() -> None:
    refused = EtrnDialogue((), "the server refused the login: 535 no", offered=True, fate=SessionFate.LOGIN_REFUSED)
    speaker, troubles = Speaker(refused, spoken(250, 250)), HostTroubles()
    asker = EtrnAsk(CONFIG, speaker, Names(), troubles)
    for _ in range(3):
        answers = run_virtual(asker.ask())
        assert {answer.outcome for answer in answers} == {EtrnOutcome.LOGIN_REFUSED}
        assert "535 no" in answers[0].words() and "etrn.password" in answers[0].advice
    assert len(speaker.asked) == 1
    troubles.try_again()
    assert {answer.outcome for answer in run_virtual(asker.ask())} == {EtrnOutcome.STARTED}
    assert len(speaker.asked) == 2
