"""The set-up at a serial console of 9600 bit/s, the real program at a pseudo-terminal: bad answers, the way back,
line noise, a session killed in the middle, and the rescue menu from a broken configuration to a running station.

The straight way through is tests/test_first_ten_minutes.
"""

from __future__ import annotations

import random
import shlex
import shutil
import signal
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import ConfigError
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient
from dialpost.sim.console_seat import ConsoleSeat
from first_start_rig import FirstStartRig, kill

pytestmark = pytest.mark.slow

ADMIN, DIAL, ANNA = "harbour-gate", "blue-harbour-17", "anna-and-post"


@pytest.fixture
def rig() -> Iterator[FirstStartRig]:
    with FirstStartRig("--dial-s", "0.2", "--rtt-ms", "20") as made:
        made.press_enter()
        yield made


def to_the_users(rig: FirstStartRig) -> None:
    """The usual answers, up to the admin password."""
    for prompt, line in (
        ("Domain:", "clinic.example"),
        ("Link [1]:", ""),
        ("Modem [1]:", ""),
        ("Provider's number:", "0961 555 017"),
        ("Country [6]:", ""),
        ("Dial-in user:", "clinic"),
        ("Dial-in password:", DIAL),
        ("again:", DIAL),
        ("Mail host:", "mail.provider.example"),
        ("Mail login [1]:", ""),
        ("Incoming mail [1]:", ""),
        ("ETRN host [mail.provider.example]:", ""),
        ("Trusted line [1]:", ""),
        ("Call times [none]:", ""),
        ("Local network [1]:", ""),
        ("Time zone [UTC]:", ""),
        ("Admin password:", ADMIN),
        ("again:", ADMIN),
    ):
        rig.answer(prompt, line)


def users_and_yes(rig: FirstStartRig) -> None:
    for prompt, line in (("User 1:", "anna"), ("anna's password:", ANNA), ("again:", ANNA), ("User 2:", "")):
        rig.answer(prompt, line)
    rig.answer("`yes`, or a number:", "yes")


def nothing_was_written(rig: FirstStartRig) -> None:
    for name in ("dialpost.toml", "console-password", "data/accounts.toml", "data/summary.txt"):
        assert not (rig.folder / name).exists(), name


def status(rig: FirstStartRig) -> dict[str, object]:
    found: dict[str, object] = ControlClient(rig.folder / "run" / SOCKET_NAME).call("status")
    return found


def test_bad_answers_the_way_back_and_noise_on_the_line(rig: FirstStartRig) -> None:
    console, chance = rig.console, random.Random(5)
    rig.answer("Domain:", "no domain!")
    rig.answer("Domain:", "clinic.example")
    rig.answer("Link [1]:", "7")
    console.expect_exact("Enter a number from 1 to 3.")
    rig.answer("Link [1]:", "?")
    console.expect_exact("previous question")
    rig.answer("Link [1]:", "")
    rig.answer("Modem [1]:", "back")
    rig.answer("Link [1]:", "back")
    rig.answer("Domain [clinic.example]:", "")
    rig.answer("Link [1]:", "")
    rig.answer("Modem [1]:", "")
    console.expect_exact("Provider's number:")
    noise = bytes(chance.randrange(256) for _ in range(300)).replace(b"\r", b"").replace(b"\n", b"")
    console.write((noise.replace(b"\x1d", b"").replace(b"\x14", b"")).decode("latin-1"))
    console.send("\x15\r")  # what is left of it is wiped out, as an operator would
    rig.answer("Provider's number:", "0961 555 017")
    for prompt, line in (
        ("Country [6]:", ""),
        ("Dial-in user:", "clinic"),
        ("Dial-in password:", DIAL),
        ("again:", "other"),
        ("Dial-in password:", DIAL),
        ("again:", DIAL),
        ("Mail host:", "clinic.example"),
    ):
        rig.answer(prompt, line)
    console.expect_exact("this station itself")
    for prompt, line in (
        ("Mail host:", "mail.provider.example"),
        ("Mail login [1]:", ""),
        ("Incoming mail [1]:", ""),
        ("ETRN host", ""),
        ("Trusted line [1]:", ""),
        ("Call times", ""),
        ("Local network [1]:", "2"),
        ("Address:", "192.168.1.25/24"),
        ("Router [none]:", "10.0.0.1"),
    ):
        rig.answer(prompt, line)
    console.expect_exact("is unreachable")
    for prompt, line in (
        ("Router [none]:", "192.168.1.1"),
        ("Name server [192.168.1.1]:", "192.168.1.2 nowhere"),
        ("Name server [192.168.1.1]:", ""),
        ("Time zone [UTC]:", "Europe/Atlantis"),
        ("Time zone [UTC]:", ""),
        ("Admin password:", "short"),
        ("Admin password:", ADMIN),
        ("again:", ADMIN),
    ):
        rig.answer(prompt, line)
    users_and_yes(rig)
    rig.answer("Call now?", "no")
    console.expect_exact("dialpost> ")
    config = ConfigFile(rig.folder / "dialpost.toml").load()
    assert (config.modem.numbers, config.lan.address) == (("0961555017",), "192.168.1.25/24")
    assert (config.lan.gateway, config.lan.dns) == ("192.168.1.1", ("192.168.1.1",))
    assert config.ppp.password == DIAL
    assert status(rig)["hostname"] == "mail.clinic.example"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_session_that_ends_in_the_middle_leaves_nothing_and_the_next_begins_again(
    rig: FirstStartRig, number: signal.Signals
) -> None:
    to_the_users(rig)
    rig.console.expect_exact("User 1:")
    for pid in rig.console_pids():
        kill(pid, number)
    rig.press_enter()
    rig.console.expect_exact("Domain: ")
    nothing_was_written(rig)
    rig.console.send("\r")
    rig.console.expect_exact("Please enter an answer")
    to_the_users(rig)
    users_and_yes(rig)
    rig.answer("Call now?", "")
    rig.console.expect_exact("1 received")
    rig.console.expect_exact("dialpost> ")
    assert len(list((rig.folder / "data/mail/anna/new").iterdir())) == 1


def test_a_program_that_leaves_the_port_and_comes_back_finds_the_wizard_where_it_was(rig: FirstStartRig) -> None:
    rig.answer("Domain:", "clinic.example")
    rig.console.expect_exact("Link [1]:")
    rig.console.close(force=True)
    rig.console = rig.attach()
    rig.console.send("back\r")
    rig.console.expect_exact("Domain [clinic.example]:")


def set_up(rig: FirstStartRig) -> Path:
    """A station that was set up and switched off; where its configuration is."""
    to_the_users(rig)
    users_and_yes(rig)
    rig.answer("Call now?", "no")
    rig.console.expect_exact("dialpost> ")
    rig.end_first()
    rig.console.close(force=True)
    return rig.folder / "dialpost.toml"


def start_again(rig: FirstStartRig) -> None:
    """With a configuration that can't be used; the password is typed."""
    with pytest.raises(ConfigError):
        ConfigFile(rig.folder / "dialpost.toml").load()
    rig.start_first()
    rig.console = rig.attach()
    rig.press_enter()
    rig.answer("Password:", ADMIN)


def test_a_broken_configuration_is_put_right_by_itself_and_said(rig: FirstStartRig) -> None:
    path = set_up(rig)
    path.write_text(path.read_text() + "[broken\n")
    start_again(rig)
    rig.console.expect_exact("dialpost> ")
    rig.console.send("status\r")
    rig.console.expect_exact("this is not TOML")
    rig.console.expect_exact("dialpost> ")
    ConfigFile(path).load()
    assert len(list(rig.folder.glob("dialpost.toml.spoilt-*"))) == 1


def test_the_rescue_menu_leads_to_a_station_that_takes_mail_where_no_earlier_configuration_is_left(
    rig: FirstStartRig,
) -> None:
    """The file can't be used, and what the card keeps of earlier ones is lost: nothing stands in for it."""
    path = set_up(rig)
    whole = path.read_text()
    path.write_text(whole.replace("[station]\n", "[station]\nfoo = 1\n", 1))
    shutil.rmtree(path.with_name("dialpost.toml.history"))
    start_again(rig)
    for number, said in (
        ("1", "station.foo"),
        ("2", "There is no usable earlier configuration"),
        ("4", "Paste it now."),
    ):
        rig.console.expect_exact("This is the rescue menu.")
        rig.answer("Number:", number)
        rig.console.expect_exact(said)
    rig.console.send("nonsense\r.\r")
    rig.console.expect_exact("This is the rescue menu.")
    rig.answer("Number:", "3")
    rig.answer("Which key?", "station.foo")
    rig.answer("remove the key)", "")
    rig.answer("Put it into effect?", "yes")
    rig.console.expect_exact("The station is running")
    rig.console.expect_exact("dialpost> ")
    assert ConfigFile(path).load().modem.numbers == ("0961555017",)
    assert status(rig)["hostname"] == "mail.clinic.example"
    with smtplib.SMTP("127.0.0.1", rig.port("listen"), timeout=60) as smtp:
        smtp.sendmail("x@far.example", ["anna@clinic.example"], "Subject: after the rescue\r\n\r\nx\r\n")
    rig.console.send("exit\r")


@pytest.mark.parametrize("name", ["an office", "l'office", "a$b"])
def test_the_way_to_the_console_can_be_pasted_into_a_shell(tmp_path: Path, name: str) -> None:
    seat = ConsoleSeat(tmp_path / "c.toml", tmp_path / name / "console", 9600, {})
    first, second = (shlex.split(line.partition(" (")[0]) for line in seat.lines())
    assert first[:2] == ["screen", str(seat.link)] and first[first.index("-D") + 1] == str(seat.link)
    assert second[second.index("--raw") + 1 :] == [str(seat.link), "9600"]
