"""On a trusted line the client speaks without TLS, on a socket that can't leave it; everywhere else as configured.

The loopback device plays the line. Real interfaces, and a route that somebody moves: tests/system/test_line_trust.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.config.model import Config, StationConfig, TlsMode
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.smtp_target import OutgoingMessage, SessionFate, Trust
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.wire.line_socket import socket_on_line
from smtp_door import server_tls
from smtp_model import ALL, ModelServer
from smtp_peer import SETTINGS, Peer, Queue

HERE = "127.0.0.1"
OFFERS = ("STARTTLS", *ALL)


def may_bind() -> bool:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        except OSError:
            return False
    return True


binds = pytest.mark.skipif(
    not may_bind(), reason="the kernel lets only root bind a socket to a device (before 5.7)"
)


@pytest.fixture
def line() -> LineTrust:
    config = Config(station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",)))
    trust = LineTrust(dataclasses.replace(config, ppp=dataclasses.replace(config.ppp, trusted_line=True)))
    trust.line_up(PppUp("lo", HERE, HERE))
    return trust


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    path = tmp_path / "m1"
    path.write_bytes(b"Subject: x\n\nhello\n")
    envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
    return Queue([OutgoingMessage(QueueId("q1"), envelope, 20, path)])


@contextlib.contextmanager
def opened(sock: socket.socket | None) -> Iterator[socket.socket]:
    assert sock is not None
    with sock:
        yield sock


@binds
def test_a_socket_for_the_line_is_bound_to_its_interface() -> None:
    with opened(socket_on_line(HERE, "lo", HERE)) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16) == b"lo\0"


@pytest.mark.parametrize(
    ("address", "interface", "local"),
    [
        (HERE, "", HERE),
        (HERE, "", ""),
        (HERE, "ppp77", HERE),  # there is no such interface
        (HERE, "lo", "10.64.0.2"),  # the route gives another address: it leads elsewhere
        ("::1", "lo", "::1"),
        ("mail.example", "lo", HERE),
    ],
)
def test_none_where_the_way_is_another_one(address: str, interface: str, local: str) -> None:
    assert socket_on_line(address, interface, local) is None


def test_a_system_that_lets_nobody_bind_gives_no_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Refusing(socket.socket):
        def setsockopt(self, *arguments: object) -> None:
            made.append(self)
            raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(socket, "socket", Refusing)
    assert socket_on_line(HERE, "lo", HERE) is None
    assert [sock.fileno() for sock in made] == [-1], "it is closed"


@binds
@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.OPPORTUNISTIC, TlsMode.NONE])
async def test_no_tls_on_the_line_even_where_the_host_offers_it(
    line: LineTrust, queue: Queue, mode: TlsMode
) -> None:
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    settings = dataclasses.replace(SETTINGS, tls=mode, trust=Trust.ON_THE_LINE)
    async with peer.serving() as target:
        end = await SmtpClient(line=line).send(target, settings, queue.next_message, queue.on_outcome)
    assert (end.fate, end.messages, end.tls) == (SessionFate.DONE, 1, "")
    assert b"STARTTLS" not in b"".join(peer.reads) and peer.resumed == []
    assert line.covers(HERE, "lo")


@pytest.mark.parametrize("why", ["not the provider's", "line down", "another way", "nobody asked"])
async def test_tls_as_ever_where_it_is_not_the_provider_on_the_line(
    line: LineTrust, queue: Queue, why: str
) -> None:
    trust = Trust.NONE if why == "not the provider's" else Trust.ON_THE_LINE
    if why == "line down":
        line.line_down()
    elif why == "another way":
        line.line_up(PppUp("lo", "10.64.0.2", "10.64.0.1"))
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    settings = dataclasses.replace(SETTINGS, tls=TlsMode.OPPORTUNISTIC, trust=trust)
    async with peer.serving() as target:
        client = SmtpClient(line=None if why == "nobody asked" else line)
        end = await client.send(target, settings, queue.next_message, queue.on_outcome)
    assert (end.fate, end.messages, end.tls) == (SessionFate.DONE, 1, "TLSv1.3")


@binds
async def test_a_host_that_is_not_there_is_reported_as_any_other(line: LineTrust, queue: Queue) -> None:
    async with Peer(ModelServer(OFFERS)).serving() as target:
        pass
    settings = dataclasses.replace(SETTINGS, tls=TlsMode.STARTTLS, trust=Trust.ON_THE_LINE)
    end = await SmtpClient(line=line).send(target, settings, queue.next_message, queue.on_outcome)
    assert end.fate is SessionFate.UNREACHABLE and "Connect call failed" in end.reason
