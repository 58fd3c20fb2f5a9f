"""Every fault the daemon logs also appears where an operator looks: in `status`, and through it in `doctor`.

An ERROR needs an operator: a line of ATTENTION, for a day after it was last seen. A WARNING was handled: a note.
Faults that already have their own sentence there, shown until they are over, are listed here with its source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.advice import LOG

SHOWN_S = 86_400.0
MOST_SHOWN = 5
_CONFIGURATION = "configuration: "
_QUEUE_ID = re.compile(r"^[A-Z][0-9A-Z]{5,}: ")

TOLD_ELSEWHERE = {
    "call: failed %s": "core/line/call/notes, from the call's record",
    "call: network ended %s": "core/line/call/notes, from the call's record",
    "call: given up for now": "core/line/call/notes, and a letter to the postmaster",
    "call: not made": "flow/line/call/budget: the refusal stands in `status`",
    "etrn: %s": "core/line/call/notes, from the call's record",
    "smtp: needs the operator": "flow/mail/outgoing/host_troubles",
    "set aside": "flow/mail/queue/recovery: its report stands in `status`",
    "accounts: the file is missing": "station: a report in `status`",
    "accounts: taken from an older copy": "station: a report in `status`",
    "accounts: not everything is up to date": "station: a report in `status`",
    "card: full, so the reserve is in use": "station: `status` looks at the card itself",
    "tls: no certificate, so no login and no TLS": "station: a report in `status`",
    "modem: it can't be used as configured": "station: a report in `status`",
    "config: the present configuration still does not start: %s": "flow/config/changes",
    "config: not applied number=%s: %s": "flow/config/changes",
    "config: %s": "flow/config/changes",
    "panel: the button is stuck: %s": "flow/panel/button",
    "panel: %s": "front_panel",
    "panel: failed by a bug in Dialpost; the station runs without it": "front_panel",
    "panel: button held 10 s; a second press resets the station": "the panel's own lights; no fault",
    "panel: factory reset confirmed by the button: %s": "no fault: it was asked for",
    "factory reset asked for by=%s": "no fault: it was asked for",
    "control: refused uid=%s": "whoever asked reads the refusal",
}
"""The start of the log line, as in the code, and what informs the operator instead."""

_CARD = "`dialpost doctor` looks at the card: delete mail if it is full, replace it if it fails."
_OURS = f"This is a bug in Dialpost: keep the log ({LOG}) for whoever maintains it."
_NEXT = {
    "intake: the card failed": _CARD,
    "flush: stopped, outcomes can't be recorded": f"Nothing is sent until that works. {_CARD}",
    "local delivery: stopped for a moment": f"Mail for the mailboxes here waits. {_CARD}",
    "recovery: could not finish": f"The station tries again at the next start. {_CARD}",
    "recovery failed": f"The message stays in the queue. {_CARD}",
    "held": "`dialpost queue list --held` shows it. Have it sent again, then `dialpost queue delete` it.",
    "notice: nobody to tell": "Set station.postmaster to an account that exists: its owner then gets the notices.",
    "modem: the line may still be up": "Power-cycle the modem; a call that stays up may cost money.",
    "smtp: the host does not support what it offers": "Nothing to do: from now on mail goes without that "
    "extension.",
    "connections: the system gives no more: %s": "Idle ones are ended. Raise the limit (LimitNOFILE, `ulimit "
    "-n`) or lower smtp.max_connections.",
    "connections: file descriptors for %s only": "Raise the limit (LimitNOFILE, `ulimit -n`) to have all of "
    "smtp.max_connections.",
    "mailbox: another program empties it, too": "Messages that were held there are gone. Make the station the only "
    "one that collects it, or set the other one to leave the mail there.",
    "mailbox: a message was skipped": "The provider lists it in a way that can't be used: ask its support.",
    "mailbox: the provider can't serve a message": "After some tries it is left there: `dialpost inbound list`.",
    "clock: no server gave the time; it stays wrong": "Set clock.servers to a time server that can be reached.",
}


@dataclass(frozen=True, slots=True)
class LoggedFault:
    """One kind of fault: the start of its log lines, the newest of them, and their number."""

    key: str
    text: str
    needs_operator: bool
    count: int
    last_s: float

    @property
    def words(self) -> str:
        """What happened, and the next step."""
        often = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.text.removesuffix('.')}{often}. {self._next}"

    @property
    def _next(self) -> str:
        name = bare(self.key)
        if name.startswith(_CONFIGURATION):
            return "`dialpost config explain KEY` explains the setting."
        if name in _NEXT:
            return _NEXT[name]
        if "bug in Dialpost" in name or "fault" in name or "failed" in name:
            return _OURS
        return f"`dialpost doctor` checks further. For the lines before it: {LOG}."

    @property
    def is_told_elsewhere(self) -> bool:
        """Whether `status` has its own sentence for it."""
        return bare(self.key) in TOLD_ELSEWHERE


def kind_of(message: object, args: object) -> str:
    """The common start of log lines of one kind, as in the code (a format and its values).

    Each warning about the configuration (`daemon`: file, sentence) is a kind of its own.
    """
    if message == "%s: %s" and isinstance(args, tuple) and len(args) == 2:
        return f"{_CONFIGURATION}{args[1]}"
    is_mail_log = message == "%s %s" and isinstance(args, tuple) and args
    return str(args[0]) if is_mail_log and isinstance(args, tuple) else str(message)


def bare(key: str) -> str:
    """The key without the queue id of its message."""
    return _QUEUE_ID.sub("", key).removeprefix("%s: ")


def attention(faults: Sequence[LoggedFault]) -> list[str]:
    """The faults that need the operator, newest last."""
    return _shown([fault for fault in faults if fault.needs_operator and not fault.is_told_elsewhere])


def notes(faults: Sequence[LoggedFault]) -> list[str]:
    """The faults that were handled but should be known."""
    return _shown([fault for fault in faults if not fault.needs_operator and not fault.is_told_elsewhere])


def _shown(faults: list[LoggedFault]) -> list[str]:
    left_out = len(faults) - MOST_SHOWN
    more = [f"And {left_out} more: {LOG}."] if left_out > 0 else []
    return [fault.words for fault in faults[-MOST_SHOWN:]] + more
