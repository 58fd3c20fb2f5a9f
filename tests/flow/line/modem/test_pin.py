"""A SIM's PIN: only a refusal is one, the last tries are an operator's, and the operator can lift a ban."""

from dataclasses import replace

import pytest

from dialpost.core.config.model import ModemConfig
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin, pin_methods
from fake_modem import FakeModem, Habit
from fakes import MemoryCallStore, asked, run_virtual

CELLULAR = ModemProfile(name="test", title="t", source="s", cellular=True, dial="ATD{number}", init=("AT&F",))
CONFIG = ModemConfig(port="/dev/fake", numbers=("1",), apn="web")


def call(fake: FakeModem, memory: MemoryCallStore, pin: str) -> DialOutcome:
    async def run() -> DialOutcome:
        pins = RefusedPin(memory)
        modem = Modem(replace(CONFIG, sim_pin=pin), CELLULAR, lambda *_: fake, lambda words: None, refused_pin=pins)
        outcome = await modem.dial("1")
        await modem.hang_up()
        return outcome

    return run_virtual(run())


@pytest.mark.parametrize("said", ["+CME ERROR: 14", "+CME ERROR: SIM busy", "+CME ERROR: 515", "BUSY"])
def test_a_busy_sim_is_asked_again_in_the_same_call(said: str) -> None:
    fake, memory = FakeModem(pin="1234"), MemoryCallStore()
    refuse, fake_sim = [said, said, None], fake._sim
    fake.answers["AT+CPIN="] = lambda: refuse.pop(0) if len(refuse) > 1 else fake_sim(fake.commands[-1])
    assert call(fake, memory, "1234").result is DialResult.CONNECTED
    assert fake.judged == ["1234"] and not memory.values.get("modem.refused_pin")


@pytest.mark.parametrize("said", ["+CME ERROR: 3", "+CME ERROR: 13", "+CME ERROR: 100", "ERROR", None])
@pytest.mark.parametrize("tells_tries", [False, True])
def test_a_pin_that_was_not_judged_is_tried_in_the_next_call(said: str | None, tells_tries: bool) -> None:
    fake, memory = FakeModem(pin="1234", tells_tries=tells_tries, answers={"AT+CPIN=": said}), MemoryCallStore()
    assert call(fake, memory, "1234").result is DialResult.ERROR
    del fake.answers["AT+CPIN="]
    assert call(fake, memory, "1234").result is DialResult.CONNECTED
    assert fake.judged == ["1234"]


def test_a_right_pin_whose_answer_is_lost_is_seen_by_the_sims_state() -> None:
    fake, memory = FakeModem(pin="1234"), MemoryCallStore()
    judge = fake._sim
    fake.answers["AT+CPIN="] = lambda: judge(fake.commands[-1]) and None
    assert call(fake, memory, "1234").result is DialResult.CONNECTED
    assert fake.judged == ["1234"]


@pytest.mark.parametrize("tells_tries", [False, True])
@pytest.mark.parametrize("said", ["OK", "+CME ERROR: 3", "+CME ERROR: 13", "+CME ERROR: 100", "ERROR", None])
def test_a_wrong_pin_never_locks_the_sim_whatever_the_modem_says(said: str | None, tells_tries: bool) -> None:
    fake, memory = FakeModem(pin="1234", tells_tries=tells_tries), MemoryCallStore()
    judge = fake._sim
    fake.answers["AT+CPIN="] = lambda: judge(fake.commands[-1]) and said
    for pin in ("9999", "9999", "9999", "8888", "9999", "7777", "8888"):
        call(fake, memory, pin)
    assert fake.tries >= 1
    if tells_tries:  # a try that is gone is a refusal
        assert fake.judged == ["9999", "8888"]


def test_a_refused_pin_is_held_until_the_operator_lifts_it() -> None:
    fake, memory = FakeModem(pin="1234"), MemoryCallStore()
    assert "dialpost modem allow-pin" in call(fake, memory, "9999").detail
    assert "dialpost modem allow-pin" in call(fake, memory, "9999").detail
    assert fake.judged == ["9999"]
    assert run_virtual(asked(pin_methods(memory), "modem.allow_pin", {})) == 1
    fake.pin = "9999"  # it was right after all
    assert call(fake, memory, "9999").result is DialResult.CONNECTED
    assert fake.judged == ["9999", "9999"]


def test_two_tries_are_all_where_the_modem_does_not_tell_how_many_are_left() -> None:
    fake, memory = FakeModem(pin="1234"), MemoryCallStore()
    for pin in ("1111", "2222", "1234"):
        outcome = call(fake, memory, pin)
    assert fake.judged == ["1111", "2222"] and "allow-pin" in outcome.detail
    run_virtual(asked(pin_methods(memory), "modem.allow_pin", {}))
    assert call(fake, memory, "1234").result is DialResult.CONNECTED


def test_the_last_try_is_an_operators_even_where_it_was_allowed() -> None:
    fake, memory = FakeModem(pin="1234", tells_tries=True, tries=1), MemoryCallStore()
    run_virtual(asked(pin_methods(memory), "modem.allow_pin", {}))
    assert "into a phone" in call(fake, memory, "1234").detail
    assert fake.judged == [] and fake.tries == 1


def test_a_doubled_ok_of_a_command_before_does_not_make_a_wrong_pin_right() -> None:
    for copies, gap_s in ((2, 0.02), (2, 0.5), (3, 0.3)):
        fake, memory = FakeModem(pin="1234", usual=Habit(copies=copies, gap_s=gap_s)), MemoryCallStore()
        for _ in range(5):
            call(fake, memory, "9999")
        assert fake.tries >= 1


def test_a_late_answer_to_another_command_is_no_word_on_the_pin() -> None:
    for late in range(9):
        fake, memory = FakeModem(pin="1234", habits=[*[Habit()] * late, Habit(late_s=4.0)]), MemoryCallStore()
        assert call(fake, memory, "1234").result is DialResult.CONNECTED
        assert fake.judged == ["1234"]
