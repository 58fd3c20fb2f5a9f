"""Editing sessions and their methods, asked as a face asks, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.control.serving import Served
from dialpost.core.errors import ConfigError, ControlError, NotFoundError, WarnFirstError
from dialpost.core.json_value import JsonValue
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.system.clock import Clock
from dialpost.flow.config import sessions as config_sessions
from dialpost.flow.config.changes import ConfigChanges
from dialpost.flow.config.methods import config_methods
from dialpost.flow.config.sessions import ConfigSessions
from fakes import Asking, FakeApply, FakeProcess, asked
from known import is_a

TEXT = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[outbound]
user = "clinic"
password = "geheim"
"""


class Ask:
    """A session: what it found when it was opened; called, it asks for a method."""

    def __init__(self, methods: Mapping[str, Served], talk: Asking, found: dict[str, Any]) -> None:
        self.methods, self.talk, self.found = methods, talk, found

    async def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        return is_a(dict, await asked(self.methods, f"config.{method}", params, self.talk))


class Rig:
    def __init__(self, path: Path, text: str | None = TEXT, first: str = "") -> None:
        if text is not None:
            path.write_text(text)
        file, history = ConfigFile(path), ConfigHistory(path)
        try:
            config = file.load()
        except (ConfigError, NotFoundError):
            config = None
        self.path, self.process = path, FakeProcess(config)
        self.changes = ConfigChanges(history, file, self.process, FakeApply(), Clock())
        self.sessions = ConfigSessions(history, file, self.changes, self.process, first)
        self.methods = config_methods(self.sessions, self.changes)

    async def open(self, who: str = "anna") -> Ask:
        talk = Asking()
        return Ask(self.methods, talk, await asked(self.methods, "config.open", {"who": who}, talk))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path / "dialpost.toml")
    yield made
    await made.changes.close()


async def test_without_a_session_nothing_is_reported(rig: Rig) -> None:
    required: dict[str, dict[str, JsonValue]] = {
        "set": {"key": "a", "value": ""},
        "unset": {"key": "a"},
        "rollback": {"number": 1},
        "load": {"text": ""},
    }
    for name in rig.methods:
        if name != "config.open":
            with pytest.raises(ControlError, match=r"config\.open begins one"):
                await asked(rig.methods, name, required.get(name.partition(".")[2], {}))


async def test_one_session_a_connection(rig: Rig) -> None:
    ask = await rig.open("")
    assert rig.sessions.sessions[0].who == "root"
    with pytest.raises(ControlError, match="already has a session"):
        await asked(rig.methods, "config.open", {}, ask.talk)
    ask.talk.gone()
    assert rig.sessions.sessions == ()
    assert (await rig.open()).found["session"] == 2


async def test_only_so_many(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_sessions, "MOST_SESSIONS", 2)
    await rig.open()
    ask = await rig.open()
    with pytest.raises(ControlError, match="2 sessions are already open"):
        await rig.open()
    ask.talk.gone()
    await rig.open()


@pytest.mark.parametrize(
    ("text", "mode", "number", "problem"),
    [
        (TEXT, "running", 1, ""),
        (None, "set-up", 0, ""),
        ("[station\n", "unreadable", 1, "this is not TOML"),
        (TEXT + "passwrd = 1\n", "unreadable", 1, "Did you mean"),
    ],
)
async def test_what_a_session_finds(tmp_path: Path, text: str | None, mode: str, number: int, problem: str) -> None:
    ask = await Rig(tmp_path / "dialpost.toml", text).open()
    assert (ask.found["mode"], ask.found["number"]) == (mode, number)
    assert [problem in one for one in ask.found["problems"]] == ([True] if problem else [])


async def test_a_running_station_whose_file_was_spoilt_is_edited_from_what_runs(rig: Rig) -> None:
    rig.path.write_text("[broken\n")
    ask = await rig.open()
    assert ask.found["mode"] == "running" and "not TOML" in ask.found["problems"][0]
    await ask("set", key="smtp.max_errors", value="30")
    await ask("commit")
    assert ConfigFile(rig.path).load().outbound.password == "geheim"


async def test_show(rig: Rig) -> None:
    ask = await rig.open()
    assert (await ask("show", key="outbound"))["lines"] == [
        'outbound.user = "clinic"',
        "outbound.password = (set, not shown)",
    ]
    assert (await ask("show", key="smtp.max_errors"))["lines"] == [
        "smtp.max_errors = 5"
    ]  # a default, asked by name
    everything = (await ask("show", all=True))["lines"]
    assert len(everything) > 100 and not any("geheim" in line for line in everything)
    with pytest.raises(NotFoundError, match=r"Did you mean smtp\.max_errors"):
        await ask("show", key="smtp.max_erors")


async def test_a_text_is_loaded_whole_and_all_its_faults_told_at_once(rig: Rig) -> None:
    ask = await rig.open()
    faulty = TEXT.replace('"mail.clinic.example"', '"mail"').replace(
        "[outbound]", "[smtp]\nmax_erors = 1\n[outbound]"
    )
    answer = await ask("load", text=faulty)
    assert answer["loaded"] and len(answer["problems"]) == 2
    with pytest.raises(ConfigError, match=r"station\.hostname"):
        await ask("commit")
    answer = await ask("load", text="[x")
    assert (answer["loaded"], "not TOML" in answer["problems"][0]) == (False, True)
    assert (await ask("show", key="smtp"))["lines"] == ["smtp.max_erors = (set, not shown)"]  # as it was
    blot = "(set, not shown)"
    hidden = TEXT.replace("geheim", blot) + f'[etrn]\nuser = "clinic"\npassword = "{blot}"\n'
    answer = await ask("load", text=hidden)
    assert answer["problems"] == ["etrn.password is masked in this text and unknown here: set it."]
    with pytest.raises(ConfigError, match=r"etrn\.password is masked"):
        await ask("commit")
    await ask("set", key="etrn.password", value="geheim-3")
    assert (await ask("check"))["problems"] == []
    assert "geheim" in (await ask("text", secrets=True))["text"]


async def test_commit_asks_first_when_somebody_is_cut_off(rig: Rig) -> None:
    ask = await rig.open()
    with pytest.raises(ControlError, match="Nothing has changed"):
        await ask("commit")
    await ask("set", key="smtp.listen", value="[::]:2525")
    found = await ask("check")
    assert (found["problems"], len(found["cuts"])) == ([], 1)
    with pytest.raises(WarnFirstError, match=r"no longer reachable at \[::\]:25"):
        await ask("commit", confirm_min=1)
    assert (await ask("commit", anyway=True, comment="new port"))["number"] == 2


@pytest.mark.parametrize(
    "params", [{"confirm_min": 0}, {"confirm_min": 2000}, {"confirm_min": True}, {"anyway": 1}]
)
async def test_parameters_of_another_kind_are_refused(rig: Rig, params: dict[str, int]) -> None:
    ask = await rig.open()
    await ask("set", key="smtp.max_errors", value="30")
    with pytest.raises(ControlError, match=r"(confirm_min|anyway) must be"):
        await ask("commit", **params)


async def test_discard_rollback_and_notices(rig: Rig) -> None:
    ask, other = await rig.open(), await rig.open("bruno")
    await ask("set", key="smtp.max_errors", value="30")
    await ask("discard")
    assert (await ask("compare"))["lines"] == []
    await ask("set", key="smtp.max_errors", value="30")
    await ask("commit")
    assert await ask("rollback", number=1) == {"number": 1, "problems": [], "changed": True}
    assert (await ask("compare"))["lines"] == ["- smtp.max_errors = 30"]
    assert (await ask("compare", number=1))["lines"] == []
    with pytest.raises(ControlError, match="number is missing"):
        await ask("rollback")
    assert (await ask("notices"))["notices"] == ["bruno began to edit the configuration."], "not its own commit"
    ask.talk.gone()
    assert (await other("notices"))["notices"] == [
        "Configuration 2 was committed by anna.",
        "anna ended the session without committing.",
    ]
    assert (await other("notices"))["notices"] == []


async def test_a_key_with_another_value_is_one_changed_key(rig: Rig) -> None:
    ask, other = await rig.open(), await rig.open("bruno")
    await ask("set", key="smtp.max_errors", value="30")
    await ask("set", key="station.hostname", value="post.clinic.example")
    (told,) = (await other("notices"))["others"]
    assert told["changes"] == 2


async def test_what_is_written_in_an_unusual_way_is_reported_once(tmp_path: Path) -> None:
    ask = await Rig(tmp_path / "dialpost.toml", 'link = {kind = "gateway"}\n' + TEXT).open()
    assert "was reformatted" in (await ask("set", key="link.line_rate_bps", value="9600"))["words"][0]
    assert (await ask("set", key="link.line_rate_bps", value="2400"))["words"] == []


async def test_a_file_that_is_no_text_at_all_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_bytes(b"# caf\xe9\n" + TEXT.encode())
    rig = Rig(path, None)
    ask = await rig.open()
    assert ask.found["mode"] == "unreadable" and "line 1 is not UTF-8" in ask.found["problems"][0]
    assert (await ask("text", secrets=True))["text"] == ""
    assert (await ask("compare", number=1))["lines"] == []
    with pytest.raises(ConfigError, match="not UTF-8"):
        await ask("rollback", number=1)
    assert await ask("load", text=TEXT) == {"loaded": True, "problems": [], "changed": True}
    assert (await ask("commit"))["number"] == 2


async def test_changed_is_what_compare_has_to_show(rig: Rig) -> None:
    """A value set to what it was, or changed and changed back, is no change: the prompt's star goes by this."""
    ask = await rig.open()
    steps: list[tuple[str, dict[str, Any], bool]] = [
        ("set", {"key": "smtp.max_errors", "value": "30"}, True),
        ("notices", {}, True),
        ("unset", {"key": "smtp.max_errors"}, False),
        ("set", {"key": "station.hostname", "value": "mail.clinic.example"}, False),
        ("set", {"key": "smtp.max_errors", "value": "30"}, True),
        ("discard", {}, False),
        ("set", {"key": "smtp.max_errors", "value": "30"}, True),
        ("commit", {}, False),
        ("rollback", {"number": 1}, True),
        ("rollback", {"number": 2}, False),
        ("notices", {}, False),
    ]
    for method, params, changed in steps:
        told = await ask(method, **params)
        assert (method, params, told["changed"]) == (method, params, changed)
        assert bool((await ask("compare"))["lines"]) is changed
