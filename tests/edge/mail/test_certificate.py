"""The station's certificate: made once, good for a real TLS client, repaired rather than mourned."""

import contextlib
import hashlib
import shutil
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.config.model import Config, StationConfig, TlsConfig
from dialpost.core.config.text import parse_config
from dialpost.core.errors import CertificateError
from dialpost.core.mail.certificate import CertificateFacts
from dialpost.edge.mail.certificate import (
    NOT_AFTER,
    Pair,
    ensure_pair,
    inspect,
    own_pair,
    server_context,
    station_pair,
)

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")

NAMES = ("mail.clinic.example", "clinic.example", "xn--bro-hoa.example")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One pair for the tests that only look; the folder's name is one openssl's configuration would trip over."""
    folder = tmp_path_factory.mktemp("data") / "a $b #c" / "tls"
    return ensure_pair(folder, NAMES)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_files(made: Pair) -> None:
    folder = made.certificate.parent
    assert sorted(path.name for path in folder.iterdir()) == ["station.key", "station.pem"]
    assert (mode(folder), mode(made.key)) == (0o700, 0o600)
    assert [path.name for path in folder.parent.iterdir()] == ["tls"]
    assert made.note == "made a certificate for " + ", ".join(NAMES)


def test_facts(made: Pair) -> None:
    facts = inspect(made.certificate)
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    assert facts == CertificateFacts(NAMES, 946_684_800, 2_524_607_999, True, hashlib.sha256(der).hexdigest())


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str:
    """A real handshake over a socket pair; the version agreed on."""
    ours, theirs = socket.socketpair()
    errors = []

    def serve() -> None:
        try:
            with server.wrap_socket(ours, server_side=True) as tls:
                tls.recv(1)
        except (ssl.SSLError, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname=host) as tls:
            return str(tls.version())
    finally:
        theirs.close()
        thread.join(60)
        ours.close()


@pytest.mark.parametrize("host", NAMES)
def test_a_client_that_trusts_it_accepts_every_name(made: Pair, host: str) -> None:
    client = ssl.create_default_context(cafile=str(made.certificate))
    assert handshake(server_context(made), client, host) == "TLSv1.3"


def test_a_client_refuses_it_for_another_name(made: Pair) -> None:
    client = ssl.create_default_context(cafile=str(made.certificate))
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
        handshake(server_context(made), client, "mail.elsewhere.example")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_not_spoken(made: Pair) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server_context(made), client, NAMES[0])


def handshake_bytes(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[int, int, ssl.SSLSession, bool]:
    """A handshake in memory: its bytes to the server and back, the session, and
    whether it was resumed."""
    to_server, from_client, to_client, from_server = (ssl.MemoryBIO() for _ in range(4))
    ends = [
        client.wrap_bio(to_client, from_client, server_hostname=NAMES[0], session=session),
        server.wrap_bio(to_server, from_server, server_side=True),
    ]
    up = down = 0
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                waiting.remove(end)
            sent, answered = from_client.read(), from_server.read()
            up, down = up + len(sent), down + len(answered)
            to_server.write(sent)
            to_client.write(answered)
    with contextlib.suppress(ssl.SSLWantReadError):
        ends[0].read(1)  # the ticket came behind the handshake
    assert ends[0].session is not None
    return up, down, ends[0].session, bool(ends[0].session_reused)


def test_a_handshake_is_short_and_a_second_one_resumes_the_first(made: Pair) -> None:
    """What the provider pays for each connection to the station, in bytes of the line."""
    server, client = server_context(made), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ecdh_curve("prime256v1")
    up, down, session, resumed = handshake_bytes(server, client)
    assert up < 700 and 800 < down < 1400 and not resumed
    up, down, _, resumed = handshake_bytes(server, client, session)
    assert up < 800 and down < 650 and resumed
    assert not handshake_bytes(server_context(made), client, session)[3], (
        "a restart forgets: the keys of tickets are its own"
    )


def test_it_is_kept(tmp_path: Path) -> None:
    first = ensure_pair(tmp_path / "tls", NAMES)
    before = first.certificate.read_bytes(), first.key.read_bytes()
    again = ensure_pair(tmp_path / "tls", NAMES)
    assert again == Pair(first.certificate, first.key)
    assert (again.certificate.read_bytes(), again.key.read_bytes()) == before


def test_another_host_name_makes_a_new_one_and_keeps_the_old(tmp_path: Path) -> None:
    old = ensure_pair(tmp_path / "tls", NAMES).certificate.read_bytes()
    made = ensure_pair(tmp_path / "tls", ("other.clinic.example",))
    assert "not for other.clinic.example" in made.note
    assert inspect(made.certificate).names == ("other.clinic.example",)
    assert (tmp_path / "tls.old-1" / "station.pem").read_bytes() == old


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pair: pair.key.unlink(),
        lambda pair: pair.certificate.write_bytes(b""),
        lambda pair: pair.key.write_text("rubbish\0\xff"),
        lambda pair: shutil.rmtree(pair.certificate.parent) or pair.certificate.parent.mkdir(),
    ],
    ids=["no key", "empty certificate", "rubbish for a key", "empty folder"],
)
def test_a_damaged_one_is_set_aside_and_made_again(tmp_path: Path, spoil: Callable[..., Any]) -> None:
    spoil(ensure_pair(tmp_path / "tls", NAMES))
    made = ensure_pair(tmp_path / "tls", NAMES)
    assert "the old one is in" in made.note
    server_context(made)
    assert (tmp_path / "tls.old-1").is_dir()


END_S = int(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("ends", "days_after", "why"),
    [
        ("20300101000000Z", -31, ""),
        ("20300101000000Z", -1, ""),
        ("20300101000000Z", 3, "has expired"),
        (NOT_AFTER, -31, ""),
        (NOT_AFTER, -29, ""),
        (NOT_AFTER, 300, ""),
    ],
)
def test_one_that_has_expired_is_replaced_at_the_start_unless_the_clock_is_past_all_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str, days_after: int, why: str
) -> None:
    with monkeypatch.context() as shorter:
        shorter.setattr("dialpost.edge.mail.certificate.NOT_AFTER", ends)
        old_end_s = inspect(ensure_pair(tmp_path / "tls", NAMES, 0).certificate).not_after_s
    now_s = old_end_s + days_after * 86_400
    made = ensure_pair(tmp_path / "tls", NAMES, now_s)
    assert (why in made.note, bool(made.note)) == (True, bool(why))
    assert inspect(made.certificate).not_after_s == (END_S if why else old_end_s)
    assert ensure_pair(tmp_path / "tls", NAMES, now_s).note == ""
    assert (tmp_path / "tls.old-1/station.pem").is_file() == bool(why)


def test_what_a_power_cut_left_of_one_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".tls-cut" / "work").mkdir(parents=True)
    (tmp_path / ".tls-cut" / "station.key").write_text("half a key")
    ensure_pair(tmp_path / "tls", NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["tls"]


def test_without_openssl_a_good_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ensure_pair(tmp_path / "tls", NAMES)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ensure_pair(tmp_path / "tls", NAMES) == replace(made, note="")


def test_without_openssl_none_is_made_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CertificateError, match="Install the package openssl, or name a certificate"):
        ensure_pair(tmp_path / "tls", NAMES)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CertificateError, match="No certificate can be made in"):
        ensure_pair(tmp_path / "file" / "tls", NAMES)


def test_the_host_name_may_be_longer_than_a_common_name(tmp_path: Path) -> None:
    long = "mail." + "a-rather-long-label-for-a-small-clinic." * 3 + "example"
    assert inspect(ensure_pair(tmp_path / "tls", (long,)).certificate).names == (long,)


def test_the_configured_one_is_taken(tmp_path: Path, made: Pair) -> None:
    config = Config(
        station=StationConfig(NAMES[0], NAMES[1:], data_dir=str(tmp_path)),
        tls=TlsConfig(str(made.certificate), str(made.key)),
    )
    assert station_pair(config) == Pair(made.certificate, made.key)
    assert list(tmp_path.iterdir()) == []
    assert station_pair(replace(config, tls=TlsConfig())).certificate == own_pair(tmp_path / "tls").certificate


def test_configured_ones_that_do_not_match(tmp_path: Path, made: Pair) -> None:
    other = ensure_pair(tmp_path / "tls", NAMES)
    with pytest.raises(CertificateError, match="the key belongs to another certificate"):
        server_context(Pair(made.certificate, other.key))


def test_a_missing_file_is_named(tmp_path: Path, made: Pair) -> None:
    with pytest.raises(CertificateError, match=r"gone\.key can't be read"):
        server_context(Pair(made.certificate, tmp_path / "gone.key"))


def test_a_locked_key_is_reported_and_nobody_is_asked_to_type(tmp_path: Path, made: Pair) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", made.key, "-aes128", "-passout", "pass:secret", "-out", locked],
        check=True,
        capture_output=True,
    )
    with pytest.raises(CertificateError, match="locked with a passphrase"):
        server_context(Pair(made.certificate, locked))


def test_what_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("hello")
    with pytest.raises(CertificateError, match="openssl x509 failed"):
        inspect(tmp_path / "x.pem")
    with pytest.raises(CertificateError, match="is missing or can't be read"):
        inspect(tmp_path / "y.pem")


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (("mail.a.example",), "MAIL.a.example.", True),
        (("*.a.example",), "mail.a.example", True),
        (("*.a.example",), "a.example", False),
        (("*.a.example",), "x.mail.a.example", False),
        (("a.example",), "mail.a.example", False),
        ((), "mail.a.example", False),
    ],
)
def test_covers(names: tuple[str, ...], host: str, covered: bool) -> None:
    assert CertificateFacts(names, 0, 0, True, "").covers(host) is covered


def test_it_is_for_every_address_that_mail_programs_are_told_and_made_again_when_they_change(
    tmp_path: Path,
) -> None:
    base = f'[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\ndata_dir = "{tmp_path}"\n'
    static = parse_config(base + '[lan]\nmethod = "static"\naddress = "192.168.7.25/24"\n')
    made = station_pair(static)
    assert inspect(made.certificate).names == ("mail.clinic.example", "clinic.example", "192.168.7.25")
    assert station_pair(static).note == ""
    moved = parse_config(base + '[lan]\nmethod = "static"\naddress = "192.168.8.25/24"\n')
    again = station_pair(moved)
    assert "192.168.8.25" in again.note and "192.168.8.25" in inspect(again.certificate).names
    dhcp = parse_config(base + '[smtp]\nsubmission_listen = ["[2001:DB8::1]:587", "[::]:2587"]\n')
    names = inspect(station_pair(dhcp).certificate).names
    assert names == ("mail.clinic.example", "clinic.example", "192.168.216.25", "2001:db8::1")


def test_a_client_that_types_the_address_gets_a_certificate_for_it(tmp_path: Path) -> None:
    """By the rules of every TLS library: an address counts only as an entry of its own kind."""
    pair = ensure_pair(tmp_path / "tls", ("mail.clinic.example", "192.168.7.25"))
    server, client = server_context(pair), ssl.create_default_context(cafile=str(pair.certificate))
    for name in ("192.168.7.25", "mail.clinic.example"):
        ends = [ssl.MemoryBIO() for _ in range(4)]
        far = server.wrap_bio(ends[0], ends[1], server_side=True)
        near = client.wrap_bio(ends[2], ends[3], server_hostname=name)
        for _ in range(4):
            for end in (near, far):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                ends[0].write(ends[3].read())
                ends[2].write(ends[1].read())
        assert near.version() == "TLSv1.3"
