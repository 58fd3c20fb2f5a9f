"""Which refusals of a modem pass in seconds, and which are final."""

from cases import cases
from dialpost.core.line.at.refusals import is_busy, is_passing, is_passing_of_a_sim, is_wrong_pin

PASSING = (13, 14, 30, 100, 512, 515, 516, 601)
OF_A_SIM = (3, 4, 10, 20, 23)


def test_numbers() -> None:
    words = {number: f"+CME ERROR: {number}" for number in range(700)}
    assert [number for number in words if is_busy(words[number])] == [14, 512, 515]
    assert [number for number in words if is_passing(words[number])] == [*PASSING]
    assert [number for number in words if is_passing_of_a_sim(words[number])] == sorted(PASSING + OF_A_SIM)
    assert [number for number in words if is_wrong_pin(words[number])] == [12, 16, 18]


@cases(
    ("words", "told"),
    [
        ("+CME ERROR: SIM busy", (True, True, True, False)),
        ("+cms error: please wait, in progress", (True, True, True, False)),
        ("+CME ERROR: initialization", (True, True, True, False)),
        ("+CME ERROR: SIM failure", (False, False, True, False)),
        ("+CME ERROR: SIM not inserted", (False, False, True, False)),
        (" error ", (False, False, True, False)),
        ("+CME ERROR: incorrect password", (False, False, False, True)),
        ("+CME ERROR: SIM PUK required", (False, False, False, True)),
        ("+CME ERROR: invalid index", (False, False, False, False)),
        ("+CMS ERROR: 512", (True, True, True, False)),
        ("NO CARRIER", (False, False, False, False)),
    ],
)
def test_words(words: str, told: tuple[bool, ...]) -> None:
    assert (is_busy(words), is_passing(words), is_passing_of_a_sim(words), is_wrong_pin(words)) == told
