"""Why a line did not come up, or went: one table for the log, the lights, the console and the documentation.

A row for every result of dialling (`DialResult`) and for every exit code of pppd (pppd(8), EXIT STATUS, version
2.5.2). docs/line-reasons.md is made from it (`page`). pppd's rows are for an end of its own: where the station
hangs up, nothing is wrong, and nobody asks for its status.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.link import DialResult
from dialpost.core.modem_profile import Medium
from dialpost.core.panel import FAULT_FLASHES
from dialpost.core.station_state import Fault

_LINE = f"fault: {FAULT_FLASHES[Fault.LINE]} flashes (line)"
_DARK = "fault dark"


@dataclass(frozen=True, slots=True)
class Reason:
    """`log` is the word in the log; `light` what the panel shows once the call is over; `words` what happened,
    for a person; `next_step` what to do, "" where nothing is to be done.
    """

    log: str
    light: str
    words: str
    next_step: str = ""


DIAL_REASONS: dict[DialResult, Reason] = {
    DialResult.CONNECTED: Reason("connected", "line lit, " + _DARK, "The line is up."),
    DialResult.BUSY: Reason("busy", _LINE, "The number is busy.", "It is tried again by itself."),
    DialResult.NO_ANSWER: Reason(
        "no-answer", _LINE, "Nobody answers at the other end.", "Check the number and that the provider is up."
    ),
    DialResult.NO_CARRIER: Reason(
        "no-carrier", _LINE, "The other end answered but no carrier came.", "Try again; check for line noise."
    ),
    DialResult.NO_DIALTONE: Reason(
        "no-dialtone", _LINE, "There is no dial tone.", "Check the cable between modem and socket."
    ),
    DialResult.DELAYED: Reason(
        "delayed", _LINE, "The modem lets this number rest after failed tries, as its country's rules want.",
        "It is tried again by itself; a second number in modem.numbers may help.",
    ),
    DialResult.BLACKLISTED: Reason(
        "blacklisted", _LINE, "The modem dials this number no more, after too many failed tries.",
        "Check the number; switching the modem off and on makes it forget.",
    ),
    DialResult.VOICE: Reason(
        "voice", _LINE, "Somebody answered who is no modem.", "Check the number: a person may have been woken."
    ),
    DialResult.ERROR: Reason(
        "error", _LINE, "The link is not in order.", "Check its power and cables: `dialpost modem test`."
    ),
    DialResult.TIMEOUT: Reason(
        "timeout", _LINE, "The line did not come up in time.", "Check the number, or raise call.dial_timeout_s."
    ),
    DialResult.CANCELLED: Reason("cancelled", _DARK, "Somebody hung up first."),
}  # fmt: skip

_OWN_NUMBER = "Check modem.numbers: on most networks it stays empty, and *99***1# is dialled."
MEDIUM_REASONS: dict[tuple[Medium, DialResult], Reason] = {
    (Medium.CELLULAR, DialResult.NO_CARRIER): Reason(
        "no-carrier", _LINE, "The network did not begin the data call, or ended it.",
        "Check modem.apn (the operator names it), that the SIM's contract has data and credit, and the reception: "
        "`dialpost modem test`.",
    ),
    (Medium.CELLULAR, DialResult.NO_DIALTONE): Reason(
        "no-dialtone", _LINE, "There is no network.", "Check the antenna and the reception: `dialpost modem test`."
    ),
    (Medium.CELLULAR, DialResult.NO_ANSWER): Reason(
        "no-answer", _LINE, "The network does not answer the data call.", _OWN_NUMBER
    ),
    (Medium.CELLULAR, DialResult.BUSY): Reason(
        "busy", _LINE, "The network has no room for a data call, or the modem is in one.",
        f"It is tried again by itself. {_OWN_NUMBER}",
    ),
    (Medium.CELLULAR, DialResult.ERROR): Reason(
        "error", _LINE, "The modem refused to dial.",
        f"Check modem.apn and that the SIM may use data: `dialpost modem test`. {_OWN_NUMBER}",
    ),
    (Medium.SATELLITE, DialResult.NO_CARRIER): Reason(
        "no-carrier", _LINE, "The satellite's network did not begin the call, or lost it.",
        "Check that the antenna sees the whole sky, that the contract has data, and the number; it is tried again "
        "by itself.",
    ),
    (Medium.SATELLITE, DialResult.NO_DIALTONE): Reason(
        "no-dialtone", _LINE, "There is no satellite in sight.", "Check that the antenna sees the whole sky."
    ),
}  # fmt: skip
"""Rows that read otherwise on a line that is no telephone's."""

PPP_REASONS: dict[int, Reason] = {
    0: Reason(
        "ppp-ended", _LINE, "The provider ended the network.",
        "What was under way is sent again; the station calls again by itself.",
    ),
    1: Reason(
        "ppp-fatal", _LINE, "pppd had a fault of its own (no memory, no kernel support ...).",
        "See the log; switch the station off and on.",
    ),
    2: Reason(
        "ppp-options", _LINE, "pppd does not understand its options.",
        "Look at [ppp]: `dialpost config check`.",
    ),
    3: Reason(
        "ppp-not-root", _LINE, "pppd may not do its work: it needs to be started by root.",
        "On the station it is dialpost-ppp.service; see `dialpost doctor`.",
    ),
    4: Reason("ppp-no-kernel", _LINE, "This kernel has no PPP.", "Install or load the module ppp_generic."),
    5: Reason(
        "ppp-terminated", _LINE, "Something on the station ended pppd.",
        "The station calls again by itself; its log may tell what it was.",
    ),
    6: Reason("ppp-locked", _LINE, "Another program has the serial port.", "End it, and call again."),
    7: Reason(
        "ppp-no-port", _LINE, "The serial port could not be opened.",
        "Check the modem's cable: `dialpost modem test`.",
    ),
    8: Reason(
        "ppp-connect-script", _LINE, "The connect script failed.",
        "The station uses none: look at /etc/ppp.",
    ),
    9: Reason(
        "ppp-pty", _LINE, "The command behind the port could not be run.",
        "The station uses none: see the log.",
    ),
    10: Reason(
        "ppp-negotiation", _LINE, "The provider's end does not speak PPP as it should: no network was agreed on.",
        "Call again. If it stays so, ask the provider whether a login comes before PPP (modem.login_script), and "
        "whether the number is right.",
    ),
    11: Reason(
        "ppp-peer-auth", _LINE, "The provider did not prove who it is.",
        "The station asks for no proof: see the log.",
    ),
    12: Reason(
        "ppp-idle", _LINE, "The network was idle for too long.", "The station sets no such limit: look at /etc/ppp."
    ),
    13: Reason(
        "ppp-time-limit", _LINE, "The longest time pppd was allowed is over.",
        "The station sets no such limit: look at /etc/ppp.",
    ),
    14: Reason(
        "ppp-callback", _LINE, "The provider wants to call back.",
        "The station can't be called: ask the provider.",
    ),
    15: Reason(
        "ppp-dead", _LINE, "The line is dead: the other end no longer answers.",
        "What was under way is sent again; the station calls again by itself.",
    ),
    16: Reason(
        "ppp-hangup", _LINE, "The modem lost its carrier.",
        "What was under way is sent again; it calls again by itself.",
    ),
    17: Reason(
        "ppp-loopback", _LINE, "The line sends back what it gets.",
        "Check the cable: a loop-back plug may be on.",
    ),
    18: Reason("ppp-init-script", _LINE, "The init script failed.", "The station uses none: look at /etc/ppp."),
    19: Reason(
        "ppp-auth", _LINE, "The provider refused the login on the line.",
        "Check ppp.user and ppp.password (capitals count), then call again.",
    ),
    20: Reason("ppp-too-late", _LINE, "The traffic limit was reached.", "The station sets none: look at /etc/ppp."),
    21: Reason("ppp-auth-files", _LINE, "pppd has no secret for this provider.", "Set ppp.user and ppp.password."),
}  # fmt: skip


def advice(result: DialResult, medium: Medium = Medium.TELEPHONE) -> str:
    """What happened and what to do next, in one text; "" where there is nothing to say."""
    if result in {DialResult.CONNECTED, DialResult.CANCELLED}:
        return ""
    reason = MEDIUM_REASONS.get((medium, result)) or DIAL_REASONS[result]
    return f"{reason.words} {reason.next_step}"


def ppp_reason(exit_code: int) -> Reason:
    """The row of an exit code; a code from the future has a row too."""
    return PPP_REASONS.get(exit_code) or Reason(
        f"ppp-exit-{exit_code}", _LINE, f"pppd ended with the unknown status {exit_code}.", "See the log."
    )


def page() -> str:
    """docs/line-reasons.md, whole."""
    rows = [f"| {result.value} | {_cells(reason)} |" for result, reason in DIAL_REASONS.items()]
    others = [
        f"| {medium.value}, {result.value} | {_cells(reason)} |"
        for (medium, result), reason in MEDIUM_REASONS.items()
    ]
    codes = [f"| {code} | {_cells(reason)} |" for code, reason in PPP_REASONS.items()]
    head = "| log | panel, once the call is over | on the console | what to do next |\n|---|---|---|---|---|\n"
    return (
        "# Why a line did not come up, or went\n\n"
        "Made from `firmware/dialpost/core/line_reasons.py`; do not edit it:\n"
        "`.venv/bin/python -m dialpost.core.line_reasons > docs/line-reasons.md` makes it anew.\n\n"
        "## Results of dialling\n\n| result " + head + "\n".join(rows) + "\n\n"
        "The log has them as `call: failed result=...`; a line that came up as `call: connected`.\n\n"
        "On a cellular or satellite modem some of them mean something else:\n\n| modem, result "
        + head
        + "\n".join(others)
        + "\n\n"
        "## The network over the line: pppd's exit status\n\n"
        "Where pppd ends by itself. The log has them as `call: network ended reason=...`. A call that the station\n"
        "hangs up is no fault.\n\n| status " + head + "\n".join(codes) + "\n"
    )


def _cells(reason: Reason) -> str:
    return f"{reason.log} | {reason.light} | {reason.words} | {reason.next_step}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
