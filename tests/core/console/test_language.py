"""The command language: lines understood, Tab and "?", all from one table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.fields import all_fields, sections
from dialpost.core.console.choices import field_of, key_help, keys, known_choices, section_list
from dialpost.core.console.commands import COMMANDS, Argument, Command, Group, Source
from dialpost.core.console.editor import Completion
from dialpost.core.console.language import Fault, Language, Order, _argument_at, _table
from dialpost.core.console.row import Row
from dialpost.core.errors import NotFoundError

OPTIONS = (("--no-wait", "return at once"), ("--over-budget", "call all the same"))


def sources(source: Source, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    if source is Source.ACCOUNT:
        return [("anna", ""), ("bruno", "")]
    return known_choices(source, words)


LANGUAGE = Language(sources, lambda face: OPTIONS if face == ("call", "now") else ())


def parsed(line: str) -> tuple[str, tuple[str, ...]]:
    order = LANGUAGE.parse(line)
    assert isinstance(order, Order), order
    return order.command.name, order.arguments


@cases(
    ("line", "name", "arguments"),
    [
        ("show", "show", ()),
        ("show all", "show all", ()),
        ("show all smtp", "show all", ("smtp",)),
        ("show smtp", "show", ("smtp",)),
        ("sho", "show", ()),
        ("com", None, "com is ambiguous: compare or commit?"),
        ("comm", "commit", ()),
        ("comm conf 5", "commit confirm", ("5",)),
        ("confirm", "confirm", ()),
        ("commit confirm", None, "Missing MINUTES. Usage: commit confirm MINUTES"),
        ("commit now", None, "Unexpected: now. Usage: commit"),
        ("commit comment for the new printer", "commit comment", ("for the new printer",)),
        ("set station.hostname mail.a.example", "set", ("station.hostname", "mail.a.example")),
        (
            'set station.domains ["a.example",  "b.example"]',
            "set",
            ("station.domains", '["a.example",  "b.example"]'),
        ),
        ('set ppp.login.1 "two  blanks "', "set", ("ppp.login.1", '"two  blanks "')),
        ("set ppp.password", "set", ("ppp.password",)),
        ("set", None, "Missing KEY. Usage: set KEY [VALUE]"),
        ("unset a b", None, "Unexpected: b. Usage: unset KEY"),
        ("save", None, "Incomplete command: save. Expected: to."),
        ("save from usb", None, "Unknown command: save from. Expected: to."),
        ("save to usb", "save to usb", ()),
        ("rest from paste", "restore from paste", ()),
        ("dialpost call now --no-wait", "call now", ("--no-wait",)),
        ("call stop", "call stop", ()),
        ('account edit anna --full-name "Anna B."', "account edit", ("anna", "--full-name", "Anna B.")),
        ("q", None, "Incomplete command: queue. Expected: list, show, retry, hold, release or delete."),
        ("save to", None, "Incomplete command: save to. Expected: usb or screen."),
        ("xyzzy 1", None, "Unknown command: xyzzy. `help` lists the commands."),
        (
            "call",
            None,
            "Incomplete command: call. Expected: now, cancel, stop, history, show, forecast, budget or learned.",
        ),
        (
            "call dance",
            None,
            "Unknown command: call dance. Expected: now, cancel, stop, history, show, forecast, budget or learned.",
        ),
        ('ping "a b', None, "Missing closing quote."),
    ],
)
def test_lines(line: str, name: str | None, arguments: object) -> None:
    found = LANGUAGE.parse(line)
    if name is not None:
        assert isinstance(found, Order)
        assert (found.command.name, found.arguments) == (name, arguments)
    else:
        assert found == Fault(str(arguments))


@pytest.mark.parametrize("line", ["", "   ", "dialpost", "# a remark", "  # set x y"])
def test_empty_lines_and_remarks_mean_nothing(line: str) -> None:
    assert LANGUAGE.parse(line) is None


def test_every_command_is_reached_by_its_words_and_by_every_unambiguous_abbreviation() -> None:
    for command in COMMANDS:
        given = " ".join("1" for argument in command.arguments if argument.required)
        order = LANGUAGE.parse(f"{command.name} {given}")
        assert isinstance(order, Order) and order.command is command
    assert parsed("acc li") == ("account list", ())


def test_the_table_is_sound() -> None:
    assert len({command.words for command in COMMANDS}) == len(COMMANDS)
    for command in COMMANDS:
        assert command.help and not command.help.endswith("."), command.name
        optional = [not argument.required for argument in command.arguments]
        assert optional == sorted(optional), f"{command.name}: a needed argument behind one that is not"
        assert not any(argument.rest for argument in command.arguments[:-1]), command.name


@cases(
    ("before", "completion"),
    [
        ("com", Completion(choices=("compare", "commit"))),
        ("comm", Completion("it ")),
        ("commit", Completion(" ")),
        ("commit ", Completion("co")),
        ("commit co", Completion(choices=("confirm", "comment"))),
        ("commit conf", Completion("irm ")),
        ("c", Completion(choices=("compare", "check", "commit", "confirm", "call"))),
        ("co", Completion(choices=("compare", "commit", "confirm"))),
        ("call now --n", Completion("o-wait ")),
        ("call now --", Completion(choices=("--no-wait", "--over-budget"))),
        ("account passwd a", Completion("nna ")),
        ("set stat", Completion("ion.")),
        ("set station.h", Completion("ostname ")),
        ("set link.kind d", Completion("ialup-gateway ")),
        ("set relay.ne", Completion("tworks ")),
        ("set console.utf8 ", Completion(choices=("true", "false"))),
        ("set outbound.ro", Completion("ute[")),
        ("set outbound.route[2].h", Completion("ost ")),
        ("set outbound.password ", Completion()),
        ("help comm", Completion("it ")),
        ("help commit conf", Completion("irm ")),
        ("lookup a.example M", Completion("X ")),
        ("xyzzy ", Completion()),
        ("show ", None),
    ],
)
def test_tab(before: str, completion: Completion | None) -> None:
    found = LANGUAGE.complete(before)
    if completion is not None:
        assert found == completion
    else:
        assert {"all", "station", "smtp"} <= set(found.choices)


def test_tab_reaches_every_key_there_is() -> None:
    for field in all_fields():
        if field.item_class is not None:
            continue
        section, _, rest = field.key.partition(".")
        typed = field.key if "." not in rest else f"{section}.{rest.replace('.', '[1].', 1)}"
        assert LANGUAGE.complete(f"set {typed}") in (Completion(" "), Completion(choices=())) or any(
            choice.startswith(typed) for choice in LANGUAGE.complete(f"set {typed}").choices
        ), typed
        assert field_of(typed) == field


def test_the_question_mark_tells_what_may_follow() -> None:
    assert any("put your candidate into effect" in line for line in LANGUAGE.help("com"))
    asked = LANGUAGE.help("commit confirm ")
    assert asked[0] == "usage: commit confirm MINUTES"
    assert any("--over-budget" in line for line in LANGUAGE.help("call now "))
    assert any("console.idle_min" in line for line in LANGUAGE.help("set console."))
    assert LANGUAGE.help("xyzzy x") == ["Unknown command: xyzzy. `help` lists the commands."]
    assert LANGUAGE.help('set ppp.user "a') == ()


def test_help_of_a_command_and_of_a_key() -> None:
    assert LANGUAGE.manual("commit")[0] == "commit"
    assert "commit confirm MINUTES" in LANGUAGE.manual("commit")
    assert LANGUAGE.manual("comm conf")[0] == "commit confirm MINUTES"
    assert any("--over-budget" in line for line in LANGUAGE.manual("call now"))
    assert LANGUAGE.manual("xyzzy") == [] and LANGUAGE.manual("station.hostname") == []
    overview = "\n".join(LANGUAGE.overview())
    assert overview.startswith(f"{next(iter(Group)).value}\n  ")
    for command in COMMANDS:
        assert command.usage in overview
    assert key_help("outbound.route[3].host")[0] == "outbound.route.host"
    assert key_help("console")[0].startswith("console: ")
    with pytest.raises(NotFoundError, match=r"Did you mean station.hostname"):
        key_help("station.hostnam")


@given(st.text(max_size=60))
def test_whatever_is_typed_is_an_order_a_fault_or_nothing(text: str) -> None:
    found = LANGUAGE.parse(text)
    assert found is None or isinstance(found, Order | Fault)
    LANGUAGE.complete(text)
    LANGUAGE.help(text)


def test_what_has_no_known_choices_has_none() -> None:
    assert known_choices(Source.NONE, ["x"]) == known_choices(Source.VALUE, []) == []
    assert known_choices(Source.VALUE, ["smtp.max_recipients", ""]) == []
    assert known_choices(Source.VALUE, ["no.such", ""]) == []


def test_a_prompt_that_leaves_no_room_is_cut() -> None:
    row = Row(20, utf8=False)
    assert row.draw("x" * 40 + "> ", "show", 4) == b"x" * 11 + b"show"


def test_behind_a_whole_command_an_abbreviation_is_its_argument() -> None:
    commands = (
        Command(Group.STATION, ("show",), "", (Argument("WHAT"),)),
        Command(Group.STATION, ("show", "queue"), ""),
    )
    language = Language(sources, lambda face: (), commands)
    short, whole = language.parse("show que"), language.parse("show queue")
    assert isinstance(short, Order) and isinstance(whole, Order)
    assert (short.command.words, short.arguments) == (("show",), ("que",))
    assert (whole.command.words, whole.arguments) == (("show", "queue"), ())


@pytest.mark.parametrize("typed", ["", "smtp", "nonsense", "nonsense."])
def test_keys_begin_with_the_sections(typed: str) -> None:
    assert [name for name, _ in keys(typed)] == [f"{name}." for name in sections()]


def test_behind_a_section_its_keys_follow_and_behind_an_item_that_item_s() -> None:
    names = [name for name, _ in keys("outbound.")]
    assert "outbound.route[" in names and "outbound.smarthost" in names
    inner = [name for name, _ in keys("outbound.route[2].")]
    assert "outbound.route[2].host" in inner and "outbound.route[" not in inner
    assert "outbound.route[" in [name for name, _ in keys("outbound.root[2].")]


TABLE = Language(
    lambda source, words: [("here.", ""), ("there", "")] if source is Source.ACCOUNT else [],
    lambda face: (("--fast", "in a hurry"), ("--slow", "")) if face == ("go", "on") else (),
    (
        Command(
            Group.STATION, ("go",), "goes", (Argument("WHERE", Source.ACCOUNT), Argument("HOW", required=False))
        ),
        Command(Group.STATION, ("go", "back"), "goes back"),
        Command(Group.STATION, ("go", "on"), "goes on", face=("go", "on")),
        Command(Group.STATION, ("say", "it", "all"), "says it", (Argument("WORDS", rest=True),)),
        Command(Group.STATION, ("say", "it", "not"), "says nothing", more="Not a word."),
    ),
)


@cases(
    ("before", "lines"),
    [
        ("", ["  go   goes", "  say  say ..."]),
        ("say ", ["  it  say it ..."]),
        ("say it ", ["  all  says it", "  not  says nothing"]),
        ("say it n", ["  not  says nothing"]),
        ("say it not", ["  not  says nothing"]),
        ("say it not ", ["usage: say it not", "  says nothing"]),
        ("go back ", ["usage: go back", "  goes back"]),
        ("go on ", ["usage: go on", "  goes on", "  --fast  in a hurry", "  --slow"]),
        ("go x", ["usage: go WHERE [HOW]", "  goes", f"WHERE: {Source.ACCOUNT.value}"]),
        ("x ", ["Unknown command: x. `help` lists the commands."]),
        ("say x y", ["Unknown command: say x. Expected: it."]),
        ("say it", ["  it  say it ..."]),
        ("sa", ["  say  say ..."]),
    ],
)
def test_what_the_question_mark_shows(before: str, lines: list[str]) -> None:
    assert list(TABLE.help(before)) == lines


@cases(
    ("before", "completion"),
    [
        ("", Completion(choices=("go", "say"))),
        ("s", Completion("ay ")),
        ("say it ", Completion(choices=("all", "not"))),
        ("go he", Completion("re.")),
        ("go t", Completion("here ")),
        ("go on --", Completion(choices=("--fast", "--slow"))),
        ("go on --f", Completion("ast ")),
        ("dialpost sa", Completion("y ")),
        ("go here. x ", Completion()),
        ("go -x t", Completion()),
    ],
)
def test_what_tab_puts_in(before: str, completion: Completion) -> None:
    assert TABLE.complete(before) == completion


@cases(
    ("line", "meant"),
    [
        ("go here now", (("go",), ("here", "now"))),
        ("go here", (("go",), ("here",))),
        ("go", "Missing WHERE. Usage: go WHERE [HOW]"),
        ("go here back", (("go",), ("here", "back"))),
        ("go ba back", (("go",), ("ba", "back"))),
        ("go a b c", "Unexpected: c. Usage: go WHERE [HOW]"),
        ("go b", (("go",), ("b",))),
        ("go back", (("go", "back"), ())),
        ("go back x", "Unexpected: x. Usage: go back"),
        ("go on --fast x", (("go", "on"), ("--fast", "x"))),
        ("say", "Incomplete command: say. Expected: it."),
        ("say it", "Incomplete command: say it. Expected: all or not."),
        ("say it all 'a b", (("say", "it", "all"), ("'a b",))),
        ("say it not 'a b", "Missing closing quote."),
        ("say it all", "Missing WORDS. Usage: say it all WORDS"),
        ("say x", "Unknown command: say x. Expected: it."),
        ("say it x", "Unknown command: say it x. Expected: all or not."),
        ("x y", "Unknown command: x. `help` lists the commands."),
        ("dialpost say it not", (("say", "it", "not"), ())),
        ("dialpost", None),
        ("  # say", None),
    ],
)
def test_what_a_line_means(line: str, meant: object) -> None:
    found = TABLE.parse(line)
    if isinstance(found, Order):
        assert (found.command.words, found.arguments) == meant
    else:
        assert (found.text if found else None) == meant


def test_the_manual_of_all_that_begins_so() -> None:
    assert TABLE.manual("say") == [
        "say it all WORDS",
        "  says it",
        "",
        "say it not",
        "  says nothing",
        "  Not a word.",
    ]
    assert TABLE.manual("go on") == ["go on", "  goes on", "  --fast  in a hurry", "  --slow"]
    assert TABLE.manual("say it not x") == []


def test_every_section_is_listed_with_what_it_is_about() -> None:
    *rows, blank, hint = section_list()
    assert [row.split()[0] for row in rows] == list(sections())
    assert all(len(row.split()) > 2 for row in rows)
    assert (blank, hint) == ("", "`explain SECTION` lists its keys, `explain KEY` explains one.")


def test_what_asks_or_goes_on_for_long_is_shown_at_once_and_all_else_by_pages() -> None:
    assert {command.name for command in COMMANDS if not command.is_paged} == {
        "board test",
        "call now",
        "modem allow-pin",
        "modem probe",
        "modem terminal",
        "modem test",
        "save to screen",
        "update",
    }


def test_which_last_argument_takes_the_rest_of_the_line() -> None:
    assert {
        (command.name, argument.name) for command in COMMANDS for argument in command.arguments if argument.rest
    } == {("set", "VALUE"), ("commit comment", "TEXT"), ("alias add", "TARGET"), ("help", "COMMAND|KEY")}


def test_the_first_of_several_missing_arguments_is_named() -> None:
    tell = Command(Group.STATION, ("tell",), "", (Argument("WHOM"), Argument("WHAT")))
    table = Language(sources, lambda face: (), (tell,))
    assert table.parse("tell") == Fault("Missing WHOM. Usage: tell WHOM WHAT")
    assert table.parse("tell anna") == Fault("Missing WHAT. Usage: tell WHOM WHAT")


def test_options_are_listed_once_also_where_one_has_begun() -> None:
    lines = list(TABLE.help("go on --f"))
    assert [line.split()[0] for line in lines if "--" in line] == ["--fast"]


def test_the_last_word_is_the_one_being_typed() -> None:
    assert known_choices(Source.KEY, ["set", "smtp."]) == keys("smtp.") != keys("set")


def test_a_name_of_26_characters_still_stands_beside_its_words() -> None:
    assert _table([("x" * 26, "about")]) == ["  " + "x" * 26 + "  about"]
    assert _table([("x" * 27, "about")]) == ["  " + "x" * 27, " " * 30 + "about"]


def test_the_last_argument_takes_the_rest_of_the_line() -> None:
    whom, words = Argument("WHOM"), Argument("WORDS", rest=True)
    tell = Command(Group.STATION, ("tell",), "", (whom, words))
    assert [_argument_at(tell, position) for position in (0, 1, 2, 5)] == [whom, words, words, words]
    assert _argument_at(Command(Group.STATION, ("tell",), "", (whom,)), 1) is None
