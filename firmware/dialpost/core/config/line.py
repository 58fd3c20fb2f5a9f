"""The configuration's line sections: link, modem, PPP, the call, what it costs, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.setting import setting


class LinkKind(Enum):
    """How the station reaches the outside world."""

    MODEM = "modem"  # the station dials: ETRN on every connection
    GATEWAY = "gateway"  # an IP router on a dedicated line: no calls, ETRN off unless asked for
    DIALUP_GATEWAY = "dialup-gateway"  # a router that dials on demand: schedule, flush and ETRN


class DialMode(Enum):
    """How digits are sent."""

    TONE = "tone"
    PULSE = "pulse"


class PortFlow(Enum):
    """Flow control between board and modem."""

    PROFILE = "profile"  # as the modem's profile says
    RTSCTS = "rtscts"
    XONXOFF = "xonxoff"
    NONE = "none"


class PppAuth(Enum):
    """How the station authenticates to the provider (it never asks the provider to authenticate)."""

    AUTO = "auto"  # what the provider asks for, strongest first
    PAP = "pap"
    CHAP = "chap"
    MSCHAP_V2 = "mschap-v2"
    NONE = "none"


class ClockSource(Enum):
    """How the clock is set on connect."""

    AUTO = "auto"  # chrony where it runs, else SNTP by the station itself
    CHRONY = "chrony"
    SNTP = "sntp"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """The link to the outside world."""

    kind: LinkKind = setting(
        LinkKind.MODEM,
        "modem: this station dials; gateway: a router on a dedicated line; "
        "dialup-gateway: a router that dials on demand.",
    )
    line_rate_bps: int = setting(
        33_600,
        "The line's speed, for forecasts until the first call has measured it.",
        unit="bits per second",
        minimum=300,
        maximum=1_000_000_000,
    )


@dataclass(frozen=True, slots=True)
class ModemConfig:
    """The modem and how it dials (link.kind = modem)."""

    profile: str = setting(
        "hayes", "The modem's profile: a name from `dialpost modem list`, or the path of a TOML file."
    )
    port: str = setting(
        "", "The modem's serial port; `dialpost modem probe` finds it.", kind="path", example="/dev/ttyUSB0"
    )
    speed_bps: int = setting(
        0,
        "Speed between board and modem; 0 = as the profile says.",
        unit="bits per second",
        minimum=0,
        maximum=4_000_000,
    )
    flow_control: PortFlow = setting(
        PortFlow.PROFILE,
        "Flow control between board and modem; none for a cable or board without RTS and CTS. "
        "`dialpost modem probe` finds the right one.",
    )
    numbers: tuple[str, ...] = setting(
        (),
        "The provider's numbers, tried in turn: digits, * and #; a comma pauses, w waits for the dial tone, A to D "
        "are the tones of that name.",
        kind="phone-number",
        maximum=20,
        example='["0961 123456"]',
    )
    dial_mode: DialMode = setting(DialMode.TONE, "tone, or pulse for lines without tone dialling.")
    outside_line: str = setting(
        "",
        "Dialled first to get an outside line; w waits for the dial tone, a comma for 2 s.",
        kind="dial-prefix",
        example="0w",
    )
    calling_card: str = setting(
        "", "Dialled after the number: pauses and the digits of a calling card.", kind="dial-suffix", secret=True
    )
    wait_for_dial_tone: bool = setting(True, "Wait for the dial tone; set false if the exchange's tone is unusual.")
    country: str = setting(
        "generic", "The country whose redial rules apply: a name from `dialpost modem countries`."
    )
    extra_init: str = setting(
        "", "An extra AT command, sent after the profile's own.", kind="at-command", example="ATM0"
    )
    login_script: tuple[str, ...] = setting(
        (),
        "For providers with a login prompt before PPP: what to wait for and what to send, alternately. %u "
        "is ppp.user, %p is ppp.password; an empty text to wait for sends at once.",
        kind="login-text",
        maximum=40,
        example='["ogin:", "%u", "assword:", "%p"]',
    )
    login_timeout_s: int = setting(
        30, "How long to wait for each text of the login script.", unit="seconds", minimum=1, maximum=300
    )
    apn: str = setting("", "Cellular: the access point name (APN).", kind="apn", example="internet")
    sim_pin: str = setting(
        "", "Cellular: the SIM's PIN. A refused PIN is never retried.", kind="sim-pin", secret=True
    )


@dataclass(frozen=True, slots=True)
class PppConfig:
    """PPP over the modem's line."""

    user: str = setting("", "User name for PAP or CHAP; empty: the provider requires none.", kind="line-login")
    password: str = setting("", "The password for `user`.", kind="line-login", secret=True)
    auth: PppAuth = setting(PppAuth.AUTO, "Authentication methods to allow.")
    local_address: str = setting(
        "", "The station's address on the line; empty: the provider assigns one.", kind="ipv4"
    )
    remote_address: str = setting(
        "", "The provider's address on the line; empty: the provider announces it.", kind="ipv4"
    )
    mtu: int = setting(
        0,
        "Largest packet on the line, in either direction; 0 = chosen by the line's speed.",
        unit="bytes",
        minimum=0,
        maximum=1500,
    )
    compression: bool = setting(True, "Use Deflate or BSD compression if the provider supports it.")
    use_peer_dns: bool = setting(True, "Use the provider's name servers while the line is up.")
    default_route: bool = setting(True, "Send everything that is not for the LAN over the line while it is up.")
    trusted_line: bool = setting(
        False,
        "Whether the line from this station's modem to the provider's network is trusted like a telephone line. "
        "true: no TLS on it with the provider's own mail hosts; mail is compressed, and calls are shorter and "
        "cheaper. Passwords go as a digest only, but whoever taps the line can read the mail. false: TLS.",
    )
    echo_interval_s: int = setting(
        20,
        "How often to check that a quiet line is still alive; 0 = never.",
        unit="seconds",
        minimum=0,
        maximum=600,
    )
    echo_failures: int = setting(4, "Unanswered checks after which the call ends.", minimum=1, maximum=20)
    shaping: bool = setting(True, "Shape traffic on the line: short packets first, no long queues.")
    share_with_lan: bool = setting(False, "Let hosts on the LAN use the line while it is up.")
    firewall: bool = setting(
        True, "On the line, only the provider's hosts reach port 25; everything else is closed."
    )


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What calls may cost. 0 = no limit."""

    minutes_per_call: float = setting(
        0.0, "Longest billed time of one call.", unit="minutes", minimum=0, maximum=1440
    )
    minutes_per_day: float = setting(
        0.0, "Most time on line in a day (local time).", unit="minutes", minimum=0, maximum=1440
    )
    minutes_per_month: float = setting(
        0.0, "Most time on line in a calendar month.", unit="minutes", minimum=0, maximum=44_640
    )
    cost_per_minute: float = setting(0.0, "Price of a minute on line.", minimum=0, maximum=1000)
    cost_per_call: float = setting(0.0, "Price of each answered call.", minimum=0, maximum=1000)
    billing_step_s: int = setting(
        60,
        "Billing increment: calls are charged in steps of this length. What is left of one that has begun is "
        "used to retry what was deferred or not reached.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    currency: str = setting("", "Shown after amounts.", example="EUR")
    limit_per_call: float = setting(0.0, "Most one call may cost.", minimum=0, maximum=1_000_000)
    limit_per_day: float = setting(0.0, "Most a day may cost.", minimum=0, maximum=1_000_000)
    limit_per_month: float = setting(0.0, "Most a month may cost.", minimum=0, maximum=1_000_000)
    big_message_bytes: int = setting(
        0,
        "A larger outgoing message waits for `big_windows` or until an operator releases it, and one in a mailbox "
        "at a provider (inbound.mailbox) stays there as long; 0 = none waits.",
        unit="bytes",
        minimum=0,
        maximum=1_073_741_824,
    )
    big_windows: tuple[str, ...] = setting(
        (),
        "Times of day when big messages may be sent or fetched (local time).",
        kind="time-span",
        maximum=20,
        example='["22:00-06:00"]',
    )
    big_message_notice: bool = setting(
        True, "Send the recipients of a big message a short notice that it is waiting. The sender always gets one."
    )


class BatteryClock(Enum):
    """A battery-backed clock chip on the header's I2C pins."""

    NONE = "none"
    DS1307 = "ds1307"
    DS3231 = "ds3231"
    PCF8523 = "pcf8523"
    PCF85063 = "pcf85063"

    @property
    def address(self) -> int:
        """Its fixed address on the bus."""
        return 0x51 if self is BatteryClock.PCF85063 else 0x68


@dataclass(frozen=True, slots=True)
class ClockConfig:
    """Setting the clock over the line."""

    source: ClockSource = setting(
        ClockSource.AUTO, "auto: chrony where it runs, else SNTP; or chrony, sntp, never."
    )
    servers: tuple[str, ...] = setting(
        (),
        "Time servers; empty: the provider's end of the line, then its mail host, then pool.ntp.org.",
        kind="host",
        maximum=8,
    )
    battery: BatteryClock = setting(
        BatteryClock.NONE,
        "The chip of a battery-backed clock on the header's I2C pins (3 and 5), which keeps "
        "time while the station is off.",
    )


@dataclass(frozen=True, slots=True)
class CallConfig:
    """One call."""

    grace_min_s: float = setting(
        3.0, "Shortest idle time before hanging up.", unit="seconds", minimum=0.1, maximum=3600
    )
    grace_max_s: float = setting(
        60.0,
        "Longest idle time to allow a provider that is slow to start.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    )
    max_call_s: int = setting(
        3600, "Longest call; it ends between messages.", unit="seconds", minimum=30, maximum=86_400
    )
    dial_timeout_s: int = setting(
        120, "Longest wait for the line to come up.", unit="seconds", minimum=1, maximum=600
    )
    redial_attempts: int = setting(
        3,
        "Redials after a failed attempt, a dropped call, or one that achieved nothing.",
        minimum=0,
        maximum=50,
    )
    redial_pause_s: float = setting(30.0, "Pause before a redial.", unit="seconds", minimum=0.1, maximum=86_400)
    cooldown_s: float = setting(
        5.0, "Pause after a call before the next may start.", unit="seconds", minimum=0, maximum=3600
    )
