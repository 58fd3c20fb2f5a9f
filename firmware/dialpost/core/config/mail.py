"""The sections of the configuration about mail: the server, relaying, TLS, delivery, the way out, ETRN."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dialpost.core.config.setting import Setting, setting


class TlsMode(Enum):
    """How a connection to another server is protected."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"  # STARTTLS where offered, unverified
    STARTTLS = "starttls"  # required
    IMPLICIT = "implicit"  # TLS from the first byte (port 465)


class TlsVerify(Enum):
    """What makes a server's certificate acceptable."""

    FULL = "full"  # a known authority, and the host's name
    CA_ONLY = "ca-only"  # a known authority, whatever the name
    FINGERPRINT = "fingerprint"  # this very certificate
    NONE = "none"


class AuthMechanism(Enum):
    """Which way to log in at the smarthost."""

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"


class FromCheck(Enum):
    """What is done about the From field of a user who logged in."""

    CHECK = "check"  # it must be the user's own, or the message is refused
    SENDER = "sender"  # where it is another's, a Sender field tells who it was
    ALLOW = "allow"


class OwnSenders(Enum):
    """What is done about a stranger's mail that bears an address of this station."""

    MARK = "mark"  # a field in its header says so
    REFUSE = "refuse"
    ALLOW = "allow"


class Via(Enum):
    """Where mail for the world goes."""

    SMARTHOST = "smarthost"
    MX = "mx"


class EtrnUse(Enum):
    """Whether ETRN is sent on connect."""

    AUTO = "auto"  # by link kind: not on a dedicated line
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """The SMTP server."""

    listen: tuple[str, ...] = setting(
        ("[::]:25",), "Where mail from the LAN and the provider comes in. Sockets handed over by systemd "
        "are used first.", kind="listen", maximum=16,
    )  # fmt: skip
    submission_listen: tuple[str, ...] = setting(
        ("[::]:587",), "Where mail programs hand in mail: STARTTLS and a login.", kind="listen", maximum=16
    )
    submissions_listen: tuple[str, ...] = setting(
        ("[::]:465",), "Where mail programs hand in mail: TLS from the first byte and a login.",
        kind="listen", maximum=16,
    )  # fmt: skip
    max_message_bytes: int = setting(
        26_214_400, "Largest message taken in.", unit="bytes", minimum=65_536, maximum=1_073_741_824
    )
    max_recipients: int = setting(
        500, "Most recipients of one message; the rest is asked to come again.", minimum=100, maximum=10_000
    )
    max_connections: int = setting(
        100, "Most connections at once. A tenth is kept for the provider, for users who logged in, for "
        "relay.networks and for strangers each; idle strangers make room for others.", minimum=1, maximum=2000,
    )  # fmt: skip
    max_connections_per_peer: int = setting(
        50, "Most connections at once from one address (with IPv6 from one /64).", minimum=1, maximum=2000
    )
    max_errors: int = setting(5, "Wrong commands in one connection before it is closed.", minimum=3, maximum=1000)
    max_refusals: int = setting(
        50, "Senders and recipients refused in one connection before it is closed; from the eleventh on each is "
        "answered later. Not counted for the provider on the line.", minimum=10, maximum=10_000,
    )  # fmt: skip
    max_commands: int = setting(
        20_000, "Commands in one connection before it is closed.", minimum=100, maximum=10_000_000
    )
    command_timeout_s: int = setting(
        300, "Wait for the next command (RFC 5321 wants at least 300 in service).", unit="seconds",
        minimum=1, maximum=3600,
    )  # fmt: skip
    data_timeout_s: int = setting(
        600, "Wait for the next piece of a message: a slow line may take long over the whole.",
        unit="seconds", minimum=1, maximum=7200,
    )  # fmt: skip
    max_received_headers: int = setting(
        100, "Hops after which a message counts as looping.", minimum=10, maximum=1000
    )
    login_failures: int = setting(
        5, "Failed logins from one address before it has to wait.", minimum=1, maximum=1000
    )
    login_pause_s: int = setting(
        300, "How long an address with too many failed logins has to wait.", unit="seconds",
        minimum=1, maximum=86_400,
    )  # fmt: skip
    user_from: FromCheck = setting(
        FromCheck.CHECK, "The From address of a user who logged in. check: must be the user's own; sender: may be "
        "another's, a Sender field then tells who it was; allow: anything.",
    )  # fmt: skip
    own_senders: OwnSenders = setting(
        OwnSenders.MARK, "Mail from a stranger that bears an address of this station. mark: a field "
        "X-Dialpost-Unverified in its header; refuse: also what lists and forwards send back; allow: let alone.",
    )  # fmt: skip
    disk_reserve_bytes: int = setting(
        67_108_864, "Space kept free: below it new mail is put off (452) until there is room again.",
        unit="bytes", minimum=0, maximum=1_099_511_627_776,
    )  # fmt: skip
    duplicate_window_hours: int = setting(
        120, "How long a message the provider sends again after a cut is recognised as the same.",
        unit="hours", minimum=0, maximum=1000,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Who may send to the world without a login."""

    networks: tuple[str, ...] = setting(
        (), "Networks whose hosts may send to the world without a login (printers, scanners).",
        kind="network", maximum=64, example='["192.168.1.0/24"]',
    )  # fmt: skip
    provider_networks: tuple[str, ...] = setting(
        (), "Networks on the provider's side: never allowed to relay, whatever else is said.",
        kind="network", maximum=64,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The station's own certificate."""

    certificate: str = setting(
        "", "PEM file with the certificate chain. Empty: one is made at first start.", kind="path"
    )
    key: str = setting("", "PEM file with the private key of `certificate`.", kind="path")


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Mail that stays here."""

    catch_all: dict[str, str] = field(
        default_factory=dict,
        metadata={"setting": Setting("For a domain, the account that gets mail for unknown names in it.",
                                     kind="account", example='{"clinic.example" = "anna"}')},
    )  # fmt: skip
    plus_separator: str = setting(
        "+", "What parts a user's name from a free suffix (anna+shop@...). Empty: off.", kind="separator"
    )
    default_quota_bytes: int = setting(
        0, "Quota of an account that has none of its own; 0 = none.", unit="bytes",
        minimum=0, maximum=1_099_511_627_776,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One [[outbound.route]]: mail for some domains takes another way."""

    domains: tuple[str, ...] = setting(
        (), "Domains this route is for; a leading dot means all below (.example.org).",
        kind="route-domain", minimum=1, maximum=1000, required=True, example='["partner.example"]',
    )  # fmt: skip
    via: Via = setting(Via.SMARTHOST, "smarthost: through `host`; mx: to the domain's own servers.")
    host: str = setting("", "The host for via = smarthost; empty: the general smarthost.", kind="host")
    port: int = setting(25, "The port of that host.", minimum=1, maximum=65_535)
    tls: TlsMode = setting(TlsMode.OPPORTUNISTIC, "How the connection is protected.")
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How its certificate is checked.")
    tls_fingerprint: str = setting("", "For tls_verify = fingerprint.", kind="fingerprint")
    user: str = setting("", "Login name there; empty: no login.")
    password: str = setting("", "The password for `user`.", secret=True)
    auth: AuthMechanism = setting(AuthMechanism.AUTO, "The way of logging in.")
    clear_password: bool = setting(
        False, "Whether the password may be sent where no TLS protects it. Anybody on the way can read it then."
    )


@dataclass(frozen=True, slots=True)
class OutboundConfig:
    """Mail for the world."""

    via: Via = setting(Via.SMARTHOST, "smarthost: through the provider's host; mx: straight out.")
    smarthost: str = setting("", "The provider's mail host.", kind="host", example="smtp.provider.example")
    port: int = setting(587, "Its port: 587 or 465 with a login, 25 without.", minimum=1, maximum=65_535)
    tls: TlsMode = setting(TlsMode.STARTTLS, "How the connection to the smarthost is protected.")
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How its certificate is checked.")
    tls_fingerprint: str = setting("", "For tls_verify = fingerprint.", kind="fingerprint")
    user: str = setting("", "Login name at the smarthost; empty: no login.")
    password: str = setting("", "Password at the smarthost.", secret=True)
    auth: AuthMechanism = setting(AuthMechanism.AUTO, "The way of logging in.")
    clear_password: bool = setting(
        False, "Whether the password may be sent where no TLS protects it. Anybody on the way can read it then."
    )
    mx_port: int = setting(25, "Port of the receivers' own servers (via = mx).", minimum=1, maximum=65_535)
    mx_connections: int = setting(2, "Servers written to at the same time when via = mx.", minimum=1, maximum=20)
    pipelining: bool = setting(True, "Use PIPELINING where the server offers it.")
    chunking: bool = setting(True, "Use CHUNKING (BDAT) where the server offers it.")
    timeout_scale: float = setting(
        1.0, "Multiplies every RFC 5321 time-out of the client.", minimum=0.01, maximum=10
    )
    retry_min_s: int = setting(
        1800, "Shortest wait before the same recipient is tried again while on line.", unit="seconds",
        minimum=1, maximum=86_400,
    )  # fmt: skip
    retry_max_s: int = setting(14_400, "Longest such wait.", unit="seconds", minimum=1, maximum=604_800)
    give_up_hours: int = setting(
        120, "Time in the queue after which a message goes back, if at least `give_up_attempts` real tries "
        "failed.", unit="hours", minimum=1, maximum=2400,
    )  # fmt: skip
    give_up_attempts: int = setting(
        5, "Real tries (not time off line) needed before giving up.", minimum=1, maximum=1000
    )
    delay_notice_hours: int = setting(
        24, "After this time the sender is told of the delay, once; 0 = never.", unit="hours",
        minimum=0, maximum=2400,
    )  # fmt: skip
    route: tuple[RouteConfig, ...] = setting((), "Other ways for some domains.", maximum=200)


@dataclass(frozen=True, slots=True)
class EtrnConfig:
    """Asking the provider to send what it holds for us (RFC 1985)."""

    use: EtrnUse = setting(EtrnUse.AUTO, "auto: on every connect, but not on a dedicated line; or always, never.")
    host: str = setting("", "The provider's host that does ETRN; empty: the smarthost.", kind="host")
    port: int = setting(25, "Its port: ETRN is not offered on 587.", minimum=1, maximum=65_535)
    names: tuple[str, ...] = setting(
        (), "What to ask for: a domain, @domain (with all below it) or #name (the provider's own queue "
        "name). Empty: every domain of the station.", kind="etrn-name", maximum=100,
    )  # fmt: skip
    tls: TlsMode = setting(TlsMode.OPPORTUNISTIC, "How the connection is protected.")
    tls_verify: TlsVerify = setting(TlsVerify.NONE, "How its certificate is checked.")
    tls_fingerprint: str = setting("", "For tls_verify = fingerprint.", kind="fingerprint")
    user: str = setting("", "Login name there, where the provider wants one before ETRN.")
    password: str = setting("", "The password for `user`.", secret=True)
    clear_password: bool = setting(
        False, "Whether the password may be sent where no TLS protects it. Anybody on the way can read it then."
    )
