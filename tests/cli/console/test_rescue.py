"""The rescue menu at a terminal: from a broken configuration to a running station, with the daemon and without."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from dialpost.cli.console.rescue import Left, Rescue
from dialpost.cli.console.wizard import Site
from dialpost.core.errors import AskCancelledError, TerminalGoneError
from dialpost.daemon import Daemon
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.control_socket import SOCKET_NAME
from fakes import FakeTerminal

TEXT = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}/run"

[smtp]
listen = ["127.0.0.1:0"]
submission_listen = []
submissions_listen = []
disk_reserve_bytes = 0

[ppp]
user = "clinic"
password = "a secret of the line"

[link]
kind = "gateway"
"""


class Place:
    """A configuration file with two commits in its history, then broken, and perhaps a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "dialpost.toml"
        self.good = TEXT.format(folder=folder)
        history = ConfigHistory(self.path)
        for comment, text in (("first", self.good), ("more", self.good + "line_rate_bps = 2400\n")):
            history.commit(text, "anna", comment, 1_795_000_000, clock_trusted=True)
        history.proven()
        self.daemon: Daemon | None = None

    def spoil(self, more: str) -> None:
        self.path.write_text(self.path.read_text() + more)

    async def start(self) -> None:
        self.daemon = Daemon(self.path)
        await self.daemon.start()

    async def rescue(self, answers: Iterable[str | Exception]) -> tuple[Left | None, FakeTerminal]:
        """The menu until it is left; None if the terminal was gone first."""
        terminal = FakeTerminal(answers)
        site = Site(self.path, self.folder / "run" / SOCKET_NAME)
        menu = Rescue(terminal, argparse.Namespace(config=self.path), "serial console (ttyX)", site)
        try:
            return await asyncio.to_thread(menu.run), terminal
        except TerminalGoneError:
            return None, terminal


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setenv("DIALPOST_RUN_DIR", str(tmp_path / "run"))
    made = Place(tmp_path)
    yield made
    if made.daemon is not None:
        await made.daemon.stop()


async def test_back_to_an_earlier_configuration_and_the_station_runs(place: Place) -> None:
    await place.start()
    place.spoil("[smtp]\nfoo = 1\n")
    left, terminal = await place.rescue(["1", "2", "1"])
    assert left is Left.REPAIRED, terminal.text
    assert "this is not TOML" in terminal.text and "The station is running with configuration 4." in terminal.text
    assert place.daemon is not None and place.daemon.config is not None
    assert place.daemon.config.link.line_rate_bps == 33_600
    newest = ConfigHistory(place.path).commits()[-1]
    assert (newest.comment, newest.who) == ("back to 1", "serial console (ttyX), the rescue menu")


async def test_a_number_that_is_not_there_or_not_usable_changes_nothing(place: Place) -> None:
    await place.start()
    place.spoil("[smtp]\nfoo = 1\n")
    before = place.path.read_text()
    left, terminal = await place.rescue(["2", "99", "2", "3", "2", "", "0"])
    assert left is Left.GONE and place.path.read_text() == before
    assert "99 is not in the list." in terminal.text and "Number 3 can't be used" in terminal.text


async def test_one_setting_is_repaired_with_its_faults_in_words(place: Place) -> None:
    await place.start()
    place.spoil('foo = 1\nkind2 = "fast"\n')
    left, terminal = await place.rescue(["3", "link.foo", "", "link.kind2", "", "yes"])
    assert left is Left.REPAIRED, terminal.text
    assert "There is no key link.foo" in terminal.text
    assert "link" in ConfigFile(place.path).read() and "foo" not in ConfigFile(place.path).read()
    assert "a secret of the line" not in terminal.text


async def test_a_secret_is_repaired_unseen_and_typed_twice(place: Place) -> None:
    await place.start()
    place.path.write_text(place.path.read_text().replace('"a secret of the line"', "5"))
    new = "nobody's business"
    left, terminal = await place.rescue(["3", "ppp.password", new, "another", "ppp.password", new, new, "yes"])
    assert left is Left.REPAIRED, terminal.text
    assert "The passwords don't match." in terminal.text and new not in terminal.text
    assert ConfigFile(place.path).load().ppp.password == new


async def test_a_pasted_configuration_is_checked_before_it_counts(place: Place) -> None:
    place.spoil("nonsense")
    await place.start()
    before = place.path.read_text()
    wrong, right = ["[station]", "hostname = 5", "."], [*place.good.splitlines(), "."]
    left, terminal = await place.rescue(["4", *wrong, "4", "x", "drop", "4", *right])
    assert left is Left.REPAIRED, terminal.text
    assert "station.hostname" in terminal.text
    assert place.path.read_text() != before
    assert place.daemon is not None and place.daemon.config is not None


async def test_the_wizard_starts_from_what_is_good_in_the_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.spoil("foo = 1\n")
    await place.start()
    monkeypatch.setenv("TZ", "UTC")
    walk = [
        "",
        "",
        "",
        "",
        "",
        "",
        "the admin's",
        "the admin's",
        "anna",
        "anna's secret",
        "anna's secret",
        "",
        "yes",
    ]
    left, terminal = await place.rescue(["5", "", "", "smtp.provider.example", *walk[1:]])
    assert left is Left.REPAIRED, terminal.text
    config = ConfigFile(place.path).load()
    assert config.station.domains == ("clinic.example",) and config.link.kind.value == "gateway"
    assert config.station.data_dir == f"{place.folder}/data"


async def test_without_a_daemon_what_is_repaired_counts_at_the_next_start(place: Place) -> None:
    place.spoil("foo = 1\n")
    left, terminal = await place.rescue(["1", "2", "2", "0"])
    assert left is Left.GONE
    assert "The daemon is not running either" in terminal.text
    assert "Saved as number 4. It takes effect when the daemon starts." in terminal.text
    await place.start()
    assert place.daemon is not None and place.daemon.config is not None
    assert place.daemon.config.link.line_rate_bps == 2400


async def test_the_reset_wants_the_very_words(place: Place) -> None:
    place.spoil("foo = 1\n")
    (place.folder / "data").mkdir()
    marker = place.folder / "data" / "factory-reset"
    left, terminal = await place.rescue(["7", "yes", "0"])
    assert left is Left.GONE and not marker.exists() and "Nothing was deleted." in terminal.text
    left, terminal = await place.rescue(["7", "Erase everything", "0"])
    assert marker.exists() and "nothing here erases it" in terminal.text.replace("\n", " ")


async def test_log_reboot_and_prompt(place: Place) -> None:
    place.spoil("foo = 1\n")
    await place.start()
    left, terminal = await place.rescue(["6", "8", "no", "8", "yes", "9"])
    assert left is Left.PROMPT
    assert "This is not an installed station: the machine is left as it is." in terminal.text


async def test_noise_and_ctrl_c_do_nothing(place: Place) -> None:
    place.spoil("foo = 1\n")
    await place.start()
    before = place.path.read_text()
    noise: list[str | Exception] = [
        "",
        "\x07\x00",
        "99",
        "漁船",
        "2 ",
        AskCancelledError("x"),
        AskCancelledError("x"),
        "0",
    ]
    left, terminal = await place.rescue(noise)
    assert left is Left.GONE and place.path.read_text() == before
    assert terminal.text.count("Enter one of the numbers") == 5


async def test_a_hang_up_in_the_middle_changes_nothing(place: Place) -> None:
    place.spoil("foo = 1\n")
    await place.start()
    before = place.path.read_text()
    for answers in (["2"], ["3", "link.foo"], ["4", "[station]"], ["5", ""], ["7"]):
        left, _ = await place.rescue(answers)
        assert left is None and place.path.read_text() == before
