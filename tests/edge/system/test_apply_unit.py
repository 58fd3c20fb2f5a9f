"""Starting the root one-shot through systemctl (a stand-in here), and what is made of its ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.config.applied import ApplyResult, not_applied
from dialpost.edge.system.apply_unit import ApplyUnit

DONE = ApplyResult(applied=True, changed=("/run/x",), reloaded=("the firewall",), notes=("a note",))


@pytest.fixture
def systemctl(tmp_path: Path) -> Callable[..., Any]:
    """Makes a systemctl that runs this shell text; it finds the result's place in $RESULT."""

    def make(text: str) -> ApplyUnit:
        program = tmp_path / "systemctl"
        program.write_text(f'#!/bin/sh\nRESULT={tmp_path}/result.json\necho "$@" >>{tmp_path}/asked\n{text}\n')
        program.chmod(0o755)
        return ApplyUnit(result=tmp_path / "result.json", systemctl=str(program), is_there=True, timeout_s=10)

    return make


def put(tmp_path: Path, text: str) -> str:
    (tmp_path / "next").write_text(text)
    return f"cp {tmp_path}/next $RESULT.new && mv $RESULT.new $RESULT"


async def test_the_result_of_this_run_is_reported(tmp_path: Path, systemctl: Callable[..., Any]) -> None:
    (tmp_path / "result.json").write_text(not_applied("an older run").to_json())
    unit = systemctl(put(tmp_path, DONE.to_json()))
    assert await unit.apply() == DONE
    assert (tmp_path / "asked").read_text() == "start dialpost-apply.service\n"


async def test_problems_are_told_although_the_unit_failed(tmp_path: Path, systemctl: Callable[..., Any]) -> None:
    refused = not_applied("The firewall could not be set.")
    assert await systemctl(put(tmp_path, refused.to_json()) + "\nexit 1").apply() == refused


async def test_an_older_result_is_not_taken_for_this_runs(tmp_path: Path, systemctl: Callable[..., Any]) -> None:
    (tmp_path / "result.json").write_text(DONE.to_json())
    assert await systemctl("echo Access denied >&2; exit 4").apply() == not_applied(
        "dialpost-apply.service did not say how it ended (Access denied)."
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"applied": 1}', '{"applied": true, "changed": [1]}', "\udcff"])
async def test_a_result_that_is_none(tmp_path: Path, systemctl: Callable[..., Any], text: str) -> None:
    (tmp_path / "next").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = await systemctl(f"cp {tmp_path}/next $RESULT").apply()
    assert not result.applied
    assert result.problems[0].startswith(
        f"What dialpost-apply.service said in {tmp_path}/result.json can't be read"
    )


async def test_two_at_once_run_one_after_the_other(tmp_path: Path, systemctl: Callable[..., Any]) -> None:
    """The second starts when the first has ended: it may be about a newer file."""
    text = put(tmp_path, DONE.to_json())
    unit = systemctl(f"mkdir {tmp_path}/busy || exit 9\nsleep 0.2\n{text}\nrmdir {tmp_path}/busy")
    assert [*await asyncio.gather(unit.apply(), unit.apply())] == [DONE, DONE]


async def test_one_that_hangs(tmp_path: Path, systemctl: Callable[..., Any]) -> None:
    unit = systemctl("exec sleep 60")
    unit._timeout_s = 0.2
    assert await unit.apply() == not_applied(
        "dialpost-apply.service did not say how it ended (it took longer than 0.2 s)."
    )


async def test_without_systemd_nothing_is_applied(tmp_path: Path) -> None:
    result = await ApplyUnit(is_there=False).apply()
    words = "This machine has no dialpost-apply.service: its network and services stay as they are."
    assert result == ApplyResult(applied=False, notes=(words,))
    missing = await ApplyUnit(result=tmp_path / "r", systemctl=str(tmp_path / "no"), is_there=True).apply()
    assert "No such file" in missing.problems[0]
