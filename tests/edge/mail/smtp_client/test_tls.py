"""TLS towards other mail hosts: what is accepted, what the operator reads, and sessions kept for the next call."""

import dataclasses
import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.config.model import TlsMode, TlsVerify
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.smtp_target import ConnectSettings, OutgoingMessage, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from smtp_model import ALL, ModelServer
from smtp_peer import SETTINGS, Peer, Queue

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is missing")


@dataclasses.dataclass
class Pair:
    certificate: Path
    key: Path

    def context(self, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.maximum_version = newest
        return context

    @property
    def fingerprint(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return hashlib.sha256(der).hexdigest()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("tls")
    made = Pair(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=mail.example",
            "-addext",
            "subjectAltName=DNS:mail.example",
            "-keyout",
            made.key,
            "-out",
            made.certificate,
        ],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    body = tmp_path / "m"
    body.write_bytes(b"Subject: x\n\nhello\n")
    envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
    return Queue([OutgoingMessage(QueueId("q1"), envelope, 21, body)])


REQUIRED = dataclasses.replace(SETTINGS, tls=TlsMode.STARTTLS)
IMPLICIT = dataclasses.replace(SETTINGS, tls=TlsMode.IMPLICIT)
OPPORTUNISTIC = dataclasses.replace(SETTINGS, tls=TlsMode.OPPORTUNISTIC)
OFFERS = (*ALL, "STARTTLS")


async def send(
    peer: Peer,
    queue: Queue,
    settings: ConnectSettings,
    client: SmtpClient | None = None,
    host: str = "mail.example",
) -> SessionEnd:
    async with peer.serving() as served:
        target = dataclasses.replace(served, host=host)
        return await (client or SmtpClient()).send(target, settings, queue.next_message, queue.on_outcome)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("settings", [REQUIRED, IMPLICIT], ids=["starttls", "implicit"])
async def test_a_verified_session(
    pair: Pair, queue: Queue, settings: ConnectSettings, newest: ssl.TLSVersion
) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context(newest), implicit=settings is IMPLICIT)
    end = await send(peer, queue, settings, SmtpClient(ca_file=pair.certificate))
    assert (end.fate, end.messages, end.tls) == (SessionFate.DONE, 1, newest.name.replace("v1_", "v1."))
    assert [command for command in peer.model.commands if command.startswith("EHLO")] == (
        ["EHLO station.example"] * (1 if settings is IMPLICIT else 2)
    )


@pytest.mark.parametrize("settings", [REQUIRED, IMPLICIT], ids=["starttls", "implicit"])
@pytest.mark.parametrize(
    "trusted, host, changes, words",
    [
        (False, "mail.example", {}, "the certificate of mail.example is not acceptable: self"),
        (True, "other.example", {}, "the certificate of other.example is not acceptable: Hostname mismatch"),
        (False, "mail.example", {"tls_verify": TlsVerify.CA_ONLY}, "not acceptable: self"),
        (
            True,
            "mail.example",
            {"tls_verify": TlsVerify.FINGERPRINT, "tls_fingerprint": "ab" * 32},
            "has the fingerprint",
        ),
        (True, "mail.example", {"tls_verify": TlsVerify.FINGERPRINT}, "has the fingerprint"),
    ],
)
async def test_a_certificate_that_is_not_as_configured(
    pair: Pair,
    queue: Queue,
    settings: ConnectSettings,
    trusted: bool,
    host: str,
    changes: dict[str, Any],
    words: str,
) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context(), implicit=settings is IMPLICIT)
    client = SmtpClient(ca_file=pair.certificate if trusted else None)
    settings = dataclasses.replace(settings, user="anna", password="geheim", **changes)
    end = await send(peer, queue, settings, client, host)
    assert (end.fate, end.ready, end.needs_operator) == (SessionFate.NEEDS_OPERATOR, False, True)
    assert words in end.reason
    assert end.reply is not None and end.reply.is_transient
    assert (queue.asked, queue.reports) == (0, [])
    assert not any("AUTH" in command or "MAIL" in command for command in peer.model.commands)


async def test_the_ways_of_verification_that_ask_for_less(pair: Pair, queue: Queue) -> None:
    colons = ":".join(pair.fingerprint.upper()[start : start + 2] for start in range(0, 64, 2))
    message = queue.left[0]
    for trusted, changes in (
        (True, {"tls_verify": TlsVerify.CA_ONLY}),
        (False, {"tls_verify": TlsVerify.NONE}),
        (False, {"tls_verify": TlsVerify.FINGERPRINT, "tls_fingerprint": colons}),
    ):
        queue.left = [message]
        client = SmtpClient(ca_file=pair.certificate if trusted else None)
        peer = Peer(ModelServer(OFFERS), tls=pair.context())
        end = await send(peer, queue, dataclasses.replace(REQUIRED, **changes), client, "other.example")
        assert (end.fate, end.messages) == (SessionFate.DONE, 1)


async def test_opportunistic_tls_verifies_nothing(pair: Pair, queue: Queue) -> None:
    end = await send(Peer(ModelServer(OFFERS), tls=pair.context()), queue, OPPORTUNISTIC, host="other.example")
    assert (end.fate, end.messages, end.tls) == (SessionFate.DONE, 1, "TLSv1.3")


async def test_opportunistic_tls_that_fails_is_followed_by_a_try_in_clear(queue: Queue) -> None:
    peer = Peer(ModelServer(OFFERS))
    peer.model.answers = lambda verb, *_: "220 go" if verb == "STARTTLS" else None
    end = await send(peer, queue, OPPORTUNISTIC)
    assert (end.fate, end.messages, end.tls, peer.connections) == (SessionFate.DONE, 1, "", 2)
    required = await send(peer, queue, REQUIRED)
    assert (required.fate, required.ready) == (SessionFate.NEEDS_OPERATOR, False)


async def test_a_peer_that_does_not_speak_tls(queue: Queue) -> None:
    end = await send(Peer(ModelServer(OFFERS)), queue, IMPLICIT)
    assert (end.fate, end.ready) == (SessionFate.NEEDS_OPERATOR, False)
    assert "TLS with mail.example failed" in end.reason


async def test_a_silent_peer_takes_no_more_than_the_time_allowed(queue: Queue) -> None:
    peer = Peer(ModelServer(OFFERS))
    peer.model.greet = lambda: b""  # type: ignore[method-assign]
    peer.mute_from = b""
    end = await send(peer, queue, dataclasses.replace(IMPLICIT, timeout_scale=0.002))
    assert (end.fate, end.ready) == (SessionFate.LOST, False)
    assert "TLS handshake: took too long" in end.reason


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_next_session_is_resumed_and_costs_less(pair: Pair, queue: Queue, newest: ssl.TLSVersion) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context(newest))
    client, message, ends = SmtpClient(ca_file=pair.certificate), queue.left[0], []
    async with peer.serving() as target:
        for _ in range(3):
            queue.left = [message]
            ends.append(await client.send(target, REQUIRED, queue.next_message, queue.on_outcome))
        other = dataclasses.replace(REQUIRED, tls_verify=TlsVerify.NONE)
        ends.append(await client.send(target, other, queue.next_message, queue.on_outcome))
    assert [end.fate for end in ends] == [SessionFate.DONE] * 4
    assert peer.resumed == [False, True, True, False]
    assert ends[1].bytes_down < ends[0].bytes_down - 300
    cost = client.tls_cost
    assert (cost.handshakes, cost.resumed) == (4, 2)
    assert 4000 < cost.bytes < client.bytes_up + client.bytes_down


@pytest.mark.parametrize("cut_at", [b"BDAT", b"QUIT"])
async def test_a_session_that_was_cut_is_resumed_by_the_next_call(pair: Pair, queue: Queue, cut_at: bytes) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context())
    client, message = SmtpClient(ca_file=pair.certificate), queue.left[0]
    async with peer.serving() as target:
        peer.drop_at = cut_at
        await client.send(target, REQUIRED, queue.next_message, queue.on_outcome)
        peer.drop_at, queue.left = None, [message]
        end = await client.send(target, REQUIRED, queue.next_message, queue.on_outcome)
    assert (end.fate, peer.resumed) == (SessionFate.DONE, [False, True])


@pytest.mark.parametrize(
    "settings", [REQUIRED, IMPLICIT, OPPORTUNISTIC], ids=["starttls", "implicit", "opportunistic"]
)
@pytest.mark.parametrize("only", ["secp521r1", "secp384r1"])
async def test_a_host_that_lacks_the_lean_group_gets_them_all(
    pair: Pair, queue: Queue, only: str, settings: ConnectSettings
) -> None:
    context = pair.context()
    context.set_ecdh_curve(only)
    peer = Peer(ModelServer(OFFERS), tls=context, implicit=settings is IMPLICIT)
    client, message, ends = SmtpClient(ca_file=pair.certificate, is_lean=True), queue.left[0], []
    async with peer.serving() as target:
        for _ in range(2):
            queue.left = [message]
            ends.append(await client.send(target, settings, queue.next_message, queue.on_outcome))
    assert [(end.fate, end.messages, end.tls) for end in ends] == [(SessionFate.DONE, 1, "TLSv1.3")] * 2
    assert peer.resumed == [False, True]
    tried = 3 if settings is not IMPLICIT else 2  # a handshake that failed under TLS is no connection yet
    assert peer.connections == tried, "the second session knows"


async def test_a_lean_handshake_is_the_usual_one(pair: Pair, queue: Queue) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context())
    end = await send(peer, queue, REQUIRED, SmtpClient(ca_file=pair.certificate, is_lean=True))
    assert (end.fate, end.tls, peer.connections) == (SessionFate.DONE, "TLSv1.3", 1)


def no_tls_after_all() -> Peer:
    """A peer that agrees to TLS and can't do it."""
    peer = Peer(ModelServer(OFFERS))
    peer.model.answers = lambda verb, *_: "220 go" if verb == "STARTTLS" else None
    return peer


async def test_a_lean_handshake_that_failed_in_another_use_of_the_host_stops_no_mail(
    pair: Pair, queue: Queue
) -> None:
    """ETRN's host is often the smarthost: it lacks the lean group from now on, and the old session with it."""
    peer, faulty = Peer(ModelServer(OFFERS), tls=pair.context()), no_tls_after_all()
    client, message, fates = SmtpClient(ca_file=pair.certificate, is_lean=True), queue.left[0], []
    async with peer.serving() as target, faulty.serving() as other:
        for host, settings in [(target, REQUIRED), (other, OPPORTUNISTIC), (target, REQUIRED)]:
            queue.left = [message]
            fates.append((await client.send(host, settings, queue.next_message, queue.on_outcome)).fate)
    assert fates == [SessionFate.DONE] * 3
    assert peer.resumed == [False, False]


async def test_a_lean_handshake_that_always_fails_is_tried_twice_and_then_in_clear(queue: Queue) -> None:
    peer = no_tls_after_all()
    end = await send(peer, queue, OPPORTUNISTIC, SmtpClient(is_lean=True))
    assert (end.fate, end.messages, end.tls, peer.connections) == (SessionFate.DONE, 1, "", 3)


async def test_a_fingerprint_is_checked_on_a_resumed_session_too(pair: Pair, queue: Queue) -> None:
    peer = Peer(ModelServer(OFFERS), tls=pair.context())
    client = SmtpClient()
    settings = dataclasses.replace(REQUIRED, tls_verify=TlsVerify.FINGERPRINT, tls_fingerprint=pair.fingerprint)
    async with peer.serving() as target:
        for expected in (SessionFate.DONE, SessionFate.DONE):
            end = await client.send(target, settings, queue.next_message, queue.on_outcome)
            assert end.fate is expected
    assert peer.resumed == [False, True]


async def test_a_large_message_through_tls(pair: Pair, queue: Queue) -> None:
    message = queue.left[0]
    Path(message.body).write_bytes(b"Subject: x\n\n" + b"y" * 70 + b"\n" + (b"z" * 75 + b"\n") * 40_000)
    peer = Peer(ModelServer(OFFERS), tls=pair.context())
    end = await send(peer, queue, REQUIRED, SmtpClient(ca_file=pair.certificate))
    assert end.fate is SessionFate.DONE
    content = Path(message.body).read_bytes().replace(b"\n", b"\r\n")
    assert [taken.content == content for taken in peer.model.delivered] == [True]
