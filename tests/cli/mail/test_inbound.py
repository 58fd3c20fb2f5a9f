"""`dialpost inbound`: what is left at providers, in a table; nothing is deleted there without a yes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.__main__ import main
from dialpost.core.control import inbound as api
from dialpost.core.control.shapes import to_json
from dialpost.edge.control_socket import ControlClient

CONFIG = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
LEFT = api.LeftThere(
    id="3f9a1c20",
    mailbox="office",
    sender="eve@far.example",
    subject="Pictures",
    size=9_000_000,
    recipients=("anna@clinic.example",),
    state="held",
    words="big, and the line is expensive",
    since_s=1,
)

Run = Callable[..., int]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was asked of the daemon, which has one message."""
    found: list[tuple[str, Any]] = []

    def answer(_: ControlClient, method: str, **params: Any) -> Any:
        found.append((method, params))
        return to_json((LEFT,)) if method == "inbound.list" else {"count": 1, "words": "In the next call."}

    monkeypatch.setattr(ControlClient, "available", lambda self: True)
    monkeypatch.setattr(ControlClient, "call", answer)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    path = tmp_path / "dialpost.toml"
    path.write_text(CONFIG)
    return lambda *words: main(["--config", str(path), "inbound", *words])


def test_the_list_says_why_each_is_there(
    run: Run, asked: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for part in ("3f9a1c20", "office", "9.0 MB", "eve@far.example", "Pictures", "1 message."):
        assert part in printed


def test_one_is_fetched(run: Run, asked: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "3f9a1c20") == 0
    assert asked == [("inbound.fetch", {"id": "3f9a1c20"})]
    assert capsys.readouterr().out == "In the next call.\n"


@pytest.mark.parametrize(("typed", "status"), [("yes", 0), ("no", 1), (None, 2)])
def test_one_is_dropped_only_after_a_yes(
    run: Run, asked: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch, typed: str | None, status: int
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: typed is not None, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: typed)
    assert run("drop", "3f9a1c20") == status
    assert asked == ([("inbound.drop", {"id": "3f9a1c20"})] if status == 0 else [])
    assert run("drop", "3f9a1c20", "--yes") == 0
