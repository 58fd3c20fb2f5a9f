"""The configuration as typed values: one declaration per field.

Each field says its type, range, unit, default, help and whether it is secret, here and nowhere else.
`core/config/text` parses, checks, explains and renders the file from these declarations; the console
takes its prompts and completions from them. All values are immutable once parsed.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.console import ConsoleConfig
from dialpost.core.config.inbound.sections import AtrnConfig, InboundConfig, InboundUse, MailboxConfig, MailboxKind
from dialpost.core.config.lan import LanConfig, LanMethod, LanService
from dialpost.core.config.line import (
    BatteryClock,
    BudgetConfig,
    CallConfig,
    ClockConfig,
    ClockSource,
    DialMode,
    LinkConfig,
    LinkKind,
    ModemConfig,
    PortFlow,
    PppAuth,
    PppConfig,
)
from dialpost.core.config.mail import (
    AuthMechanism,
    DeliveryConfig,
    EtrnConfig,
    EtrnUse,
    FromCheck,
    OutboundConfig,
    OwnSenders,
    RelayConfig,
    RouteConfig,
    SmtpConfig,
    TlsConfig,
    TlsMode,
    TlsVerify,
    Via,
)
from dialpost.core.config.panel import PanelConfig
from dialpost.core.config.run_dir import DEFAULT_RUN_DIR
from dialpost.core.config.setting import Setting, section, setting

__all__ = [
    "AtrnConfig",
    "AuthMechanism",
    "BatteryClock",
    "BudgetConfig",
    "CallConfig",
    "ClockConfig",
    "ClockSource",
    "Config",
    "ConsoleConfig",
    "DeliveryConfig",
    "DialMode",
    "DnsConfig",
    "EtrnConfig",
    "EtrnUse",
    "FromCheck",
    "InboundConfig",
    "InboundUse",
    "LanConfig",
    "LanMethod",
    "LanService",
    "LinkConfig",
    "LinkKind",
    "MailboxConfig",
    "MailboxKind",
    "ModemConfig",
    "OutboundConfig",
    "OwnSenders",
    "PanelConfig",
    "PortFlow",
    "PppAuth",
    "PppConfig",
    "RelayConfig",
    "RetentionConfig",
    "RouteConfig",
    "ScheduleConfig",
    "ScheduleEntry",
    "Setting",
    "SmtpConfig",
    "StationConfig",
    "TlsConfig",
    "TlsMode",
    "TlsVerify",
    "Via",
    "section",
    "setting",
]


@dataclass(frozen=True, slots=True)
class StationConfig:
    """Who this station is."""

    hostname: str = setting(
        "",
        "The station's fully qualified host name, used in SMTP greetings and Received lines.",
        kind="hostname",
        required=True,
        example="mail.clinic.example",
    )
    domains: tuple[str, ...] = setting(
        (),
        "The domains whose mailboxes are on this station. The first is the main one.",
        kind="domain",
        minimum=1,
        maximum=100,
        required=True,
        example='["clinic.example"]',
    )
    postmaster: str = setting(
        "",
        "The account that gets mail for postmaster@ and the station's own reports. "
        "Empty: the first account created.",
        kind="account",
    )
    data_dir: str = setting(
        "/var/lib/dialpost", "Where mail, queue, accounts and certificate are kept.", kind="path"
    )
    run_dir: str = setting(DEFAULT_RUN_DIR, "Where the control socket is created.", kind="path")
    log_level: str = setting("info", "How much to log: debug, info, warning or error.")


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """One [[schedule.entry]]: when to call automatically."""

    days: tuple[str, ...] = setting(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        "Days of the week.",
        kind="weekday",
        minimum=1,
        maximum=7,
    )
    at: tuple[str, ...] = setting((), "Times of day, local time.", kind="time", maximum=288)
    start: str = setting("", "With `every_min`: first call of the day.", kind="time")
    end: str = setting("", "With `every_min`: no call after this time.", kind="time")
    every_min: int = setting(
        0,
        "Minutes between calls from `start` to `end`; 0 = only at the times in `at`.",
        unit="minutes",
        minimum=0,
        maximum=1440,
    )


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """When the station calls automatically."""

    entry: tuple[ScheduleEntry, ...] = setting((), "Times and intervals.", maximum=50)
    min_pause_min: int = setting(
        5,
        "Shortest time between two automatic calls.",
        unit="minutes",
        minimum=0,
        maximum=1440,
    )
    when_waiting: int = setting(
        0,
        "Call when this many outgoing messages are waiting; 0 = never for that reason.",
        minimum=0,
        maximum=100_000,
    )
    when_urgent: bool = setting(False, "Call as soon as an urgent message is waiting.")
    timezone: str = setting(
        "",
        "The station's time zone, for the times above and for every time it shows; empty: the system's.",
        kind="timezone",
        example="Europe/Vienna",
    )


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """Looking up names over the line."""

    servers: tuple[str, ...] = setting(
        (),
        "Addresses of name servers; empty: those of the system (or of the line, once it is up).",
        kind="ip",
        maximum=8,
    )
    port: int = setting(53, "Their port.", minimum=1, maximum=65_535)
    try_s: float = setting(10.0, "How long to wait for one answer.", unit="seconds", minimum=0.5, maximum=120)
    total_s: float = setting(
        45.0, "How long to wait in total for one name.", unit="seconds", minimum=1, maximum=600
    )


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long the station keeps its records."""

    history_days: int = setting(
        60, "How long `dialpost trace` remembers a finished message.", unit="days", minimum=1, maximum=3650
    )
    calls_kept: int = setting(500, "How many calls the history keeps.", minimum=10, maximum=100_000)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration file."""

    station: StationConfig = section(StationConfig, "Who this station is.")
    smtp: SmtpConfig = section(SmtpConfig, "The SMTP server.")
    relay: RelayConfig = section(RelayConfig, "Who may send mail anywhere without a login.")
    tls: TlsConfig = section(TlsConfig, "The station's own certificate.")
    delivery: DeliveryConfig = section(DeliveryConfig, "Local delivery.")
    outbound: OutboundConfig = section(OutboundConfig, "Outgoing mail.")
    etrn: EtrnConfig = section(EtrnConfig, "Asking the provider for the mail it holds (ETRN).")
    inbound: InboundConfig = section(InboundConfig, "How the provider's mail comes in.")
    atrn: AtrnConfig = section(AtrnConfig, "Fetching the mail the provider holds (ATRN).")
    link: LinkConfig = section(LinkConfig, "The link to the outside world.")
    modem: ModemConfig = section(ModemConfig, "The modem and how it dials (link.kind = modem).")
    ppp: PppConfig = section(PppConfig, "PPP over the modem's line.")
    call: CallConfig = section(CallConfig, "How a call runs.")
    budget: BudgetConfig = section(BudgetConfig, "What calls may cost.")
    clock: ClockConfig = section(ClockConfig, "Setting the clock over the line.")
    schedule: ScheduleConfig = section(ScheduleConfig, "When the station calls automatically.")
    lan: LanConfig = section(LanConfig, "The local network.")
    panel: PanelConfig = section(PanelConfig, "The front panel: LEDs and button.")
    console: ConsoleConfig = section(ConsoleConfig, "The console: serial line and ssh.")
    dns: DnsConfig = section(DnsConfig, "Looking up names over the line.")
    retention: RetentionConfig = section(RetentionConfig, "How long the station keeps its records.")

    @property
    def etrn_host(self) -> str:
        """The host asked by ETRN: its own setting, or the smarthost."""
        return self.etrn.host or self.outbound.smarthost

    @property
    def etrn_names(self) -> tuple[str, ...]:
        """The names asked for, in order."""
        return self.etrn.names or self.station.domains

    @property
    def atrn_host(self) -> str:
        """The host asked by ATRN: its own setting, or the ETRN host."""
        return self.atrn.host or self.etrn_host

    @property
    def etrn_wanted(self) -> bool:
        """Whether a connect starts with ETRN."""
        if self.inbound.use != (InboundUse.AUTO,):
            return InboundUse.ETRN in self.inbound.use
        if self.etrn.use is EtrnUse.AUTO:
            return self.link.kind is not LinkKind.GATEWAY
        return self.etrn.use is EtrnUse.ALWAYS
