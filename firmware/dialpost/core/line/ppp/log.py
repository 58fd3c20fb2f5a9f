"""What pppd's log reveals about its end and its exit status does not: even after a refused login, the status is
that of a lost carrier (16), because the provider hangs up immediately.

Sources: the messages of pppd 2.4.9 and 2.5.2 (auth.c, upap.c, chap-new.c, chap_ms.c, eap.c, lcp.c, fsm.c, ipcp.c,
ccp.c, main.c, sys-linux.c); RFC 1661 (LCP), RFC 1334 (PAP), RFC 1994 (CHAP), RFC 2433 and RFC 2759 (MS-CHAP's
codes), RFC 1332 (IPCP). The peer's words in them are foreign text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.line.link import Again
from dialpost.core.line.reasons import CHECK_LOGIN, LIGHT, SET_LOGIN, Reason
from dialpost.core.printable import one_line

_ASK_PROVIDER = "If this repeats, ask the provider."
_BY_PEER = r"terminated by peer \(.*"
_MOST_FOREIGN = 120


@dataclass(frozen=True, slots=True)
class LogReason:
    """A row: lines that match one of the patterns mean this. `before_up`: only while no network was up."""

    patterns: tuple[re.Pattern[str], ...]
    reason: Reason
    before_up: bool


def _row(
    log: str,
    patterns: Sequence[str],
    words: str,
    next_step: str,
    again: Again = Again.SOON,
    *,
    before_up: bool = False,
) -> LogReason:
    compiled = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    return LogReason(compiled, Reason(log, LIGHT, words, next_step, again), before_up)


LOG_REASONS: tuple[LogReason, ...] = (
    _row(
        "ppp-password-expired", ["E=648", _BY_PEER + "password.*expired"],
        "The provider says that the password has expired.",
        "Get a new one from the provider and set ppp.password with `dialpost config set`.", Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-account-closed", ["E=647", "E=649", _BY_PEER + "(?:account|user).*(?:disabled|locked|suspended)"],
        "The provider does not let this account dial in.",
        "Ask the provider to enable it; then `dialpost call now`.", Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-hours", ["E=646"], "The provider lets this account dial in only at other hours.",
        "Set schedule.entry to hours that the provider allows.", Again.NEXT_TIME,
    ),
    _row(
        "ppp-auth-kind", ["authentication failed due to protocol-reject"],
        "The provider rejects the kind of login that it asked for itself.",
        'Set ppp.auth to "pap" or "chap" with `dialpost config set`, as the provider wants it.', Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-proof", ["^peer refused to authenticate", "mutual authentication failed",
                      "^The remote system .*is required to authenticate"],
        "The provider did not prove who it is.", "The station asks for no proof: look at /etc/ppp/options.",
        Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-no-login", [_BY_PEER + "refused to authenticate", _BY_PEER + "no auth", _BY_PEER + "auth.*required",
                         "No auth is possible"],
        "The provider requires a login and accepted none that the station offered.",
        SET_LOGIN + ' If they are set, try ppp.auth = "auto".', Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-no-secret",
        ["No secret found for PAP login", "No CHAP secret found for authenticating us",
         "EAP: no .*secret for auth to", "can't be started without a username"],
        "The provider requires a login, but none is set.", SET_LOGIN, Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-refused",
        ["^(?:PAP|CHAP|MS-?CHAP(?:v2)?|EAP)[ -].*authentication failed", "peer reports authentication failure",
         "Failed to authenticate ourselves", _BY_PEER + "(?:auth\\w* fail|fail\\w* auth|login incorrect)",
         _BY_PEER + "(?:bad|invalid|wrong|unknown).*(?:password|user|login)",
         _BY_PEER + "(?:access|login|auth\\w*) (?:denied|rejected|refused)"],
        "The provider refused the login on the line.", CHECK_LOGIN, Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-auth-silent",
        ["No response to PAP authenticate-requests", "CHAP authentication timed out",
         "EAP: timeout waiting for Request"],
        "The provider did not answer the login on the line.", "The station redials. " + _ASK_PROVIDER,
    ),
    _row(
        "ppp-echo", ["Serial line is looped back", "Loopback detected", "received our own echo-reply",
                     _BY_PEER + "loopback"],
        "The line echoes what it is sent.",
        "A login prompt may come before PPP (set modem.login_script), or a loop-back plug is on.", Again.NEXT_TIME,
    ),
    _row(
        "ppp-encryption", ["MPPE required", _BY_PEER + "MPPE", _BY_PEER + "encryption"],
        "The provider wants the line to be encrypted (MPPE), which the station does not do.",
        "Ask the provider for access without MPPE; mail is encrypted by TLS.", Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-callback-wanted", [_BY_PEER + "call.?back", "Callback.*(?:required|refused)"],
        "The provider wants to call back.", "The station can't be called: ask the provider.", Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-time-over",
        ["Connect time expired", _BY_PEER + "session.?time", _BY_PEER + "time limit", _BY_PEER + "max.*time"],
        "The provider's limit on the length of a call is reached.",
        "Unfinished mail is sent again. Keep call.max_call_s below the provider's limit.",
    ),
    _row(
        "ppp-inactive", ["due to lack of activity", _BY_PEER + "(?:inactiv|idle)"],
        "The line was idle for too long.",
        "Unfinished mail is sent again; the station redials.",
    ),
    _row(
        "ppp-silent-peer",
        ["No response to \\d+ echo-requests", "Serial link appears to be disconnected",
         _BY_PEER + "not responding"],
        "The other end of the line no longer answers.",
        "Unfinished mail is sent again; the station redials.",
    ),
    _row(
        "ppp-no-ip", ["Protocol-Reject for '(?:IP|Internet Protocol) Control Protocol'",
                      _BY_PEER + "no network protocols", "^IPCP terminated by peer"],
        "The provider accepted the login but did not start a network (IP).",
        "Ask the provider whether the account may use the Internet. The station tries again at the next scheduled "
        "time.",
        Again.NEXT_TIME, before_up=True,
    ),
    _row(
        "ppp-address",
        ["Could not determine local IP address", "Refused our IP address",
         "Peer refused to agree to our IP address", "not authorized to use remote address",
         "^IPCP: timeout sending Config-Requests"],
        "No address was negotiated.",
        "Leave ppp.local_address and ppp.remote_address empty unless the provider named them. " + _ASK_PROVIDER,
        Again.NEXT_TIME, before_up=True,
    ),
    _row(
        "ppp-no-answer", ["^LCP: timeout sending Config-Requests", "serial link is not 8-bit clean"],
        "A modem answered, but nothing behind it speaks PPP.",
        "Check modem.numbers. If the provider wants a login before PPP, set modem.login_script.", before_up=True,
    ),
    _row(
        "ppp-port-locked", ["^Device .* is locked by"], "Another program has the serial port.",
        "Stop it, then call again.",
    ),
    _row(
        "ppp-no-module",
        ["lacks (?:kernel support for PPP|PPP kernel support)", "load the ppp_generic",
         "Couldn't open the /dev/ppp device", "Couldn't set tty to PPP discipline"],
        "This kernel has no PPP.", "Install or load the modules ppp_generic and ppp_async.", Again.AFTER_CHANGE,
    ),
    _row(
        "ppp-peer-ended", ["^LCP terminated by peer"], "The provider ended the network.",
        "Unfinished mail is sent again; the station redials. " + _ASK_PROVIDER,
    ),
)  # fmt: skip
"""In order of priority: a cause before its consequences."""

_FOREIGN = (
    re.compile(r"^Remote message: (.+)"),
    re.compile(r"terminated by peer \((.+)\)$"),
    re.compile(r"authentication failed: (.+)"),
)


def log_reason(lines: Sequence[str], *, was_up: bool) -> Reason | None:
    """The row for what pppd logged; None if the log does not explain its end."""
    for row in LOG_REASONS:
        if row.before_up and was_up:
            continue
        if any(pattern.search(line) for pattern in row.patterns for line in lines):
            return row.reason
    return None


def peer_words(lines: Sequence[str]) -> str:
    """The provider's own words about it, sanitised and short; "" if there are none."""
    for line in reversed(lines):
        for pattern in _FOREIGN:
            if (found := pattern.search(line)) and (words := one_line(found[1], _MOST_FOREIGN).strip(' "')):
                return words
    return ""
