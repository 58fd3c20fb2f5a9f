"""What is left out of a record of the core counts as nothing, none or no, except for what is named here."""

from __future__ import annotations

import dataclasses
from math import inf

from dialpost.core.console.commands import Argument, Command
from dialpost.core.console.wizard.facts import Facts, PortOffer
from dialpost.core.console.wizard.machine import Question
from dialpost.core.console.wizard.step import Step
from dialpost.core.line.call.budget import Spent
from dialpost.core.line.call.end import Evidence
from dialpost.core.line.call.forecast import Forecast, LineSpeed
from dialpost.core.line.call.habits import Chance, Looks
from dialpost.core.line.call.notes import Happening
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.call.retry import Setback
from dialpost.core.line.call.schedule import CallFacts
from dialpost.core.line.call.worth import Price
from dialpost.core.line.dial_plan import Step as DialStep
from dialpost.core.line.modem.set_up import SetUpCommand
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.options import PppRequest
from dialpost.core.mail.accounts import Account
from dialpost.core.mail.content.downgrade import Goal
from dialpost.core.mail.dsn import ReportFrame
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.esmtp.client import Waiting
from dialpost.core.mail.esmtp.expected import Expected
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.intake_rules import Sides
from dialpost.core.mail.mx import NoRecords, NoSuchName, NoWay
from dialpost.core.mail.outcomes import Deferred, Delivered
from dialpost.core.mail.queue.cuts import CutHistory
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord
from dialpost.core.mail.routing import NextHop
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, OutgoingMessage, SessionEnd
from dialpost.core.panel.blink import Pattern
from dialpost.core.panel.station_state import StationState
from dialpost.core.system.apply.rendered import Rendered
from dialpost.core.system.card_wear import CardWear

KINDS: tuple[type, ...] = (
    Argument,
    Command,
    Facts,
    PortOffer,
    Question,
    Step,
    Spent,
    Evidence,
    Forecast,
    LineSpeed,
    Chance,
    Looks,
    Happening,
    CallRecord,
    Setback,
    CallFacts,
    Price,
    DialStep,
    SetUpCommand,
    PppEnd,
    PppRequest,
    Account,
    Goal,
    ReportFrame,
    Envelope,
    Waiting,
    Expected,
    Extensions,
    TlsCost,
    HeaderFacts,
    Sides,
    NoRecords,
    NoSuchName,
    NoWay,
    Deferred,
    Delivered,
    CutHistory,
    MessageRecord,
    QueueCounts,
    RecipientRecord,
    NextHop,
    ConnectSettings,
    EtrnDialogue,
    OutgoingMessage,
    SessionEnd,
    Pattern,
    StationState,
    Rendered,
    CardWear,
)
OTHERWISE: dict[type, dict[str, object]] = {
    Account: {"enabled": True},
    Argument: {"required": True},
    Command: {"is_paged": True},
    ConnectSettings: {"pipelining": True, "chunking": True, "timeout_scale": 1.0},
    Deferred: {"counts_as_attempt": True},
    Evidence: {"patience_ends_s": inf, "is_believed": True, "hanging_until_s": -inf},
    Expected: {"number": -1},
    Goal: {"ascii_header": True, "ascii_body": True},
    NoRecords: {"certain": True},
    NoSuchName: {"certain": True},
    NoWay: {"certain": True, "counts_as_attempt": True},
    Pattern: {"lit": True},
    PppRequest: {
        "compression": True,
        "use_peer_dns": True,
        "default_route": True,
        "echo_interval_s": 20,
        "echo_failures": 4,
        "shaping": True,
        "firewall": True,
    },
    Price: {"unit_s": 1.0},
    Rendered: {"mode": 0o644},
    Setback: {"retrying_until_s": inf},
    Waiting: {"least_s": 30.0},
}
"""What is as it usually is unless something else is said, or goes on until something else is known."""


def test_what_is_left_out_is_nothing() -> None:
    for kind in KINDS:
        figures = {
            field.name: field.default
            for field in dataclasses.fields(kind)
            if isinstance(field.default, bool | int | float) and field.default
        }
        assert figures == OTHERWISE.get(kind, {}), kind
