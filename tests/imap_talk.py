"""Plays the IMAP dialogue against the model of a server, without I/O: whole, byte by byte, or cut at a byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.inbound.dialogue import (
    BoxEvent,
    BoxMessage,
    Complete,
    Content,
    Deleted,
    Ended,
    Failed,
    Header,
    Listed,
    StartTls,
)
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.phases import Phase
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from imap_model import ModelImap


def settings(**changes: object) -> ImapSettings:
    usual: dict[str, object] = {"host": "imap.example", "port": 993, "user": "anna", "password": "geheim"}
    return ImapSettings(**{**usual, **changes})  # type: ignore[arg-type]


@dataclass
class Talk:
    """One session: fetches all that is listed (`offsets` says from where), deletes what is complete, and quits.

    `step`: how many bytes at a time reach the client. `cut_at`: the server's byte at which the line is lost.
    """

    model: ModelImap
    settings: ImapSettings = field(default_factory=settings)
    step: int = 100_000
    cut_at: int | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    looks: bool = False
    deletes: bool = True
    is_urgent_first: bool = False
    wants: Callable[[BoxMessage], bool] = lambda message: True
    content: dict[str, bytes] = field(default_factory=dict)
    listed: Listed | None = None
    complete: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    ended: Ended | None = None
    heard: int = 0
    round_trips: int = 0
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        implicit = self.settings.tls is TlsMode.IMPLICIT
        self.client = ImapDialogue(self.settings, tls=implicit, verified=implicit, trace=self.trace.append)
        self._wanted: list[str] = []
        self._open = 0

    def run(self) -> Talk:
        said = self.model.greeting()
        while self.ended is None:
            self._hear(said)
            out = self.client.data_to_send()
            if self.ended is not None:
                self.model.receive(out)
            elif out:
                self.round_trips += 1
                said = self.model.receive(out)
                if self.model.closed and self.client.phase is not Phase.LOGOUT:
                    self._hear(said)
                    self._act(self.client.eof())
            else:
                assert self.client.waiting_for is not None, "nobody waits for anybody"
                self._act(self.client.failed("silence"))
        assert self.client.is_over and self.client.waiting_for is None
        return self

    def _hear(self, said: bytes) -> None:
        for at in range(0, len(said), self.step):
            data = said[at : at + self.step]
            if self.cut_at is not None and self.heard + len(data) > self.cut_at:
                self._act(self.client.receive(data[: self.cut_at - self.heard]))
                self._act(self.client.failed("cut"))
                return
            self.heard += len(data)
            self._act(self.client.receive(data))

    def _act(self, events: Sequence[BoxEvent]) -> None:
        for event in events:
            assert self.ended is None, "something comes after the end"
            if isinstance(event, StartTls):
                self.model.is_tls_wanted = False
                self._act(self.client.tls_established(verified=True))
            elif isinstance(event, Ended):
                self.ended = event
            else:
                self._note(event)
        while self.ended is None and self._wanted and self.client.can_ask:
            uid = self._wanted.pop(0)
            if self.looks:
                self.client.look(uid)
            else:
                self.client.fetch(uid, self.offsets.get(uid, 0))
        if self.ended is None and self.listed is not None and not self._wanted and not self._open:
            self._open = -1
            if self.deletes and self.complete:
                self.client.delete(self.complete)
            self.client.quit()

    def _note(self, event: BoxEvent) -> None:
        if isinstance(event, Listed):
            self.listed = event
            wanted = [message for message in event.messages if self.wants(message)]
            if self.is_urgent_first:
                wanted.sort(key=lambda message: not message.is_urgent)
            self._wanted = [message.uid for message in wanted]
            self._open = len(self._wanted)
        elif isinstance(event, Content):
            self.content[event.uid] = self.content.get(event.uid, b"") + event.data
        elif isinstance(event, Deleted):
            self.deleted += event.uids
        elif isinstance(event, Complete | Failed | Header):
            self._open -= 1
            if isinstance(event, Complete):
                self.complete.append(event.uid)
            elif isinstance(event, Failed):
                self.failed[event.uid] = event.words
            else:
                self.headers[event.uid] = event.data
