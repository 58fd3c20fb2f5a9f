"""How many tries a SIM's PIN has left, in every maker's words."""

from cases import cases
from dialpost.core.line.at.pin_tries import QUERIES, pin_tries


@cases(
    ("query", "lines", "tries"),
    [
        ("AT+CPINR", ["+CPINR: SIM PIN2,2,3", "+CPINR: SIM PIN,3,3"], 3),
        ("AT+CPINR", ['+CPINR: "SIM PIN" , 1,3'], 1),
        ("AT+CPINR", ["+CPINR: SIM PUK,10,10"], None),
        ("AT^CPIN?", ["^CPIN: READY,,10,3,10,2"], 3),
        ("AT^CPIN?", ["^CPIN: SIM PIN,3,10,2,10,3"], 2),
        ("AT^CPIN?", ["^CPIN: SIM PIN,3,10"], None),
        ("AT^CPIN?", ["^CPIN: SIM PIN,3,10,2"], 2),
        ("AT^CPIN?", ["^CPIN: SIM PIN,3,10,"], None),
        ("AT+SPIC", ["+SPIC: 3,10,0,10"], 3),
        ('AT+QPINC="SC"', ['+QPINC: "SC",0,10'], 0),
        ('AT+QPINC="SC"', ['+QPINC: "P2",3,10'], None),
        ("AT#PCT", ["^RSSI:3", "#PCT: 10"], 10),
        ("AT#PCT", ["#PCT: 11"], None),
        ("AT+UPINCNT", ["+UPINCNT: (2,3,10,10)"], 2),
        ("AT+ZPINPUK=?", ["+ZPINPUK: x"], None),
        ("AT+CPINC", ["+SPIC: 3"], None),
        ("AT+CPINC", [], None),
    ],
)
def test_each_answer(query: str, lines: list[str], tries: int | None) -> None:
    assert query in QUERIES
    assert pin_tries(lines, query) == tries
