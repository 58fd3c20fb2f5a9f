"""The AT dialogue and the login script from transcripts of real modems, fed whole and byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.line.at.dialogue import MAX_LINE_BYTES, AtDialogue, Rang, Said
from dialpost.core.line.at.login import KEPT_BYTES, LoggedIn, LoginLost, LoginScript, Send
from dialpost.core.line.at.results import (
    DIAL_RESULTS,
    AtResult,
    carrier_rate,
    own_results_of,
    parse_number,
    parse_result,
)
from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.profile import ResultKind
from dialpost.edge.system.board_files import BoardFiles
from known import is_a, known

K = ResultKind


def answers(
    command: str, said: bytes, own: dict[str, ResultKind] | None = None
) -> tuple[list[Rang | Said | AtResult], AtDialogue]:
    """The events, the dialogue afterwards; the same whichever way the bytes come."""
    found = []
    for pieces in ([said], [said[n : n + 1] for n in range(len(said))]):
        dialogue = AtDialogue(own)
        assert dialogue.command(command) == command.encode() + b"\r"
        events = [event for piece in pieces for event in dialogue.receive(piece)]
        found.append((events, dialogue))
    assert found[0][0] == found[1][0]
    assert found[0][1].rest == found[1][1].rest and found[0][1].carrier_bps == found[1][1].carrier_bps
    assert found[0][1].garbage == found[1][1].garbage
    return found[0]


# one line


@cases(
    ("line", "kind", "rate_bps"),
    [
        ("OK", K.OK, None),
        ("CONNECT", K.CONNECT, None),
        ("CONNECT 300", K.CONNECT, 300),
        ("CONNECT 33600/ARQ/V34/LAPM/V42BIS", K.CONNECT, 33_600),
        ("CONNECT 115200", K.CONNECT, 115_200),
        ("CONNECT 115200/V.34 28800/V.42b", K.CONNECT, 28_800),
        ("CONNECT 1200TX/75RX", K.CONNECT, 1200),
        ("CONNECT LAPM 28800", K.CONNECT, 28_800),
        ("CONNECT 150000000", K.CONNECT, 150_000_000),
        ("connect 9600", K.CONNECT, 9600),
        ("NO CARRIER", K.NO_CARRIER, None),
        ("NO  CARRIER", K.NO_CARRIER, None),
        ("BUSY", K.BUSY, None),
        ("NO DIALTONE", K.NO_DIALTONE, None),
        ("NO DIAL TONE", K.NO_DIALTONE, None),
        ("NO ANSWER", K.NO_ANSWER, None),
        ("DELAYED", K.DELAYED, None),
        ("DELAYED 00:04:55", K.DELAYED, None),
        ("DELAYED:00:04:55", K.DELAYED, None),
        ("DELAYED=5", K.DELAYED, None),
        ("BLACKLISTED", K.BLACKLISTED, None),
        ("BLACKLISTED(1)", K.BLACKLISTED, None),
        ("BLACKLIST FULL", K.BLACKLISTED, None),
        ("LINE BUSY", K.BUSY, None),
        ("LINE-IN-USE", K.NO_DIALTONE, None),
        ("CONNECT 000", K.CONNECT, None),
        ("CONNECT 4294967296", K.CONNECT, None),
        ("VOICE", K.VOICE, None),
        ("RING", K.RING, None),
        ("ERROR", K.ERROR, None),
        ("+CME ERROR: 10", K.ERROR, None),
        ("COMMAND NOT SUPPORT", K.ERROR, None),
        ("Command not supported", K.ERROR, None),
        ("TOO MANY PARAMETERS", K.ERROR, None),
        ("INVALID COMMAND LINE", K.ERROR, None),
        ("UNKNOWN COMMAND", K.ERROR, None),
        ("ERROR: 3", K.ERROR, None),
        ("CONNECT FAIL", K.NO_CARRIER, None),
        ("CONNECT: TIMEOUT", K.NO_CARRIER, None),
        ("NO CARRIER 3", K.NO_CARRIER, None),
        ("NO SERVICE", K.NO_DIALTONE, None),
        ("+CME ERROR: SIM PIN required", K.ERROR, None),
        ("+CMS ERROR: 310", K.ERROR, None),
    ],
)
def test_a_final_result_is_known(line: str, kind: ResultKind, rate_bps: int | None) -> None:
    assert parse_result(line) == AtResult(kind, line, rate_bps)


@cases(
    "line",
    [
        "",
        "OKAY",
        "Error log is empty",
        "command unit 3",
        "^RSSI:17",
        "*PSUTTZ: 1",
        "RINGING",
        "CONNECTED TO HOST",
        "CARRIER 33600",
        "PROTOCOL: LAPM",
        "+CREG: 0,1",
        "33600",
    ],
)
def test_what_is_no_result_is_left_alone(line: str) -> None:
    assert parse_result(line) is None and parse_number(line) is None


def test_words_of_the_modems_own_win() -> None:
    own = {"LINE IN USE": K.BUSY, "CONNECT DENIED": K.NO_CARRIER}
    assert parse_result("Line  in use", own) == AtResult(K.BUSY, "Line  in use")
    assert parse_result("CONNECT DENIED", own) == AtResult(K.NO_CARRIER, "CONNECT DENIED")


def test_numeric_results_are_those_of_v250() -> None:
    kinds = [known(parse_number(str(number))).kind for number in range(9)]
    assert kinds == [K.OK, K.CONNECT, K.RING, K.NO_CARRIER, K.ERROR, K.CONNECT, K.NO_DIALTONE, K.BUSY, K.NO_ANSWER]
    assert known(parse_number("5")).rate_bps == 1200
    assert known(parse_number("18")).kind is K.CONNECT


@given(st.sampled_from(["DELAYED", "BLACKLISTED", "CONNECT", "+CME ERROR", "BUSY"]), st.text(max_size=12))
def test_noise_behind_a_word_breaks_nothing(word: str, noise: str) -> None:
    for text in (word + noise, f"{word} {noise}"):
        found = parse_result(text)
        assert found is None or found.rate_bps is None or 50 <= found.rate_bps <= 1_000_000_000


@pytest.mark.parametrize(
    ("profile", "number", "event"),
    [
        ("courier", "11", Rang()),
        ("courier", "12", AtResult(K.VOICE, "12")),
        ("courier", "10", AtResult(K.CONNECT, "10")),
        ("usb-v92", "24", AtResult(K.DELAYED, "24")),
        ("usb-v92", "32", AtResult(K.BLACKLISTED, "32")),
        ("usb-v92", "11", AtResult(K.CONNECT, "11")),
    ],
)
def test_what_a_makers_numbers_mean_is_in_its_profile(profile: str, number: str, event: Rang | AtResult) -> None:
    own = BoardFiles().profile(profile).own_results
    assert answers("ATDT1", f"{number}\r".encode(), own)[0] == [event]


@cases(
    ("line", "rate_bps"),
    [
        ("CARRIER 33600", 33_600),
        ("CARRIER 1200/75", 1200),
        ("+MCR: V34,31200", 31_200),
        ("+MCR: V34", None),
        ("+MRR: 28800, 48000", 28_800),
        ("+ER: LAPM", None),
        ("+DR: V42B", None),
        ("COMPRESSION: V.42BIS", None),
    ],
)
def test_the_lines_own_rate_is_taken_from_the_reports_before_connect(line: str, rate_bps: int | None) -> None:
    assert carrier_rate(line) == rate_bps


def test_every_final_result_means_something_for_a_call() -> None:
    assert set(DIAL_RESULTS) == set(ResultKind) - {K.RING}
    assert [kind for kind, result in DIAL_RESULTS.items() if result is DialResult.CONNECTED] == [K.CONNECT]


# a command and its answer


def test_a_number_is_no_result_of_a_modem_that_speaks_in_words() -> None:
    dialogue = AtDialogue()
    dialogue.command("ATV1")
    assert dialogue.receive(b"\r\nOK\r\n") == [AtResult(K.OK, "OK")]
    dialogue.command("AT+CGMM")
    assert dialogue.receive(b"\r\n14\r\n\r\n17\r\n\r\nOK\r\n") == [Said("14"), Said("17"), AtResult(K.OK, "OK")]
    dialogue.command("ATZ")  # its stored settings may have numbers
    assert dialogue.receive(b"0\r") == [AtResult(K.OK, "0")]


@pytest.mark.parametrize("command", ["AT&D2", "AT+CSQ", "AT&F", "ATX4", "AT+CEREG?", "ATS7=60"])
def test_a_late_word_on_a_call_is_no_answer_to_another_command(command: str) -> None:
    assert {K.CONNECT, K.NO_CARRIER, K.NO_ANSWER, K.NO_DIALTONE}.isdisjoint(own_results_of(command))
    assert own_results_of("ATDT123") == own_results_of("ATX4DT;") == set(ResultKind) - {K.RING}
    assert K.NO_CARRIER in own_results_of("ATH")


def test_the_echo_is_no_answer() -> None:
    assert answers("ATI3", b"ATI3\r\r\nCourier V.Everything\r\n\r\nOK\r\n")[0] == [
        Said("Courier V.Everything"),
        AtResult(K.OK, "OK"),
    ]


def test_numeric_results_end_with_a_return_alone() -> None:
    assert answers("ATH", b"ATH\r0\r")[0] == [AtResult(K.OK, "0")]


COURIER = b"\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r"
ROCKWELL = b"\r\nCARRIER 31200\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCOMPRESSION: V.42BIS\r\n\r\nCONNECT 115200\r"
V250 = b"\r\n+MCR: V34\r\n\r\n+MRR: 28800\r\n\r\n+ER: LAPM\r\n\r\n+DR: V42B\r\n\r\nCONNECT\r"


@pytest.mark.parametrize(
    ("said", "result", "carrier_bps", "lines"),
    [
        (COURIER, AtResult(K.CONNECT, "CONNECT 33600/ARQ/V34/LAPM/V42BIS", 33_600), None, 0),
        (ROCKWELL, AtResult(K.CONNECT, "CONNECT 115200", 115_200), 31_200, 3),
        (V250, AtResult(K.CONNECT, "CONNECT"), 28_800, 4),
    ],
    ids=["Courier", "Rockwell", "V.250"],
)
def test_a_call_is_answered_and_what_follows_is_the_other_sides(
    said: bytes, result: AtResult, carrier_bps: int | None, lines: int
) -> None:
    ppp = b"\n~\xff}#\xc0!}!\r\nNO CARRIER\r\n~"
    events, dialogue = answers("ATDT123", b"ATDT123\r" + said + ppp)
    assert events[-1] == result and [type(event) for event in events[:-1]] == [Said] * lines
    assert dialogue.carrier_bps == carrier_bps
    assert dialogue.rest == ppp and dialogue.garbage == 0


def test_a_ring_in_the_middle_answers_nothing() -> None:
    events, _ = answers("ATDT1", b"\r\nRING\r\n\r\nRING\r\n\r\nBUSY\r\n")
    assert events == [Rang(), Rang(), AtResult(K.BUSY, "BUSY")]


def test_a_lone_result_word_inside_a_line_is_no_result() -> None:
    events, _ = answers("ATI", b"\r\nModel BUSY BEE, OK for UK\r\n\r\nOK\r\n")
    assert events == [Said("Model BUSY BEE, OK for UK"), AtResult(K.OK, "OK")]


def test_garbage_of_the_wrong_speed_is_counted_and_gives_no_result() -> None:
    events, dialogue = answers("AT", bytes([0xE6, 0x98, 0x80, 0x1E, 0xF8, 0x86]) * 5)
    assert events == [] and dialogue.garbage > dialogue.received // 4


def test_xon_xoff_and_padding_are_no_garbage() -> None:
    events, dialogue = answers("AT", b"\x11\x00\r\nOK\x13\x7f\r\n")
    assert events == [AtResult(K.OK, "OK")] and dialogue.garbage == 0


def test_a_line_without_end_is_thrown_away() -> None:
    events, _ = answers("AT", b"x" * (3 * MAX_LINE_BYTES) + b"\r\nOK\r\n")
    assert events[-1] == AtResult(K.OK, "OK")
    assert all(len(is_a(Said, event).text) <= MAX_LINE_BYTES for event in events[:-1])


def test_what_came_before_a_command_is_forgotten() -> None:
    dialogue = AtDialogue()
    dialogue.command("AT")
    dialogue.receive(b"\xff\xffNO CARR")
    dialogue.command("AT")
    assert dialogue.receive(b"\r\nOK\r\n") == [AtResult(K.OK, "OK")] and dialogue.garbage == 0


@pytest.mark.parametrize("text", ["AT\rATD900", "AT\n", "AT\x1b", "AT\x00"])
def test_a_command_can_smuggle_in_no_second_one(text: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        AtDialogue().command(text)


@given(st.binary(max_size=200), st.data())
def test_any_bytes_in_any_pieces_come_to_the_same(said: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    whole, in_pieces = AtDialogue(), AtDialogue()
    whole.command("AT")
    in_pieces.command("AT")
    events = whole.receive(said)
    assert [event for piece in pieces for event in in_pieces.receive(piece)] == events
    assert (whole.rest, whole.garbage, whole.received) == (in_pieces.rest, in_pieces.garbage, in_pieces.received)
    assert whole.received + len(whole.rest) == len(said)
    assert sum(isinstance(event, AtResult) for event in events) <= 1


@given(st.binary(max_size=300))
def test_no_byte_behind_connect_is_lost(ppp: bytes) -> None:
    _, dialogue = answers("ATDT1", b"\r\nCONNECT 33600\r" + ppp)
    assert dialogue.rest == ppp


# the login script


def play(
    script: tuple[str, ...], said: bytes, user: str = "anna", password: str = "secret"
) -> tuple[list[LoggedIn | LoginLost | Send], str]:
    """What it sends and how it ends, the same whole and byte by byte."""
    found = []
    for pieces in ([said], [said[n : n + 1] for n in range(len(said))]):
        login = LoginScript(script, user, password)
        steps = login.receive(b"")
        for piece in pieces:
            if LoggedIn() not in steps and LoginLost() not in steps:
                steps += login.receive(piece)
        found.append((steps, login.waits_for))
    assert found[0] == found[1]
    return found[0]


CISCO = ("ogin:", "%u", "assword:", "%p", ">", "ppp")


def test_a_login_is_played_in_turn() -> None:
    steps, _ = play(CISCO, b"\r\nUser Access\r\nLogin: anna\r\nPassword: \r\nras>")
    assert steps == [Send(b"anna\r"), Send(b"secret\r"), Send(b"ppp\r"), LoggedIn()]


def test_a_last_text_may_be_waited_for_alone() -> None:
    assert play((*CISCO, "PPP"), b"login:password:>")[0] == [Send(b"anna\r"), Send(b"secret\r"), Send(b"ppp\r")]
    assert play((*CISCO, "PPP"), b"login:password:>Entering PPP")[0][-1] == LoggedIn()


def test_an_empty_text_to_wait_for_sends_at_once() -> None:
    assert play(("", "", "ogin:", "%u"), b"login:")[0] == [Send(b"\r"), Send(b"anna\r"), LoggedIn()]


def test_parity_bits_count_for_nothing() -> None:
    assert play(("ogin:", "%u"), bytes(byte | 0x80 for byte in b"login:"))[0] == [Send(b"anna\r"), LoggedIn()]


def test_a_carrier_lost_in_the_middle_ends_it() -> None:
    steps, waits_for = play(CISCO, b"login:\r\nNO CARRIER\r\n")
    assert steps == [Send(b"anna\r"), LoginLost()] and waits_for == "assword:"


def test_signs_of_the_password_are_not_filled_in_again() -> None:
    assert play((">", "%u/%p 100%%"), b">", user="%p", password="%u%%")[0] == [Send(b"%p/%u%% 100%\r"), LoggedIn()]


def test_a_password_that_is_echoed_is_not_told() -> None:
    login = LoginScript((">", "%p", "PPP"), "anna", "secret")
    login.receive(b">secret\r\nAccess denied\r\n")
    assert login.waits_for == "PPP" and login.seen == ">***  Access denied"


@pytest.mark.parametrize("password", ["pässwörd", "my>secret", "a%p"])
def test_no_part_of_an_echoed_password_is_reported(password: str) -> None:
    login = LoginScript((">", "%p", ">", "ppp", "PPP"), "anna", password)
    login.receive(b">" + password.encode() + b"\r\nAccess denied\r\n")
    assert login.seen.startswith(">***  Access denied")


def test_a_text_is_found_though_much_came_before() -> None:
    assert play(("ogin:", "%u"), b"welcome " * KEPT_BYTES + b"login:")[0] == [Send(b"anna\r"), LoggedIn()]


@given(st.binary(max_size=200).filter(lambda said: b"ogin:" not in bytes(byte & 0x7F for byte in said)))
def test_nothing_secret_goes_out_before_it_was_asked_for(said: bytes) -> None:
    steps, waits_for = play(("ogin:", "%u", "assword:", "%p"), said)
    assert steps in ([], [LoginLost()]) and waits_for == "ogin:"


def test_a_no_is_one_only_after_the_password_was_sent() -> None:
    script = LoginScript(("ogin:", "%u", "word:", "%p", "$"), "anna", "geheim")
    script.receive(b"Login incorrect\r\nlogin:")
    assert not script.is_refused
    script.receive(b"password:")
    assert not script.is_refused
    script.receive(b"Login incorrect\r\n")
    assert script.is_refused


def test_the_last_words_of_the_other_side_are_short_and_printable() -> None:
    login = LoginScript(("PPP",), "anna", "")
    login.receive(b"y" + b"x" * 199 + b"\n")
    assert login.seen == "x" * 199
    login.receive(b"\x07z" * 100)
    assert login.seen == ("z " * 100).strip()


def test_only_so_much_is_kept_of_what_was_said() -> None:
    login = LoginScript(("ogin:",), "anna", "secret")
    login.receive(b"ogin" + b"x" * (KEPT_BYTES - 5))
    assert len(login._seen) == len(login._heard) == KEPT_BYTES - 1
    login.receive(b"yyy")
    assert len(login._seen) == len(login._heard) == KEPT_BYTES


@pytest.mark.parametrize(
    ("said", "is_no"),
    [
        (b"Login incorrect", True),
        (b"Access DENIED", True),
        (b"bad password", True),
        (b"\r\nlogin: ", True),
        (b"username:", True),
        (b"Last login: Monday", False),
        (b"welcome", False),
    ],
)
def test_what_sounds_like_a_no(said: bytes, is_no: bool) -> None:
    script = LoginScript(("word:", "%p", "$"), "anna", "geheim")
    script.receive(b"password:")
    script.receive(said)
    assert script.is_refused is is_no
    script.receive(b"$")
    assert not script.is_refused  # it came to what was waited for


def test_a_name_is_no_password() -> None:
    script = LoginScript(("ogin:", "%u", "$", "%%p", ">"), "anna", "geheim")
    script.receive(b"login:")
    script.receive(b"incorrect")
    assert not script.is_refused


@pytest.mark.parametrize("size", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1])
def test_the_longest_line_of_a_modem(size: int) -> None:
    events, dialogue = answers("AT", b"x" * size + b"\r\nOK\r\n")
    whole = [Said("x" * size)] if size <= MAX_LINE_BYTES else []
    assert events == [*whole, AtResult(K.OK, "OK")]
    assert dialogue.garbage == (size > MAX_LINE_BYTES) and dialogue.received == size + 6


def test_which_bytes_no_modem_sends() -> None:
    text = {*range(0x20, 0x7F), *b"\r\n"}
    garbage = {byte: answers("AT", bytes([byte]))[1].garbage for byte in range(256)}
    assert {byte for byte in garbage if garbage[byte] == 0} == text | {0x00, 0x11, 0x13, 0x7F}
    assert set(garbage.values()) == {0, 1}


@pytest.mark.parametrize(
    ("command", "is_a_result"),
    [("AT", False), ("ATI", False), ("ATV0", True), ("ATZ", True), ("AT&F", True), ("at&f1", True)],
)
def test_a_number_is_a_result_again_where_the_words_may_have_been_turned_off(
    command: str, is_a_result: bool
) -> None:
    dialogue = AtDialogue()
    dialogue.command("AT")
    dialogue.receive(b"OK\r\n")
    dialogue.command(command)
    assert dialogue.receive(b"4\r") == [AtResult(K.ERROR, "4") if is_a_result else Said("4")]


def test_a_modem_whose_word_said_nothing_of_its_way_may_still_speak_in_numbers() -> None:
    dialogue = AtDialogue()
    dialogue.command("ATD1")
    dialogue.receive(b"NO CARRIER\r\n")
    assert dialogue.receive(b"4\r") == [AtResult(K.ERROR, "4")]
    assert dialogue.receive(b"ERROR\r4\r") == [AtResult(K.ERROR, "ERROR"), Said("4")]


def test_a_connect_ends_only_a_command_that_dials() -> None:
    events, dialogue = answers("ATA", b"CONNECT 300\r\nOK\r\n")
    assert [type(event) for event in events] == [AtResult, AtResult] and dialogue.rest == b""
    events, dialogue = answers("ATD1", b"BUSY\r\nx\r\n")
    assert events == [AtResult(K.BUSY, "BUSY"), Said("x")] and dialogue.rest == b""


@pytest.mark.parametrize(
    ("line", "rate_bps"),
    [
        ("CONNECT 49", None),
        ("CONNECT 050", 50),
        ("CONNECT 1000000000", 10**9),
        ("CONNECT 1000000001", None),
        ("CONNECT 0", None),
    ],
)
def test_a_rate_that_a_line_may_have(line: str, rate_bps: int | None) -> None:
    found = parse_result(line)
    assert found is not None and (found.kind, found.rate_bps) == (K.CONNECT, rate_bps)


@cases(
    ("text", "kind", "rate_bps"),
    [
        ("0", K.OK, None),
        ("1", K.CONNECT, None),
        ("5", K.CONNECT, 1200),
        ("8", K.NO_ANSWER, None),
        ("9", K.CONNECT, None),
        ("99", K.CONNECT, None),
        ("100", None, None),
        ("", None, None),
    ],
)
def test_a_number_alone(text: str, kind: ResultKind | None, rate_bps: int | None) -> None:
    found = parse_number(text)
    assert (found.kind, found.rate_bps) == (kind, rate_bps) if found else kind is None


def test_what_comes_before_the_first_command_answers_none() -> None:
    dialogue = AtDialogue()
    assert (dialogue.garbage, dialogue.received) == (0, 0)
    assert dialogue.receive(b"\r\nOK\r\n") == [] and dialogue.rest == b"\r\nOK\r\n"


def test_what_was_waited_for_is_not_found_again() -> None:
    for before in range(9):
        assert play(("in:", "%u", "in:", "%p"), b"x" * before + b"in:")[0] == [Send(b"anna\r")]
