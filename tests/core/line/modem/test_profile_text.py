"""Modem profiles: every shipped one loads and says where it comes from; each kind of bad file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import cases
from dialpost.core.config.model import ModemConfig
from dialpost.core.errors import ConfigError
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.modem.profile import ControlLines, FlowControl, HangUpWay, Medium, ModemProfile, ResultKind
from dialpost.core.line.modem.profile_text import parse_hints, parse_profile

FOLDER = Path(__file__).parents[4] / "board" / "modems"
SHIPPED = sorted(FOLDER.glob("*.toml"))
HEAD = 'title = "X"\nsource = "a test"\n'


def load(path: Path) -> ModemProfile:
    return parse_profile(path.stem, path.read_text(encoding="utf-8"), str(path))


def test_the_profiles_promised_are_there() -> None:
    assert {path.stem for path in SHIPPED} >= {"hayes", "usb-v92", "courier", "cellular", "iridium"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_loads_and_names_its_source(path: Path) -> None:
    profile = load(path)
    assert profile.name == path.stem
    assert len(profile.source) > 30
    assert HangUpWay.ESCAPE in profile.hang_up, "a port without control lines can hang up too"
    plan = DialPlan(ModemConfig(), Country("generic", "Anywhere", "a test"), profile.default_numbers)
    assert bool(plan.next(0).number) == bool(profile.default_numbers)
    parse_hints(path.read_text(encoding="utf-8"), str(path))


def test_no_two_profiles_are_known_by_the_same() -> None:
    seen: dict[str, str] = {}
    for path in SHIPPED:
        hints = parse_hints(path.read_text(encoding="utf-8"), str(path))
        for sign in (*hints.usb, *(words.lower() for words in hints.says)):
            assert sign not in seen, f"{sign} is in {path.stem} and {seen[sign]}"
            seen[sign] = path.stem


def test_iridium_never_drops_dtr_for_long_and_cellular_needs_no_number() -> None:
    iridium = load(FOLDER / "iridium.toml")
    assert 0 < iridium.dtr_pulse_ms / 1000 < iridium.dtr_off_max_s < 10
    assert "AT+CBST=71,0,1" in iridium.init
    cellular = load(FOLDER / "cellular.toml")
    assert cellular.cellular and not cellular.telephone
    assert cellular.default_numbers == ("*99***1#",)


def test_everything_a_file_may_say() -> None:
    text = HEAD + (
        'speed_bps = 9600\nflow_control = "xonxoff"\nhas_control_lines = "no"\ninit = ["ATZ", "ATX4"]\n'
        'results = ["LINE IN USE = busy"]\nhang_up = ["escape"]\n[probe]\nusb = ["0572:*"]\nsays = ["Gruetzi"]\n'
    )
    profile, hints = parse_profile("mine", text, "mine.toml"), parse_hints(text, "mine.toml")
    assert (profile.name, profile.speed_bps, profile.init) == ("mine", 9600, ("ATZ", "ATX4"))
    assert (profile.flow_control, profile.has_control_lines) == (FlowControl.XONXOFF, ControlLines.NO)
    assert profile.own_results == {"LINE IN USE": ResultKind.BUSY}
    assert (hints.usb, hints.says) == (("0572:*",), ("Gruetzi",))


NOT_ALLOWED = [
    ('title = "X"\n', "source is missing"),
    ("title = \n", "this is not TOML"),
    (HEAD + 'inti = ["AT"]\n', "There is no key inti. Did you mean init?"),
    (HEAD + 'init = "ATZ"\n', 'init = "ATZ" is not allowed: it must be a list of texts'),
    (HEAD + 'init = ["Z"]\n', 'init has "Z", which does not begin with AT'),
    (HEAD + "init = [3]\n", "init[1] = 3 is not allowed"),
    (HEAD + "speed_bps = 12345\n", "speed_bps = 12345 is not a serial port speed; known speeds: 300"),
    (HEAD + "speed_bps = 1\n", "speed_bps = 1 is not allowed: it must be a whole number from 300"),
    (HEAD + 'flow_control = "hardware"\n', "it must be one of: rtscts, xonxoff, none"),
    (HEAD + 'hang_up = ["power"]\n', "each item must be one of: dtr, escape"),
    (HEAD + "hang_up = []\n", "hang_up names no way to hang up"),
    (HEAD + 'hang_up = ["dtr"]\nhas_control_lines = "no"\n', "there is no DTR"),
    (HEAD + 'dial = "DT{number}"\n', "it begins with ATD"),
    (HEAD + 'dial = "ATD{mode}T{number}"\n', "{mode} stands right before {number}"),
    (HEAD + 'results = ["LINE IN USE"]\n', 'results has "LINE IN USE"'),
    (HEAD + "dtr_pulse_ms = 5000\ndtr_off_max_s = 2\n", "dtr_pulse_ms is not shorter than dtr_off_max_s"),
    (HEAD + 'escape = "++"\n', 'escape = "++" is not allowed'),
    (HEAD + 'cellular = "yes"\n', 'cellular = "yes" is not allowed: it must be true or false'),
    (HEAD + '[probe]\nusb = ["572:1"]\n', "which is not a USB id"),
    (HEAD + '[porbe]\nusb = ["0572:*"]\n', "There is no key porbe. Did you mean probe?"),
]


@cases(("text", "says"), NOT_ALLOWED)
def test_each_kind_of_bad_file_is_reported_with_its_name(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_profile("x", text, "/board/modems/x.toml")
    assert says in str(caught.value)
    assert all(problem.startswith("/board/modems/x.toml: ") for problem in caught.value.problems)


@cases(
    ("text", "said"),
    [
        ("dtr_pulse_ms = 2000\ndtr_off_max_s = 2", "dtr_pulse_ms is not shorter"),
        ("dtr_pulse_ms = 1999\ndtr_off_max_s = 2", ""),
        ("dtr_pulse_ms = 2000\ndtr_off_max_s = 0", ""),
        ('escape = "++++"', "it is one character three times"),
        ('escape = "++++"\nhang_up = ["dtr"]', ""),
        ('hang_up = ["dtr"]\nhas_control_lines = "yes"', ""),
        ('hang_up = ["dtr", "escape"]\nhas_control_lines = "no"', ""),
        ('hang_up = ["escape"]\nhas_control_lines = "no"', ""),
        ('dial = "atdt{number}"', ""),
        ('dial = "ATDT"', "it begins with ATD and has {number} in it"),
        ('dial = "AT{number}"', "it begins with ATD"),
        ('dial = "ATD{mode}{number};"', ""),
        ('dial = "ATD{number}{mode}"', "stands right before"),
        ('init = ["at&f", "X"]', 'init has "X"'),
        ('reset = "Z"', 'reset has "Z"'),
        ('reset = ""', ""),
        ('init = ["ATZ"]\nmust = ["ATZ"]', ""),
        ('init = ["ATZ"]\nmust = ["AT"]', 'must has "AT", which is not in init'),
        ('results = ["= busy"]', "which is not like"),
        ('results = ["A = B = busy"]', ""),
        ('results = ["A = nonsense"]', "which is not like"),
    ],
)
def test_what_contradicts_itself_in_a_profile(text: str, said: str) -> None:
    if not said:
        parse_profile("x", HEAD + text + "\n", "x.toml")
        return
    with pytest.raises(ConfigError) as caught:
        parse_profile("x", HEAD + text + "\n", "x.toml")
    assert [said in problem for problem in caught.value.problems] == [True]


def test_what_kind_of_line_a_profile_is_for() -> None:
    for text, medium in (
        ("", Medium.TELEPHONE),
        ('dial = "ATD{number}"', Medium.SATELLITE),
        ("cellular = true", Medium.CELLULAR),
        ('cellular = true\ndial = "ATD{number}"', Medium.CELLULAR),
    ):
        assert parse_profile("x", HEAD + text + "\n", "x.toml").medium is medium


def test_a_profile_has_a_title_and_a_source() -> None:
    with pytest.raises(ConfigError) as told:
        parse_profile("x", "", "x.toml")
    assert {problem.split()[1] for problem in told.value.problems if " is missing" in problem} == {
        "title",
        "source",
    }
