"""What a line from a modem means: the final results of V.250 table 1, and those of makers and networks.

Sources: ITU-T V.250 §5.7 and table 1; USRobotics Courier and Conexant command references (CONNECT with protocol
words, BLACKLISTED, DELAYED); 3GPP TS 27.007 §9 (+CME ERROR); Iridium ISU AT command reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.profile import ResultKind

_WORDS = {
    "OK": ResultKind.OK,
    "RING": ResultKind.RING,
    "NO CARRIER": ResultKind.NO_CARRIER,
    "ERROR": ResultKind.ERROR,
    "NO DIALTONE": ResultKind.NO_DIALTONE,
    "NO DIAL TONE": ResultKind.NO_DIALTONE,
    "LINE IN USE": ResultKind.NO_DIALTONE,
    "NO LINE": ResultKind.NO_DIALTONE,
    "BUSY": ResultKind.BUSY,
    "LINE BUSY": ResultKind.BUSY,
    "NO ANSWER": ResultKind.NO_ANSWER,
    "DELAYED": ResultKind.DELAYED,
    "BLACKLISTED": ResultKind.BLACKLISTED,
    "VOICE": ResultKind.VOICE,
    "NO SERVICE": ResultKind.NO_DIALTONE,  # cellular and satellite: there is no network
    "NO NETWORK": ResultKind.NO_DIALTONE,
}
_REFUSALS = re.compile(
    r"(?:COMMAND|OPERATION|PARAMETERS?) (?:IS )?(?:NOT|UN|IN)[ -]?"
    r"(?:SUPPORT|ALLOW|VALID|KNOWN|RECOGNI[SZ])(?:ED|S)?"
    r"|TOO (?:MANY|FEW) (?:PARAMETERS?|ARGUMENTS?)"
    r"|(?:INVALID|UNKNOWN|UNSUPPORTED|ILLEGAL|BAD|WRONG) (?:AT )?(?:COMMAND|PARAMETERS?|ARGUMENTS?)(?: LINE)?"
    r"|NOT SUPPORT(?:ED)?|ERROR[ :(]*\d+\)?"
)
"""Words that makers have for ERROR (Huawei: COMMAND NOT SUPPORT, TOO MANY PARAMETERS)."""
_NUMBERS = {
    0: ResultKind.OK,
    1: ResultKind.CONNECT,
    2: ResultKind.RING,
    3: ResultKind.NO_CARRIER,
    4: ResultKind.ERROR,
    5: ResultKind.CONNECT,
    6: ResultKind.NO_DIALTONE,
    7: ResultKind.BUSY,
    8: ResultKind.NO_ANSWER,
}
_NUMBERED_RATES = {5: 1200}
_STARTS = {
    "+CME ERROR": ResultKind.ERROR,
    "+CMS ERROR": ResultKind.ERROR,
    "DELAYED": ResultKind.DELAYED,  # some name the time that is left
    "BLACKLIST": ResultKind.BLACKLISTED,  # some name the number; Lucent: BLACKLIST FULL
    "NO CARRIER ": ResultKind.NO_CARRIER,  # some name the cause
    "NO CARRIER:": ResultKind.NO_CARRIER,
    "NO CARRIER,": ResultKind.NO_CARRIER,
}
_LEAST_BPS, _MOST_BPS = 50, 1_000_000_000
_CONNECT = re.compile(r"CONNECT\b[ :]*(?:[A-Z]+[ /])?(\d{3,10})?(?:\S*/V\.?\w+ (\d{3,6})\b)?")
_NO_CONNECT = re.compile(r"CONNECT[ :]+(?:FAIL|DENIED|ERROR|REFUSED|REJECT|TIME ?OUT|NOT? )")
_CARRIER = re.compile(r"\+?(?:CARRIER|M[CR]R)\b[ :]*(?:[A-Z][A-Z0-9.]*, ?)?(\d{3,7})?")

DIAL_RESULTS: Mapping[ResultKind, DialResult] = {
    ResultKind.CONNECT: DialResult.CONNECTED,
    ResultKind.BUSY: DialResult.BUSY,
    ResultKind.NO_ANSWER: DialResult.NO_ANSWER,
    ResultKind.NO_CARRIER: DialResult.NO_CARRIER,
    ResultKind.NO_DIALTONE: DialResult.NO_DIALTONE,
    ResultKind.DELAYED: DialResult.DELAYED,
    ResultKind.BLACKLISTED: DialResult.BLACKLISTED,
    ResultKind.VOICE: DialResult.VOICE,
    ResultKind.ERROR: DialResult.ERROR,
    ResultKind.OK: DialResult.NO_CARRIER,  # some modems return to OK when a call fails
}
"""What a final result says about a call; RING is not one."""

COMMAND_RESULTS = frozenset({ResultKind.OK, ResultKind.ERROR, ResultKind.BUSY})
"""What can answer a command that does not dial: any other final result is a late one of an earlier call (BUSY: not
now)."""
HANG_UP_RESULTS = COMMAND_RESULTS | {ResultKind.NO_CARRIER}
DIAL_ANSWERS = frozenset(DIAL_RESULTS)
_BASIC = r"AT(?:[A-CE-Z]\d*|[&\\%*][A-Z]\d*|S\d+=\d*)*"


def own_results_of(command: str) -> frozenset[ResultKind]:
    """The kinds of final result that can be the answer to this command line."""
    text = command.upper()
    if re.match(_BASIC + "D", text):
        return DIAL_ANSWERS
    return HANG_UP_RESULTS if re.fullmatch(r"AT(?:H0?|\+CHUP)", text) else COMMAND_RESULTS


@dataclass(frozen=True, slots=True)
class AtResult:
    """A final result (V.250 §5.7.1). `words` as the modem said them; `rate_bps` if a CONNECT reports one."""

    kind: ResultKind
    words: str
    rate_bps: int | None = None


def parse_result(line: str, own: Mapping[str, ResultKind] | None = None) -> AtResult | None:
    """A final result, or None for any other line. `own` are words specific to this modem, in capitals."""
    text = " ".join(line.upper().split())
    if own and text in own:
        return AtResult(own[text], line.strip())
    kind = _WORDS.get(text.replace("-", " "))  # LINE-IN-USE
    if kind is not None:
        return AtResult(kind, line.strip())
    if _REFUSALS.fullmatch(text):
        return AtResult(ResultKind.ERROR, line.strip())
    if _NO_CONNECT.match(text):  # CONNECT FAIL
        return AtResult(ResultKind.NO_CARRIER, line.strip())
    for start, kind in _STARTS.items():
        if text.startswith(start):
            return AtResult(kind, line.strip())
    found = _CONNECT.match(text)
    if found is not None:
        rate = found[2] or found[1]  # ZyXEL: CONNECT 115200/V.34 28800/V.42b has the port's rate first
        return AtResult(ResultKind.CONNECT, line.strip(), _believable(rate))
    return None


def _believable(digits: str | None) -> int | None:
    """A rate in bit/s, None for an impossible one: a byte of noise easily gets into it."""
    return int(digits) if digits and _LEAST_BPS <= int(digits) <= _MOST_BPS else None


def parse_number(text: str) -> AtResult | None:
    """A numeric result (V0): just one or two digits; codes above 9 are the makers' codes for a CONNECT's rate.

    Their other meanings differ from maker to maker (24 is DELAYED, or CONNECT 7200): the profile lists them
    (`own`).
    """
    if not re.fullmatch(r"\d{1,2}", text):
        return None
    number = int(text)
    kind = _NUMBERS.get(number, ResultKind.CONNECT)
    return AtResult(kind, text, _NUMBERED_RATES.get(number))


def carrier_rate(line: str) -> int | None:
    """The line's own rate in bit/s, reported before CONNECT by modems whose CONNECT gives the port's rate.

    CARRIER 33600, +MCR: V34,33600, +MRR: 28800,48000 (V.250 §6.4.2, §6.4.3: sending first, then receiving).
    """
    found = _CARRIER.match(" ".join(line.upper().split()))
    return _believable(found[1]) if found is not None else None
