"""Checking one value: is it what its `Setting` allows, and in which normal form is it kept?

Each check returns the value to keep or raises `ValueError` with what is wrong, in words that can follow
"is not allowed: ".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from dialpost.core.address import normalise_domain, parse_mailbox
from dialpost.core.config_fields import Field
from dialpost.core.errors import AddressError
from dialpost.core.ip_text import ip_address, ip_interface, ip_network

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_LINE_LOGIN = 255
"""Of a name or password on the line: their length is one byte there (RFC 1334 §2.2.1, RFC 1994 §4.1)."""
SEPARATORS = ("+", "-", "=", "_", "#")
_INT64 = 2**63
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z")
_ACCOUNT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")  # IFNAMSIZ is 16 with the zero
_LINE_INTERFACE = re.compile(r"(?:lo|ppp\d*)\Z")
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*\Z")


def check_value(field: Field, value: object) -> object:
    """One value (one item, where the field is a list) in its normal form. Raises: ValueError."""
    if field.value_type is bool:
        if not isinstance(value, bool):
            raise ValueError(_wanted(field))
        return value
    if field.value_type in {int, float}:
        return _number(field, value)
    if not isinstance(value, str):
        raise ValueError(_wanted(field))
    if field.choices:
        return _choice(field, value)
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("a line end must not stand in it")
    maximum = field.setting.maximum
    if not field.is_list and maximum is not None and len(value) > maximum:
        raise ValueError(f"at most {maximum:g} character{'' if maximum == 1 else 's'}")
    if value == "":
        return _empty(field)
    check = KIND_CHECKS.get(field.setting.kind)
    return check(value) if check else value


def _wanted(field: Field) -> str:
    return f"{'each item' if field.is_list else 'it'} must be {field.item_words()}"


def _number(field: Field, value: object) -> object:
    allowed = (int,) if field.value_type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise ValueError(_wanted(field))
    low, high = field.setting.minimum, field.setting.maximum
    if not -_INT64 <= value < _INT64:  # what TOML can hold; NaN and infinity are not in it either
        raise ValueError(_wanted(field))
    # Written so that NaN, which compares with nothing, fails too.
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise ValueError(_wanted(field))
    return field.value_type(value)


def _choice(field: Field, value: str) -> object:
    word = value.lower()
    if word not in field.choices:
        raise ValueError(_wanted(field))
    return field.value_type(word) if issubclass(field.value_type, Enum) else word


def _empty(field: Field) -> str:
    if field.setting.kind == "login-text":
        return ""  # nothing is waited for, or nothing but a line end is sent
    if field.is_list:
        raise ValueError("an item must not be empty")
    if field.setting.required:
        raise ValueError(f"it must not be empty: {field.setting.help}")
    return ""


def _domain(value: str) -> str:
    try:
        name = normalise_domain(value)
    except AddressError as error:
        raise ValueError(error.why) from None
    if re.fullmatch(r"[\d.]+", name):
        raise ValueError("that is a number, not a domain")
    return name


def _hostname(value: str) -> str:
    name = _domain(value)
    if "." not in name:
        raise ValueError("it must be a full name with a domain, like mail.clinic.example")
    return name


def _route_domain(value: str) -> str:
    return "." + _domain(value[1:]) if value.startswith(".") else _domain(value)


def _host(value: str) -> str:
    if "%" in value:  # of an address: no name has one
        return _ip(value)
    try:
        return str(ip_address(value.strip("[]")))
    except ValueError:
        if "/" in value or ":" in value:
            raise ValueError("only the host's name or address goes here; its port is a key of its own") from None
        return _domain(value)


def _ip(value: str) -> str:
    if "%" in value:
        raise ValueError(f"an address without a zone (%...) goes here, like {value.partition('%')[0][:45]}")
    try:
        return str(ip_address(value.strip("[]")))
    except ValueError:
        raise ValueError("it must be an IP address: a name could not be looked up without it") from None


def _separator(value: str) -> str:
    if value not in SEPARATORS:
        raise ValueError(f"it must be one of the signs {' '.join(SEPARATORS)}, or empty")
    return value


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError("it must be ADDRESS:PORT with a port from 0 to 65535, like 0.0.0.0:25 or [::]:25")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(bare or "::")
    except ValueError:
        raise ValueError(f"{host!r} is not an IP address") from None
    if address.version == 6 and host and not host.startswith("["):
        raise ValueError("an IPv6 address stands in brackets, like [::1]:25")
    if address.version == 6 and host:
        return f"[{address}]:{int(port)}"
    return f"{address if host else ''}:{int(port)}"


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError(f"not a network like 192.168.1.0/24 ({error})") from None


def _interface(value: str) -> str:
    if not _INTERFACE.match(value):
        raise ValueError("it must be a network interface's name like eth0, at most 15 letters and digits")
    if _LINE_INTERFACE.match(value):
        raise ValueError("that is not the LAN's interface: lo is this machine itself, ppp is the line")
    return value


def _interface_address(value: str) -> str:
    try:
        own = ip_interface(value)
    except ValueError as error:
        raise ValueError(f"it must be ADDRESS/BITS like 192.168.1.25/24 ({error})") from None
    if "/" not in value:
        raise ValueError("the bits of its network are missing: write it like 192.168.1.25/24")
    ip = own.ip
    if ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_reserved:
        raise ValueError("no host of a LAN can have that address")
    return str(own)


def _time(value: str) -> str:
    if not _TIME.match(value):
        raise ValueError("it must be a time of day from 00:00 to 23:59")
    return value


def _weekday(value: str) -> str:
    day = value.lower()
    if day not in WEEKDAYS:
        raise ValueError("it must be one of: " + ", ".join(WEEKDAYS))
    return day


def _etrn_name(value: str) -> str:
    if value.startswith("#"):
        # RFC 1985 §5.1: the server's own name for a queue; anything that fits on a command line.
        if not re.fullmatch(r"#[\x21-\x7e]{1,255}", value):
            raise ValueError("a #name has no blanks and only plain letters, digits and signs")
        return value
    return "@" + _domain(value[1:]) if value.startswith("@") else _domain(value)


def _address(value: str) -> str:
    try:
        return str(parse_mailbox(value))
    except AddressError as error:
        raise ValueError(error.why) from None


def _account(value: str) -> str:
    name = value.lower()
    if not _ACCOUNT.match(name):
        raise ValueError("an account's name has letters, digits, dots, hyphens and underscores")
    return name


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("it must be a full path that starts with /")
    return value


def _timezone(value: str) -> str:
    if not _TIMEZONE.match(value):
        raise ValueError("it must look like Europe/Berlin or UTC")
    return value


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a SHA-256 fingerprint has 64 hexadecimal digits")
    return digits


def _phone_number(value: str) -> str:
    number = re.sub(r"[ ().\-/]", "", value)
    if not re.fullmatch(r"\+?[0-9A-Da-d*#,wW]{1,60}", number):
        raise ValueError("a number has digits, * and #, a comma for a pause and w for a dial tone")
    return number


def _dial_digits(value: str) -> str:
    digits = value.replace(" ", "")
    if not re.fullmatch(r"[0-9*#,wW@!]{1,60}", digits):
        raise ValueError("it has digits, * and #, a comma for a pause and w for a dial tone")
    return digits


def _apn(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value):
        raise ValueError("an access point's name has letters, digits, dots and hyphens")
    return value


def _ipv4(value: str) -> str:
    if ":" in value:
        raise ValueError("the line has IPv4 only: it must be an address like 192.0.2.53")
    return _ip(value)


def _sim_pin(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4,8}", value):  # 3GPP TS 31.101 §9.3
        raise ValueError("a PIN has four to eight digits")
    return value


def _at_command(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a modem's command has plain letters, digits and signs only")
    return value


def _line_login(value: str) -> str:
    if len(value) > LONGEST_LINE_LOGIN or not value.isprintable():
        raise ValueError(f"it has at most {LONGEST_LINE_LOGIN} characters, none of them a tab or the like")
    return value


def _time_span(value: str) -> str:
    start, hyphen, end = value.partition("-")
    if not hyphen or start == end:
        raise ValueError("it must be two times of day like 22:00-06:00")
    return f"{_time(start)}-{_time(end)}"


KIND_CHECKS: dict[str, Callable[[str], str]] = {
    "hostname": _hostname,
    "domain": _domain,
    "route-domain": _route_domain,
    "host": _host,
    "ip": _ip,
    "ipv4": _ipv4,
    "sim-pin": _sim_pin,
    "at-command": _at_command,
    "line-login": _line_login,
    "interface": _interface,
    "interface-address": _interface_address,
    "separator": _separator,
    "listen": _listen,
    "network": _network,
    "time": _time,
    "weekday": _weekday,
    "etrn-name": _etrn_name,
    "address": _address,
    "account": _account,
    "path": _path,
    "timezone": _timezone,
    "fingerprint": _fingerprint,
    "phone-number": _phone_number,
    "dial-prefix": _dial_digits,
    "dial-suffix": _dial_digits,
    "apn": _apn,
    "time-span": _time_span,
}
