"""The answers so far, and the configuration made from them. Immutable: an answer makes a new draft.

Answers are kept as texts in their normal form, by the question's name. The declarations of `core/config/model`
check them, just as they check the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dialpost.core.config.check import faults
from dialpost.core.config.fields import fields_of, sections
from dialpost.core.config.model import Config, EtrnUse, LanMethod, LinkKind, MailboxConfig, ScheduleEntry, TlsMode
from dialpost.core.config.values import check_value
from dialpost.core.console.wizard.facts import Facts
from dialpost.core.console.wizard.inbound_answers import with_inbound

USER_NUMBERS = range(1, 21)
"""How the questions for users are numbered."""
NONE = "none"
SAME, OTHER = "same", "other"
"""How to log in to the mail host: not at all (`NONE`), with the dial-in's credentials, or with separate ones."""
KEEP = "unchanged"
TRUSTED, NOT_TRUSTED = "trusted", "not trusted"
"""The dialled line (ppp.trusted_line)."""

_BY_KEY = {
    "hostname": "station.hostname",
    "link": "link.kind",
    "port": "modem.port",
    "profile": "modem.profile",
    "apn": "modem.apn",
    "sim_pin": "modem.sim_pin",
    "outside_line": "modem.outside_line",
    "country": "modem.country",
    "ppp_user": "ppp.user",
    "ppp_password": "ppp.password",
    "mail_host": "outbound.smarthost",
    "timezone": "schedule.timezone",
}
"""Answers that map to one key of the configuration. The others are combined below."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`base` is what the wizard starts from; `answers` never appear in a repr, because passwords are among them."""

    facts: Facts
    base: Config
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str:
        """An answer, "" if there is none (yet)."""
        return self.answers.get(name, "")

    def has(self, name: str) -> bool:
        """Whether it was answered."""
        return name in self.answers

    def with_answer(self, name: str, value: str) -> Draft:
        """With this answer. Raises: ValueError if it contradicts an earlier one."""
        made = replace(self, answers={**self.answers, name: value})
        before = set(faults(self.config()))
        for sentence in faults(made.config()):
            if sentence not in before:
                raise ValueError(sentence)
        return made

    def without(self, names: Iterable[str]) -> Draft:
        """Without these answers: their questions no longer apply."""
        gone = set(names)
        return replace(self, answers={name: value for name, value in self.answers.items() if name not in gone})

    # -- what follows from the answers ----------------------------------------------------------------

    @property
    def link(self) -> LinkKind:
        """The kind of link answered."""
        return LinkKind(self.get("link") or self.base.link.kind.value)

    @property
    def is_modem(self) -> bool:
        """Whether the station dials by itself."""
        return self.link is LinkKind.MODEM

    @property
    def hostname(self) -> str:
        """The station's own name."""
        domain, there = self.get("domain"), self.base.station
        made = there.hostname if not domain or domain in there.domains else f"mail.{domain}"
        return self.get("hostname") or made

    @property
    def users(self) -> tuple[str, ...]:
        """The new users' names, in order."""
        names = []
        for number in USER_NUMBERS:
            name = self.get(f"user{number}")
            if not name:
                break
            names.append(name)
        return tuple(names)

    def config(self) -> Config:
        """`base` with the answers applied; unanswered questions keep its values."""
        config = self.base
        for name, key in _BY_KEY.items():
            if self.has(name) and (name not in _MODEM_ONLY or self.is_modem):
                config = with_value(config, key, self.get(name))
        config = self._station(config)
        config = self._modem(config)
        config = self._mail_host(config)
        return self._schedule(self._lan(config))

    def _station(self, config: Config) -> Config:
        domain = self.get("domain")
        domains = tuple(dict.fromkeys((domain, *config.station.domains[1:]))) if domain else config.station.domains
        postmaster = self.get("postmaster") or config.station.postmaster or next(iter(self.users), "")
        if self.users and postmaster not in {*self.users, *self.facts.accounts}:
            postmaster = self.users[0]
        station = replace(
            config.station,
            hostname=self.hostname,
            domains=domains,
            postmaster=postmaster,
        )
        return replace(config, station=station)

    def _modem(self, config: Config) -> Config:
        if not self.is_modem:
            return config
        modem, offer = config.modem, self.facts.offer(self.get("port"))
        if offer is not None and offer.profile and not self.get("profile"):
            modem = replace(
                modem, profile=offer.profile, speed_bps=offer.speed_bps, flow_control=offer.flow_control
            )
        if self.get("number"):
            modem = replace(modem, numbers=(self.get("number"), *modem.numbers[1:]))
        if self.has("trusted_line"):
            config = replace(config, ppp=replace(config.ppp, trusted_line=self.get("trusted_line") == TRUSTED))
        return replace(config, modem=modem)

    def _mail_host(self, config: Config) -> Config:
        """With a login, the submission port and TLS; without one, port 25, with TLS if offered. Neither demands TLS
        on a trusted line.
        """
        outbound, login = config.outbound, self.get("mail_login")
        user, password = "", ""
        if login == SAME:
            user, password = self.get("ppp_user"), self.get("ppp_password")
        elif login == OTHER:
            user, password = self.get("mail_user"), self.get("mail_password")
        if user and password:
            had_login = bool(outbound.user)
            outbound = replace(outbound, user=user, password=password)
            if not had_login:
                outbound = replace(outbound, port=587, tls=TlsMode.AUTO)
        elif login == NONE and (outbound.user or not self.base.outbound.smarthost):
            outbound = replace(outbound, user="", password="", port=25, tls=TlsMode.OPPORTUNISTIC)
        config = with_inbound(replace(config, outbound=outbound), self.answers)
        host = self.get("etrn_host")
        if host == NONE:
            return replace(config, etrn=replace(config.etrn, use=EtrnUse.NEVER, host=""))
        if self.has("etrn_host"):
            use = EtrnUse.AUTO if config.etrn.use is EtrnUse.NEVER else config.etrn.use
            etrn = replace(config.etrn, use=use)
            return with_value(
                replace(config, etrn=etrn), "etrn.host", "" if host == config.outbound.smarthost else host
            )
        return config

    def _lan(self, config: Config) -> Config:
        if self.get("lan") == LanMethod.DHCP.value:
            return replace(config, lan=replace(config.lan, method=LanMethod.DHCP, address="", gateway=""))
        if not self.get("lan_address"):
            return config
        config = replace(config, lan=replace(config.lan, method=LanMethod.STATIC))
        config = with_value(config, "lan.address", self.get("lan_address"))
        if self.has("gateway"):
            config = with_value(config, "lan.gateway", self.get("gateway"))
        if self.has("dns"):
            servers = () if self.get("dns") == NONE else tuple(self.get("dns").split())
            config = replace(config, lan=replace(config.lan, dns=servers))
        return config

    def _schedule(self, config: Config) -> Config:
        if self.get("times") in {"", KEEP}:
            return config
        times = tuple(self.get("times").split())
        entries = (ScheduleEntry(at=times),) if times != (NONE,) else ()
        return replace(config, schedule=replace(config.schedule, entry=entries))


_MODEM_ONLY = {"port", "profile", "apn", "sim_pin", "outside_line", "country", "ppp_user", "ppp_password"}


_TABLES: dict[str, type] = {"schedule.entry": ScheduleEntry, "inbound.mailbox": MailboxConfig}


def check_key(key: str, text: str) -> str:
    """A text in the form the key's declaration wants (one item, if it is a list). Raises: ValueError."""
    section, _, name = key.rpartition(".")
    owner = _TABLES[section] if section in _TABLES else sections()[section]
    field = next(each for each in fields_of(owner, section) if each.name == name)
    value = check_value(field, text)
    return str(value) if isinstance(value, str) else text.lower()


def with_value(config: Config, key: str, text: str) -> Config:
    """With one plain key set to a value. Raises: ValueError."""
    section, _, name = key.partition(".")
    part = getattr(config, section)
    field = next(each for each in fields_of(type(part), section) if each.name == name)
    return replace(config, **{section: replace(part, **{name: check_value(field, text)})})
