"""A measured figure, how much is sent to get it, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured figure. `kept` is None if it has no target."""

    section: str
    what: str
    dialpost: float | None
    postfix: float | None
    unit: str
    promise: str = ""
    kept: bool | None = None


@dataclass(frozen=True)
class Amounts:
    """How much is sent for each figure."""

    rounds: int
    messages: dict[int, int]  # sessions -> messages
    counted: int  # messages whose writes are counted
    queued: int  # "10,000 queued"
    accepted: int  # messages after which memory is flat
    logins: int  # over TLS, one after another
    many: int  # "100,000 queued"
    idle_s: float  # how long the card of an idle board is watched
    on_card: dict[int, int]  # bytes of a message -> messages sent to a board with a card
    on_fast_disk: dict[int, int]  # sessions -> messages, where a flush is free
    on_slow_card: dict[int, int]  # sessions -> messages, on the simulated slow card
    lone: int  # messages sent one by one to it
    cells: tuple[str, ...] = ()  # of the matrix of calls, as patterns (call_cells); none: all
    hub_waiting: tuple[int, ...] = ()  # messages that wait at the hub for other stations
    hub_stations: int = 0  # that call it at once,
    hub_kills: int = 0  # while it is killed this many times
    strangers: int = 0  # made-up providers of the model of a call


FULL = Amounts(
    rounds=5,
    messages={1: 500, 10: 2000, 50: 3000},
    counted=1000,
    queued=10_000,
    accepted=30_000,
    logins=2000,
    many=100_000,
    idle_s=600,
    on_card={4_000: 100, 100_000: 20, 1_000_000: 5},
    on_fast_disk={1: 200, 10: 500, 50: 600},
    on_slow_card={1: 100, 10: 300, 50: 600},
    lone=60,
    hub_waiting=(20, 20_000, 200_000),
    hub_stations=50,
    hub_kills=20,
    strangers=100,
)
QUICK = Amounts(
    rounds=2,
    messages={1: 100, 10: 400, 50: 600},
    counted=200,
    queued=2000,
    accepted=3000,
    logins=300,
    many=5000,
    idle_s=60,
    on_card={4_000: 10},
    on_fast_disk={1: 100, 10: 400, 50: 600},
    on_slow_card={1: 40, 10: 100, 50: 200},
    lone=20,
    hub_waiting=(20, 2000),
    hub_stations=6,
    hub_kills=3,
    cells=("C/postfix-2/off",),
    strangers=10,
)


def show(row: Row) -> None:
    ours = "" if row.dialpost is None else f"{row.dialpost:,.2f}"
    theirs = "" if row.postfix is None else f"{row.postfix:,.2f}"
    ratio = f"{row.dialpost / row.postfix:.2f}" if row.dialpost and row.postfix else ""
    kept = {True: "kept", False: "NOT KEPT", None: ""}[row.kept]
    what = f"{row.section}: {row.what}"
    print(f"{what:<64} {ours:>12} {theirs:>12} {ratio:>6} {row.unit:<11} {row.promise:<29} {kept}", flush=True)


HEADING = f"{'':<64} {'Dialpost':>12} {'Postfix':>12} {'ratio':>6}"
