"""Somebody who works at the station while mail comes in: accounts, the queue, the configuration, one after another.

Keeps what was answered for certain and what nobody can know (the station was killed before it answered), and
checks it afterwards.
"""

from __future__ import annotations

import asyncio
import random
import smtplib
from collections.abc import Callable
from typing import Any

from dialpost.core.errors import ControlError
from dialpost.edge.control_socket import ControlClient, ControlConnection
from rig.mailboxes import make_message
from rig.processes import eventually
from rig.station import DOMAIN, PASSWORD, Station

_GONE = "gone@world.example"
_SENDER = f"anna@{DOMAIN}"
_LOST = (OSError, smtplib.SMTPException)


class Operator:
    """Works at one station through all its lives."""

    def __init__(self, station: Station, seed: int) -> None:
        self.done = 0
        """Operations that were answered."""
        self._one_more = asyncio.Event()
        self._station = station
        self._random = random.Random(seed)
        self._number = 0
        self._accounts: dict[str, set[bool]] = {}
        self._limits = {500}
        self._states: dict[str, set[str]] = {}
        self._offered: set[str] = set()

    async def work(self, is_over: Callable[[], bool]) -> None:
        """One operation after the other until it is over; each is waited for, so that nothing goes on behind us."""
        while not is_over():
            work = self._random.choice((self._account, self._account, self._queue, self._queue, self._config))
            try:
                await asyncio.to_thread(work)
                self.done += 1
                self._one_more.set()
            except _LOST:  # the station is gone, or changes its configuration
                await asyncio.sleep(0.005)
            except ControlError as error:
                assert error.kind != "InternalError", error
                await asyncio.sleep(0.005)

    async def answered(self, count: int) -> None:
        """Wait for this many operations, while `work` runs."""
        for _ in range(count):
            self._one_more = asyncio.Event()
            async with asyncio.timeout(60):
                await self._one_more.wait()

    def _ask(self, *questions: tuple[str, dict[str, Any]]) -> list[Any]:
        talk = ControlConnection(self._station.control_socket, 30)
        try:
            return [talk.call(method, **params) for method, params in questions]
        finally:
            talk.close()

    def _account(self) -> None:
        """Add one, or take one away."""
        there = [name for name, may_be in self._accounts.items() if may_be == {True}]
        if there and self._random.random() < 0.5:
            name = self._random.choice(there)
            self._accounts[name] = {True, False}
            self._ask(("account.delete", {"name": name, "fate": "purge"}))
            self._accounts[name] = {False}
        else:
            self._number += 1
            name = f"op{self._number}"
            self._accounts[name] = {True, False}
            self._ask(("account.add", {"name": name, "password": PASSWORD}))
            self._accounts[name] = {True}

    def _config(self) -> None:
        limit = self._random.randrange(100, 1000)
        self._limits.add(limit)
        self._ask(
            ("config.open", {"who": "operator"}),
            ("config.set", {"key": "smtp.max_recipients", "value": str(limit)}),
            ("config.commit", {"comment": "", "anyway": True}),
        )
        self._limits = {limit}

    def _queue(self) -> None:
        """Send a message, then hold or delete it."""
        self._number += 1
        name = f"op.{self._number}.{self._random.randrange(2**32)}@operator.example"
        self._offered.add(name)
        with smtplib.SMTP("127.0.0.1", self._station.port, "operator.example", timeout=30) as client:
            client.sendmail(_SENDER, [_GONE], make_message(name, _SENDER, [_GONE], size=500))
        self._states[name] = {"waiting"}
        (found,) = self._ask(("trace", {"text": name}))
        wanted, state = self._random.choice((("hold", "held"), ("delete", "deleted")))
        self._states[name] = {"waiting", state}
        self._ask((f"queue.{wanted}", {"queue_id": found[0]["queue_id"]}))
        self._states[name] = {state}

    def may_leave(self) -> set[str]:
        """Of its messages those that may go to the world in the end: neither held nor deleted for certain."""
        return {name for name in self._offered if "waiting" in self._states.get(name, {"waiting"})}

    def check(self) -> None:
        """All that was answered is so; what was not answered is one way or the other."""
        eventually(ControlClient(self._station.control_socket, 5).available, what="the control socket")
        accounts = {account["name"] for account in self._ask(("account.list", {}))[0]}
        for name, may_be in self._accounts.items():
            assert (name in accounts) in may_be, f"account {name}: {name in accounts}"
            may_be.intersection_update({name in accounts})
        limit = self._active_limit()
        assert limit in self._limits, f"smtp.max_recipients: {limit}, not one of {self._limits}"
        self._limits = {limit}
        states = self._station.states_of(_GONE)
        for name, expected in self._states.items():
            assert states.get(name) in expected, f"{name}: {states.get(name)}, not one of {expected}"
            expected.intersection_update({states[name]})

    def _active_limit(self) -> int:
        text = self._station.config.read_text()
        lines = [line for line in text.splitlines() if line.startswith("max_recipients")]
        return int(lines[0].partition("=")[2]) if lines else 500
