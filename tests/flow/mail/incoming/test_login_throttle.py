"""Guessing passwords is slowed down, whatever the number of guessers; their neighbours are not locked out."""

import pytest

from dialpost.flow.mail.incoming import login_throttle
from dialpost.flow.mail.incoming.login_throttle import LoginThrottle


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def throttle(clock: list[float]) -> LoginThrottle:
    return LoginThrottle(3, 60, lambda: clock[0])


def fail(throttle: LoginThrottle, *names: str, address: str = "a") -> None:
    for name in names:
        throttle.failed(address, name)


def test_an_address_waits_after_so_many_failures_from_the_last_on(
    throttle: LoginThrottle, clock: list[float]
) -> None:
    waits = []
    for clock[0], name in ((0.0, "anna"), (10.0, "ben"), (20.0, "carl")):
        throttle.failed("a", name)
        waits.append(throttle.wait_s("a", "dora"))
    assert waits == [0.0, 0.0, 60.0]
    clock[0] = 79.0
    assert (throttle.wait_s("a", "dora"), throttle.wait_s("b", "anna")) == (1.0, 0.0)
    clock[0] = 80.0
    assert throttle.wait_s("a", "dora") == 0.0
    fail(throttle, "eve", "fred")
    assert throttle.wait_s("a", "dora") == 0.0


def test_a_right_login_wipes_that_names_failures(throttle: LoginThrottle) -> None:
    for _ in range(5):
        fail(throttle, "anna", "anna")
        throttle.succeeded("a", "anna")
    assert throttle.wait_s("a", "anna") == throttle.wait_s("a", "ben") == 0.0


def test_a_right_login_takes_back_its_own_failures_and_no_others(throttle: LoginThrottle) -> None:
    fail(throttle, "ben", "ben", "anna")
    throttle.succeeded("a", "anna")
    assert throttle.wait_s("a", "carl") == 0.0
    fail(throttle, "carl")
    assert throttle.wait_s("a", "dora") == 60.0  # ben's two and carl's one


def test_an_own_login_in_between_gives_no_more_guesses_at_others(throttle: LoginThrottle) -> None:
    fail(throttle, "ben", "ben")
    throttle.succeeded("a", "anna")
    fail(throttle, "ben")
    assert throttle.wait_s("a", "ben") == throttle.wait_s("a", "carl") == 60.0


def test_a_name_known_from_there_waits_for_its_own_failures_only(throttle: LoginThrottle) -> None:
    throttle.succeeded("a", "anna")
    fail(throttle, "ben", "ben", "ben")
    assert (throttle.wait_s("a", " Anna"), throttle.wait_s("a", "carl")) == (0.0, 60.0)
    fail(throttle, "anna", "anna", "anna")
    assert throttle.wait_s("a", "anna") == 60.0


def test_a_phone_that_never_rests_leaves_its_neighbours_their_tries(
    throttle: LoginThrottle, clock: list[float]
) -> None:
    for _ in range(20):
        while throttle.wait_s("a", "ben") == 0.0:
            fail(throttle, "ben")
        clock[0] += 60
    fail(throttle, "ben")  # it is always the first in a new pause
    assert (throttle.wait_s("a", "ben"), throttle.wait_s("a", "newcomer")) == (60.0, 0.0)


def test_many_addresses_of_one_ipv6_host_are_one(throttle: LoginThrottle) -> None:
    for number in range(3):
        fail(throttle, "anna", address=f"2001:db8:0:1::{number}")
    waits = [throttle.wait_s(f"2001:db8:0:{net}::9", "ben") for net in (1, 2)]
    assert waits == [60.0, 0.0]


async def test_one_login_at_a_time_from_an_address(throttle: LoginThrottle) -> None:
    first = throttle.turn("a")
    async with first:
        assert throttle.turn("a").locked() and not throttle.turn("b").locked()
    assert not throttle.turn("a").locked()


def test_memory_is_bounded_and_the_latest_are_kept(
    throttle: LoginThrottle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_throttle, "MOST_REMEMBERED", 10)
    for number in range(100):
        throttle.succeeded(str(number), "anna")
        fail(throttle, "x", "y", "z", address=str(number))
    assert [number for number in range(100) if throttle.wait_s(str(number), "ben")] == list(range(90, 100))
    assert [number for number in range(100) if not throttle.wait_s(str(number), "anna")] == list(range(100))
    sizes = {len(throttle._by_address), len(throttle._by_name), len(throttle._known_good)}
    assert sizes == {10}
