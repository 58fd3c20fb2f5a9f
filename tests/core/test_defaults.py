"""What a record says of figures and facts that its maker leaves out: nothing happened, none is known.

Where something else is taken for granted, it stands here beside the class.
"""

import dataclasses
import math
from typing import Any

import pytest

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.keys import Place
from dialpost.core.config.setting import Setting
from dialpost.core.console.commands import Argument, Command
from dialpost.core.console.wizard.facts import Facts, PortOffer
from dialpost.core.console.wizard.machine import Question
from dialpost.core.console.wizard.step import Step
from dialpost.core.line.call.budget import Spent
from dialpost.core.line.call.forecast import Forecast
from dialpost.core.line.call.notes import Happening
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.call.retry import Setback
from dialpost.core.line.call.schedule import CallFacts
from dialpost.core.line.dial_plan import Step as DialStep
from dialpost.core.line.modem.set_up import SetUpCommand
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.options import PppRequest
from dialpost.core.line.redial_rules import MayDial
from dialpost.core.mail.accounts import Account
from dialpost.core.mail.content.downgrade import Goal
from dialpost.core.mail.dsn import ReportFrame
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.esmtp.expected import Expected
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.intake_rules import Sides
from dialpost.core.mail.mx import NoRecords, NoSuchName, NoWay
from dialpost.core.mail.outcomes import Deferred, Delivered
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord
from dialpost.core.mail.routing import NextHop
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, OutgoingMessage, SessionEnd
from dialpost.core.panel.blink import Pattern
from dialpost.core.panel.station_state import StationState
from dialpost.core.system.apply.rendered import Rendered
from dialpost.core.system.card_wear import CardWear

UNLESS_SAID: dict[type[Any], dict[str, float]] = {
    Account: {"enabled": True},
    Argument: {"required": True},
    CallFacts: {},
    CallRecord: {},
    Candidate: {"keeps_comments": True},
    CardWear: {},
    Command: {"is_paged": True},
    ConnectSettings: {"pipelining": True, "chunking": True, "timeout_scale": 1.0},
    Deferred: {"counts_as_attempt": True},
    Delivered: {},
    Envelope: {},
    EtrnDialogue: {},
    Expected: {"number": -1},
    Extensions: {},
    Facts: {},
    Forecast: {},
    Goal: {"ascii_header": True, "ascii_body": True},
    Happening: {},
    HeaderFacts: {},
    MayDial: {},
    MessageRecord: {},
    NextHop: {},
    NoRecords: {"certain": True},
    NoSuchName: {"certain": True},
    NoWay: {"certain": True, "counts_as_attempt": True},
    OutgoingMessage: {},
    Pattern: {"lit": True},
    Place: {},
    PortOffer: {},
    PppEnd: {},
    PppRequest: {
        "compression": True,
        "use_peer_dns": True,
        "default_route": True,
        "echo_interval_s": 20,
        "echo_failures": 4,
        "shaping": True,
        "firewall": True,
    },
    Question: {},
    QueueCounts: {},
    RecipientRecord: {},
    Rendered: {"mode": 0o644},
    ReportFrame: {},
    SessionEnd: {},
    SetUpCommand: {},
    Setback: {"retrying_until_s": math.inf},
    Setting: {},
    Sides: {},
    Spent: {},
    StationState: {},
    DialStep: {},
    Step: {},
}


@pytest.mark.parametrize(("record", "said"), UNLESS_SAID.items())
def test_what_holds_unless_something_else_is_said(record: type[Any], said: dict[str, float]) -> None:
    figures = {
        field.name: field.default
        for field in dataclasses.fields(record)
        if isinstance(field.default, bool | int | float)
    }
    assert figures
    assert {name: value for name, value in figures.items() if value} == said
