"""The station's own TLS certificate: the one configured, or one made at first start with the `openssl` command.

The station makes an EC P-256 key and a self-signed certificate for the host name, every mail domain and the
addresses given to mail programs. The certificate is valid from 2000 to the end of 2049: a board without a battery
clock makes it while its clock shows 1970, and the mail programs that check it know the real date. If somebody put
another one in its place, it is replaced at the start once it has expired.

The two files appear together (a folder is renamed into place), durably; only the station's user can read the key.

Blocking, a few milliseconds; for the start of the daemon and for commands, not for a busy event loop.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dialpost.core.config.model import Config
from dialpost.core.errors import CertificateError, fault_words
from dialpost.core.mail.certificate import CertificateFacts, certificate_names, is_address, plain_name
from dialpost.edge.ground.durable import sync

NOT_BEFORE, NOT_AFTER = "20000101000000Z", "20491231235959Z"
"""Until 2049 the dates have two digits for the year (RFC 5280 §4.1.2.5), which every client reads. One that
begins before July 2019 is also outside Apple's limit of 825 days."""

_END_S = 2_524_607_999
"""NOT_AFTER in Unix seconds."""

_CONFIG = """\
[ca]
default_ca = station
[station]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = {common_name}
[server]
subjectAltName = {alternatives}
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
"""
_MAX_COMMON_NAME = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (chain) and its private key, PEM files. `note` says what was done to get them, or ""."""

    certificate: Path
    key: Path
    note: str = ""


def configured_pair(config: Config) -> Pair | None:
    """The certificate named in the configuration; None if the station makes its own."""
    return Pair(Path(config.tls.certificate), Path(config.tls.key)) if config.tls.certificate else None


def own_folder(config: Config) -> Path:
    """The folder of the self-made certificate."""
    return Path(config.station.data_dir) / "tls"


def own_pair(folder: Path) -> Pair:
    """The paths of the self-made certificate in its folder."""
    return Pair(folder / "station.pem", folder / "station.key")


def station_pair(config: Config) -> Pair:
    """The certificate the station presents: the one configured, or the self-made one, made now if necessary.

    Raises: CertificateError.
    """
    configured = configured_pair(config)
    if configured is not None:
        server_context(configured)
        return configured
    return ensure_pair(own_folder(config), certificate_names(config))


def ensure_pair(folder: Path, names: Sequence[str], now_s: float | None = None) -> Pair:
    """The self-made certificate in `folder`, made now if there is none. `names[0]` is the host name.

    One that can't be used is set aside, never deleted; so is one that lacks a name or address, or has expired.
    Durable when it returns. Raises: CertificateError; an old one is still in place then.
    """
    there = own_pair(folder)
    if not folder.exists():
        _make(folder, names, aside=None)
        return replace(there, note=f"made a certificate for {', '.join(names)}")
    why = _why_not(there, names, time.time() if now_s is None else now_s)
    if not why:
        return there
    aside = _free_name(folder)
    _make(folder, names, aside)
    return replace(there, note=f"made a new certificate, because {why}; the old one is in {aside}")


def _why_not(pair: Pair, names: Sequence[str], now_s: float) -> str:
    """The reason to replace a self-made certificate, "" = none."""
    try:
        server_context(pair)
    except CertificateError as error:
        return str(error).rstrip(".")
    try:
        facts = inspect(pair.certificate)
    except CertificateError:
        return ""  # it works; only the command that lists its names is missing
    if facts.not_after_s < now_s < _END_S:  # a clock beyond the end of a new certificate must be wrong
        return "the old one has expired"
    lacking = facts.lacking(names)
    return f"the old one was not for {', '.join(lacking)}" if lacking else ""


def server_context(pair: Pair) -> ssl.SSLContext:
    """The context with which a listener offers TLS (1.2 or newer). Raises: CertificateError."""

    def no_passphrase() -> str:
        raise CertificateError(
            f"The private key {pair.key} is locked with a passphrase, and there is nobody to type it at the start. "
            f"Unlock it: openssl pkey -in {pair.key} -out NEW.key"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 1  # the provider resumes with one; each is a quarter of a kilobyte
    context.options |= ssl.OP_NO_RENEGOTIATION  # of no use, and it costs the server more than the client
    try:
        context.load_cert_chain(pair.certificate, pair.key, no_passphrase)
    except ssl.SSLError as error:
        raise CertificateError(
            f"{pair.certificate} and {pair.key} can't be used as certificate and private key: "
            f"{_ssl_words(error)}. Both must be PEM files and match each other."
        ) from error
    except OSError as error:
        missing = next((path for path in (pair.certificate, pair.key) if not os.access(path, os.R_OK)), pair.key)
        raise CertificateError(f"{missing} can't be read: {error.strerror or error}.") from error
    return context


def inspect(certificate: Path) -> CertificateFacts:
    """The facts of the first certificate in a PEM file. Raises: CertificateError."""
    if not os.access(certificate, os.R_OK):
        raise CertificateError(f"The certificate {certificate} is missing or can't be read.")
    wanted = ["-startdate", "-enddate", "-subject", "-issuer", "-ext", "subjectAltName", "-fingerprint", "-sha256"]
    text = _openssl("x509", "-in", str(certificate.absolute()), "-noout", *wanted)
    lines = [line.strip() for line in text.splitlines()]
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("DNS:", "IP")))
    try:
        return CertificateFacts(
            names=_names(lines),
            not_before_s=ssl.cert_time_to_seconds(said["notBefore"]),
            not_after_s=ssl.cert_time_to_seconds(said["notAfter"]),
            self_signed=said["subject"] == said["issuer"],
            fingerprint=next(value for key, value in said.items() if "ingerprint" in key).replace(":", "").lower(),
        )
    except (KeyError, StopIteration, ValueError) as error:
        raise CertificateError(f"The certificate {certificate} can't be parsed ({error}).") from error


def _names(lines: Sequence[str]) -> tuple[str, ...]:
    entries = [part.strip() for line in lines if line.startswith(("DNS:", "IP")) for part in line.split(",")]
    named = (entry.partition(":") for entry in entries)
    return tuple(plain_name(value.strip()) for kind, _, value in named if kind in {"DNS", "IP Address"})


def _make(folder: Path, names: Sequence[str], aside: Path | None) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for cut_off in folder.parent.glob(f".{folder.name}-*"):  # left by a power cut during an earlier start
            shutil.rmtree(cut_off, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _make_in(fresh, names)
            if aside is not None:
                folder.rename(aside)
            fresh.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise CertificateError(f"No certificate can be made in {folder}: {error.strerror or error}.") from error


def _make_in(folder: Path, names: Sequence[str]) -> None:
    """Make the two files in an empty folder. Names were checked, so nothing in them needs quoting."""
    common_name = names[0] if len(names[0]) <= _MAX_COMMON_NAME else "Dialpost mail station"
    alternatives = ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in dict.fromkeys(names))
    with tempfile.TemporaryDirectory(dir=folder) as work:
        # Paths stay relative to `work`: openssl's configuration language gives `$` and `#` a meaning.
        place = Path(work)
        (place / "station.cnf").write_text(_CONFIG.format(common_name=common_name, alternatives=alternatives))
        (place / "index.txt").touch()
        _openssl(
            "req",
            "-new",
            "-config",
            "station.cnf",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "station.key",
            "-out",
            "station.csr",
            cwd=place,
        )
        # `req -x509` can set no start date before openssl 3.4; `ca -selfsign` always could.
        _openssl(
            "ca",
            "-batch",
            "-selfsign",
            "-notext",
            "-config",
            "station.cnf",
            "-keyfile",
            "station.key",
            "-in",
            "station.csr",
            "-out",
            "station.pem",
            "-startdate",
            NOT_BEFORE,
            "-enddate",
            NOT_AFTER,
            cwd=place,
        )
        for name, mode in (("station.key", 0o600), ("station.pem", 0o644)):
            (place / name).chmod(mode)
            sync(place / name)
            (place / name).rename(folder / name)
    folder.chmod(0o700)
    sync(folder)


def _openssl(*arguments: str, cwd: Path | None = None) -> str:
    """Run the command and return its standard output. Raises: CertificateError with its messages."""
    # OPENSSL_CONF and its like could make the command do something else.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENSSL")}
    try:
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment | {"LC_ALL": "C"},
            umask=0o077,
        )
    except FileNotFoundError as error:
        raise CertificateError(
            "The command openssl is missing, so no certificate can be made or read. Install the package openssl, "
            "or name a certificate of your own in tls.certificate and tls.key."
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CertificateError(f"The command openssl could not be run: {fault_words(error)}.") from error
    if done.returncode != 0:
        words = " / ".join(line for line in done.stderr.splitlines() if line.strip())[-300:]
        raise CertificateError(f"openssl {arguments[0]} failed: {words or f'exit status {done.returncode}'}")
    return done.stdout


def _ssl_words(error: ssl.SSLError) -> str:
    return {
        "KEY_VALUES_MISMATCH": "the key belongs to another certificate",
        "NO_START_LINE": "there is no PEM block in one of them",
        "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    }.get(error.reason or "", (error.reason or str(error)).replace("_", " ").lower())


def _free_name(folder: Path) -> Path:
    number = 1
    while (candidate := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    return candidate
