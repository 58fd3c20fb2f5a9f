"""What an operator may ask for: name service over the line, the newest log lines."""

from __future__ import annotations

import logging

import pytest

from dialpost.core.errors import ControlError
from dialpost.core.json_value import JsonValue
from dialpost.core.mail.mx import DnsProblem, DnsTrouble, NoRecords, NoSuchName
from dialpost.edge.system.log import tail as log_tail
from dialpost.flow.console.tool_methods import tool_methods
from fakes import asked

ZONE = {
    ("a.example", "A"): ("192.0.2.1",),
    ("a.example", "MX"): ("10 mail.a.example.",),
    ("4.2.0.192.in-addr.arpa", "PTR"): ("mail.a.example.",),
}


class Zone:
    async def records(self, name: str, kind: str) -> tuple[str, ...] | DnsProblem:
        if name == "slow.example":
            return DnsTrouble(name, "192.0.2.53 does not answer")
        if not any(name == there for there, _ in ZONE):
            return NoSuchName(name)
        return ZONE.get((name, kind)) or NoRecords(name)


async def looked_up(**params: JsonValue) -> object:
    return await asked(tool_methods(Zone(), log_tail.listen()), "lookup", params)


async def test_a_name_is_looked_up() -> None:
    assert await looked_up(name="a.example") == ["a.example  A  192.0.2.1", "a.example  MX  10 mail.a.example."]
    assert await looked_up(name="a.example", kind="mx") == ["a.example  MX  10 mail.a.example."]
    assert await looked_up(name="a.example", kind="TXT") == ["a.example  TXT  none"]
    assert await looked_up(name="b.example") == ["b.example: no such name."]
    assert await looked_up(name="slow.example") == ["slow.example: no answer (192.0.2.53 does not answer)."]
    assert await looked_up(name="192.0.2.4") == ["4.2.0.192.in-addr.arpa  PTR  mail.a.example."]
    wrongs: tuple[dict[str, JsonValue], ...] = ({}, {"name": "a.example", "kind": "XYZZY"})
    for wrong in wrongs:
        with pytest.raises(ControlError):
            await looked_up(**wrong)


async def test_the_newest_lines_of_the_log_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_tail.listen()
    assert log_tail.listen() is log
    for name in ("dialpost.mail", "dialpost.flow.line.call.machine"):
        logging.getLogger(name).warning("from %s", name)
    tail = tool_methods(Zone(), log)
    lines = await asked(tail, "log.tail", {"lines": 2})
    assert isinstance(lines, list)
    assert [line.split(" ", 2)[2] for line in lines] == [
        "WARNING from dialpost.mail",
        "WARNING from dialpost.flow.line.call.machine",
    ]
    logging.getLogger("dialpost").warning("x\ny")
    assert len(log.lines(10_000)) <= log_tail.MOST_LINES
    for wrong in (0, 501, "5", True):
        with pytest.raises(ControlError):
            await asked(tail, "log.tail", {"lines": wrong})
