"""The set-up wizard at a terminal, against the real daemon without a configuration and a simulated line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.cli.console import wizard_facts
from dialpost.cli.console.wizard import SUMMARY, Site, set_up
from dialpost.cli.mail.account import service_on_card
from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.model import Config, StationConfig
from dialpost.core.console.wizard.summary import first_needed
from dialpost.core.errors import AskCancelledError, DialpostError, TerminalGoneError
from dialpost.core.findings import Finding, Severity
from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.probe import PortFacts
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.edge.line.serial_ports import serial_ports
from dialpost.sim.first_start import FirstStart
from dialpost.sim.line import LineSettings
from dialpost.sim.subscription import Subscription
from dialpost.sim.world import WorldSettings
from fakes import FakeTerminal

PAPERS = Subscription()
ADMIN, ANNA = "the admin's", "anna's secret"
LINE = [PAPERS.domain, "", "", PAPERS.number, "generic", PAPERS.user, PAPERS.password, PAPERS.password]
REST = [PAPERS.mail_host, "", "", "", "", "", "", "UTC", ADMIN, ADMIN, "anna", ANNA, ANNA, ""]
ANSWERS = [*LINE, *REST]


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FirstStart]:
    """The parameter, if there is one, is what the modem answers to the first dials."""
    line = LineSettings(dial_s=0.05, rtt_s=0.01, results=getattr(request, "param", ()))
    settings = WorldSettings(line, grace_min_s=0.3, pause_s=0.1)
    made = FirstStart(settings, tmp_path, lambda words: None, any_ports=True, with_console=False)
    await made.start()
    monkeypatch.setenv("DIALPOST_SERIAL_PORTS", str(made.modem_path))
    monkeypatch.setenv("TZ", "UTC")
    yield made
    await made.stop()


def site(world: FirstStart) -> Site:
    return Site(world.config_path, world.run_dir / SOCKET_NAME)


async def walk(world: FirstStart, answers: Iterable[str | Exception]) -> tuple[bool, FakeTerminal]:
    terminal = FakeTerminal(answers)
    done = await asyncio.to_thread(set_up, terminal, site(world))
    return done, terminal


def nothing_was_written(world: FirstStart) -> None:
    assert not world.config_path.exists()
    assert not AdminPassword(world.config_path).is_set()
    assert not (world.folder / "data" / "accounts.toml").exists()
    assert world.daemon.station is None


async def test_from_an_empty_configuration_to_mail_in_the_mailbox(world: FirstStart) -> None:
    done, terminal = await walk(world, [*ANSWERS, "yes", ""])
    assert done and not terminal.answers
    config = ConfigFile(world.config_path).load()
    assert (config.station.domains, config.modem.numbers) == ((PAPERS.domain,), ("0961555017",))
    assert config.modem.port == str(world.modem_path)
    assert AdminPassword(world.config_path).is_right(ADMIN)
    assert world.daemon.station is not None
    assert await world.daemon.station.accounts.verify("anna", ANNA)
    for words in ("  ok      dial tone: The modem hears it.", "1 received", "0961555017", "port "):
        assert words in terminal.text
    assert len(list((world.folder / "data/mail/anna/new").iterdir())) == 1
    page = (world.folder / "data" / SUMMARY).read_text()
    assert first_needed(page) in terminal.text and "The lights" in page
    for secret in (ADMIN, ANNA, PAPERS.password):
        assert secret not in terminal.text and secret not in page


@pytest.mark.slow
async def test_a_hang_up_at_any_question_leaves_nothing_and_the_wizard_begins_again(world: FirstStart) -> None:
    for length in range(len(ANSWERS) + 1):
        with pytest.raises(TerminalGoneError):
            await walk(world, ANSWERS[:length])
        nothing_was_written(world)
    assert (await walk(world, [*ANSWERS, "yes", "no"]))[0]


async def test_quit_leaves_nothing(world: FirstStart) -> None:
    done, terminal = await walk(world, [*ANSWERS, "quit"])
    assert not done and "Nothing was saved" in terminal.text
    nothing_was_written(world)


async def test_a_commit_that_fails_takes_everything_back_and_keeps_the_answers(world: FirstStart) -> None:
    make = world._make_station
    calls = []

    def failing(*args: object, **named: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise DialpostError("the card is bad")
        return make(*args, **named)  # type: ignore[arg-type]

    world.daemon._make_station = failing  # type: ignore[assignment]
    with pytest.raises(TerminalGoneError):
        await walk(world, [*ANSWERS, "yes"])
    nothing_was_written(world)
    calls.clear()
    done, terminal = await walk(world, [*ANSWERS, "yes", "yes", "no"])
    said = " ".join(terminal.text.split())
    assert done and "the card is bad" in said and "Your answers are kept." in said
    assert world.daemon.station is not None and await world.daemon.station.accounts.verify("anna", ANNA)


async def test_what_a_power_cut_left_before_the_commit_does_no_harm(world: FirstStart) -> None:
    """Accounts and password are on the card, the configuration is not."""
    AdminPassword(world.config_path).set("another one")
    data = str(world.folder / "data")
    Path(data).mkdir()
    config = Config(StationConfig(hostname="mail.clinic.example", domains=("clinic.example",), data_dir=data))
    with service_on_card(config) as service:
        await service.add("anna", "what she had typed")
    without_admin = [answer for answer in ANSWERS if answer != ADMIN]
    done, _ = await walk(world, [*without_admin, "yes", "no"])
    assert done and AdminPassword(world.config_path).is_right("another one")
    assert world.daemon.station is not None and await world.daemon.station.accounts.verify("anna", ANNA)


async def test_ctrl_c_tells_how_to_leave_and_goes_on(world: FirstStart) -> None:
    done, terminal = await walk(world, [AskCancelledError("x"), *ANSWERS, "yes", "no"])
    assert done and "`quit` leaves the wizard" in terminal.text


async def test_that_it_works_is_said_only_where_every_step_did(
    world: FirstStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The station runs and takes mail, but the network did not hear of it: whoever set it up must know."""

    async def fails(self: object, number: int) -> ApplyResult:
        return ApplyResult(applied=False, problems=("The network could not be set: it took too long.",))

    monkeypatch.setattr("dialpost.sim.first_start._NothingToApply.run", fails)
    done, terminal = await walk(world, [*ANSWERS, "yes", "no"])
    flat = " ".join(terminal.text.split())
    assert done and "The station works" not in flat
    assert "not everything works yet: - The network could not be set: it took too long." in flat


async def test_a_fault_of_the_modem_is_the_last_word_where_no_call_is_wanted(
    world: FirstStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def examine(self: object) -> AsyncIterator[Finding]:
        yield Finding("dial tone", Severity.FAULT, "There is none.", "Is the telephone cable in?")

    monkeypatch.setattr("dialpost.flow.line.modem.check.ModemCheck.examine", examine)
    done, terminal = await walk(world, [*ANSWERS, "yes", "no"])
    assert done and "The station works" not in terminal.text
    assert "The station is set up and running. The test of the modem found a fault" in " ".join(
        terminal.text.split()
    )


@pytest.mark.slow
async def test_a_wrong_number_is_reported_in_words_and_the_station_runs(world: FirstStart) -> None:
    wrong = [answer if answer != PAPERS.number else "0961 555 018" for answer in ANSWERS]
    done, terminal = await walk(world, [*wrong, "yes", "yes"])
    assert done and "NO CARRIER" in terminal.text and "The station works" not in terminal.text
    assert "The station is set up and running. The first call did not succeed" in " ".join(terminal.text.split())


@pytest.mark.slow
@pytest.mark.parametrize("world", [(DialResult.BUSY, DialResult.CONNECTED)], indirect=True)
async def test_a_first_call_that_meets_a_busy_line_is_made_again_and_told(world: FirstStart) -> None:
    done, terminal = await walk(world, [*ANSWERS, "yes", "yes"])
    assert done and "busy" in terminal.text and "1 received" in terminal.text


async def test_a_second_run_changes_a_running_station_and_keeps_its_people(world: FirstStart) -> None:
    await walk(world, [*ANSWERS, "yes", "no"])
    enters = [""] * 11
    done, terminal = await walk(
        world, ["", "", "", "0961 555 018", *enters, "bruno", ANNA, ANNA, "", "bruno", "yes", "no"]
    )
    assert done, terminal.text
    config = ConfigFile(world.config_path).load()
    assert (config.modem.numbers, config.ppp.password) == (("0961555018",), PAPERS.password)
    assert world.daemon.station is not None
    assert set(world.daemon.station.accounts.directory.accounts) == {"anna", "bruno"}


async def test_ctrl_c_while_the_call_is_shown_lets_it_go_on(world: FirstStart) -> None:
    @contextlib.contextmanager
    def interrupted() -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    terminal = FakeTerminal([*ANSWERS, "yes", ""])
    place = replace(site(world), interruptible=interrupted)
    assert await asyncio.to_thread(set_up, terminal, place)
    assert "The call continues" in terminal.text and "The station works." not in terminal.text
    assert "The station is set up and running. The first call is not over yet" in " ".join(terminal.text.split())


async def test_a_modem_that_is_plugged_in_later_is_found_by_going_back(
    world: FirstStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = serial_ports

    def ports() -> list[PortFacts]:
        looks.append(1)
        return real() if len(looks) > 1 else []

    monkeypatch.setattr(wizard_facts, "serial_ports", ports)
    again = [ANSWERS[0], "", "", "back", "", "", "back", "", *ANSWERS[2:]]
    done, terminal = await walk(world, [*again, "yes", "no"])
    assert done and len(looks) == 2
    assert "no serial port for a modem" in terminal.text
    assert ConfigFile(world.config_path).load().modem.port == str(world.modem_path)
