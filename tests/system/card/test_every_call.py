"""Killed, or failed by the card, at each system call that changes what is on the card: what was promised holds.

Each act (a first start, a start, the repair of a damaged queue, a message, an account, a configuration) is done
once to count its calls, then once for each call and each way to go wrong there. After each a daemon is started that
nothing is done to: it must start, hold everything acknowledged once and whole, and be as the act's answer said.

A sample, by seed, as the whole walk takes an hour: DIALPOST_EVERY_CALL=all make test-system ARGS="-k every_call"
(or =KILL,FULL for these ways alone).
"""

from __future__ import annotations

import os
import random
import shutil
import smtplib
import socket
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rig.card.cut_process import How, Life, Nursery, fresh_copy, library
from rig.mailboxes import arrived, make_message
from rig.needs import needs
from rig.ports import free_port
from rig.processes import eventually
from rig.station import DOMAIN, PASSWORD, config_text

from dialpost.core.errors import ControlError
from dialpost.edge.control_socket import ControlClient, ControlConnection

pytestmark = [pytest.mark.system, pytest.mark.slow, needs(commands=("gcc",))]

SEED = int(os.environ.get("DIALPOST_TEST_SEED") or random.SystemRandom().randrange(2**32))
WALK = os.environ.get("DIALPOST_EVERY_CALL", "")
SAMPLE = 4
"""Of each act and way, how many calls where it is no whole walk."""

ANNA, FRIEND = f"anna@{DOMAIN}", "friend@world.example"
WAYS = tuple(how for how in How if how not in (How.OFF, How.COUNT) and (WALK in ("", "all") or how.name in WALK))


@dataclass
class Promised:
    """What the station has acknowledged, and what it may be otherwise."""

    messages: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    accounts: list[set[str]] = field(default_factory=lambda: [{"anna"}])
    hostnames: set[str] = field(default_factory=lambda: {f"mail.{DOMAIN}"})


class Bench:
    """One station's folder, made again from a template for each try."""

    def __init__(self, work: Path) -> None:
        self.place, self.template = work / "place", work / "template"
        self.log = work / "log"
        self._run_dir = Path(tempfile.mkdtemp(prefix="dp-run-"))
        self._control = ControlClient(self._run_dir / "control.sock", 5)
        self.port = free_port()
        self.nursery = Nursery(work, self.place, library(work))
        self.life: Life | None = None
        self.template.mkdir()
        settings: dict[str, dict[str, Any]] = {
            "station": {
                "hostname": f"mail.{DOMAIN}",
                "domains": [DOMAIN],
                "data_dir": str(self.place / "data"),
                "run_dir": str(self._run_dir),
                "log_level": "info",
            },
            "smtp": {
                "listen": [f"127.0.0.1:{self.port}"],
                "submission_listen": [f"127.0.0.1:{free_port()}"],
                "submissions_listen": [],
                "disk_reserve_bytes": 0,
            },
            "relay": {"networks": ["127.0.0.1/32"]},
            "link": {"kind": "dialup-gateway"},
        }
        (self.template / "dialpost.toml").write_text(config_text(settings))

    def close(self) -> None:
        """No daemon, no folders."""
        self.nursery.close()
        shutil.rmtree(self._run_dir, ignore_errors=True)

    def reset(self) -> None:
        """As the template is."""
        fresh_copy(self.template, self.place)

    def start(self) -> bool:
        """Start a daemon; whether it greets."""
        self.log.write_bytes(b"")
        self.life = self.nursery.daemon(self.place / "dialpost.toml", self.log)
        for _ in range(3000):
            if self.life.has_ended(0.01):
                return False
            if self.greets() and self._control.available():
                return True
        raise AssertionError(f"neither ended nor greeting:\n{self.log_text()}")

    def wait_until_quiet(self) -> None:
        """Until nothing of the start writes any more, so that an act's calls have the same numbers each time."""
        while True:
            self.nursery.order(How.COUNT)
            time.sleep(0.2)  # there is no event for "nothing"
            if self.nursery.seen.count == 0:
                return

    def greets(self) -> bool:
        """Whether the door for mail answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                return client.recv(100).startswith(b"220 ")
        except OSError:
            return False

    @property
    def has_ended(self) -> bool:
        """Whether there is no daemon."""
        return self.life is None or self.life.has_ended()

    def end(self, *, kindly: bool = True) -> None:
        """Stop or kill what runs."""
        if self.life is not None:
            life, self.life = self.life, None
            life.stop() if kindly else life.kill()

    def log_text(self) -> str:
        """What the daemon started last said."""
        return self.log.read_text("utf-8", "replace")

    def ask(self, *questions: tuple[str, dict[str, Any]]) -> list[Any]:
        """Over one connection to the control socket. Raises: ControlError."""
        talk = ControlConnection(self._run_dir / "control.sock", 60)
        try:
            return [talk.call(method, **params) for method, params in questions]
        finally:
            talk.close()

    def send(self, name: str) -> int:
        """One message for a mailbox and the world; its code, 0 if the connection broke."""
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=60) as client:
                client.sendmail(ANNA, [ANNA, FRIEND], make_message(name, ANNA, [ANNA, FRIEND], size=3000))
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))[0]
        except smtplib.SMTPServerDisconnected:
            return 0
        except smtplib.SMTPResponseException as refused:
            return max(refused.smtp_code, 0)
        except OSError:
            return 0
        return 250

    def waiting(self) -> list[str]:
        """Message-IDs that wait for the world."""
        query = (
            "SELECT message_id FROM recipient JOIN message ON message.id = recipient.key >> 20 "
            "WHERE recipient.state = 0 AND recipient.address = ?"
        )
        with closing(sqlite3.connect(f"file:{self.place}/data/queue.db?mode=ro", uri=True)) as database:
            return sorted(str(row[0]).strip("<>") for row in database.execute(query, (FRIEND,)))


# -- the acts ------------------------------------------------------------------------------------------


def send_first(bench: Bench, promised: Promised) -> None:
    """Three messages before anything happens."""
    for number in range(3):
        name = f"before{number}@lan.example"
        assert bench.send(name) == 250
        promised.messages.add(name)
    eventually(lambda: len(arrived(bench.place / "data/mail/anna")) == 3)


def prepare_nothing(bench: Bench) -> Promised:
    """A station out of its box: a configuration, no more."""
    return Promised(accounts=[set()])


def prepare_killed(bench: Bench) -> Promised:
    """A station that was killed at work: its queue has a log."""
    promised = Promised()
    bench.reset()
    assert bench.start()
    bench.ask(("account.add", {"name": "anna", "password": PASSWORD}))
    send_first(bench, promised)
    bench.end(kindly=False)
    shutil.rmtree(bench.template)
    shutil.copytree(bench.place, bench.template)
    return promised


def prepare_stopped(bench: Bench) -> Promised:
    """One that was stopped in order."""
    promised = prepare_killed(bench)
    bench.reset()
    assert bench.start()
    bench.end()
    shutil.rmtree(bench.template)
    shutil.copytree(bench.place, bench.template)
    return promised


def prepare_damaged(bench: Bench) -> Promised:
    """Its database has lost its head, and a body was cut off."""
    promised = prepare_killed(bench)
    data = bench.template / "data"
    with (data / "queue.db").open("r+b") as file:
        file.write(bytes(100))
    with (data / "queue.db-wal").open("r+b") as file:
        file.write(b"\xaa" * 32)
    (data / "spool" / "D00000ZZ.part").write_bytes(b"half of it")
    return promised


def act_start(bench: Bench, promised: Promised) -> None:
    """Start and stop."""
    if bench.start():
        bench.ask(("status", {}))


def act_message(bench: Bench, promised: Promised) -> None:
    """Take one message in and deliver it."""
    code = bench.send("during@lan.example")
    assert code < 500, f"refused for good: {code}"
    promised.maybe.add("during@lan.example")
    if code == 250:
        promised.messages.add("during@lan.example")
        if not bench.has_ended:
            box = bench.place / "data/mail/anna"
            eventually(
                lambda: bench.has_ended or "during@lan.example" in arrived(box) or bench.nursery.seen.hits > 0
            )


def act_account_add(bench: Bench, promised: Promised) -> None:
    """A new account."""
    promised.accounts = asked(
        bench, {"anna"}, {"anna", "ben"}, ("account.add", {"name": "ben", "password": PASSWORD})
    )


def act_account_delete(bench: Bench, promised: Promised) -> None:
    """An account goes, and its mail to the archive."""
    order = ("account.delete", {"name": "carl", "fate": "archive"})
    promised.accounts = asked(bench, {"anna", "carl"}, {"anna"}, order)


def asked(bench: Bench, before: set[str], after: set[str], question: tuple[str, dict[str, Any]]) -> list[set[str]]:
    """Which accounts there may be after an answer, or none."""
    try:
        bench.ask(question)
    except ControlError as error:
        if not error.kind:  # the connection broke: nobody knows
            return [before, after]
        assert error.kind != "InternalError", error
        return (
            [before, after]
            if "could not be rolled back" in str(error) or "is still where" in str(error)
            else [before]
        )
    except OSError:
        return [before, after]
    return [after]


def act_config(bench: Bench, promised: Promised) -> None:
    """Another configuration, taken live."""
    old, new = f"mail.{DOMAIN}", f"post.{DOMAIN}"
    try:
        bench.ask(
            ("config.open", {"who": "anna"}),
            ("config.set", {"key": "station.hostname", "value": new}),
            ("config.commit", {"comment": "", "anyway": True}),
        )
    except ControlError as error:
        assert error.kind != "InternalError", error
        promised.hostnames = {old} if error.kind else {old, new}  # the connection broke: nobody knows
    except OSError:
        promised.hostnames = {old, new}
    else:
        promised.hostnames = {new}


@dataclass(frozen=True)
class Act:
    """Something done to a station, from a state of it. `is_start`: the daemon is started under the orders."""

    prepare: Callable[[Bench], Promised]
    do: Callable[[Bench, Promised], None]
    is_start: bool = False


def prepare_two(bench: Bench) -> Promised:
    """With a second account, to be deleted."""
    promised = prepare_stopped(bench)
    bench.reset()
    assert bench.start()
    bench.ask(("account.add", {"name": "carl", "password": PASSWORD}))
    bench.end()
    shutil.rmtree(bench.template)
    shutil.copytree(bench.place, bench.template)
    promised.accounts = [{"anna", "carl"}]
    return promised


ACTS = {
    "first-start": Act(prepare_nothing, act_start, is_start=True),
    "start": Act(prepare_killed, act_start, is_start=True),
    "repair": Act(prepare_damaged, act_start, is_start=True),
    "message": Act(prepare_stopped, act_message),
    "account-add": Act(prepare_stopped, act_account_add),
    "account-delete": Act(prepare_two, act_account_delete),
    "config": Act(prepare_stopped, act_config),
}


# -- the walk ------------------------------------------------------------------------------------------


@pytest.fixture
def bench(work: Path) -> Iterator[Bench]:
    made = Bench(work)
    yield made
    made.end(kindly=False)
    made.close()


@pytest.mark.parametrize("name", ACTS)
def test_whatever_call_it_is(name: str, bench: Bench, say: Callable[[str], None]) -> None:
    act = ACTS[name]
    base = act.prepare(bench)
    calls = count_calls(bench, act, base)
    assert calls > 5  # else nothing is counted
    chance, wrong = random.Random(f"{SEED}/{name}"), []
    for how in WAYS:
        numbers = range(calls) if WALK else sorted(chance.sample(range(calls), min(SAMPLE, calls)))
        hits = 0
        for at in numbers:
            try:
                hits += one_try(bench, act, base, how, at, twice=act.is_start and how is How.KILL)
            except (AssertionError, OSError, ControlError) as error:
                where = f"{how.name} at call {at} ({bench.nursery.seen.where})"
                wrong.append(f"{where}: {error!r}\n{bench.log_text()[-2000:]}")
                say(wrong[-1])
                bench.end(kindly=False)
        say(f"{name}: {how.name} at {len(numbers)} of {calls} calls, {hits} hit, {len(wrong)} went wrong so far")
    assert wrong == [], f"{len(wrong)} went wrong (seed {SEED}):\n" + "\n".join(wrong)


def count_calls(bench: Bench, act: Act, base: Promised) -> int:
    """The act undisturbed."""
    bench.reset()
    promised = as_it_was(base)
    run(bench, act, promised, How.COUNT, 0)
    count = bench.nursery.seen.count
    look(bench, promised)
    return count


def as_it_was(base: Promised) -> Promised:
    return Promised(set(base.messages), set(base.maybe), list(base.accounts), set(base.hostnames))


def one_try(bench: Bench, act: Act, base: Promised, how: How, at: int, *, twice: bool) -> bool:
    """One act gone wrong at one call; whether it got there."""
    bench.reset()
    promised = as_it_was(base)
    run(bench, act, promised, how, at)
    was_hit = bench.nursery.seen.hits > 0
    if twice:
        run(bench, act, promised, how, at)
    assert "Traceback" not in bench.log_text()
    look(bench, promised)
    return was_hit


def run(bench: Bench, act: Act, promised: Promised, how: How, at: int) -> None:
    """The act under the orders; no daemon and no orders after it."""
    if not act.is_start:
        assert bench.start()
        bench.wait_until_quiet()
    bench.nursery.order(how, at)
    act.do(bench, promised)
    if how not in (How.KILL, How.TORN):
        stays_up_or_restarts(bench)
    bench.end(kindly=not bench.has_ended)
    bench.nursery.rest()


def stays_up_or_restarts(bench: Bench) -> None:
    """With the card as bad as it is, somebody answers who says so."""
    if bench.has_ended:
        assert bench.start(), "it does not start"
    assert bench.greets()


def look(bench: Bench, promised: Promised) -> None:
    """A start that nothing is done to: all is there."""
    assert bench.start(), "it does not start"
    (status,) = bench.ask(("status", {}))
    assert status["mode"] == "running", status
    _, listing = bench.ask(("queue.retry", {}), ("account.list", {}))  # a delivery that failed waits its time
    names = {account["name"] for account in listing}
    assert names in promised.accounts, f"accounts {names}, not one of {promised.accounts}"
    assert status["hostname"] in promised.hostnames, status["hostname"]
    waiting = Counter(bench.waiting())
    box = bench.place / "data/mail/anna"
    eventually(
        lambda: promised.messages <= set(arrived(box)) if promised.messages else True, what="all in the mailbox"
    )
    for place, found in (("queue", waiting), ("mailbox", Counter(arrived(box)))):
        assert promised.messages <= found.keys() <= promised.messages | promised.maybe, f"{place}: {found}"
        assert max(found.values(), default=1) == 1, f"{place}: {found}"
    bench.end()
    left = sorted(path.name for path in (bench.place / "data").iterdir())
    assert [name for name in left if name.endswith(("-kept", ".salvaged", ".salvaging"))] == [], left
    assert not any("is missing: its last entries" in words for words in status["attention"]), status
