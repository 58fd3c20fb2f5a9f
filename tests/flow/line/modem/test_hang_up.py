"""Hanging up costs no more paid line than this modem needs, and is never less certain for it. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from dialpost.core.config.model import ModemConfig
from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.profile import HangUpWay, ModemProfile
from dialpost.flow.line.modem.modem import Modem
from fake_modem import FakeModem, Habit
from fakes import now, run_virtual

HAYES = ModemProfile(name="test", title="t", source="s")
CONFIG = ModemConfig(port="/dev/fake", numbers=("123",))


@dataclass(frozen=True)
class HungUp:
    """`paid_s`: from the wish to hang up until the line was down; `took_s`: until that was proved."""

    doubt: str
    paid_s: float
    took_s: float


def hang_up(
    fake: FakeModem,
    *,
    before: Callable[[FakeModem], None] = lambda fake: None,
    meanwhile: Callable[[FakeModem], None] = lambda fake: None,
    after_s: float = 0.0,
    profile: ModemProfile = HAYES,
    config: ModemConfig = CONFIG,
) -> HungUp:
    """A call whose other side does `before` just before it is hung up, or `meanwhile` some time later."""

    async def run() -> HungUp:
        modem = Modem(config, profile, lambda *_: fake, lambda words: None)
        assert (await modem.dial("123")).result is DialResult.CONNECTED
        await fake.read(4096) if fake._buffer else None  # pppd has read it
        await asyncio.sleep(30)
        before(fake)
        began_s = now()
        asyncio.get_running_loop().call_later(after_s, meanwhile, fake)
        doubt = await modem.hang_up()
        took_s = now() - began_s
        assert modem.line_may_be_up is bool(doubt)
        assert doubt or not fake.costs, "it says that the line is down, and the line is up"
        down_s = fake.on_hook_at_s
        return HungUp(doubt, took_s if down_s is None else max(0.0, down_s - began_s), took_s)

    return run_virtual(run())


def test_the_other_side_hangs_up_first_and_says_so() -> None:
    """As a provider does once PPP has ended: no escape sequence is sent, nor waited for."""
    fake = FakeModem()
    done = hang_up(fake, meanwhile=FakeModem.drop, after_s=0.2)
    assert done.doubt == "" and done.paid_s == pytest.approx(0.2)
    assert done.took_s == pytest.approx(0.97, abs=0.1)
    assert fake.sent_on_line == [b"AT\r"]


def test_the_other_side_hung_up_unseen() -> None:
    """While pppd still had the port: the modem answers AT, so it takes commands."""
    fake = FakeModem()
    done = hang_up(fake, before=lambda fake: fake.drop(""))
    assert (done.doubt, done.paid_s) == ("", 0.0) and done.took_s < 1
    assert fake.sent_on_line == []


@pytest.mark.parametrize(
    ("s12", "tells", "paid_s"),
    [(50, True, 2.11), (50, False, 2.11), (20, True, 0.91), (0, True, 0.31), (255, True, 10.31)],
)
def test_a_line_that_stays_up_is_paid_for_no_longer_than_the_modems_own_guard_times(
    s12: int, tells: bool, paid_s: float
) -> None:
    fake = FakeModem(s12=s12, tells_s12=tells, takes_s12=False)
    done = hang_up(fake)
    assert fake.s12 == s12
    assert done.doubt == "" and done.paid_s == pytest.approx(paid_s, abs=0.02)
    assert done.took_s - done.paid_s < 0.8


@pytest.mark.parametrize(
    ("s12", "is_set", "paid_s"), [(50, 10, 0.51), (255, 10, 0.51), (10, 10, 0.51), (5, 5, 0.41)]
)
def test_a_longer_guard_time_is_made_a_fifth_of_a_second_before_the_call(
    s12: int, is_set: int, paid_s: float
) -> None:
    fake = FakeModem(s12=s12)
    done = hang_up(fake)
    assert (done.doubt, fake.s12) == ("", is_set)
    assert done.paid_s == pytest.approx(paid_s, abs=0.02)
    asked = [command for command in fake.commands if command.startswith("ATS12")]
    assert asked == (["ATS12?"] if s12 == is_set else ["ATS12?", "ATS12=10", "ATS12?"])


def test_a_guard_time_that_the_operator_or_the_profile_sets_is_kept() -> None:
    for config, profile in (
        (replace(CONFIG, extra_init="at&k3 s12 = 100"), HAYES),
        (CONFIG, replace(HAYES, init=("AT&F", "ATS12=100"))),
    ):
        fake = FakeModem(s12=100)
        assert hang_up(fake, config=config, profile=profile).doubt == ""
        assert fake.s12 == 100
        assert "ATS12=10" not in fake.commands


def test_a_modem_that_says_it_took_the_shorter_guard_time_and_kept_its_own() -> None:
    done = hang_up(FakeModem(s12=50, answers={"ATS12=": "OK"}))
    assert done.doubt == "" and done.paid_s == pytest.approx(2.11, abs=0.02)


def test_a_guard_time_that_is_longer_than_the_profile_knows_and_told_by_nobody() -> None:
    done = hang_up(FakeModem(s12=100, tells_s12=False))
    assert "may still cost money" in done.doubt
    assert hang_up(FakeModem(s12=100)).doubt == ""


@pytest.mark.parametrize("told", ["300\nOK", "050\n051\nOK", "S12\nOK", "ERROR", "-5\nOK"])
def test_a_register_that_makes_no_sense_changes_nothing(told: str) -> None:
    done = hang_up(FakeModem(answers={"ATS12?": told}))
    assert done.doubt == "" and done.paid_s == pytest.approx(2.11, abs=0.02)


def test_a_register_told_too_short_is_made_up_for_in_the_next_round() -> None:
    done = hang_up(FakeModem(s12=50, answers={"ATS12?": "005\nOK"}))
    assert done.doubt == ""


def test_a_modem_that_does_not_answer_to_the_register_is_asked_once() -> None:
    fake = FakeModem(answers={"ATS12?": None})

    async def run() -> None:
        modem = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None)
        for _ in range(2):
            assert (await modem.dial("123")).result is DialResult.CONNECTED
            assert await modem.hang_up() == ""

    run_virtual(run())
    assert fake.commands.count("ATS12?") == 1


def test_a_modem_that_ignores_the_escape_sequence_is_down_once_its_other_side_hangs_up() -> None:
    assert "may still cost money" in hang_up(FakeModem(obeys_escape=False)).doubt
    assert hang_up(FakeModem(obeys_escape=False), meanwhile=FakeModem.drop, after_s=5.0).doubt == ""
    assert hang_up(FakeModem(obeys_escape=False), meanwhile=FakeModem.drop, after_s=0.2).paid_s == pytest.approx(
        0.2
    )


@pytest.mark.parametrize("words", ["NO CARRIER", "OK", "ERROR"])
@pytest.mark.parametrize("after_s", [0.05, 1.0, 1.5])
def test_words_of_a_modem_that_the_other_side_sends_hang_up_nothing(words: str, after_s: float) -> None:
    def say(fake: FakeModem) -> None:
        fake.push(f"\r\n{words}\r\n".encode())

    assert hang_up(FakeModem(), meanwhile=say, after_s=after_s).doubt == ""
    assert "may still" in hang_up(FakeModem(obeys_escape=False), meanwhile=say, after_s=after_s).doubt


@pytest.mark.parametrize("late_s", [0.5, 2.0, 4.0])
def test_slow_answers_hang_up_for_certain(late_s: float) -> None:
    assert hang_up(FakeModem(usual=Habit(late_s=late_s))).doubt == ""


def test_a_carrier_that_has_dropped_already_is_all_the_proof() -> None:
    fake = FakeModem(has_lines=True)
    done = hang_up(fake, before=FakeModem.drop)
    assert (done.doubt, done.paid_s, done.took_s) == ("", 0.0, 0.0)
    assert fake.commands[-1].startswith("ATD")


@dataclass
class Flickering(FakeModem):
    """DCD drops for a moment, as while two modems train again (S10), and the call stays up."""

    looks_off: int = 0

    def carrier(self) -> bool | None:
        if self.looks_off:
            self.looks_off -= 1
            return False
        return super().carrier()


@pytest.mark.parametrize(
    "profile", [replace(HAYES, hang_up=HAYES.hang_up[1:]), replace(HAYES, dtr_off_max_s=5), HAYES]
)
def test_a_carrier_that_drops_for_a_moment_leaves_no_call_up(profile: ModemProfile) -> None:
    """Where closing the port may not hang up, the modem gets its command."""
    fake = Flickering(has_lines=True, obeys_dtr=HangUpWay.DTR in profile.hang_up)
    assert hang_up(fake, before=lambda _: setattr(fake, "looks_off", 1), profile=profile).doubt == ""
    assert not fake.costs


def test_dtr_goes_off_no_longer_than_the_carrier_needs_to_drop() -> None:
    done = hang_up(FakeModem(has_lines=True))
    assert (done.doubt, done.paid_s, done.took_s) == ("", 0.0, 0.0)
    stuck = hang_up(FakeModem(has_lines=True, dcd_is_stuck=True))
    assert (stuck.doubt, stuck.paid_s) == ("", 0.0) and stuck.took_s > 1
    deaf = hang_up(FakeModem(has_lines=True, obeys_dtr=False, takes_s12=False))
    assert deaf.doubt == "" and deaf.paid_s == pytest.approx(4.1, abs=0.2)  # the pulse, DCD's time, then +++


def test_a_modem_hung_up_by_dtr_alone_is_not_asked_for_its_guard_time() -> None:
    fake = FakeModem(has_lines=True)
    assert hang_up(fake, profile=replace(HAYES, hang_up=HAYES.hang_up[:1])).doubt == ""
    assert "ATS12?" not in fake.commands


class Card:
    def __init__(self, **kept: str) -> None:
        self.kept = {f"modem.{key}": value for key, value in kept.items()}
        self.written: list[str] = []

    async def recall(self, key: str) -> str | None:
        return self.kept.get(key)

    async def remember(self, key: str, value: str) -> None:
        self.kept[key] = value
        self.written.append(key)


def test_after_a_power_cut_in_a_call_the_guard_time_is_still_known() -> None:
    fake, card = FakeModem(s12=255, takes_s12=False), Card()

    async def run() -> None:
        before = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None, memory=card)
        assert (await before.dial("123")).result is DialResult.CONNECTED
        fake._buffer.clear()  # what was on its way is gone with the power
        after = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None, memory=card)
        await after.look_back()
        assert (await after.dial("123")).result is DialResult.CONNECTED
        assert (fake.dials, fake.dialled_on_line) == (2, 0)

    run_virtual(run())
    assert card.kept["modem.guard_s"] == "5.2" and card.written.count("modem.guard_s") == 1


@pytest.mark.parametrize("kept", ["nonsense", "1e9", "nan"])
def test_a_guard_time_spoilt_on_the_card_delays_nothing_for_ever(kept: str) -> None:
    fake = FakeModem()

    async def run() -> None:
        modem = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None, memory=Card(guard_s=kept))
        await modem.look_back()
        assert (await modem.dial("123")).result is DialResult.CONNECTED
        assert await modem.hang_up() == "" and not fake.costs

    run_virtual(run())
