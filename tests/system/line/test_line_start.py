"""The start of a call on a real line: the second call asks for mail before anything else, whatever the provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rig.line.exchange import Exchange
from rig.line.provider_mail import Kind
from rig.needs import needs_guests

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line")]

_LINE = TelephoneSettings(rate_bps=115_200, rtt_s=0.05, dial_s=0.3)
_KNOWN = (
    "import sqlite3; print(sqlite3.connect('file:/var/lib/dialpost/queue.db?mode=ro', uri=True)"
    ".execute(\"SELECT value FROM memory WHERE key = 'fact:etrn.host'\").fetchone()[0])"
)


@pytest.mark.parametrize(
    "kind",
    [
        "postfix",
        pytest.param("exim", marks=needs_guests("line-exim")),
        pytest.param("sendmail", marks=needs_guests("line-sendmail")),
    ],
)
def test_etrn_comes_before_ehlo_from_the_second_call_on(work: Path, kind: Kind) -> None:
    """Each of these servers takes it: the station would remember one that does not (`refused`)."""
    with Exchange(work, line=_LINE, kind=kind) as exchange:
        for number in range(3):
            exchange.load([(2000, 2)], [(2000, 1)], prefix=f"-{number}")
            status, said = exchange.station.call()
            assert status == 0, f"{said}\n{exchange.story()}"
            exchange.check_all_is_across()
            known = json.loads(exchange.station.run("python3", "-c", _KNOWN).stdout)
            assert known["early"] == "may-try" and known["address"], f"{known}\n{exchange.story()}"
