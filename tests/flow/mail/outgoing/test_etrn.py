"""Asking by ETRN: whom, how often, and what the log says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dialpost.core.config.model import Config, EtrnConfig, OutboundConfig, StationConfig, TlsMode, TlsVerify
from dialpost.core.errors import StorageError
from dialpost.core.mail.etrn import EtrnOutcome
from dialpost.core.mail.mx import AddressAnswer, DnsTrouble
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.flow.mail.outgoing.etrn import PAUSE_S, EtrnAsk
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from fakes import now, run_virtual
from smtp_model import ModelServer
from smtp_peer import Peer

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


# What is known from earlier calls

PLAIN = replace(CONFIG, etrn=EtrnConfig(port=2525))
TOOK = replace(spoken(250, 251), address="192.0.2.25", may_be_early=True)
EARLY = replace(spoken(250, 251), address="192.0.2.25", offered=False)


class Memory:
    def __init__(self, kept: str | None = None) -> None:
        self.kept, self.writes = kept, 0

    async def recall(self, key: str) -> str | None:
        return self.kept

    async def remember(self, key: str, value: str) -> None:
        self.kept = value
        self.writes += 1


class Held(Names):
    """The name service answers when it is let; then `found`."""

    def __init__(self, *found: str) -> None:
        super().__init__()
        self.found, self.may_answer, self.asked = found, asyncio.Event(), 0

    async def addresses(self, host: str) -> AddressAnswer:
        self.asked += 1
        await self.may_answer.wait()
        return self.found


class Busy(Speaker):
    """Answers only when it is let; keeps what was given up."""

    def __init__(self, *dialogues: EtrnDialogue) -> None:
        super().__init__(*dialogues)
        self.may_answer, self.given_up = asyncio.Event(), 0

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        dialogue = await super().etrn(target, settings, names)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return dialogue


def early_asked(speaker: Speaker) -> list[bool]:
    return [settings.early_etrn for settings in speaker.settings]


def addresses_asked(speaker: Speaker) -> list[tuple[str, ...]]:
    return [target.addresses for _, target, _ in speaker.asked]


async def learnt(config: Config = PLAIN) -> Memory:
    """The memory after a first call in which all went well."""
    memory = Memory()
    await EtrnAsk(config, Speaker(TOOK), Names(), memory=memory).ask()
    assert memory.writes == 1
    return memory


def test_the_next_call_waits_neither_for_the_name_service_nor_for_ehlo() -> None:
    async def scene() -> None:
        memory, names = await learnt(), Held("192.0.2.25")
        speaker = Speaker(EARLY, EARLY)
        asker = EtrnAsk(PLAIN, speaker, names, memory=memory)  # as after a restart
        answers = await asker.ask()
        assert [answer.code for answer in answers] == [250, 251]
        assert (addresses_asked(speaker), early_asked(speaker)) == ([("192.0.2.25",)], [True])
        assert names.asked == 1 and not names.may_answer.is_set()
        names.may_answer.set()
        await asker.ask()
        assert (names.asked, memory.writes) == (2, 1), "nothing new was learnt, so nothing is written"

    run_virtual(scene())


def test_an_address_that_the_name_service_no_longer_has_is_left_at_once() -> None:
    async def scene() -> None:
        memory, names, speaker = (
            await learnt(),
            Held("192.0.2.26"),
            Busy(EARLY, replace(TOOK, address="192.0.2.26")),
        )
        asking = asyncio.create_task(EtrnAsk(PLAIN, speaker, names, memory=memory).ask())
        await asyncio.sleep(1)
        assert addresses_asked(speaker) == [("192.0.2.25",)]
        names.may_answer.set()
        await asyncio.sleep(1)
        assert speaker.given_up == 1 and addresses_asked(speaker)[1:] == [("192.0.2.26",)]
        speaker.may_answer.set()
        assert [answer.code for answer in await asking] == [250, 251]
        assert '"192.0.2.26"' in str(memory.kept)

    run_virtual(scene())


def test_an_answer_of_the_name_service_that_comes_too_late_holds_for_the_next_call() -> None:
    async def scene() -> None:
        memory, names, speaker = await learnt(), Held("192.0.2.26"), Speaker(EARLY, TOOK)
        asker = EtrnAsk(PLAIN, speaker, names, memory=memory)
        await asker.ask()
        names.may_answer.set()
        await asyncio.sleep(1)
        await asker.ask()
        assert addresses_asked(speaker) == [("192.0.2.25",), ("192.0.2.26",)]

    run_virtual(scene())


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_last_address_out_of_reach_is_followed_by_what_the_name_service_says(confirmed: bool) -> None:
    async def scene() -> None:
        memory, names, speaker = await learnt(), Held("192.0.2.25", "192.0.2.26"), Busy(DOWN, TOOK)
        if confirmed:
            names.may_answer.set()
        speaker.may_answer.set()
        asking = asyncio.create_task(EtrnAsk(PLAIN, speaker, names, memory=memory).ask())
        await asyncio.sleep(1)
        names.may_answer.set()
        assert [answer.code for answer in await asking] == [250, 251]
        assert addresses_asked(speaker) == [("192.0.2.25",), ("192.0.2.26",)]

    run_virtual(scene())


def test_trouble_with_the_name_service_does_not_keep_etrn_from_the_last_address() -> None:
    async def scene() -> None:
        trouble = DnsTrouble("smtp.provider.example", "no answer within 45 s")
        speaker = Busy(EARLY)
        asking = asyncio.create_task(EtrnAsk(PLAIN, speaker, Names(trouble), memory=await learnt()).ask())
        await asyncio.sleep(1)
        speaker.may_answer.set()
        assert [answer.code for answer in await asking] == [250, 251]

    run_virtual(scene())


@pytest.mark.parametrize(
    ("first", "sessions"),
    [
        (replace(EARLY, early_failed=True), 1),  # 503, then EHLO in the same session
        (EtrnDialogue((), "closed", False, SessionFate.LOST, early_failed=True), 2),
        (EtrnDialogue((), "554 no", False, SessionFate.NOT_SERVED, early_failed=True), 2),
    ],
)
def test_a_host_that_wants_ehlo_first_is_asked_as_usual_and_remembered(first: EtrnDialogue, sessions: int) -> None:
    async def scene() -> None:
        memory, speaker = await learnt(), Speaker(first, TOOK, TOOK)
        answers = await EtrnAsk(PLAIN, speaker, Names(), memory=memory).ask()
        assert [answer.code for answer in answers] == [250, 251]
        assert early_asked(speaker) == [True, False][:sessions]
        for _ in range(2):
            later = Speaker(TOOK)
            await EtrnAsk(PLAIN, later, Names(), memory=memory).ask()
            assert early_asked(later) == [False]

    run_virtual(scene())


def test_a_line_that_dies_or_a_queue_that_waits_proves_nothing_against_the_host() -> None:
    async def scene() -> None:
        lost = EtrnDialogue((), "lost", False, SessionFate.LOST, early_failed=True)
        for dialogues in ([lost, DOWN, DOWN], [replace(spoken(458, 458), early_failed=True)]):
            memory = await learnt()
            await EtrnAsk(PLAIN, Speaker(*dialogues), Names(), memory=memory).ask()
            later = Speaker(EARLY)
            await EtrnAsk(PLAIN, later, Names(), memory=memory).ask()
            assert early_asked(later) == [True]

    run_virtual(scene())


LOGIN = EtrnConfig(port=2525, user="clinic", password="secret", clear_password=True)


@pytest.mark.parametrize(
    ("etrn", "waits"),
    [
        (LOGIN, True),
        (replace(LOGIN, tls=TlsMode.STARTTLS), True),
        (replace(LOGIN, tls=TlsMode.IMPLICIT, tls_verify=TlsVerify.CA_ONLY), True),
        (replace(LOGIN, tls_verify=TlsVerify.FULL), True),
        (replace(LOGIN, tls=TlsMode.STARTTLS, tls_verify=TlsVerify.FULL), False),
        (replace(LOGIN, tls=TlsMode.IMPLICIT, tls_verify=TlsVerify.FINGERPRINT), False),
    ],
)
def test_no_login_goes_to_the_last_address_unless_the_host_proves_itself(etrn: EtrnConfig, waits: bool) -> None:
    """It may be a stranger's by now."""

    async def scene() -> None:
        memory, names, speaker = await learnt(), Held("192.0.2.26"), Speaker(TOOK)
        asking = asyncio.create_task(EtrnAsk(replace(PLAIN, etrn=etrn), speaker, names, memory=memory).ask())
        await asyncio.sleep(1)
        assert addresses_asked(speaker) == ([] if waits else [("192.0.2.25",)])
        names.may_answer.set()
        await asking
        assert addresses_asked(speaker) == [("192.0.2.26",) if waits else ("192.0.2.25",)]

    run_virtual(scene())


def test_nothing_is_known_of_another_host_or_port() -> None:
    async def scene() -> None:
        memory, names, speaker = await learnt(), Held("192.0.2.25"), Speaker(TOOK)
        other = replace(PLAIN, etrn=EtrnConfig(port=26))
        asking = asyncio.create_task(EtrnAsk(other, speaker, names, memory=memory).ask())
        await asyncio.sleep(1)
        assert speaker.asked == []
        names.may_answer.set()
        await asking
        assert early_asked(speaker) == [False]

    run_virtual(scene())


@pytest.mark.parametrize("kept", ["", "{}", "nonsense", '{"host": "smtp.provider.example", "port": "2525"}', "[1]"])
def test_a_memory_that_makes_no_sense_is_none(kept: str) -> None:
    async def scene() -> None:
        memory, speaker = Memory(kept), Speaker(TOOK)
        await EtrnAsk(PLAIN, speaker, Names(), memory=memory).ask()
        assert early_asked(speaker) == [False] and "may-try" in str(memory.kept)

    run_virtual(scene())


def test_a_card_that_takes_or_gives_nothing_stops_no_call() -> None:
    class Broken(Memory):
        async def recall(self, key: str) -> str | None:
            raise StorageError("no card")

        async def remember(self, key: str, value: str) -> None:
            raise StorageError("no card")

    async def scene() -> None:
        speaker = Speaker(TOOK, EARLY)
        asker = EtrnAsk(PLAIN, speaker, Names(), memory=Broken())
        await asker.ask()
        await asker.ask()
        assert early_asked(speaker) == [False, True]

    run_virtual(scene())


async def test_from_ipcp_to_etrn_it_takes_two_round_trips() -> None:
    """TCP's handshake is one. The greeting comes behind it; the ETRN is the first thing the server hears.

    The name service answers only once the ETRN has arrived, so it can't have been waited for.
    """
    names, heard = Held("127.0.0.1"), asyncio.Event()
    peer = Peer(ModelServer(("PIPELINING", "ETRN")))

    def on_read(data: bytes) -> None:
        if data.startswith(b"ETRN"):
            names.may_answer.set()
            heard.set()

    async with peer.serving() as target:
        etrn = EtrnConfig(host="mail.example", port=target.port, tls=TlsMode.NONE)
        asker = EtrnAsk(replace(PLAIN, etrn=etrn), SmtpClient(), names)
        names.may_answer.set()
        await asker.ask()
        names.may_answer.clear()
        await peer.quiet()
        peer.reads.clear()
        peer.on_read = on_read
        await asker.ask()
    assert heard.is_set() and peer.reads[0] == b"ETRN clinic.example\r\n"
    assert (names.asked, peer.connections) == (2, 2)
