"""Calls that carry nothing, with a real pppd over the simulated telephone line: what they take, and what they cost.

One provider says with 251 that nothing waits; another says 250 each time, and nothing comes. Seconds are from
CONNECT until the line is down, hung up by a modem without DTR.
"""

from __future__ import annotations

import tempfile
from math import ceil
from pathlib import Path

from rig.line.exchange import Exchange
from rig.line.uml import missing_for_guests
from rig.processes import RigError, eventually

from call_cells import SETS, Cell, dialpost_settings
from dialpost.core.config.model import CallConfig
from figures import Amounts, Row, show

ANSWERS = {
    "251, nothing waits": "251 2.0.0 OK, no messages waiting for node clinic.example",
    "always 250": "250 2.0.0 OK, queuing started for node clinic.example",
}
CALLS = 3
_LINE = SETS["A"].line
_KNOWN_S = 3.0 + 2 * _LINE.rtt_s
"""What an empty call may take whose provider says that nothing waits."""
_UNKNOWN_S = 20.0
"""And from the second one on if it does not."""
_TARIFF, _STEP_S = 1.50, 20.0
"""Of a satellite telephone: a minute, charged in steps of this many seconds."""


def empty_calls(work: Path, amounts: Amounts) -> list[Row]:
    """The rows of each provider: the first calls, one after another."""
    del work, amounts  # a guest's socket paths must be short
    if lacking := missing_for_guests("line"):
        raise RigError(f"this benchmark needs {lacking}")
    rows: list[Row] = []
    for name, answer in ANSWERS.items():
        for number, took_s in enumerate(_calls(answer), 1):
            is_known = answer.startswith("251")
            limit_s = _KNOWN_S if is_known else _UNKNOWN_S
            has_limit = is_known or number > 1
            promise, kept = (f"<= {limit_s:.1f}", took_s <= limit_s) if has_limit else ("", None)
            costs = ceil(took_s / _STEP_S) * _STEP_S / 60 * _TARIFF
            rows += [
                Row("empty call", f"{name}, call {number}", took_s, None, "s", promise, kept),
                Row("empty call", f"{name}, call {number}, satellite telephone", costs, None, "money"),
            ]
    for row in rows:
        show(row)
    return rows


def _calls(answer: str) -> list[float]:
    """With the shipped settings, on a line that the owner trusts."""
    shipped = CallConfig()
    names = ("grace_min_s", "grace_max_s", "cooldown_s", "redial_attempts")
    settings = dialpost_settings(Cell("A", "postfix-2", "off"))
    settings["call"] = {name: getattr(shipped, name) for name in names}
    with (
        tempfile.TemporaryDirectory(prefix="dp-b-") as name,
        Exchange(Path(name), line=_LINE, settings=settings) as exchange,
    ):
        exchange.provider.stop_mail()
        exchange.provider.start("python3", "/opt/guest/etrn_only.py", answer, name="etrn-only")
        exchange.provider.wait_for_port()
        return [_call(exchange) for _ in range(CALLS)]


def _call(exchange: Exchange) -> float:
    status, said = exchange.station.call()
    if status:
        raise RigError(f"the call ended with {status}: {said}\n{exchange.story()}")
    eventually(lambda: not exchange.line.is_up, what="the line is down")
    last = {what: seconds for seconds, what in exchange.line.events}
    return last["hung up"] - last["CONNECT"]
