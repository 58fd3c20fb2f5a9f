"""`dialpost doctor`: checks everything that has to be right for mail to arrive, and says what it found.

Runs in a separate process, with or without a running daemon, and changes nothing. What needs the line is checked
only with `--online`: a DNS query must not make a router dial. If one thing can't be checked, the others still are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.advice import LOG, MAKE_ROOM, RESTART, START, WRITE_PROTECTED
from dialpost.core.config.check import warnings
from dialpost.core.config.model import Config, Via
from dialpost.core.control.station import CardUse
from dialpost.core.errors import DialpostError, ReadOnlyError, StorageFullError
from dialpost.core.findings import Finding, fault, ok, skipped, warning
from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.certificate import CertificateFacts
from dialpost.core.mail.etrn import classify_dialogue
from dialpost.core.mail.mx import AddressAnswer, MxAnswer
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.routing import NextHop, RouteTable, connect_settings
from dialpost.core.mail.smtp_target import (
    ConnectSettings,
    EtrnDialogue,
    HostTarget,
    OutgoingMessage,
    SessionEnd,
    SessionFate,
    Trust,
)
from dialpost.core.system.card_wear import CardWear
from dialpost.core.system.doctor import dns_findings, findings
from dialpost.core.system.doctor.card_use import card_use
from dialpost.flow.mail.inbound.atrn import atrn_settings
from dialpost.flow.mail.inbound.check import SUBJECT, BoxToCheck, check_mailbox
from dialpost.flow.mail.needs import HostAddresses
from dialpost.flow.mail.outgoing.etrn import etrn_settings

OFFLINE = "not checked off line"
_LOOK = f"Look at the log: {LOG}."
_NEXT = {
    "configuration": _LOOK,
    "clock": _LOOK,
    "card": (
        f"The station makes the folder when it starts, so {RESTART}. If that does not help, the card is faulty or "
        "was not found at the start: try another."
    ),
    "set aside": _LOOK,
    "accounts": (
        f"If you lack permission, try as root. If it is damaged, {RESTART}: it is kept under another name, "
        "and mail goes on. Then add the accounts again; each finds its mailbox: `dialpost account add NAME`."
    ),
    "certificate": (
        f"The station makes its own certificate again when it starts, so {RESTART}. For one from elsewhere: repair "
        "its files, or take tls.certificate and tls.key out of the configuration."
    ),
}
"""What to do if a check could not even be made."""


def _next_step(subject: str, error: DialpostError) -> str:
    if isinstance(error, ReadOnlyError):
        return WRITE_PROTECTED
    return MAKE_ROOM if isinstance(error, StorageFullError) else _NEXT[subject]


_WHEN = "Run `dialpost doctor --online` while the line is up."


class Card(Protocol):
    """The subset of edge/system/card/probe.CardProbe needed here."""

    def free_bytes(self) -> int:
        """Room."""

    def durable_write_s(self) -> float:
        """How long a safe write takes."""

    def wear(self) -> CardWear | None:
        """How worn it is."""

    def set_aside(self) -> tuple[str, ...]:
        """What could not be read."""

    def mailboxes(self) -> Mapping[str, int]:
        """Messages in each mailbox."""


class Names(HostAddresses, Protocol):
    """The subset of edge/mail/resolver.Resolver needed here."""

    async def mx(self, domain: str) -> MxAnswer:
        """A domain's MX records."""

    async def addresses_in_dns(self, host: str) -> AddressAnswer:
        """Those that the world sees."""


class Servers(Protocol):
    """The subset of edge/mail/smtp_client.SmtpClient needed here."""

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        """One ETRN dialogue."""

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        """Connect, log in, send nothing, QUIT."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the daemon reports: what needs the operator, the doors it listens at ("smtp 127.0.0.1:25"), what was
    written to the card.
    """

    attention: tuple[str, ...]
    doors: tuple[str, ...]
    card: CardUse | None


@dataclass(frozen=True, slots=True)
class Station:
    """What is checked on the station itself. Each call may raise DialpostError, whose text is then the finding.

    `directory` also says what was wrong with the account file ("" = nothing). `certificate` returns None if it is
    yet to be made, `daemon` if none runs. `knock` says what is wrong at a door, "" if it greets. `clock` is Unix
    seconds, when this release was made, and the time in words.
    """

    config_path: str
    config_remarks: tuple[str, ...]
    card: Card
    directory: Callable[[], tuple[Directory, str]]
    certificate: Callable[[], CertificateFacts | None]
    daemon: Callable[[], Running | None]
    knock: Callable[[str], Awaitable[str]]
    clock: Callable[[], tuple[float, int, str]]


class Doctor:
    """Examines one station."""

    def __init__(
        self, config: Config, station: Station, names: Names, servers: Servers, boxes: Sequence[BoxToCheck] = ()
    ) -> None:
        self._config, self._station, self._names, self._servers = config, station, names, servers
        self._boxes = boxes

    async def examine(self, *, online: bool) -> AsyncIterator[Finding]:
        """Every finding, as soon as it is made."""
        checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
            ("configuration", self._configuration),
            ("clock", self._clock),
            ("card", self._card),
            ("set aside", self._set_aside),
            ("accounts", self._accounts),
            ("certificate", self._certificate),
        ]
        for subject, check in checks:
            try:
                made = await asyncio.to_thread(_listed, check)
            except DialpostError as error:
                made = [fault(subject, str(error), _next_step(subject, error))]
            for finding in made:
                yield finding
        async for finding in self._daemon():
            yield finding
        async for finding in self._world(online):
            yield finding

    # -- the station itself ---------------------------------------------------------------------------

    def _configuration(self) -> Iterable[Finding]:
        station = self._station
        remarks = (*warnings(self._config), *station.config_remarks)
        yield from findings.configuration(remarks, station.config_path)
        yield findings.host_name(self._config)
        yield findings.ways_out(self._config)

    def _clock(self) -> Iterable[Finding]:
        yield findings.clock(*self._station.clock())

    def _card(self) -> Iterable[Finding]:
        smtp = self._config.smtp
        yield findings.disk(self._station.card.free_bytes(), smtp.disk_reserve_bytes, smtp.max_message_bytes)
        yield findings.durable_write(self._station.card.durable_write_s())
        yield findings.wear(self._station.card.wear())

    def _set_aside(self) -> Iterable[Finding]:
        yield findings.set_aside(self._station.card.set_aside())

    def _accounts(self) -> Iterable[Finding]:
        directory, report = self._station.directory()
        if report:
            yield warning("accounts", report, "Check whether an account is missing, and add it again.")
        yield from findings.accounts(directory, self._station.card.mailboxes(), self._config.station.postmaster)
        yield from findings.mailbox_accounts(directory, self._config.inbound.mailbox)

    def _certificate(self) -> Iterable[Finding]:
        now_s, released_s, _ = self._station.clock()
        facts = self._station.certificate()
        if facts is None:
            return [skipped("certificate", "none yet; the first start makes it")]
        return findings.certificate(self._config, facts, now_s, clock_trusted=now_s >= released_s)

    async def _daemon(self) -> AsyncIterator[Finding]:
        try:
            running = await asyncio.to_thread(self._station.daemon)
        except DialpostError as error:
            yield fault("daemon", str(error), _LOOK)
            return
        if running is None:
            yield fault("daemon", "it is not running: no mail is accepted or sent", f"Start it: {START}.")
            return
        for sentence in running.attention:
            yield warning("daemon", sentence)
        if not running.attention:
            yield ok("daemon", "it runs, and nothing needs the operator")
        yield card_use(running.card)
        for door in running.doors:
            wrong = await self._station.knock(door)
            if wrong:
                yield fault("doors", f"{door}: {wrong}", _LOOK)
            else:
                yield ok("doors", f"{door} answers")

    # -- the world ------------------------------------------------------------------------------------

    async def _world(self, online: bool) -> AsyncIterator[Finding]:
        unused = findings.etrn_use(self._config)
        if not online:
            for subject in ("DNS", "smarthost", "ETRN", "ATRN"):
                if subject == "ATRN" and not self._config.atrn.user:
                    continue
                if subject == "ETRN" and unused is not None:
                    yield unused
                elif subject != "smarthost" or _smarthosts(self._config):
                    yield skipped(subject, OFFLINE, _WHEN)
            if self._boxes:
                yield skipped(SUBJECT, OFFLINE, _WHEN)
            return
        own = await self._names.addresses_in_dns(self._config.station.hostname)
        yield dns_findings.host_records(self._config, own)
        for domain in self._config.station.domains:
            for finding in await self._domain(domain):
                yield finding
        for hop in _smarthosts(self._config):
            yield await self._smarthost(hop)
        if unused is not None:
            yield unused
        elif self._config.etrn_host:
            for finding in await self._etrn():
                yield finding
        if self._config.atrn.user:
            yield await self._atrn()
        for box in self._boxes:
            yield await self._mailbox(box)

    async def _mailbox(self, box: BoxToCheck) -> Finding:
        try:
            directory, _ = await asyncio.to_thread(self._station.directory)
        except DialpostError as error:
            return fault(SUBJECT, f"{box.box.name}: {error}", _NEXT["accounts"])
        return await check_mailbox(box, self._names, directory)

    async def _domain(self, domain: str) -> list[Finding]:
        answer = await self._names.mx(domain)
        hosts = [record.host for record in answer if record.host] if isinstance(answer, tuple) else []
        found = await asyncio.gather(*(self._names.addresses_in_dns(host) for host in hosts))
        return list(dns_findings.domain_records(self._config, domain, answer, dict(zip(hosts, found, strict=True))))

    async def _smarthost(self, hop: NextHop) -> Finding:
        """Connect, TLS, login, QUIT: everything short of a message."""
        subject = "smarthost"
        addresses = await self._names.addresses(hop.host)
        if not isinstance(addresses, tuple):
            return fault(subject, dns_findings.problem_words(addresses), "Check the host's name, and dns.servers.")
        target = HostTarget(hop.host, addresses, hop.port)
        settings = connect_settings(hop, self._config)
        end = await self._servers.send(target, settings, _no_message, _no_outcome)
        where = f"{hop.host}, port {hop.port}"
        is_trusted = settings.trust is not Trust.NONE
        if not end.ready and is_trusted and end.needs_operator:
            return fault(
                subject, f"{where}: {end.reason}", f"{_AS_IF_NOT_TRUSTED} `dialpost status` says how it went."
            )
        if not end.ready:
            return fault(subject, f"{where}: {end.reason}", _SMARTHOST_ADVICE.get(end.fate, "Try again later."))
        login = f", logged in as {hop.user}" if hop.user else ", no login"
        more = f". {_AS_IF_NOT_TRUSTED}" if is_trusted else ""
        return ok(subject, f"{where} would take mail{login}; {end.tls or 'no TLS'}{more}")

    async def _atrn(self) -> Finding:
        """Connect, TLS, login, QUIT: everything short of ATRN itself, whose mail only a call can take."""
        config, subject = self._config, "ATRN"
        addresses = await self._names.addresses(config.atrn_host)
        if not isinstance(addresses, tuple):
            return fault(subject, dns_findings.problem_words(addresses), "Check atrn.host and dns.servers.")
        target = HostTarget(config.atrn_host, addresses, config.atrn.port)
        end = await self._servers.send(target, atrn_settings(config), _no_message, _no_outcome)
        where = f"{config.atrn_host}, port {config.atrn.port}"
        if not end.ready:
            return fault(subject, f"{where}: {end.reason}", _ATRN_ADVICE.get(end.fate, "Try again later."))
        return ok(subject, f"{where} lets {config.atrn.user} in; {end.tls or 'no TLS'}. A call asks for the mail")

    async def _etrn(self) -> list[Finding]:
        config = self._config
        addresses = await self._names.addresses(config.etrn_host)
        if not isinstance(addresses, tuple):
            return [fault("ETRN", dns_findings.problem_words(addresses), "Check etrn.host and dns.servers.")]
        target = HostTarget(config.etrn_host, addresses, config.etrn.port)
        dialogue = await self._servers.etrn(target, etrn_settings(config), config.etrn_names)
        where = f"{config.etrn_host}, port {config.etrn.port}"
        return [
            fault("ETRN", f"{answer.name}: {answer.words()} ({where})", answer.advice)
            if answer.is_fault
            else ok("ETRN", f"{answer.name}: {answer.words()} ({where})")
            for answer in classify_dialogue(config.etrn_names, dialogue)
        ]


_AS_IF_NOT_TRUSTED = (
    "This test used the settings for a line that is not trusted. On the trusted line (ppp.trusted_line) the "
    "station uses no TLS, and its passwords go as a digest only."
)
_ATRN_ADVICE = {
    SessionFate.UNREACHABLE: "Check atrn.host and atrn.port (366, 386 or 587), and that the line is up.",
    SessionFate.NOT_SERVED: "The provider's host refused the session; ask the provider if this persists.",
    SessionFate.LOGIN_REFUSED: "Correct atrn.user and atrn.password, or ask the provider about them.",
    SessionFate.NEEDS_OPERATOR: "Check atrn.user, atrn.password, atrn.tls and atrn.tls_verify.",
    SessionFate.LOST: "Check that atrn.tls fits the port.",
}
_SMARTHOST_ADVICE = {
    SessionFate.UNREACHABLE: "Check outbound.smarthost and outbound.port, and that the line is up.",
    SessionFate.NOT_SERVED: "The provider's host refused the session; ask the provider if this persists.",
    SessionFate.LOGIN_REFUSED: "Correct outbound.user and outbound.password, or ask the provider about them.",
    SessionFate.NEEDS_OPERATOR: "Check outbound.user, outbound.password, outbound.tls and outbound.tls_verify.",
    SessionFate.LOST: "Check that outbound.tls fits the port (465: implicit, 587: starttls).",
}


def _smarthosts(config: Config) -> list[NextHop]:
    """Every host that mail goes through, each once."""
    table = RouteTable.from_config(config)
    hops = [table.general, *table.exact.values(), *table.below.values()]
    return list(dict.fromkeys(hop for hop in hops if hop is not None and hop.via is Via.SMARTHOST))


def _listed(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    return list(check())


async def _no_message() -> None:
    return None


async def _no_outcome(message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
    raise AssertionError("no message was given")
