"""What the ESMTP client costs on a slow line: idle round trips and protocol bytes per message.

Virtual time: the client's core and a model server with a line of known rate and round trip between them, so the
figures are exact and take no time. Counted on the wire, from the first MAIL on: a gap in the upstream while there
is more to send is an idle round trip; upstream bytes beyond the content are protocol. The seconds include the last
answer. Python's smtplib does the same over the same line, for comparison.
"""

from __future__ import annotations

import heapq
import json
import smtplib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialpost.core.mail.content.outgoing import ContentFacts

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dialpost.core.mail.content.outgoing import Survey
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.esmtp.client import EsmtpClient
from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.esmtp.wire import Finished
from dialpost.core.mail.smtp_target import ConnectSettings, OutgoingMessage
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer

MESSAGES = 20
SENDER = "anna.berger@clinic.example"
RECIPIENT = "bob.miller@provider.example"
BODY = b"Subject: the weekly figures\n\n" + b"All is well here; the figures are below, as every week.\n" * 20
SEGMENT_BYTES = 512
BACKLOG_BYTES = 16_384  # how much the edge leaves in the kernel
MAX_IDLE, MAX_PROTOCOL = 1.0, 120.0


@dataclass
class Line:
    """Both directions of a line, as the times at which bytes are through."""

    bytes_per_s: float
    rtt_s: float
    now_s: float = 0.0
    up_free_s: float = 0.0
    down_free_s: float = 0.0
    bytes_up: int = 0
    gaps: int = 0
    idle_s: float = 0.0
    counting: bool = False
    began_s: float = 0.0
    unheard: int = 0  # messages that the server has accepted without the client's knowledge
    unheard_s: float = 0.0
    arrivals: list[tuple[float, int, bool, bytes]] = field(default_factory=list)
    _order: int = 0

    def begin(self) -> None:
        """The mail part of the session begins with what is sent next."""
        self.counting, self.bytes_up, self.began_s = True, 0, self.now_s
        self.up_free_s = self.now_s

    def send_up(self, data: bytes) -> None:
        self.note_gap()
        self.bytes_up += len(data)
        for start in range(0, len(data), SEGMENT_BYTES):
            piece = data[start : start + SEGMENT_BYTES]
            self.up_free_s = max(self.now_s, self.up_free_s) + len(piece) / self.bytes_per_s
            self._arrive(self.up_free_s + self.rtt_s / 2, True, piece)

    def send_down(self, data: bytes) -> None:
        if data:
            self.down_free_s = max(self.now_s, self.down_free_s) + len(data) / self.bytes_per_s
            self._arrive(self.down_free_s + self.rtt_s / 2, False, data)

    def note_gap(self) -> None:
        """The upstream has been idle until now."""
        if self.counting and self.now_s > self.up_free_s + 1e-9:
            self.gaps += 1
            self.idle_s += self.now_s - self.up_free_s

    def next_arrival(self) -> tuple[bool, bytes]:
        before_s = self.now_s
        self.now_s, _, at_server, data = heapq.heappop(self.arrivals)
        self.unheard_s += self.unheard * (self.now_s - before_s)
        return at_server, data

    @property
    def backlog(self) -> float:
        return max(0.0, self.up_free_s - self.now_s) * self.bytes_per_s

    def _arrive(self, at_s: float, at_server: bool, data: bytes) -> None:
        self._order += 1
        heapq.heappush(self.arrivals, (at_s, self._order, at_server, data))


@dataclass
class Cost:
    """A message's share. `unheard_s`: how long the server has it without the client's knowledge: a cut duplicates
    it."""

    idle_round_trips: float
    idle_s: float
    protocol_bytes: float
    seconds: float
    unheard_s: float


def _cost(line: Line, content: int) -> Cost:
    protocol = line.bytes_up / MESSAGES - content
    times = (line.now_s - line.began_s) / MESSAGES, line.unheard_s / MESSAGES
    return Cost(line.gaps / MESSAGES, line.idle_s / MESSAGES, protocol, *times)


def with_our_core(line: Line, offers: tuple[str, ...]) -> Cost:
    """The session as the client's core holds it; content, once the look-ahead has it, at once."""
    survey = Survey()
    survey.feed(BODY)
    facts = survey.facts()
    envelope = Envelope(SENDER, (Recipient(RECIPIENT),))
    left = [OutgoingMessage(QueueId(f"q{n}"), envelope, facts.wire_size, Path("-")) for n in range(MESSAGES)]
    server, core = ModelServer(offers), EsmtpClient(ConnectSettings(helo="station.example"), "mail.example")
    line.send_down(server.greet())
    heard = 0
    while len(server.delivered) < MESSAGES or not core.is_idle:
        at_server, data = line.next_arrival()
        if at_server:
            line.send_down(server.receive(data))
            line.unheard = len(server.delivered) - heard
            continue
        heard += sum(isinstance(event, Finished) for event in core.receive(data))
        line.unheard = len(server.delivered) - heard
        if core.phase is Phase.OPEN and not line.counting:
            line.begin()
        _send(line, core, left, facts)
    assert not server.violations, server.violations
    return _cost(line, facts.wire_size)


def _send(line: Line, core: EsmtpClient, left: list[OutgoingMessage], facts: ContentFacts) -> None:
    while True:
        while left and core.can_submit:
            core.submit(left.pop(0), facts)
        wanted = core.content_wanted
        if wanted is not None and line.backlog < BACKLOG_BYTES:
            rest = BODY[wanted.offset :]
            core.feed(rest[: wanted.max_bytes], last=len(rest) <= wanted.max_bytes)
            continue
        data = core.data_to_send()
        if data:
            line.send_up(data)
        return


class _SmtplibEnd:
    """Stands in for smtplib's socket and file: each read advances virtual time."""

    def __init__(self, line: Line, server: ModelServer) -> None:
        self._line, self._server, self._received = line, server, b""
        self.heard = 0

    def sendall(self, data: bytes) -> None:
        self._line.send_up(bytes(data))

    def readline(self, limit: int = -1) -> bytes:
        del limit
        while b"\n" not in self._received:
            at_server, data = self._line.next_arrival()
            if at_server:
                self._line.send_down(self._server.receive(data))
                self._line.unheard = len(self._server.delivered) - self.heard
            else:
                self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line + b"\n"

    def close(self) -> None:
        pass


def with_smtplib(line: Line) -> Cost:
    """The same messages by Python's own client."""
    server = ModelServer(ALL)
    client = smtplib.SMTP(local_hostname="station.example")
    end = _SmtplibEnd(line, server)
    client.sock = client.file = end  # type: ignore[assignment]  # it uses no more than is there
    client.ehlo()
    line.begin()
    for _ in range(MESSAGES):
        client.sendmail(SENDER, [RECIPIENT], BODY)
        end.heard, line.unheard = end.heard + 1, 0
    return _cost(line, len(BODY) + BODY.count(b"\n"))


LINES = {"33.6 kbit/s, 150 ms": (4000.0, 0.15), "2400 bit/s, 1.8 s": (240.0, 1.8)}
SERVERS = {"PIPELINING": WITHOUT_CHUNKING, "CHUNKING": ALL}


def run() -> dict[str, dict[str, dict[str, float]]]:
    """By line, by dialogue: the cost of a message."""
    return {
        name: {
            **{server: vars(with_our_core(Line(*line), offers)) for server, offers in SERVERS.items()},
            "smtplib": vars(with_smtplib(Line(*line))),
        }
        for name, line in LINES.items()
    }


async def measure() -> list[dict[str, Any]]:
    """The same as rows for the table of `make bench`."""
    rows: list[dict[str, Any]] = []
    for line, dialogues in run().items():
        for dialogue, cost in dialogues.items():
            for key, unit, limit in (
                ("idle_round_trips", "waits/msg", MAX_IDLE),
                ("protocol_bytes", "bytes/msg", MAX_PROTOCOL),
                ("seconds", "s/msg", None),
            ):
                promised = limit is not None and dialogue != "smtplib"
                rows.append(
                    {
                        "section": "client",
                        "what": f"{line}, {dialogue}: {key.replace('_', ' ')}",
                        "dialpost": cost[key],
                        "postfix": None,
                        "unit": unit,
                        "promise": f"at most {limit:g}" if promised else "",
                        "kept": cost[key] <= limit if promised and limit is not None else None,
                    }
                )
    return rows


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
