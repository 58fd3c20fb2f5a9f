"""pppd's options, made from checked values only.

pppd runs as root and its options can run programs. So all that crosses from the unprivileged daemon to root is this
request, a JSON object of plain values, checked by root; the options are rendered there.

Sources: pppd(8) of 2.4.9 and 2.5.2; RFC 1661 (LCP), RFC 1332 (IPCP), RFC 1144 (VJ), RFC 1877 (name servers).
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, cast

from dialpost.core.ip_text import IpNetwork, ip_network
from dialpost.core.json_text import parse_json
from dialpost.core.json_value import JsonValue
from dialpost.core.line.shaping import mtu_for

if TYPE_CHECKING:  # the configuration's model takes longer to import than everything that root needs
    from dialpost.core.config.model import PppConfig

_DEVICE = re.compile(
    r"/dev/(?:tty[A-Za-z]{1,12}\d{1,4}|rfcomm\d{1,3}|pts/\d{1,6}|serial/by-(?:id|path)/[\w.:+-]{1,200})\Z"
)
_FLOW = {"rtscts": "crtscts", "xonxoff": "xonxoff", "none": "nocrtscts"}
_REFUSED = {
    "pap": ("refuse-chap", "refuse-mschap", "refuse-mschap-v2"),
    "chap": ("refuse-pap", "refuse-mschap", "refuse-mschap-v2"),
    "mschap-v2": ("refuse-pap", "refuse-chap", "refuse-mschap"),
    "auto": (),
    "none": ("refuse-pap", "refuse-chap", "refuse-mschap", "refuse-mschap-v2"),
}
_SLOW_BPS = 9600
_LEAST_TRIP_S, _SOON_S = 0.02, 0.5
"""Round trips with which the answer to an LCP request certainly comes within a second. A shorter one is no modem's,
but that of a host on the LAN.
"""
_LONGEST_TEXT = 255


@dataclass(frozen=True, slots=True)
class PppRequest:
    """One session. Rates in bit/s (`rate_bps` of the line, `speed_bps` of the port), times in s, `mtu` in bytes.

    `mail_hosts` are the addresses and networks, apart from the peer, that may reach port 25 over the line.
    `answers_soon`: whether the line's round trip is known, from the call before, and short.
    """

    device: str
    speed_bps: int
    rate_bps: int
    flow_control: str = "rtscts"
    has_carrier_line: bool = False
    user: str = ""
    password: str = ""
    auth: str = "auto"
    local_address: str = ""
    remote_address: str = ""
    mtu: int = 0
    compression: bool = True
    use_peer_dns: bool = True
    default_route: bool = True
    echo_interval_s: int = 20
    echo_failures: int = 4
    shaping: bool = True
    firewall: bool = True
    share_with_lan: bool = False
    mail_hosts: tuple[IpNetwork, ...] = ()
    answers_soon: bool = False

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def from_config(
        cls,
        config: PppConfig,
        *,
        device: str,
        speed_bps: int,
        rate_bps: int,
        flow_control: str,
        has_carrier_line: bool,
        mail_hosts: tuple[IpNetwork, ...],
        answers_soon: bool,
    ) -> PppRequest:
        """The request of a configured line."""
        return cls(
            device,
            speed_bps,
            rate_bps,
            flow_control,
            has_carrier_line,
            config.user,
            config.password,
            config.auth.value,
            config.local_address,
            config.remote_address,
            config.mtu,
            config.compression,
            config.use_peer_dns,
            config.default_route,
            config.echo_interval_s,
            config.echo_failures,
            config.shaping,
            config.firewall,
            config.share_with_lan,
            mail_hosts,
            answers_soon,
        )

    @property
    def packet_bytes(self) -> int:
        """The largest packet in either direction."""
        return self.mtu or mtu_for(self.rate_bps)

    def to_json(self) -> str:
        """The form sent to root. It contains the password: only the daemon and root may read the file."""
        hosts = [str(host) for host in self.mail_hosts]
        return json.dumps(asdict(self) | {"mail_hosts": hosts})

    @classmethod
    def from_json(cls, text: str) -> PppRequest:
        """Restored from `to_json`, every value checked. Raises: ValueError naming the value (never a secret)."""
        values = parse_json(text)
        if not isinstance(values, dict) or set(values) - {field.name for field in fields(cls)}:
            raise ValueError("it is not a request for a PPP session")
        _check_types(cls, values)
        hosts = values.get("mail_hosts", [])
        return cls(**(values | {"mail_hosts": tuple(map(_network, hosts))}))


def _check_types(cls: type[PppRequest], values: dict[str, JsonValue]) -> None:
    for field in fields(cls):
        value = values.get(field.name)
        wanted = {"str": str, "int": int, "bool": bool}.get(cast("str", field.type), list)
        if field.name in values and type(value) is not wanted:
            raise ValueError(f"{field.name} must be {wanted.__name__}")


def _check(request: PppRequest) -> None:
    if not _DEVICE.match(request.device):
        raise ValueError(f"{request.device!r} is not a serial port")
    for name in ("user", "password"):
        text = getattr(request, name)
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            raise ValueError(f"{name} has characters that can't be sent, or is too long")
    for name in ("local_address", "remote_address"):
        text = getattr(request, name)
        if text:
            _ipv4(text, name)
    if not all(isinstance(host, IpNetwork) for host in request.mail_hosts):
        raise ValueError("mail_hosts has an entry that is not a network")
    _between("speed_bps", request.speed_bps, 300, 4_000_000)
    _between("rate_bps", request.rate_bps, 50, 1_000_000_000)
    _between("mtu", request.mtu, 0, 1500)
    _between("echo_interval_s", request.echo_interval_s, 0, 3600)
    _between("echo_failures", request.echo_failures, 1, 100)
    if request.flow_control not in _FLOW:
        raise ValueError("flow_control must be rtscts, xonxoff or none")
    if request.auth not in _REFUSED:
        raise ValueError("auth must be one of " + ", ".join(_REFUSED))


def _network(host: object) -> IpNetwork:
    try:
        return ip_network(str(host), strict=False)
    except ValueError:
        raise ValueError(f"mail_hosts has {str(host)[:80]!r}, which is not an address or network") from None


def _ipv4(text: str, name: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError(f"{name} must be an IPv4 address") from None


def _between(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}")


def options(request: PppRequest, *, up_script: str, down_script: str) -> str:
    """The options file, one option per line. It contains the password: only root may read it (mode 0600)."""
    slow = request.rate_bps < _SLOW_BPS
    lines = [
        request.device,
        str(request.speed_bps),
        "nodetach",
        "nolock",
        "noauth",
        "hide-password",
        "refuse-eap",
        "noipv6",
        _FLOW[request.flow_control],
        "modem" if request.has_carrier_line else "local",
        "asyncmap a0000" if request.flow_control == "xonxoff" else "asyncmap 0",
        f"mtu {request.packet_bytes}",
        f"mru {request.packet_bytes}",
        *_REFUSED[request.auth],
        *_naming(request),
        "usepeerdns" if request.use_peer_dns else "",
        "defaultroute" if request.default_route else "nodefaultroute",
        # Compression needs a window in memory at both ends; 15 bits (32 kB) is what peers offer.
        "deflate 15,15" if request.compression else "noccp",
        "bsdcomp 15,15" if request.compression else "",
        *_lcp_restart(request),
        f"ipcp-restart {10 if slow else 3}",
        *_echoes(request),
        "nopersist",
        "ipparam dialpost",
        f"ip-up-script {up_script}",
        f"ip-down-script {down_script}",
    ]
    return "".join(f"{line}\n" for line in lines if line)


def answers_soon(round_trip_s: float | None) -> bool:
    """Whether a line with this round trip, as a connection saw it, surely answers within a second."""
    return round_trip_s is not None and _LEAST_TRIP_S <= round_trip_s <= _SOON_S


def _lcp_restart(request: PppRequest) -> list[str]:
    """When LCP asks again, and how often.

    The first request is often lost to a provider that begins to listen a moment after CONNECT, and the next is paid
    for. But a request that comes after the provider's LCP has opened makes it start over (RFC 1661 §4.1), so with a
    round trip longer than the interval LCP would never stay open: a satellite may also be behind a fast modem.
    """
    if request.rate_bps < _SLOW_BPS:
        restart_s, most = 10, 10
    else:
        restart_s, most = (1, 30) if request.answers_soon else (3, 10)
    return [f"lcp-restart {restart_s}", f"lcp-max-configure {most}"]


def with_close_echoes(request: PppRequest) -> PppRequest:
    """If the port has no DCD, only unanswered echoes show that the carrier is gone: send them more often.

    Echoes go out on a quiet line only (lcp-echo-adaptive), so that they cost the mail nothing.
    """
    interval_s, failures = (10, 4) if request.rate_bps < _SLOW_BPS else (4, 3)
    if request.echo_interval_s * request.echo_failures <= interval_s * failures:
        return request  # already as close, or off
    return replace(request, echo_interval_s=interval_s, echo_failures=failures)


def _naming(request: PppRequest) -> list[str]:
    found = [f"{request.local_address}:{request.remote_address}"] if request.local_address else ["noipdefault"]
    if not request.local_address and request.remote_address:
        found.append(f":{request.remote_address}")
    if not request.local_address:
        found += ["ipcp-accept-local", "ipcp-accept-remote"]
    if request.user:
        found += [f"user {_quoted(request.user)}", f"password {_quoted(request.password)}", "remotename provider"]
    return found


def _echoes(request: PppRequest) -> list[str]:
    if not request.echo_interval_s:
        return []
    return [
        f"lcp-echo-interval {request.echo_interval_s}",
        f"lcp-echo-failure {request.echo_failures}",
        "lcp-echo-adaptive",
    ]


def _quoted(text: str) -> str:
    """As one word of an options file (pppd(8), OPTIONS FILES)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
