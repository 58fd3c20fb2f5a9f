"""The sections of the configuration about mail: the server, relaying, TLS, delivery, outgoing mail, ETRN."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dialpost.core.config.setting import Setting, setting


class TlsMode(Enum):
    """How a connection to another server is protected."""

    AUTO = "auto"  # required as with starttls, but not of the provider's own hosts on a trusted line
    NONE = "none"
    OPPORTUNISTIC = "opportunistic"  # STARTTLS where offered, unverified; on a trusted line as auto
    STARTTLS = "starttls"  # required
    IMPLICIT = "implicit"  # TLS from the first byte (port 465)


class TlsVerify(Enum):
    """What makes a server's certificate acceptable."""

    FULL = "full"  # a known authority, and the host's name
    CA_ONLY = "ca-only"  # a known authority, whatever the name
    FINGERPRINT = "fingerprint"  # this very certificate
    NONE = "none"


class AuthMechanism(Enum):
    """The mechanism used to log in to the smarthost."""

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"
    SCRAM_SHA_256 = "scram-sha-256"


class FromCheck(Enum):
    """What to do about the From field of a logged-in user."""

    CHECK = "check"  # must be the user's own, or the message is refused
    SENDER = "sender"  # may be somebody else's; a Sender field then names the user
    ALLOW = "allow"


class OwnSenders(Enum):
    """What to do about a stranger's mail with a sender address of this station."""

    MARK = "mark"  # with a header field
    REFUSE = "refuse"
    ALLOW = "allow"


class Via(Enum):
    """Where outgoing mail goes."""

    SMARTHOST = "smarthost"
    MX = "mx"


class EtrnUse(Enum):
    """Whether to send ETRN on connecting."""

    AUTO = "auto"  # by link kind: not on a dedicated line
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """The SMTP server."""

    listen: tuple[str, ...] = setting(
        ("[::]:25",),
        "Addresses that accept mail from the LAN and the provider. Sockets passed by systemd take precedence.",
        kind="listen",
        maximum=16,
    )
    submission_listen: tuple[str, ...] = setting(
        ("[::]:587",),
        "Addresses where mail programs submit mail with STARTTLS and a login.",
        kind="listen",
        maximum=16,
    )
    submissions_listen: tuple[str, ...] = setting(
        ("[::]:465",),
        "Addresses where mail programs submit mail with TLS from the first byte and a login.",
        kind="listen",
        maximum=16,
    )
    max_message_bytes: int = setting(
        26_214_400, "Largest message accepted.", unit="bytes", minimum=65_536, maximum=1_073_741_824
    )
    max_recipients: int = setting(
        500, "Most recipients per message; the sender has to retry the rest.", minimum=100, maximum=10_000
    )
    max_connections: int = setting(
        100,
        "Most simultaneous connections. A tenth each is reserved for the provider, for logged-in users, "
        "for relay.networks and for strangers; idle strangers make room for others.",
        minimum=1,
        maximum=2000,
    )
    max_connections_per_peer: int = setting(
        50, "Most simultaneous connections from one address (for IPv6, from one /64).", minimum=1, maximum=2000
    )
    max_errors: int = setting(5, "Bad commands in one connection before it is closed.", minimum=3, maximum=1000)
    max_refusals: int = setting(
        50,
        "Refused senders and recipients in one connection before it is closed; from the eleventh on, "
        "replies are delayed. Does not apply to the provider on the line.",
        minimum=10,
        maximum=10_000,
    )
    max_commands: int = setting(
        20_000, "Commands in one connection before it is closed.", minimum=100, maximum=10_000_000
    )
    command_timeout_s: int = setting(
        300,
        "How long to wait for the next command (RFC 5321 requires at least 300 in service).",
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    data_timeout_s: int = setting(
        600,
        "How long to wait for the next piece of a message; the whole message may take longer.",
        unit="seconds",
        minimum=1,
        maximum=7200,
    )
    max_received_headers: int = setting(
        100, "Received fields after which a message counts as looping.", minimum=10, maximum=1000
    )
    login_failures: int = setting(
        5, "Failed logins from one address before it has to wait.", minimum=1, maximum=1000
    )
    login_pause_s: int = setting(
        300,
        "How long an address with too many failed logins has to wait.",
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    user_from: FromCheck = setting(
        FromCheck.CHECK,
        "The From address of a logged-in user. check: must be the user's own, as must Sender and Resent-From; "
        "sender: may be another's, and a Sender field names the user; allow: anything.",
    )
    own_senders: OwnSenders = setting(
        OwnSenders.MARK,
        "Mail from a stranger with a sender address of this station. mark: add an "
        "X-Dialpost-Unverified field; refuse: reject it, even if a mailing list or a forward sends it back; "
        "allow: accept it unchanged.",
    )
    disk_reserve_bytes: int = setting(
        67_108_864,
        "Space kept free: below it new mail is deferred (452) until there is room again.",
        unit="bytes",
        minimum=0,
        maximum=1_099_511_627_776,
    )
    duplicate_window_hours: int = setting(
        120,
        "How long a message that the provider resends after a dropped connection is recognised as a duplicate.",
        unit="hours",
        minimum=0,
        maximum=1000,
    )


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Who may send mail anywhere without a login."""

    networks: tuple[str, ...] = setting(
        (),
        "Networks whose hosts (printers, scanners) may send mail anywhere without a login.",
        kind="network",
        maximum=64,
        example='["192.168.1.0/24"]',
    )
    provider_networks: tuple[str, ...] = setting(
        (),
        "Networks on the provider's side: never allowed to relay, whatever the other settings say.",
        kind="network",
        maximum=64,
    )


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The station's own certificate."""

    certificate: str = setting(
        "", "PEM file with the certificate chain. Empty: the station creates one at its first start.", kind="path"
    )
    key: str = setting("", "PEM file with the private key of `certificate`.", kind="path")


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Local delivery."""

    catch_all: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "setting": Setting(
                "For each domain, the account that gets mail for unknown addresses.",
                kind="account",
                example='{"clinic.example" = "anna"}',
            )
        },
    )
    separate_domains: tuple[str, ...] = setting(
        (),
        "Domains in which only the addresses and aliases added for them receive mail. In every other domain of the "
        "station, NAME@DOMAIN is an address of the account NAME.",
        kind="domain",
        maximum=100,
        example='["shop.example"]',
    )
    plus_separator: str = setting(
        "+",
        "Separates a user's name from a suffix of the user's choice (anna+shop@...). Empty: off.",
        kind="separator",
    )
    default_quota_bytes: int = setting(
        0,
        "Quota of an account without one of its own; 0 = unlimited.",
        unit="bytes",
        minimum=0,
        maximum=1_099_511_627_776,
    )


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One [[outbound.route]]: a different route for some domains."""

    domains: tuple[str, ...] = setting(
        (),
        "Domains this route applies to; a leading dot means all subdomains (.example.org).",
        kind="route-domain",
        minimum=1,
        maximum=1000,
        required=True,
        example='["partner.example"]',
    )
    via: Via = setting(Via.SMARTHOST, "smarthost: through `host`; mx: straight to the domain's own servers.")
    host: str = setting("", "The host when via = smarthost; empty: `outbound.smarthost`.", kind="host")
    port: int = setting(25, "The port of that host.", minimum=1, maximum=65_535)
    tls: TlsMode = setting(TlsMode.OPPORTUNISTIC, "How to protect the connection; values as for `outbound.tls`.")
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How to check the server's certificate.")
    tls_fingerprint: str = setting(
        "", "The certificate's fingerprint, for tls_verify = fingerprint.", kind="fingerprint"
    )
    user: str = setting("", "User name at that host; empty: no login.")
    password: str = setting("", "The password for `user`.", secret=True)
    auth: AuthMechanism = setting(AuthMechanism.AUTO, "Authentication mechanism.")
    clear_password: bool = setting(
        False, "Whether to send the password even without TLS. Anybody along the way can then read it."
    )


@dataclass(frozen=True, slots=True)
class OutboundConfig:
    """Outgoing mail."""

    via: Via = setting(
        Via.SMARTHOST, "smarthost: through the provider's mail host; mx: straight to the recipients' servers."
    )
    smarthost: str = setting("", "The provider's mail host.", kind="host", example="smtp.provider.example")
    port: int = setting(587, "Its port: 587 or 465 with a login, 25 without.", minimum=1, maximum=65_535)
    tls: TlsMode = setting(
        TlsMode.AUTO,
        "How to protect the connection to the smarthost. auto: STARTTLS is required, but not used on a trusted "
        "line (`ppp.trusted_line`); starttls and implicit demand TLS there too.",
    )
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How to check the server's certificate.")
    tls_fingerprint: str = setting(
        "", "The certificate's fingerprint, for tls_verify = fingerprint.", kind="fingerprint"
    )
    user: str = setting("", "User name at the smarthost; empty: no login.")
    password: str = setting("", "Password at the smarthost.", secret=True)
    auth: AuthMechanism = setting(AuthMechanism.AUTO, "Authentication mechanism.")
    clear_password: bool = setting(
        False, "Whether to send the password even without TLS. Anybody along the way can then read it."
    )
    mx_port: int = setting(25, "Port of the recipients' servers (via = mx).", minimum=1, maximum=65_535)
    mx_connections: int = setting(
        0,
        "Servers to deliver to in parallel when via = mx. 0: 2 on a line that is dialled, 20 on a dedicated one.",
        minimum=0,
        maximum=20,
    )
    pipelining: bool = setting(True, "Use PIPELINING where the server offers it.")
    chunking: bool = setting(True, "Use CHUNKING (BDAT) where the server offers it.")
    timeout_scale: float = setting(
        1.0, "Multiplies every RFC 5321 time-out of the SMTP client.", minimum=0.01, maximum=10
    )
    retry_min_s: int = setting(
        1800,
        "Shortest wait before retrying a recipient while on line.",
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    retry_max_s: int = setting(14_400, "Longest such wait.", unit="seconds", minimum=1, maximum=604_800)
    give_up_hours: int = setting(
        120,
        "Time in the queue after which a message bounces, if at least `give_up_attempts` real attempts failed.",
        unit="hours",
        minimum=1,
        maximum=2400,
    )
    give_up_attempts: int = setting(
        5, "Real attempts (time off line does not count) before giving up.", minimum=1, maximum=1000
    )
    delay_notice_hours: int = setting(
        24,
        "When to send the sender a delay notice, once; 0 = never.",
        unit="hours",
        minimum=0,
        maximum=2400,
    )
    route: tuple[RouteConfig, ...] = setting((), "Different routes for some domains.", maximum=200)


@dataclass(frozen=True, slots=True)
class EtrnConfig:
    """Asking the provider for the mail it holds (RFC 1985)."""

    use: EtrnUse = setting(
        EtrnUse.AUTO, "auto: on every connection, except over a dedicated line; or always, never."
    )
    host: str = setting("", "The provider's host that accepts ETRN; empty: the smarthost.", kind="host")
    port: int = setting(25, "Its port: ETRN is not offered on 587.", minimum=1, maximum=65_535)
    names: tuple[str, ...] = setting(
        (),
        "What to ask for: a domain, @domain (with all its subdomains) or #name (the provider's own queue "
        "name). Empty: every domain of the station.",
        kind="etrn-name",
        maximum=100,
    )
    tls: TlsMode = setting(TlsMode.OPPORTUNISTIC, "How to protect the connection; values as for `outbound.tls`.")
    tls_verify: TlsVerify = setting(TlsVerify.NONE, "How to check the server's certificate.")
    tls_fingerprint: str = setting(
        "", "The certificate's fingerprint, for tls_verify = fingerprint.", kind="fingerprint"
    )
    user: str = setting("", "User name, if the provider requires a login before ETRN.")
    password: str = setting("", "The password for `user`.", secret=True)
    clear_password: bool = setting(
        False, "Whether to send the password even without TLS. Anybody along the way can then read it."
    )
