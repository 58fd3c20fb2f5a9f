"""The methods about the station as a whole: its state, its log, what name service says, its updates."""

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
    held: Annotated[int, "Messages that are held."]
    bytes_waiting: Annotated[int, "How much waits for the world."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The station's state. Where no station runs only `mode`, `version`, `words` and `attention` say something."""

    mode: Annotated[
        str,
        "`running`, `set-up` (no configuration yet), `unreadable` (it can't be used), `on-trial` (a release that "
        "has yet to prove itself) or `standstill` (the card can't be used).",
    ]
    version: Annotated[str, "The release of Dialpost that runs."]
    attention: Annotated[tuple[str, ...], "What needs the operator, a sentence each."]
    api: Annotated[int, "The version of this API."] = VERSION
    words: Annotated[str, "Why no station runs; empty where one does."] = ""
    problems: Annotated[tuple[str, ...], "What speaks against a release on trial, a sentence each."] = ()
    hostname: Annotated[str, "The station's name."] = ""
    link: Annotated[str, "The kind of link."] = ""
    uptime_s: Annotated[int, "Since the station's start."] = 0
    accounts: Annotated[int, "How many there are."] = 0
    free_bytes: Annotated[int, "Room on the card for new mail."] = 0
    budget: Annotated[tuple[str, ...], "What is used of limits that are set, a sentence each."] = ()
    notes: Annotated[tuple[str, ...], "What is worth knowing and needs nobody, a sentence each."] = ()
    doors: Annotated[tuple[str, ...], "Where mail is taken: the listener's name, address and port."] = ()
    queue: Annotated[Waiting | None, "What waits; null where no station runs."] = None
    call_state_words: Annotated[str, "What the line is doing, for people."] = ""
    last_call: Annotated[Call | None, "The last call; null before the first."] = None
    etrn: Annotated[tuple[Etrn, ...], "The provider's answers to ETRN in the last call."] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateState:
    """What became of the last update."""

    words: Annotated[str, "For people; empty where there was none."]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupParams:
    """Of `lookup`."""

    name: Annotated[str, Setting("A host, a domain or an IP address.")]
    kind: Annotated[str, Setting("A type of record such as MX; without it what mail needs.", maximum=10)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParams:
    """Of `log.tail`."""

    lines: Annotated[int, Setting("How many.", minimum=1, maximum=MOST_LINES)] = 50


STATUS = Method(
    "status",
    "What the station is doing, what waits, what needs the operator.",
    NoParams,
    Status,
    access=Access.ANYONE,
)
LOOKUP = Method("lookup", "What name service says, a line each. It does not dial.", LookupParams, tuple[str, ...])
LOG = Method("log.tail", "The newest lines of the log.", LogParams, tuple[str, ...])
TRIAL_OVER = Method(
    "trial.over",
    "The release on trial has proven itself: the station starts.",
    NoParams,
    type(None),
    access=Access.OWNER,
)
UPDATE_LOOK = Method(
    "update.look", "See what became of the last update, and report what is new.", NoParams, type(None)
)
UPDATE_STATUS = Method("update.status", "What became of the last update.", NoParams, UpdateState)
UPDATE_SEEN = Method("update.seen", "The operator has read it: the fault light goes out.", NoParams, type(None))

METHODS = (STATUS, LOOKUP, LOG, TRIAL_OVER, UPDATE_LOOK, UPDATE_STATUS, UPDATE_SEEN)
