"""The console's commands with a real daemon behind them, typed at a terminal whose every byte is known."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from console_rig import CONFIG, LiveDaemon, ScriptedTty, live_daemon, make_shell, typed
from dialpost.cli.parser import command_parser
from dialpost.core.config.fields import sections
from dialpost.core.console.commands import COMMANDS
from dialpost.core.errors import TerminalGoneError
from dialpost.core.toml_text import parse_toml
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.system import machine
from dialpost.edge.system.usb import sticks as usb_sticks
from known import is_a, known


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """One daemon for the tests that commit nothing."""
    with live_daemon(tmp_path_factory.mktemp("station")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


# -- the table and the code ---------------------------------------------------------------------------------


def test_every_command_of_the_table_is_carried_out_by_something(station: LiveDaemon) -> None:
    shell, _ = make_shell(station.config_path, ScriptedTty())
    assert shell.known == {command.name for command in COMMANDS if not command.face}


def _verbs(name: str) -> set[tuple[str, ...]]:
    verbs = command_parser(name).commands
    return {(name, verb) for verb in verbs.choices} if verbs else {(name,)}


@cases("name", ["status", "call", "queue", "trace", "account", "alias", "doctor", "modem", "board"])
def test_the_faces_are_the_commands_of_the_command_line_all_of_them(name: str) -> None:
    told = {
        tuple(word for word in one.face if not word.startswith("-")) for one in COMMANDS if one.face[:1] == (name,)
    }
    assert told == _verbs(name)


# -- looking ------------------------------------------------------------------------------------------------


def test_the_configuration_is_shown_whole_in_part_and_with_defaults(station: LiveDaemon) -> None:
    said = typed(station.config_path, "show", "show outbound", "show all budget", "show station.hostnam")
    assert 'station.hostname = "mail.clinic.example"' in said
    assert said.count('outbound.smarthost = "smtp.provider.example"') == 2
    assert "budget.billing_step_s = 60" in said
    assert "There is no key station.hostnam. Did you mean station.hostname" in said


def test_what_is_not_understood_is_reported_and_nothing_is_done(station: LiveDaemon) -> None:
    said = typed(
        station.config_path, "dance", "commit now", "set xyzzy.x 1", "set smtp.max_connections many", "history x"
    )
    assert "Unknown command: dance." in said
    assert "Unexpected: now. Usage: commit" in said
    assert "There is no key xyzzy.x" in said
    assert 'smtp.max_connections = "many" is not allowed' in said
    assert "Unexpected: x." in said
    assert "dialpost*>" not in said


def test_help_and_explain(station: LiveDaemon) -> None:
    said = typed(
        station.config_path, "help", "help commit confirm", "help smtp.listen", "explain lan", "help dance"
    )
    assert "The configuration: nothing takes effect before `commit`" in said
    assert "commit confirm MINUTES" in said and "ends or drops before `confirm`" in said.replace("\n  ", " ")
    assert "Addresses that accept mail from the LAN and the provider." in said
    assert "Unknown command: dance." in said


def test_commands_of_the_command_line_say_what_they_say_there(station: LiveDaemon) -> None:
    said = typed(
        station.config_path,
        "status",
        "queue list",
        "dialpost call history",
        "trace nobody@x.example",
        "call dance",
        "modem countries austria",
        "call history --limit 0",
        "account passwd nobody",
        "secret-word",
        "secret-word",
    )
    assert "mail.clinic.example: Dialpost" in said
    assert "No messages are waiting." in said and "No call has been made yet." in said
    assert "austria: Austria" in said
    assert "must be a whole number from 1 to 10000" in said
    assert "nobody" in said and "secret-word" not in said.split("Password for nobody")[1].split("dialpost>")[0]


def test_an_account_is_made_with_its_password_unseen(own: LiveDaemon) -> None:
    said = typed(own.config_path, "account add anna", "correct horse", "correct horse", "account list")
    assert "Account anna created: anna@clinic.example" in said
    assert "horse" not in said


def test_a_question_of_a_command_is_asked_here(own: LiveDaemon) -> None:
    said = typed(own.config_path, "account add anna", "correct horse", "\x03", "status")
    assert "Cancelled." in said or "Interrupted." in said
    assert "Accounts  0" in said


def test_the_log_and_name_service_are_asked_of_the_daemon(
    station: LiveDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "journal", lambda lines: None)
    said = typed(station.config_path, "log 400", "log many", "lookup", "lookup 127.0.0.1 xyzzy")
    assert "it can't be used as configured" in said
    assert "LINES must be a number from 1 to 500." in said
    assert "Missing NAME. Usage: lookup NAME [TYPE]" in said


def test_a_long_output_stops_at_the_end_of_each_screen_until_q(station: LiveDaemon) -> None:
    class Slow(ScriptedTty):
        """Somebody who looks before pressing the next key."""

        def read(self, timeout_s: float) -> bytes:
            return b"" if timeout_s == 0 or not keys else keys.pop(0) if keys else super().read(timeout_s)

    keys = [b"help\r", b" ", b"\r", b"q"]
    tty = Slow(lines=24)
    tty._typed = []
    shell, session = make_shell(station.config_path, tty)
    keys.append(b"exit\r")
    shell.run()
    session.close()
    assert tty.text.count("--more--") == 3
    rows = tty.text.split("--more--")
    assert len(rows[0].split("\n")) - 1 == 23 + 1  # the command's own row is above
    assert rows[2].count("\n") == 1
    assert "factory-reset" not in tty.text


def test_a_paste_behind_a_long_output_is_not_eaten_by_the_pager(station: LiveDaemon) -> None:
    assert "--more--" not in typed(station.config_path, "help", "who", lines_shown=24)


def test_json_is_neither_folded_nor_stopped_at_the_end_of_a_screen(station: LiveDaemon) -> None:
    said = typed(station.config_path, "modem countries austria --json", lines_shown=6, columns=40)
    (country,) = json.loads(said[said.index("\n[\n") : said.index("\n]\n") + 3])
    assert country["name"] == "austria" and len(country["source"]) > 40


def test_a_configuration_to_copy_is_not_folded(station: LiveDaemon) -> None:
    why = "a comment that is too long for a narrow terminal"
    said = typed(
        station.config_path, f"set station.hostname {'a' * 50}.example", f"# {why}", "save to screen", columns=40
    )
    assert f'hostname = "{"a" * 50}.example"\n' in said


def test_a_hint_names_the_command_as_it_is_typed_here(station: LiveDaemon) -> None:
    said = typed(station.config_path, "set qqqqq 1", "explain", "call history", "queue show D9999999")
    assert "`explain` lists them all" in said and "`dialpost config" not in said
    assert "Addresses" in said or "smtp" in said
    assert "`queue list` shows the waiting mail" in said


def test_explain_alone_lists_the_sections(station: LiveDaemon) -> None:
    said = typed(station.config_path, "explain")
    assert [name for name in sections() if f"  {name} " not in said] == []


def test_the_history_has_the_stations_time(own: LiveDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT-9")
    time.tzset()
    try:
        said = typed(own.config_path, "set budget.minutes_per_day 30", "commit", "history")
        newest = known(ConfigHistory(own.config_path).current())
        assert time.strftime("%Y-%m-%d %H:%M", time.gmtime(newest.when_s + 9 * 3600)) in said
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "UTC" not in said


@pytest.mark.parametrize("minutes", ["0", "1441", "nan", "soon"])
def test_minutes_that_are_out_of_range_are_told_by_their_name_here(station: LiveDaemon, minutes: str) -> None:
    said = typed(station.config_path, f"commit confirm {minutes}")
    assert "MINUTES must be a number from 0.01 to 1440." in said and "confirm_min" not in said


# -- changing -----------------------------------------------------------------------------------------------


def test_a_change_is_compared_committed_numbered_and_rolled_back(own: LiveDaemon) -> None:
    said = typed(
        own.config_path,
        "set budget.minutes_per_day 30",
        "compare",
        "check",
        "commit comment a budget",
        "history",
        "show budget",
        "rollback 1",
        "commit",
        "compare",
        "history",
        "rollback 9",
        "rollback x",
    )
    assert "budget.minutes_per_day = 30.0" in said
    assert "Committed as number 2." in said and "a budget" in said
    assert "Configuration 1 is now your candidate" in said and "Committed as number 3." in said
    assert "No differences." in said
    assert "x is not a number" in said
    assert "minutes_per_day" not in own.config_path.read_text()


def test_lists_grow_and_shrink_item_by_item_and_unset_goes_back_to_the_default(own: LiveDaemon) -> None:
    said = typed(
        own.config_path,
        "set station.domains[2] branch.example",
        "show station.domains",
        "unset station.domains[1]",
        "unset outbound.smarthost",
        "show outbound",
        "discard",
        "show station",
    )
    assert '"branch.example"' in said
    assert "Changes discarded." in said
    assert said.rstrip().endswith("dialpost>")
    assert 'station.domains = ["clinic.example"]' in said.rpartition("forgotten.")[2]


def test_a_secret_is_asked_twice_never_shown_and_kept_whole(own: LiveDaemon) -> None:
    said = typed(
        own.config_path,
        "set outbound.user clinic",
        "set outbound.password",
        'p"w, ä\\',
        'p"w, ä\\',
        "show outbound",
        "compare",
        "commit",
        "save to screen",
        "set outbound.password one",
        "\x1b[A",
        "set outbound.password",
        "one",
        "two",
    )
    assert 'p"w' not in said and "(set, not shown)" in said
    assert "Committed as number 2." in said
    assert said.count("Enter `set outbound.password` without the value") == 1
    assert said.count("set outbound.password one") == 1  # nor is it in the history
    assert "The passwords don't match." in said
    assert 'p\\"w, ä\\\\' in own.config_path.read_text()


def test_a_value_not_given_is_asked_for_with_its_help(own: LiveDaemon) -> None:
    said = typed(
        own.config_path, "set budget.currency", "EUR", "set xyzzy", "set budget.currency", "\x03", "show budget"
    )
    assert "budget.currency = EUR" in said and 'budget.currency = "EUR"' in said
    assert "There is no key xyzzy" in said


def test_who_is_cut_off_is_said_before_the_commit_and_asked(own: LiveDaemon) -> None:
    said = typed(own.config_path, "set smtp.listen 127.0.0.2:0", "commit", "no", "commit", "yes")
    assert said.count("WARNING  smtp.listen: the station is no longer reachable at 127.0.0.1:0.") == 2
    assert "`commit confirm 5` would roll it back" in said
    assert "Nothing was committed." in said and said.count("Committed as number 2.") == 1


def test_a_faulty_candidate_is_not_committed(own: LiveDaemon) -> None:
    said = typed(own.config_path, "set call.grace_min_s 61", "check", "commit")
    assert said.count("call.grace_min_s = 61 must not be greater than call.grace_max_s = 60") == 2
    assert "Committed" not in said


def test_check_tells_of_a_modem_a_country_and_a_board_that_nobody_knows(own: LiveDaemon) -> None:
    """Without them no call is made and no light lit; the file itself is good."""
    said = typed(
        own.config_path,
        "set link.kind modem",
        "set modem.port /dev/null",
        "set modem.numbers 0961555017",
        "set modem.profile nix",
        "set modem.country atlantis",
        "set panel.board rpi-9",
        "check",
        "set panel.board none",
        "set modem.profile hayes",
        "set modem.country austria",
        "check",
    )
    first, second = said.split("> check\n")[1:]
    for key, name in (("modem.profile", "nix"), ("modem.country", "atlantis"), ("panel.board", "rpi-9")):
        assert f'WARNING  {key}: There is no "{name}" among' in first
        assert f"{key}:" not in second
    assert "No faults. You can `commit` it." in first and "No faults. You can `commit` it." in second


def test_confirm_minutes_are_checked(own: LiveDaemon) -> None:
    said = typed(own.config_path, "set budget.currency EUR", "commit confirm soon", "commit confirm 0", "confirm")
    assert "MINUTES must be a number from 0.01 to 1440." in said
    assert "Committed" not in said


def test_leaving_with_changes_is_asked(own: LiveDaemon) -> None:
    said = typed(own.config_path, "set budget.currency EUR", "exit", "no", "compare", "exit", "yes", "never read")
    assert said.count("Leave and drop them? Type yes:") == 2
    assert "never read" not in said


def test_somebody_else_committed_meanwhile(own: LiveDaemon) -> None:
    tty = ScriptedTty("set budget.currency EUR\r")
    shell, session = make_shell(own.config_path, tty, who="the first")
    with pytest.raises(Exception, match="gone"):
        shell.run()
    said = typed(own.config_path, "who", "set call.cooldown_s 2", "commit")
    assert re.search(r"the first, for \d+ s: 1 key changed, not committed", said)
    tty._typed = [b"commit\rrebase\rcommit\rhistory\r"]
    with pytest.raises(Exception, match="gone"):
        shell.run()
    session.close()
    assert "`rebase` applies your changes on top of it." in tty.text
    assert "Your changes now apply to configuration 2." in tty.text and "Committed as number 3." in tty.text


# -- texts and sticks ---------------------------------------------------------------------------------------


def test_a_saved_text_means_the_same_where_the_terminal_has_ascii_alone(own: LiveDaemon) -> None:
    said = typed(own.config_path, r'set outbound.user "j\u00fcrgen@gr\u00f6\u00dfe"', "save to screen")
    printed = said.partition("save to screen\n")[2].rpartition("dialpost*>")[0]
    outbound = parse_toml(printed)["outbound"]
    assert is_a(dict, outbound)["user"] == "jürgen@größe"


def test_a_pasted_text_becomes_the_candidate_with_its_secrets_kept(own: LiveDaemon) -> None:
    typed(own.config_path, "set outbound.user clinic", "set outbound.password", "geheim", "geheim", "commit")
    printed = typed(own.config_path, "save to screen").partition("save to screen\n")[2].rpartition("dialpost>")[0]
    assert "geheim" not in printed
    said = typed(
        own.config_path,
        "restore from paste",
        *printed.splitlines(),
        "[budget]",
        'currency\t= "EUR"',
        ".",
        "compare",
        "commit",
        "restore from paste",
        "x = [",
        ".",
        "restore from paste",
        "junk",
        "\x03",
        "compare",
    )
    assert "1 change from the current configuration." in said and "Committed as number 3." in said
    assert "this is not TOML" in said or "This is not TOML" in said
    assert "Nothing was loaded" in said
    assert "geheim" in own.config_path.read_text() and "currency" in own.config_path.read_text()


def test_changes_not_committed_are_not_replaced_without_a_yes(own: LiveDaemon) -> None:
    typed(own.config_path, "set budget.currency CHF", "commit")
    said = typed(
        own.config_path,
        "set budget.currency EUR",
        "rollback 1",
        "no",
        "restore from paste",
        "",
        "compare",
        "rollback 1",
        "yes",
        "compare",
    )
    assert said.count("You have uncommitted changes (`compare` shows them). They would be lost.") == 3
    assert said.count("Your changes are kept.") == 2
    kept, lost = said.split("Configuration 1 is now your candidate")
    assert 'currency = "EUR"' in kept.rpartition("Your changes are kept")[2]
    assert 'currency = "EUR"' not in lost


def test_saved_to_a_stick_and_restored_from_it(
    own: LiveDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    none = typed(own.config_path, "save to usb", "restore from usb")
    assert none.count("No USB stick found.") == 2
    monkeypatch.setattr(usb_sticks, "mounted", lambda: [stick])
    said = typed(
        own.config_path,
        "restore from usb",
        "save to usb first",
        "set budget.currency EUR",
        "save to usb",
        "commit",
        "restore from usb first",
        "compare",
        "commit",
        "restore from usb nothing",
        "save to usb ../etc",
    )
    assert "The stick has no configuration (*.toml) in its top folder." in said
    assert "Saved as first.toml, including secrets. You can remove the stick." in said
    assert "without your uncommitted changes" in said
    assert "Reading first.toml." in said and "- budget.currency" in said
    assert "nothing.toml is not on the stick." in said
    assert "../etc is not a valid file name" in said
    assert len(list(stick.iterdir())) == 2


# -- the machine --------------------------------------------------------------------------------------------


def test_the_password_is_changed_with_the_old_one_and_twice_the_new(own: LiveDaemon) -> None:
    said = typed(
        own.config_path,
        "password",
        "short",
        "password",
        "correct horse",
        "correct house",
        "password",
        "correct horse",
        "correct horse",
        "password",
        "wrong",
        "password",
        "correct horse",
        "another one",
        "another one",
    )
    assert "too short" in said and "The passwords don't match" in said and "Wrong password" in said
    assert said.count("Console password changed.") == 2
    for secret in ("horse", "house", "another"):
        assert secret not in said
    assert AdminPassword(own.config_path).is_right("another one")


def test_a_factory_reset_is_asked_twice_and_leaves_its_mark(own: LiveDaemon) -> None:
    marker = own.folder / "data" / "factory-reset"
    said = typed(own.config_path, "factory-reset", "no", "factory-reset", "yes", "erase all")
    assert said.count("Nothing was deleted.") == 2 and not marker.exists()
    said = typed(own.config_path, "factory-reset", "yes", "erase everything")
    assert "at its next start" not in said, "nothing on a development tree would do it"
    assert "nothing here erases it" in said.replace("\n", " ") and marker.exists()
    assert "a test" in marker.read_text()


def test_this_machine_is_not_ended_by_a_station_under_test(station: LiveDaemon) -> None:
    said = typed(station.config_path, "reboot", "no", "reboot", "yes", "shutdown", "yes")
    assert "Cancelled." in said
    assert said.count("This is not an installed station: the machine is left as it is.") == 2


def test_a_daemon_that_is_gone_is_reported_and_the_console_stays(tmp_path: Path) -> None:
    with live_daemon(tmp_path, CONFIG) as daemon:
        tty = ScriptedTty("set budget.currency EUR\r")
        shell, session = make_shell(daemon.config_path, tty)
        with pytest.raises(Exception, match="gone"):
            shell.run()
    tty._typed = [b"commit\rshow\rhelp who\rstatus\r"]
    with pytest.raises(Exception, match="gone"):
        shell.run()
    session.close()
    assert "Uncommitted changes are lost." in tty.text
    assert tty.text.count("No Dialpost daemon is running") >= 1
    assert "who else is at a console" in tty.text


_PIECES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [
                b"set ",
                b"show ",
                b"unset ",
                b"budget.",
                b"station.domains[2] ",
                b"commit confirm x",
                b"\t",
                b"?",
                b"\r",
                b"help ",
                b"compare\r",
                b"rollback 1\r",
                b"restore from paste\r",
                b".\r",
                b"\x1b[A",
                b"\x15",
                b'"',
                b"outbound.password",
                b"discard\r",
                b"check\r",
                b"who\r",
                b"queue show ",
                b"log 5\r",
            ]
        ),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(_PIECES)
def test_whatever_is_typed_the_session_goes_on_to_its_end(station: LiveDaemon, pieces: list[bytes]) -> None:
    """No bytes make a fault of ours; nothing is committed without `commit`."""
    before = station.config_path.read_bytes()
    tty = ScriptedTty(b"".join(pieces).replace(b"\x04", b""))
    shell, session = make_shell(station.config_path, tty)
    with contextlib.suppress(TerminalGoneError):
        shell.run()
    session.close()
    assert "A fault in Dialpost" not in tty.text
    assert station.config_path.read_bytes() == before


def test_the_prompt_has_its_star_only_where_there_is_a_difference(station: LiveDaemon) -> None:
    before, after = typed(station.config_path, "set budget.currency EUR", "show budget").split("show budget", 1)
    assert "dialpost*> " in before and "dialpost*> " in after
    same = typed(
        station.config_path,
        "set station.hostname mail.clinic.example",
        "set budget.currency EUR",
        "unset budget.currency",
        "show budget",
        "compare",
    )
    assert "No differences." in same
    assert "dialpost*> " not in same.split("show budget", 1)[1]
