"""The sections of the configuration about the line: link, modem, PPP, the call, what it costs, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.setting import setting


class LinkKind(Enum):
    """How the station reaches the world."""

    MODEM = "modem"  # dials by itself: ETRN on every connect
    GATEWAY = "gateway"  # an IP router on a dedicated line: no calls, ETRN off unless asked for
    DIALUP_GATEWAY = "dialup-gateway"  # a router that dials by itself: schedule, flush and ETRN


class DialMode(Enum):
    """How digits are sent."""

    TONE = "tone"
    PULSE = "pulse"


class PortFlow(Enum):
    """How board and modem stop each other when a buffer is full."""

    PROFILE = "profile"  # as the modem's profile says
    RTSCTS = "rtscts"
    XONXOFF = "xonxoff"
    NONE = "none"


class PppAuth(Enum):
    """How the station may prove to the provider who it is (it never asks the provider to)."""

    AUTO = "auto"  # whatever the provider asks for, the strongest it offers first
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
    """The way to the world."""

    kind: LinkKind = setting(
        LinkKind.MODEM, "modem: this station dials; gateway: a router on a dedicated line; "
        "dialup-gateway: a router that dials by itself.",
    )  # fmt: skip
    line_rate_bps: int = setting(
        33_600, "The line's rate, for forecasts before the first call has measured it.",
        unit="bits per second", minimum=300, maximum=1_000_000_000,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModemConfig:
    """The modem and how it dials (link.kind = modem)."""

    profile: str = setting("hayes", "Which modem it is: a name from `dialpost modem list`, or a TOML file's path.")
    port: str = setting(
        "", "Its serial port; `dialpost modem probe` finds it.", kind="path", example="/dev/ttyUSB0"
    )
    speed_bps: int = setting(
        0, "Speed between board and modem; 0 = what the profile says.", unit="bits per second",
        minimum=0, maximum=4_000_000,
    )  # fmt: skip
    flow_control: PortFlow = setting(
        PortFlow.PROFILE, "How board and modem stop each other; none for a cable or board without RTS and CTS. "
        "`dialpost modem probe` finds out.",
    )  # fmt: skip
    numbers: tuple[str, ...] = setting(
        (), "The provider's numbers, tried in turn.", kind="phone-number", maximum=20, example='["0961 123456"]'
    )
    dial_mode: DialMode = setting(DialMode.TONE, "tone, or pulse on lines that know no tones.")
    outside_line: str = setting(
        "", "Dialled first to leave a house exchange; w waits for the dial tone, a comma for 2 s.",
        kind="dial-prefix", example="0w",
    )  # fmt: skip
    calling_card: str = setting(
        "", "Dialled after the number: pauses and the digits of a calling card.", kind="dial-suffix", secret=True
    )
    wait_for_dial_tone: bool = setting(True, "No: dial blindly, where the exchange's tone is an unusual one.")
    country: str = setting("generic", "Whose redial rules hold: a name from `dialpost modem countries`.")
    extra_init: str = setting(
        "", "An AT command more, sent after the profile's own.", kind="at-command", example="ATM0"
    )
    login_script: tuple[str, ...] = setting(
        (), "For providers that ask before PPP begins: what to wait for and what to answer, in turn. %u is "
        "ppp.user, %p ppp.password; an empty text to wait for sends at once.", kind="login-text", maximum=40,
        example='["ogin:", "%u", "assword:", "%p"]',
    )  # fmt: skip
    login_timeout_s: int = setting(
        30, "Wait for each text of the login script.", unit="seconds", minimum=1, maximum=300
    )
    apn: str = setting("", "Cellular: the access point's name.", kind="apn", example="internet")
    sim_pin: str = setting(
        "", "Cellular: the SIM's PIN. One refused is never tried again.", kind="sim-pin", secret=True
    )


@dataclass(frozen=True, slots=True)
class PppConfig:
    """The network over the modem's line."""

    user: str = setting("", "Login name for PAP or CHAP; empty: the provider asks for none.", kind="line-login")
    password: str = setting("", "Its password.", kind="line-login", secret=True)
    auth: PppAuth = setting(PppAuth.AUTO, "Which way of logging in is allowed.")
    local_address: str = setting(
        "", "The station's address on the line; empty: the provider gives one.", kind="ipv4"
    )
    remote_address: str = setting("", "The provider's address on the line; empty: it tells.", kind="ipv4")
    mtu: int = setting(
        0, "Largest packet on the line, either way; 0 = by the line's speed.", unit="bytes", minimum=0, maximum=1500
    )
    compression: bool = setting(True, "Deflate or BSD compression, where the provider has it.")
    use_peer_dns: bool = setting(True, "Ask the provider's name servers while the line is up.")
    default_route: bool = setting(True, "Whatever is not on the LAN goes over the line while it is up.")
    echo_interval_s: int = setting(
        20,
        "So often a quiet line is asked whether it still lives; 0 = never.",
        unit="seconds",
        minimum=0,
        maximum=600,
    )
    echo_failures: int = setting(4, "So many questions without an answer end the call.", minimum=1, maximum=20)
    shaping: bool = setting(True, "Keep what waits for the line in order: short packets first, none piled up.")
    share_with_lan: bool = setting(False, "Let hosts of the LAN use the line while it is up.")
    firewall: bool = setting(True, "On the line only the provider's hosts reach port 25, and nothing else answers.")


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What calls may cost. 0 = no limit."""

    minutes_per_call: float = setting(
        0.0, "Longest paid time of one call.", unit="minutes", minimum=0, maximum=1440
    )
    minutes_per_day: float = setting(0.0, "On line in a day, local time.", unit="minutes", minimum=0, maximum=1440)
    minutes_per_month: float = setting(
        0.0, "On line in a calendar month.", unit="minutes", minimum=0, maximum=44_640
    )
    cost_per_minute: float = setting(0.0, "Price of a minute on line.", minimum=0, maximum=1000)
    cost_per_call: float = setting(0.0, "Price of each call that is answered.", minimum=0, maximum=1000)
    billing_step_s: int = setting(
        60, "Calls are charged in steps of so many seconds.", unit="seconds", minimum=1, maximum=3600
    )
    currency: str = setting("", "Shown behind amounts.", example="EUR")
    limit_per_call: float = setting(0.0, "Most one call may cost.", minimum=0, maximum=1_000_000)
    limit_per_day: float = setting(0.0, "Most a day may cost.", minimum=0, maximum=1_000_000)
    limit_per_month: float = setting(0.0, "Most a month may cost.", minimum=0, maximum=1_000_000)
    big_message_bytes: int = setting(
        0, "A larger message to the world waits for `big_windows` or a person's release; 0 = none waits.",
        unit="bytes", minimum=0, maximum=1_073_741_824,
    )  # fmt: skip
    big_windows: tuple[str, ...] = setting(
        (), "Times of day in which big messages may go, local time.", kind="time-span", maximum=20,
        example='["22:00-06:00"]',
    )  # fmt: skip
    big_message_notice: bool = setting(
        True, "Tell the recipients of a big message in a few lines that it waits. Its sender is told in any case."
    )


class BatteryClock(Enum):
    """A clock chip with a battery on the header's I2C lines."""

    NONE = "none"
    DS1307 = "ds1307"
    DS3231 = "ds3231"
    PCF8523 = "pcf8523"
    PCF85063 = "pcf85063"

    @property
    def address(self) -> int:
        """Where on the bus it is: the chip has no other."""
        return 0x51 if self is BatteryClock.PCF85063 else 0x68


@dataclass(frozen=True, slots=True)
class ClockConfig:
    """Setting the clock over the line."""

    source: ClockSource = setting(
        ClockSource.AUTO, "auto: chrony where it runs, else SNTP; or chrony, sntp, never."
    )
    servers: tuple[str, ...] = setting(
        (), "Time servers; empty: the provider's end of the line, then its mail host, then pool.ntp.org.",
        kind="host", maximum=8,
    )  # fmt: skip
    battery: BatteryClock = setting(
        BatteryClock.NONE, "The chip of a clock with a battery, wired to the header's I2C lines (pins 3 and 5): it "
        "keeps the time while the station is off.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallConfig:
    """One call."""

    grace_min_s: float = setting(
        3.0, "Shortest quiet time before hanging up.", unit="seconds", minimum=0.1, maximum=3600
    )
    grace_max_s: float = setting(
        60.0, "Longest quiet time waited for a provider that is slow to start.", unit="seconds",
        minimum=0.1, maximum=3600,
    )  # fmt: skip
    max_call_s: int = setting(
        3600, "Longest call; it ends between messages.", unit="seconds", minimum=30, maximum=86_400
    )
    dial_timeout_s: int = setting(
        120, "Longest wait for the line to come up.", unit="seconds", minimum=1, maximum=600
    )
    redial_attempts: int = setting(3, "Tries after a failed dial or a lost line.", minimum=0, maximum=50)
    redial_pause_s: float = setting(30.0, "Wait before such a try.", unit="seconds", minimum=0.1, maximum=86_400)
    cooldown_s: float = setting(
        5.0, "Rest after a call before the next may start.", unit="seconds", minimum=0, maximum=3600
    )
