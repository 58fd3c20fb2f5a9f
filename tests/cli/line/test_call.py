"""`dialpost call` and `dialpost queue release` against a running station whose line is simulated."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dialpost.__main__ import main
from dialpost.cli.line.call import call_lines
from dialpost.core.call_reason import CallReason
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.forecast import Forecast
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.link import DialOutcome, DialResult, Traffic
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.etrn import classify
from dialpost.core.mail.queue.records import Origin
from dialpost.core.mail.reply import Reply
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.system import clock
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.methods import stored_call
from dialpost.station import Station
from fakes import FakeLink, a_record
from loop_thread import LoopThread

CONFIG = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}/run"
[smtp]
listen = ["127.0.0.1:0"]
submission_listen = ["127.0.0.1:0"]
submissions_listen = ["127.0.0.1:0"]
disk_reserve_bytes = 0
[outbound]
via = "mx"
[etrn]
use = "never"
[link]
kind = "dialup-gateway"
[call]
grace_min_s = 0.2
cooldown_s = 0.1
redial_attempts = 0
[budget]
minutes_per_day = 30
minutes_per_call = 20
cost_per_minute = 0.2
currency = "EUR"
big_message_bytes = 5000
{more}
"""


class Daemon:
    """A station in its own thread, so that the command line can be used as it is."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.path = folder / "dialpost.toml"
        self.path.write_text(CONFIG.format(folder=folder, more=more))
        self.loop = LoopThread()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(coroutine)

    async def _start(self) -> None:
        self.link = FakeLink(dial_s=0.05)
        self.link.negotiate_s = self.link.hang_up_s = 0.01
        self.link.counted = Traffic(1234, 56_000)
        self.station = Station(ConfigFile(self.path).load(), link=self.link)
        await self.station.start()

    def __enter__(self) -> Daemon:
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.station.stop())
        self.loop.stop()

    async def hand_in(self, size: int) -> str:
        station = self.station
        queue_id = station.store.next_id()
        writer = station.spool.begin(queue_id)
        writer.write(b"From: anna@clinic.example\n\n" + b"x" * (size - 27))
        await writer.commit()
        message = station.big_messages.as_held(
            a_record(
                queue_id,
                sender="anna@clinic.example",
                origin=Origin.SUBMITTED,
                size=size,
                wire_size=size,
                local_prefix=0,
            )
        )
        await station.store.accept(message)
        station._accepted(message)
        return queue_id

    async def spend(self, seconds: float) -> None:
        self.station.budget._spent = self.station.budget.spent.plus(seconds, 0.0)


@pytest.fixture(autouse=True)
def whatever_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own clock is no part of these tests."""
    monkeypatch.setattr(clock, "RELEASED_S", 0)
    today = datetime.now(UTC).date().isoformat()
    monkeypatch.setattr(Budget, "_today", lambda _: today)  # no midnight in the middle of a test


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


@pytest.fixture
def dialpost(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["--config", str(daemon.path), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_before_the_first_call(dialpost: Callable[..., Any]) -> None:
    assert dialpost("call", "history") == (0, "No call has been made yet.\n", "")
    status, out, err = dialpost("call", "show")
    assert (status, out) == (1, "")
    assert "No call has been made yet." in err
    status, out, _ = dialpost("call", "budget")
    assert (status, out.splitlines()[:2]) == (
        0,
        ["0 of 30 minutes used today", "0 minutes used this month"],
    )
    assert "a call may last 20 minutes" in out
    assert "A call made now may last 20 min (budget.minutes_per_call)." in out


def test_a_call_is_forecast_shown_and_kept(dialpost: Callable[..., Any]) -> None:
    status, out, err = dialpost("call", "now")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Dialling."
    assert lines[1].startswith("forecast: nothing waits, about 20 s, about 0.20 EUR")
    assert lines[2] == "dialling"
    assert re.match(r"Done: 0 sent, 0 received, \d+ s on line, 0\.20 EUR \(nothing more to send", lines[-1])

    status, out, _ = dialpost("call", "history", "-n", "5")
    header, row = out.splitlines()
    assert header.split()[:4] == ["NO", "STARTED", "WHY", "RESULT"]
    assert row.split()[0] == "1"
    assert row.split()[-6:] == ["1.2", "kB/56", "kB", "0.20", "EUR", "done"]

    status, out, _ = dialpost("call", "show", "1")
    assert "33600 bit/s; connected after " in out
    assert "expected: nothing waits, about 20 s, about 0.20 EUR" in out
    assert re.search(r"charged \d+ s: 0\.20 EUR", out)
    [call] = json.loads(dialpost("call", "history", "--json")[1])
    assert (call["number"], call["cost"], call["over_budget"]) == (1, 0.2, False)
    assert json.loads(dialpost("call", "show", "--json")[1]) == call
    assert dialpost("call", "show", "7")[2].endswith("There is no call 7 in the history.\n")


def test_a_spent_budget_refuses_and_may_be_overruled(dialpost: Callable[..., Any], daemon: Daemon) -> None:
    daemon.run(daemon.spend(1800))
    for arguments in (("call", "now"), ("call", "now", "--no-wait")):
        status, out, err = dialpost(*arguments)
        assert (status, out) == (1, "")
        assert "The budget is spent: 30 of 30 minutes used today (budget.minutes_per_day)." in err
    assert daemon.link.dialled_at == []
    assert "The budget is spent" in dialpost("call", "budget")[1]
    assert "The budget is spent" in dialpost("call", "forecast")[1]
    status, out, _ = dialpost("status")
    assert status == 3
    assert "ATTENTION The budget is spent" in out
    assert dialpost("call", "now", "--over-budget")[0] == 0
    assert "reason: command, budget overridden by the operator" in dialpost("call", "show")[1]


def test_a_forecast_tells_what_the_budget_leaves_behind(dialpost: Callable[..., Any], daemon: Daemon) -> None:
    daemon.run(daemon.hand_in(4000))
    daemon.run(daemon.spend(1780))
    status, out, _ = dialpost("call", "forecast")
    assert status == 0
    first, second = out.splitlines()
    assert first == "1 message, 4.0 kB, about 20 s, about 0.20 EUR (at 28.6 kbit/s, not measured yet)"
    assert second.startswith("The budget allows ")
    assert json.loads(dialpost("call", "forecast", "--json")[1])["is_enough"] is False


def test_a_big_message_is_held_told_and_released(dialpost: Callable[..., Any], daemon: Daemon) -> None:
    queue_id = daemon.run(daemon.hand_in(9000))
    assert "; 1 big message (9.0 kB) held back" in dialpost("call", "forecast")[1]
    words = f"held: larger than 5.0 kB; release it with `dialpost queue release {queue_id}`"
    assert words in dialpost("queue", "list")[1]
    assert words[1:] in dialpost("queue", "show", queue_id)[1]
    assert dialpost("queue", "release", queue_id) == (0, f"{queue_id}: 1 recipient released.\n", "")
    assert "held back" not in dialpost("call", "forecast")[1]
    assert "Waiting for the next call" in dialpost("queue", "show", queue_id)[1]
    assert "has no recipient that is held" in dialpost("queue", "release", queue_id)[2]


def test_a_failed_dial_has_its_exit_status(dialpost: Callable[..., Any], daemon: Daemon) -> None:
    daemon.link.outcomes.append(DialOutcome(DialResult.BUSY, "BUSY", number="0961 123456"))
    status, out, _ = dialpost("call", "now")
    assert status == 1
    assert out.splitlines()[-1] == "The line did not come up: busy. BUSY"
    assert "dialled 0961 123456" in dialpost("call", "show")[1]


@pytest.mark.parametrize("arguments", [("history", "-n", "0"), ("history", "-n", "x"), ("show", "-1"), ("shw",)])
def test_bad_arguments(
    arguments: tuple[str, ...], dialpost: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dialpost("call", *arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "verb", [(), ("now",), ("cancel",), ("history",), ("show",), ("forecast",), ("budget",), ("learned",)]
)
def test_every_command_explains_itself(
    verb: tuple[str, ...], dialpost: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dialpost("call", *verb, "--help")
    assert ended.value.code == 0
    assert all(len(line) <= 120 for line in capsys.readouterr().out.splitlines())


def test_everything_of_a_call_is_reported() -> None:
    record = CallRecord(
        CallReason.COMMAND,
        "modem",
        DialResult.CONNECTED,
        int(time.time()),
        online_s=130.0,
        bytes_up=340_000,
        bytes_down=12_000,
        sent=11,
        received=3,
        deferred=1,
        refused=2,
        etrn=(classify("clinic.example", Reply(458, ("Unable to queue messages",))),),
        hangup_reason=HangUpReason.BUDGET_SPENT,
        hangup_detail="2 of 2 minutes used today",
        detail="CONNECT 33600/ARQ/V34",
        rate_bps=33_600,
        dialled="0961 123456",
        connect_s=31.4,
        paid_s=140.0,
        cost=0.6,
        currency="EUR",
        over_budget=False,
        forecast=Forecast(12, 340_000, 118.0, 0.4, "EUR"),
        tls=TlsCost(3, 2, 4200),
    )
    lines = call_lines(stored_call({"number": 7} | record.to_json()))
    assert lines[0].startswith("Call 7, ")
    assert lines[1:9] == [
        "  CONNECT 33600/ARQ/V34",
        "  dialled 0961 123456; 33600 bit/s; connected after 31.4 s",
        "  expected: 12 messages, 340 kB, about 2 min, about 0.40 EUR",
        "  on line 2 min 10 s, charged 2 min 20 s: 0.60 EUR",
        "  ended: the budget was spent (2 of 2 minutes used today)",
        "  11 messages sent, 3 messages received, 1 deferred, 2 refused",
        "  340 kB up, 12 kB down",
        "  TLS: 3 handshakes (2 resumed), 4.2 kB, about 1.0 s of line; encrypted mail can't be compressed",
    ]
    assert "458 Unable to queue messages" in lines[9]


def test_a_record_of_a_former_version_is_shown() -> None:
    old: dict[str, JsonValue] = {
        "reason": "button",
        "link": "modem",
        "result": "connected",
        "started": 1_700_000_000,
        "number": 1,
    }
    lines = call_lines(stored_call(old))
    assert lines[1:4] == [
        "  on line 0 s, charged 0 s",
        "  ended: the line did not come up",
        "  0 messages sent, 0 messages received",
    ]


def test_what_calls_taught_can_be_shown_set_and_forgotten(dialpost: Callable[..., Any]) -> None:
    status, out, _ = dialpost("call", "learned")
    assert status == 0
    assert "No call has shown yet" in out
    assert "A call that finds nothing waits 0.2 s, and the call costs" in out
    set_by_hand = dialpost("call", "learned", "--start", "45", "--gap", "30")[1]
    assert "waits 30 s for the next one (set by hand)" in set_by_hand
    found = json.loads(dialpost("call", "learned", "--gap", "20", "--json")[1])
    assert (found["set_start_s"], found["set_gap_s"], found["gap_wait_s"]) == (45.0, 20.0, 20.0)
    assert dialpost("call", "learned", "--forget")[1].startswith("Forgotten.")
    assert json.loads(dialpost("call", "learned", "--json")[1])["set_start_s"] is None
    found = json.loads(dialpost("call", "learned", "--forget", "--gap", "9", "--json")[1])
    assert (found["set_start_s"], found["set_gap_s"]) == (None, 9.0)


@pytest.mark.parametrize("seconds", ["0", "3601", "x", "nan"])
def test_a_wait_that_is_none_is_refused(
    seconds: str, dialpost: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dialpost("call", "learned", "--start", seconds)
    assert ended.value.code == 2
    assert "is not a number of seconds from 0.1 to 3600" in capsys.readouterr().err
