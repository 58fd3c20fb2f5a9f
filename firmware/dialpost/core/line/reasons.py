"""Why a line did not come up, or was lost: one table for the log, the lights, the console and the documentation.

It has a row for every result of dialling (`DialResult`) and for every exit code of pppd (pppd(8), EXIT STATUS,
version 2.5.2); pppd's log says more than its code (`core/line/ppp/log`). docs/line-reasons.md is made from both
(`core/line/reasons_page`). pppd's rows apply if it ends on its own: if the station hangs up, nothing is wrong, and
its status does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.advice import LOG
from dialpost.core.faults import FAULT_FLASHES, Fault
from dialpost.core.line.link import Again, DialResult
from dialpost.core.line.modem.profile import Medium

LIGHT = f"fault: {FAULT_FLASHES[Fault.LINE]} flashes (line)"
_DARK = "fault dark"
CHECK_LOGIN = (
    "Correct ppp.user and ppp.password with `dialpost config set` (capitals count); they are the provider's, for "
    "the line."
)
SET_LOGIN = "Set ppp.user and ppp.password with `dialpost config set`; the provider names them."


@dataclass(frozen=True, slots=True)
class Reason:
    """`log` is the word in the log; `light` what the panel shows after the call; `words` what happened, for people;
    `next_step` what to do, "" if nothing. `again`: when the station redials automatically.
    """

    log: str
    light: str
    words: str
    next_step: str = ""
    again: Again = Again.SOON


DIAL_REASONS: dict[DialResult, Reason] = {
    DialResult.CONNECTED: Reason("connected", "line lit, " + _DARK, "The line is up."),
    DialResult.BUSY: Reason("busy", LIGHT, "The number is busy.", "The station redials."),
    DialResult.NO_ANSWER: Reason(
        "no-answer", LIGHT, "The other end does not answer.", "Check the number and that the provider is up."
    ),
    DialResult.NO_CARRIER: Reason(
        "no-carrier", LIGHT, "The other end answered, but there was no carrier.", "Try again; check for line noise."
    ),
    DialResult.NO_DIALTONE: Reason(
        "no-dialtone", LIGHT, "There is no dial tone.", "Check the cable between modem and socket."
    ),
    DialResult.DELAYED: Reason(
        "delayed",
        LIGHT,
        "After failed tries the modem blocks this number for a while, as national rules require.",
        "The station retries automatically; a second number in modem.numbers may help.",
    ),
    DialResult.BLACKLISTED: Reason(
        "blacklisted",
        LIGHT,
        "The modem has blocked this number after too many failed tries.",
        "Check the number; switching the modem off and on clears the block.",
        again=Again.AFTER_CHANGE,
    ),
    DialResult.VOICE: Reason(
        "voice",
        LIGHT,
        "A human answered, not a modem.",
        "Check the number: you may have woken somebody.",
        again=Again.NEXT_TIME,
    ),
    DialResult.ERROR: Reason("error", LIGHT, "The link has a fault.", "`dialpost doctor` shows what is wrong."),
    DialResult.TIMEOUT: Reason(
        "timeout", LIGHT, "The line did not come up in time.", "Check the number, or raise call.dial_timeout_s."
    ),
    DialResult.CANCELLED: Reason("cancelled", _DARK, "Somebody hung up first."),
}

_OWN_NUMBER = "Check modem.numbers: on most networks it stays empty, and *99***1# is dialled."
MEDIUM_REASONS: dict[tuple[Medium, DialResult], Reason] = {
    (Medium.CELLULAR, DialResult.NO_CARRIER): Reason(
        "no-carrier",
        LIGHT,
        "The network did not start the data call, or ended it.",
        "Check modem.apn (the operator names it), that the SIM's contract has data and credit, and the reception: "
        "`dialpost modem test`.",
    ),
    (Medium.CELLULAR, DialResult.NO_DIALTONE): Reason(
        "no-dialtone", LIGHT, "There is no network.", "Check the antenna and the reception: `dialpost modem test`."
    ),
    (Medium.CELLULAR, DialResult.NO_ANSWER): Reason(
        "no-answer", LIGHT, "The network does not answer the data call.", _OWN_NUMBER
    ),
    (Medium.CELLULAR, DialResult.BUSY): Reason(
        "busy",
        LIGHT,
        "The network has no room for a data call, or the modem is in one.",
        f"The station redials. {_OWN_NUMBER}",
    ),
    (Medium.CELLULAR, DialResult.ERROR): Reason(
        "error",
        LIGHT,
        "The modem refused to dial.",
        f"Check modem.apn and that the SIM may use data: `dialpost modem test`. {_OWN_NUMBER}",
    ),
    (Medium.SATELLITE, DialResult.NO_CARRIER): Reason(
        "no-carrier",
        LIGHT,
        "The satellite network did not start the call, or dropped it.",
        "Check that the antenna sees the whole sky, that the contract has data, and the number; the station "
        "redials by itself.",
    ),
    (Medium.SATELLITE, DialResult.NO_DIALTONE): Reason(
        "no-dialtone", LIGHT, "There is no satellite in sight.", "Check that the antenna sees the whole sky."
    ),
}
"""Rows worded differently for lines that are not telephone lines."""

PPP_REASONS: dict[int, Reason] = {
    0: Reason(
        "ppp-ended", LIGHT, "The provider ended the network.",
        "Unfinished mail is sent again; the station redials.",
    ),
    1: Reason(
        "ppp-fatal", LIGHT, "pppd had a fault of its own (no memory, no kernel support ...).",
        f"Switch the station off and on. The log says more: {LOG}.", again=Again.NEXT_TIME),
    2: Reason(
        "ppp-options", LIGHT, "pppd does not understand its options.",
        "Check the settings of [ppp]: `dialpost config show`.", again=Again.AFTER_CHANGE),
    3: Reason(
        "ppp-not-root", LIGHT, "pppd lacks permission: root has to start it.",
        "On the station it is dialpost-ppp.service; see `dialpost doctor`.", again=Again.AFTER_CHANGE),
    4: Reason(
        "ppp-no-kernel", LIGHT, "This kernel has no PPP.", "Install or load the module ppp_generic.",
        again=Again.AFTER_CHANGE,
    ),
    5: Reason(
        "ppp-terminated", LIGHT, "Something on the station stopped pppd.",
        f"The station redials; {LOG} may say what it was.",
    ),
    6: Reason("ppp-locked", LIGHT, "Another program has the serial port.", "Stop it, then call again."),
    7: Reason(
        "ppp-no-port", LIGHT, "The serial port could not be opened.",
        "Check the modem's cable: `dialpost modem test`.",
    ),
    8: Reason(
        "ppp-connect-script", LIGHT, "The connect script failed.",
        "The station uses none: look at /etc/ppp.", again=Again.AFTER_CHANGE),
    9: Reason(
        "ppp-pty", LIGHT, "The command behind the port could not be run.",
        "The station uses none: look at /etc/ppp.", again=Again.AFTER_CHANGE),
    10: Reason(
        "ppp-negotiation", LIGHT, "The provider's end broke the PPP protocol, so no network was negotiated.",
        "Call again. If it persists, ask the provider whether a login comes before PPP (modem.login_script), and "
        "whether the number is right.",
    ),
    11: Reason(
        "ppp-peer-auth", LIGHT, "The provider did not prove who it is.",
        "The station asks for no proof: look at /etc/ppp/options.", again=Again.AFTER_CHANGE),
    12: Reason(
        "ppp-idle", LIGHT, "The network was idle for too long.", "The station sets no such limit: look at /etc/ppp."
    ),
    13: Reason(
        "ppp-time-limit", LIGHT, "pppd reached its time limit.",
        "The station sets no such limit: look at /etc/ppp.",
    ),
    14: Reason(
        "ppp-callback", LIGHT, "The provider wants to call back.",
        "The station can't be called: ask the provider.", again=Again.AFTER_CHANGE),
    15: Reason(
        "ppp-dead", LIGHT, "The other end of the line no longer answers.",
        "Unfinished mail is sent again; the station redials.",
    ),
    16: Reason(
        "ppp-hangup", LIGHT, "The modem lost its carrier.",
        "Unfinished mail is sent again; the station redials.",
    ),
    17: Reason(
        "ppp-loopback", LIGHT, "The line echoes what it is sent.",
        "Check the cable: a loop-back plug may be on.", again=Again.NEXT_TIME),
    18: Reason(
        "ppp-init-script", LIGHT, "The init script failed.", "The station uses none: look at /etc/ppp.",
        again=Again.AFTER_CHANGE,
    ),
    19: Reason(
        "ppp-auth", LIGHT, "The provider refused the login on the line.", CHECK_LOGIN, again=Again.AFTER_CHANGE),
    20: Reason("ppp-too-late", LIGHT, "The traffic limit was reached.", "The station sets none: look at /etc/ppp."),
    21: Reason(
        "ppp-auth-files", LIGHT, "pppd has no secret for this provider.", SET_LOGIN,
        again=Again.AFTER_CHANGE,
    ),
}  # fmt: skip


def advice(result: DialResult, medium: Medium = Medium.TELEPHONE) -> str:
    """What happened and what to do next, in one text; "" if there is nothing to say."""
    if result in {DialResult.CONNECTED, DialResult.CANCELLED}:
        return ""
    reason = MEDIUM_REASONS.get((medium, result)) or DIAL_REASONS[result]
    return f"{reason.words} {reason.next_step}"


AGAIN: dict[DialResult, Again] = {result: reason.again for result, reason in DIAL_REASONS.items()}
"""When the station redials automatically after this result, if nothing else is known."""


def ppp_reason(exit_code: int) -> Reason:
    """The row of an exit code; unknown future codes have a row, too."""
    return PPP_REASONS.get(exit_code) or Reason(
        f"ppp-exit-{exit_code}",
        LIGHT,
        f"pppd ended with the unknown status {exit_code}.",
        f"The log says more: {LOG}.",
    )
