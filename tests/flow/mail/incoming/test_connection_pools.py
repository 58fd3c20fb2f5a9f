"""Who may hold a connection, and who makes room."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener, Peer
from dialpost.flow.mail.incoming.connection_pools import (
    GAVE_WAY,
    TOO_MANY_FROM_YOU,
    TOO_MANY_HERE,
    ConnectionPools,
    Pool,
)

POOLS = {"10": Pool.LAN, "p": Pool.PROVIDER}


class Caller:
    """One connection: idle unless it is said to be busy."""

    def __init__(
        self,
        address: str,
        *,
        account: str | None = None,
        idle: bool = True,
        progress_s: float = 0.0,
        waiting: bool = True,
    ) -> None:
        self.peer = Peer(address, Listener.MX, account=account)
        self.is_idle, self.is_waiting, self.progress_s = idle, waiting, progress_s
        self.told: Reply | None = None

    def give_way(self, reply: Reply) -> None:
        self.told = reply


def pool_of(peer: Peer) -> Pool:
    return POOLS.get(peer.address.partition(".")[0], Pool.STRANGERS)


def pools(most: int = 10, per_host: int = 10) -> ConnectionPools:
    return ConnectionPools(most, per_host, pool_of)


def busy(address: str, **more: Any) -> Caller:
    return Caller(address, idle=False, **more)


def test_two_hosts_that_only_say_noop_shut_nobody_out() -> None:
    here = pools(most=10, per_host=5)
    idle = [Caller(f"192.0.2.{number % 2}", progress_s=number) for number in range(10)]
    assert [here.admit(one) for one in idle[:7]] == [None] * 7
    for newcomer in (Caller("198.51.100.7", progress_s=99), Caller("p.1"), Caller("10.0.0.1"), *idle[7:]):
        assert here.admit(newcomer) is None
    # the strangers that got nowhere for longest went first
    assert [one.told for one in idle[:4]] == [GAVE_WAY] * 4


def test_one_host_may_have_its_whole_measure() -> None:
    here = pools(most=100, per_host=50)  # as shipped
    assert [here.admit(busy("192.0.2.1")) for _ in range(51)] == [None] * 50 + [TOO_MANY_FROM_YOU]


def test_every_pool_keeps_a_tenth_for_itself() -> None:
    here = pools(most=20)
    strangers = [here.admit(busy(f"192.0.2.{number}")) for number in range(20)]
    assert strangers == [None] * 14 + [TOO_MANY_HERE] * 6
    assert [here.admit(busy(f"p.{number}")) for number in range(4)] == [None, None, TOO_MANY_HERE, TOO_MANY_HERE]
    assert [here.admit(busy(f"10.0.0.{number}")) for number in range(3)] == [None, None, TOO_MANY_HERE]


def test_idle_strangers_give_way_to_the_provider_down_to_their_tenth() -> None:
    here = pools(most=20)
    strangers = [Caller(f"192.0.2.{number}", progress_s=number) for number in range(14)]
    for one in strangers:
        here.admit(one)
    provider = [here.admit(busy(f"p.{number}")) for number in range(15)]
    assert provider == [None] * 14 + [TOO_MANY_HERE]
    assert [one.told for one in strangers] == [GAVE_WAY] * 12 + [None] * 2


def test_a_login_frees_a_strangers_place() -> None:
    here = pools()
    strangers = [busy(f"192.0.2.{number}") for number in range(7)]
    for one in strangers:
        here.admit(one)
    assert here.admit(busy("198.51.100.1")) == TOO_MANY_HERE
    strangers[0].peer = Peer("192.0.2.0", Listener.SUBMISSION, account="anna")
    assert here.admit(busy("198.51.100.1")) is None


def test_users_do_not_give_way_to_strangers() -> None:
    here = pools(most=10)
    users = [Caller(f"192.0.2.{number}", account="anna") for number in range(4)]
    for one in users:
        assert here.admit(Caller(one.peer.address)) is None  # as everybody comes
        here.admit(one)
    for number in range(20):
        here.admit(Caller(f"198.51.100.{number}"))
    assert [one.told for one in users] == [None] * 4


def test_without_idle_ones_the_host_with_most_gives_one_up() -> None:
    here = pools(most=8, per_host=8)
    flood = [busy("192.0.2.1", progress_s=number) for number in range(5)]
    assert [here.admit(one) for one in flood] == [None] * 5
    assert here.admit(busy("198.51.100.1")) is None
    assert [one.told for one in flood] == [GAVE_WAY, None, None, None, None]
    assert here.admit(busy("192.0.2.1")) == TOO_MANY_HERE


def test_what_is_being_made_durable_is_never_interrupted() -> None:
    here = pools(most=8, per_host=8)
    flood = [busy("192.0.2.1", waiting=False) for _ in range(5)]
    for one in flood:
        here.admit(one)
    assert here.admit(busy("198.51.100.1")) == TOO_MANY_HERE
    assert [one.told for one in flood] == [None] * 5


def test_ipv6_counts_by_the_64_bits_of_its_network() -> None:
    here = pools(most=100, per_host=2)
    answers = [here.admit(busy(f"2001:db8::{number:x}")) for number in range(1, 4)]
    assert answers == [None, None, TOO_MANY_FROM_YOU]
    assert here.admit(busy("2001:db8:0:1::1")) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "10.0.0.1", "p.1"]), st.booleans(), st.booleans())
    ),
    st.sampled_from([1, 4, 10, 25]),
)
def test_there_are_never_more_than_most_and_a_lone_provider_always_gets_in(
    arrivals: list[tuple[str, bool, bool]], most: int
) -> None:
    here, inside = pools(most=most, per_host=most), []
    for address, idle, logs_in in arrivals:
        one = Caller(address, idle=idle)
        if here.admit(one) is None:
            inside.append(one)
            if logs_in:
                one.peer = Peer(address, Listener.SUBMISSION, account="anna")
        inside = [one for one in inside if one.told is None]
        assert len(inside) <= most
    if most >= 5 and not any(one.peer.address == "p.1" for one in inside):
        assert here.admit(busy("p.1")) is None


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_small_station_serves_whoever_comes(most: int) -> None:
    here = pools(most=most)
    assert [here.admit(busy(f"192.0.2.{number}")) for number in range(most + 1)] == [None] * most + [TOO_MANY_HERE]


def test_where_the_system_gives_no_more_the_idlest_strangers_go_first() -> None:
    here = pools()
    users = [Caller("192.0.2.9", account="anna")]
    strangers = [Caller(f"192.0.2.{number}", progress_s=-number) for number in range(3)]
    working = busy("192.0.2.7")
    for one in (*users, *strangers, working):
        assert here.admit(one) is None
    here.make_room(2)
    assert [one.told for one in (*users, *strangers, working)] == [None, None, GAVE_WAY, GAVE_WAY, None]
    here.make_room(9)
    assert [one.told for one in (*users, *strangers, working)] == [GAVE_WAY] * 4 + [None]
