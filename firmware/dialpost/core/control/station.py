"""The methods about the station as a whole: its state, its log, DNS look-ups, its updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.calls import Call, Etrn
from dialpost.core.control.declared import VERSION, Access, Method, NoParams

MOST_LINES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is in the queue."""

    waiting_local: Annotated[int, "Messages for mailboxes here."]
    waiting_remote: Annotated[int, "Messages for the world."]
    urgent: Annotated[int, "How many of those are urgent."]
    held: Annotated[int, "Held messages."]
    bytes_waiting: Annotated[int, "Size of the messages for the world."]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardUse:
    """What was written to the card since the station started, by all programs, as the kernel counts it."""

    seconds: Annotated[int, "Time since then."]
    messages: Annotated[int, "Messages accepted since then."]
    written_bytes: Annotated[int, "Bytes written to the partition that holds the mail."]
    flushes: Annotated[int | None, "Flushes of the whole card; null if the kernel sends it none."]
    card_bytes: Annotated[int, "Size of the whole card."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The station's state. If no station runs, only `mode`, `version`, `words` and `attention` are meaningful."""

    mode: Annotated[
        str,
        "`running`, `set-up` (no configuration yet), `unreadable` (it can't be used), `on-trial` (a release that "
        "has yet to prove itself) or `standstill` (the card can't be used).",
    ]
    version: Annotated[str, "The running release of Dialpost."]
    attention: Annotated[tuple[str, ...], "What needs attention, a sentence each."]
    api: Annotated[int, "The version of this API."] = VERSION
    words: Annotated[str, "Why no station is running; empty if one is."] = ""
    problems: Annotated[tuple[str, ...], "Problems of a release on trial, a sentence each."] = ()
    hostname: Annotated[str, "The station's host name."] = ""
    link: Annotated[str, "The kind of link."] = ""
    uptime_s: Annotated[int, "Time since the station started."] = 0
    accounts: Annotated[int, "Number of accounts."] = 0
    free_bytes: Annotated[int, "Room on the card for new mail."] = 0
    budget: Annotated[tuple[str, ...], "Use of the limits that are set, a sentence each."] = ()
    notes: Annotated[tuple[str, ...], "Notes that need no action, a sentence each."] = ()
    doors: Annotated[tuple[str, ...], "Where mail is accepted: the listener's name, address and port."] = ()
    card: Annotated[CardUse | None, "What was written to the card; null if the kernel does not count it."] = None
    queue: Annotated[Waiting | None, "The queue; null if no station is running."] = None
    call_state_words: Annotated[str, "The state of the line, in words."] = ""
    last_call: Annotated[Call | None, "The last call; null before the first."] = None
    etrn: Annotated[tuple[Etrn, ...], "The provider's answers to ETRN in the last call."] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateState:
    """Show the result of the last update."""

    words: Annotated[str, "The result, in words; empty if there was none."]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupParams:
    """Of `lookup`."""

    name: Annotated[str, Setting("A host, a domain or an IP address.")]
    kind: Annotated[str, Setting("A record type such as MX; by default those that mail needs.", maximum=10)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParams:
    """Of `log.tail`."""

    lines: Annotated[int, Setting("Number of lines.", minimum=1, maximum=MOST_LINES)] = 50


STATUS = Method(
    "status",
    "Show what the station is doing, what is waiting, what needs attention.",
    NoParams,
    Status,
    access=Access.ANYONE,
)
LOOKUP = Method("lookup", "Look up a name in DNS; a line each. Does not dial.", LookupParams, tuple[str, ...])
LOG = Method("log.tail", "Return the newest lines of the log.", LogParams, tuple[str, ...])
TRIAL_OVER = Method(
    "trial.over",
    "Report that the release on trial has proved itself: the station starts.",
    NoParams,
    type(None),
    access=Access.OWNER,
)
UPDATE_LOOK = Method(
    "update.look", "Check the result of the last update, and report what is new.", NoParams, type(None)
)
UPDATE_STATUS = Method("update.status", "Show the result of the last update.", NoParams, UpdateState)
UPDATE_SEEN = Method("update.seen", "Mark it as read: the fault light goes out.", NoParams, type(None))

METHODS = (STATUS, LOOKUP, LOG, TRIAL_OVER, UPDATE_LOOK, UPDATE_STATUS, UPDATE_SEEN)
