"""Runs the ESMTP client's core against the model server, without sockets: group by group.

A group is all the client sends before it has to wait. Replies reach the client whole or byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialpost.core.mail.content.outgoing import ContentFacts, Survey
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.esmtp.client import EsmtpClient
from dialpost.core.mail.esmtp.wire import Ended, EtrnAnswered, Event, Finished, StartTls
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.smtp_target import ConnectSettings, OutgoingMessage
from smtp_model import ModelServer

SETTINGS = ConnectSettings(helo="station.example")
BODY = b"Subject: hello\n\nline\n.dot\n"
BODY_WIRE = b"Subject: hello\r\n\r\nline\r\n.dot\r\n"


def make_message(
    number: int = 1, *, recipients: Sequence[str] = ("bob@example.org",), **envelope: Any
) -> OutgoingMessage:
    envelope.setdefault("sender", "anna@clinic.example")
    made = Envelope(recipients=tuple(Recipient(address) for address in recipients), **envelope)
    return OutgoingMessage(QueueId(f"q{number}"), made, 0, Path("unused"))


def facts_of(body: bytes) -> ContentFacts:
    survey = Survey()
    survey.feed(body)
    return survey.facts()


@dataclass
class CoreTalk:
    server: ModelServer
    settings: ConnectSettings = SETTINGS
    body: bytes = BODY
    bytewise: bool = False
    groups: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cut_up: int | None = None  # the line is lost after this many bytes sent
    cut_down: int | None = None

    def __post_init__(self) -> None:
        self.core = EsmtpClient(self.settings, "mail.example")

    def run(self, messages: Sequence[OutgoingMessage], etrn: Sequence[str] = ()) -> dict[str, tuple[Outcome, ...]]:
        """Everything, up to the end of the session; the outcomes by queue id."""
        left, names = list(messages), list(etrn)
        self._deliver(self.server.greet())
        while not self.is_over:
            while left and self.core.can_submit:
                message = left.pop(0)
                self.events += self.core.submit(message, facts_of(self.body))
            if self.core.is_idle:
                if names:
                    self.events += self.core.etrn(names.pop(0))
                elif not left:
                    self.events += self.core.quit()
            self._send_group(left)
        self.not_offered = left
        return self.outcomes

    @property
    def ended(self) -> Ended:
        return next(event for event in self.events if isinstance(event, Ended))

    @property
    def is_over(self) -> bool:
        return any(isinstance(event, Ended) for event in self.events)

    @property
    def outcomes(self) -> dict[str, tuple[Outcome, ...]]:
        found: dict[str, tuple[Outcome, ...]] = {}
        for event in self.events:
            if isinstance(event, Finished):
                assert event.message.queue_id not in found, "finished twice"
                found[event.message.queue_id] = event.outcomes
        return found

    @property
    def etrn_answers(self) -> list[tuple[str, str]]:
        return [(event.name, str(event.reply)) for event in self.events if isinstance(event, EtrnAnswered)]

    def _send_group(self, left: list[OutgoingMessage]) -> None:
        group = self.core.data_to_send()
        while (request := self.core.content_wanted) is not None:
            rest = self.body[request.offset :]
            block = rest[: request.max_bytes]
            if len(block) == len(rest) and left and self.core.can_submit:
                self.events += self.core.submit(left.pop(0), facts_of(self.body))
            self.core.feed(block, last=len(block) == len(rest))
            group += self.core.data_to_send()
        if self.cut_up is not None:
            group, lost = group[: self.cut_up], len(group) >= self.cut_up
            self.cut_up -= len(group)
            if lost:
                self.server.receive(group)
                self.events += self.core.failed("the line was cut")
                return
        if group:
            self.groups.append(group)
        replies = self.server.receive(group)
        if not replies and not self.is_over:
            assert self.server.closed, f"both sides wait: {self.groups[-1]!r}"
            self.events += self.core.eof()
            return
        self._deliver(replies)

    def _deliver(self, replies: bytes) -> None:
        lost = False
        if self.cut_down is not None:
            lost = len(replies) >= self.cut_down
            replies = replies[: self.cut_down]
            self.cut_down -= len(replies)
        pieces = [bytes([byte]) for byte in replies] if self.bytewise else [replies]
        for piece in pieces:
            self.events += self.core.receive(piece)
            assert not any(isinstance(event, StartTls) for event in self.events)
        if lost:
            self.events += self.core.failed("the line was cut")
        elif self.server.closed and not self.is_over:
            self.events += self.core.eof()
