"""Numbers in turn, and the modem's dial command."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import DialMode, ModemConfig
from dialpost.core.errors import ConfigError
from dialpost.core.line.country import Country, Dialling
from dialpost.core.line.dial_plan import DialPlan, Step, dial_command, dial_faults, line_settings
from dialpost.core.line.link import DialResult
from dialpost.core.line.redial_rules import RedialRules

AUSTRIA = Country(
    "austria",
    "Austria",
    "a test",
    dialling=Dialling(country_code="43", international_prefix="00", trunk_prefix="0"),
    redial=RedialRules(attempts=2, rest_s=3600, pauses_s=(5,)),
)
ANYWHERE = Country("generic", "Anywhere", "a test")
THREE = ModemConfig(numbers=("111", "222", "333"))


def number_after(plan: DialPlan, *results: DialResult) -> str:
    for index, result in enumerate(results):
        plan.tried(plan.next(index).number, result, index)
    return plan.next(len(results)).number


def test_numbers_take_turns_after_failures() -> None:
    busy = DialResult.BUSY
    assert number_after(DialPlan(THREE, AUSTRIA)) == "111"
    assert number_after(DialPlan(THREE, AUSTRIA), busy) == "222"
    assert number_after(DialPlan(THREE, AUSTRIA), busy, busy) == "333"


def test_the_number_that_worked_is_the_first_next_time() -> None:
    plan = DialPlan(THREE, AUSTRIA)
    assert number_after(plan, DialResult.NO_ANSWER, DialResult.CONNECTED) == "222"
    assert number_after(plan, DialResult.CONNECTED) == "222"


@pytest.mark.parametrize("result", [DialResult.DELAYED, DialResult.BLACKLISTED, DialResult.VOICE])
def test_a_number_the_modem_or_an_operator_refuses_gives_way_to_the_next(result: DialResult) -> None:
    assert number_after(DialPlan(THREE, AUSTRIA), result) == "222"


@pytest.mark.parametrize("result", [DialResult.NO_DIALTONE, DialResult.ERROR, DialResult.CANCELLED])
def test_a_fault_on_our_side_is_not_the_number_s(result: DialResult) -> None:
    assert number_after(DialPlan(THREE, AUSTRIA), result) == "111"


def test_a_number_that_must_wait_is_passed_over() -> None:
    plan = DialPlan(ModemConfig(numbers=("111", "222")), AUSTRIA)
    plan.tried("111", DialResult.BUSY, 0)
    plan.tried("222", DialResult.BUSY, 3)
    assert plan.next(5) == Step("111", 0.0, "")
    plan.tried("111", DialResult.BUSY, 5)
    assert plan.next(6) == Step("222", 2.0, "Austria requires 5 s between such tries")
    plan.tried("222", DialResult.BUSY, 8)
    step = plan.next(10)
    assert (step.number, step.wait_s) == ("111", 3595)
    assert step.why == "Austria allows 2 failed tries in a row to one number, then it rests"


def test_an_operator_need_not_wait() -> None:
    plan = DialPlan(ModemConfig(numbers=("111",)), AUSTRIA)
    plan.tried("111", DialResult.BUSY, 0)
    plan.tried("111", DialResult.BUSY, 5)
    assert plan.next(6).wait_s > 3000
    plan.by_person(6)
    assert plan.next(6) == Step("111")


def test_no_number_is_reported() -> None:
    step = DialPlan(ModemConfig(), AUSTRIA).next(0)
    assert (step.number, step.wait_s) == ("", math.inf)
    assert "modem.numbers" in step.why


def test_the_profile_s_number_where_none_is_configured() -> None:
    assert DialPlan(ModemConfig(), AUSTRIA, ("*99#",)).next(0).number == "*99#"
    assert DialPlan(THREE, AUSTRIA, ("*99#",)).numbers == ("111", "222", "333")


def test_turn_and_tries_survive_a_restart_and_a_changed_list() -> None:
    plan = DialPlan(THREE, AUSTRIA)
    plan.tried("111", DialResult.BUSY, 100)
    kept = json.loads(json.dumps(plan.to_json(100, 1e9, trusted=True)))
    same, changed, empty = (
        DialPlan(THREE, AUSTRIA),
        DialPlan(ModemConfig(numbers=("9", "111")), AUSTRIA),
        DialPlan(ModemConfig(), AUSTRIA),
    )
    for again in (same, changed, empty):
        again.restore(kept, 0, 1e9 + 2, trusted=True)
    assert same.next(0).number == "222"
    assert changed.next(0).number == "9", "222 is no more: from the beginning"
    changed.tried("9", DialResult.BUSY, 0)
    assert changed.next(0) == Step("111", 3.0, "Austria requires 5 s between such tries")
    assert empty.next(0).number == ""
    others = DialPlan(ModemConfig(numbers=("7", "8")), AUSTRIA)
    others.restore(kept, 0, 1e9 + 2, trusted=True)
    assert others.next(0).number == "7"


@pytest.mark.parametrize("value", [None, [], {"next": "222"}, {"next": 3, "history": {"numbers": 4}}])
def test_what_is_no_plan_is_reported_and_changes_nothing(value: object) -> None:
    plan = DialPlan(THREE, AUSTRIA)
    plan.tried("111", DialResult.BUSY, 0)
    before = plan.to_json(0, 0, trusted=False)
    with pytest.raises(ValueError):
        plan.restore(value, 0, 0, trusted=False)  # type: ignore[arg-type]
    assert plan.to_json(0, 0, trusted=False) == before


# -- the command ---------------------------------------------------------------------------------------------

DIALS = [
    (ModemConfig(), "0961123456", "ATDT0961123456"),
    (ModemConfig(dial_mode=DialMode.PULSE), "0961123456", "ATDP0961123456"),
    (ModemConfig(outside_line="0w"), "0961123456", "ATDT0W0961123456"),
    (ModemConfig(outside_line="0w", wait_for_dial_tone=False), "0961w123456", "ATDT0,0961,123456"),
    (ModemConfig(outside_line="9,,"), "0961123456", "ATDT9,,0961123456"),
    (ModemConfig(calling_card=",,,12345#"), "0961123456", "ATDT0961123456,,,12345#"),
    (ModemConfig(calling_card=",,12345#", dial_mode=DialMode.PULSE), "0961", "ATDP0961T,,12345#"),
    (ModemConfig(), "+43961123456", "ATDT0961123456"),
    (ModemConfig(), "+49891234", "ATDT0049891234"),
    (ModemConfig(), "123abcd*#", "ATDT123ABCD*#"),
]


@cases(("config", "number", "command"), DIALS)
def test_dial_commands(config: ModemConfig, number: str, command: str) -> None:
    assert dial_command(number, config, AUSTRIA) == command


def test_modems_that_know_no_tones_get_the_number_as_it_is() -> None:
    config = ModemConfig(dial_mode=DialMode.PULSE)
    assert dial_command("*99#", config, ANYWHERE, telephone=False) == "ATD*99#"
    assert dial_command("+881600005123", config, ANYWHERE, telephone=False) == "ATD+881600005123"


@pytest.mark.parametrize(
    ("config", "country", "number", "says"),
    [
        (ModemConfig(), ANYWHERE, "+43961", "modem.country"),
        (ModemConfig(dial_mode=DialMode.PULSE), AUSTRIA, "0961*1", "characters only tones have"),
        (ModemConfig(dial_mode=DialMode.PULSE, outside_line="*"), AUSTRIA, "0961", "characters only tones have"),
        (ModemConfig(dial_mode=DialMode.PULSE), replace(AUSTRIA, dialling=Dialling(pulse=False)), "1", "use tone"),
        (ModemConfig(), replace(AUSTRIA, dialling=Dialling(tone=False)), "1", "use pulse"),
    ],
)
def test_what_can_not_be_dialled_is_reported(config: ModemConfig, country: Country, number: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        dial_command(number, config, country)
    assert dial_faults(replace(config, numbers=("0961", number)), country)


def test_a_good_configuration_has_no_faults() -> None:
    assert dial_faults(replace(THREE, outside_line="0w"), AUSTRIA) == []


def test_what_the_modem_is_told_before_it_dials() -> None:
    assert line_settings(ModemConfig(), AUSTRIA) == ("S7=60",)
    japan = replace(AUSTRIA, dialling=Dialling(blind_pause_s=3, answer_within_s=120))
    assert line_settings(ModemConfig(wait_for_dial_tone=False), japan) == ("S7=120", "X3", "S6=3")


def test_a_try_about_to_be_made_counts_as_failed_in_the_copy_alone() -> None:
    plan = DialPlan(replace(THREE, numbers=("111",)), AUSTRIA)
    copy = plan.as_if_failed(100.0)
    assert copy.next(100.0).wait_s == 5.0
    assert plan.next(100.0) == Step("111")
    assert DialPlan(ModemConfig(), ANYWHERE).as_if_failed(0.0).numbers == ()


def test_the_copy_goes_on_where_the_plan_stands() -> None:
    plan = DialPlan(THREE, ANYWHERE)
    plan.tried("111", DialResult.BUSY, 0.0)
    assert plan.next(1.0).number == "222"
    assert plan.as_if_failed(1.0).next(2.0).number == "333"
