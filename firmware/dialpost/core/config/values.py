"""Checks one value against its `Setting` and normalises it.

Each check returns the normalised value or raises `ValueError` with what is wrong, in words that can follow "is not
allowed: ".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import Enum

from dialpost.core.address import normalise_domain, parse_mailbox
from dialpost.core.config.fields import Field
from dialpost.core.config.typed import EXAMPLES, amount, days, phone_number, time_of_day, time_span
from dialpost.core.errors import AddressError
from dialpost.core.ip_text import ip_address, ip_interface, ip_network
from dialpost.core.printable import nearest

LONGEST_LINE_LOGIN = 255
"""For a name or password on the line: their length is one byte there (RFC 1334 §2.2.1, RFC 1994 §4.1)."""
SEPARATORS = ("+", "-", "=", "_", "#")
_INT64 = 2**63
_ACCOUNT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")  # IFNAMSIZ is 16 with the zero
_LINE_INTERFACE = re.compile(r"(?:lo|ppp\d*)\Z")
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*\Z")


def check_value(field: Field, value: object) -> object:
    """One value (one item, if the field is a list) in its normal form. Raises: ValueError."""
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
    if "\n" in value or "\r" in value:
        raise ValueError("it must not contain a line break")
    if "\0" in value:
        raise ValueError("it must not contain a NUL character")
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
    if isinstance(value, str):
        value = _typed_number(field, value)
    allowed = (int,) if field.value_type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise ValueError(_wanted(field))
    low, high = field.setting.minimum, field.setting.maximum
    if not -_INT64 <= value < _INT64:  # what TOML can represent; this excludes NaN and infinity, too
        raise ValueError(_wanted(field))
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise ValueError(_wanted(field))
    return field.value_type(value)


def _typed_number(field: Field, text: str) -> float:
    """A number with its unit, as people write it. Raises: ValueError naming the right form."""
    unit = field.setting.unit
    if text.strip().replace(".", "").isdecimal():  # in a file, a number has no quotes
        raise ValueError(_wanted(field))
    if re.fullmatch(r"\s*\d+,\d{1,2}\s*", text) and field.value_type is float:
        raise ValueError(
            f"{_wanted(field)}, with a decimal point instead of a comma: {text.strip().replace(',', '.')}"
        )
    try:
        found = amount(text, unit)
    except ValueError:
        example = EXAMPLES.get(unit, "")
        raise ValueError(_wanted(field) + (f", for example {example}" if example else "")) from None
    return int(found) if found == int(found) else found


def _choice(field: Field, value: str) -> object:
    word = value.lower()
    if word not in field.choices:
        raise ValueError(_wanted(field))
    return field.value_type(word) if issubclass(field.value_type, Enum) else word


def _empty(field: Field) -> str:
    if field.setting.kind == "login-text":
        return ""  # waits for nothing, or sends nothing but a line ending
    if field.is_list:
        raise ValueError("an item must not be empty")
    if field.setting.required:
        raise ValueError(f"it must not be empty: {field.setting.help}")
    return ""


def _domain(value: str) -> str:
    value = value.strip()
    if "/" in value:
        raise ValueError("enter only the name, without https:// and what follows it, for example clinic.example")
    if "@" in value:
        raise ValueError(f"enter only what follows the @: {value.rpartition('@')[2]}")
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
        raise ValueError("it must be a full name with a domain, for example mail.clinic.example")
    return name


def _route_domain(value: str) -> str:
    return "." + _domain(value[1:]) if value.startswith(".") else _domain(value)


def _host(value: str) -> str:
    if "%" in value:  # part of an address: no name has one
        return _ip(value)
    try:
        address = ip_address(value.strip("[]"))
    except ValueError:
        if "://" not in value and ("/" in value or ":" in value):
            raise ValueError("enter only the host's name or address; the port has a key of its own") from None
        return _domain(value)
    return _one_host(address)


def _one_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Raises: ValueError for an address that stands for no host or for many."""
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError(
            "that can't be a host's address; enter a host's name or address, for example smtp.provider.example"
        )
    return str(address)


def _ip(value: str) -> str:
    if "%" in value:
        raise ValueError(f"enter the address without a zone (%...), for example {value.partition('%')[0][:45]}")
    try:
        address = ip_address(value.strip().strip("[]"))
    except ValueError:
        raise ValueError(
            "it must be an IP address, for example 192.0.2.53: a name could not be looked up without it"
        ) from None
    return _one_host(address)


def _separator(value: str) -> str:
    if value not in SEPARATORS:
        raise ValueError(f"it must be one of the characters {' '.join(SEPARATORS)}, or empty")
    return value


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65_535:
        raise ValueError("it must be ADDRESS:PORT with a port from 0 to 65535, for example 0.0.0.0:25 or [::]:25")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(bare or "::")
    except ValueError:
        raise ValueError(f"{host!r} is not an IP address; use the form 0.0.0.0:25 or [::]:25") from None
    if address.version == 6 and host and not host.startswith("["):
        raise ValueError("an IPv6 address needs brackets, for example [::1]:25")
    if address.version == 6 and host:
        return f"[{address}]:{int(port)}"
    return f"{address if host else ''}:{int(port)}"


def _network(value: str) -> str:
    value = value.strip()
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError(f"it must be a network such as {_near_network(value)}") from None
    if "/" not in value and network.version == 4 and value.endswith(".0"):
        raise ValueError(f"the prefix length is missing, for example {value}/24")
    return str(network)


def _near_network(value: str) -> str:
    """The network of a host's address with bits, or of 192.168.1.*; otherwise an example."""
    try:
        return str(ipaddress.ip_network(value.replace(".*", ".0/24"), strict=False))
    except ValueError:
        return "192.168.1.0/24"


def _interface(value: str) -> str:
    if not _INTERFACE.match(value):
        raise ValueError(
            "it must be the name of a network interface, for example eth0: at most 15 letters and digits"
        )
    if _LINE_INTERFACE.match(value):
        raise ValueError("that is not the LAN's interface: lo is this machine itself, and ppp is the line")
    return value


def _interface_address(value: str) -> str:
    try:
        own = ip_interface(value)
    except ValueError as error:
        raise ValueError("it must be ADDRESS/BITS like 192.168.1.25/24") from error
    if "/" not in value:
        raise ValueError("the prefix length is missing, for example 192.168.1.25/24")
    ip = own.ip
    if ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_reserved:
        raise ValueError("no host of a LAN can have that address")
    return str(own)


def _weekday(value: str) -> str:
    found = days(value)
    if len(found) != 1:
        raise ValueError("it must be one day: mon, tue, wed, thu, fri, sat or sun")
    return found[0]


def _etrn_name(value: str) -> str:
    if value.startswith("#"):
        # RFC 1985 §5.1: the server's own name for a queue; anything that fits on a command line.
        if not re.fullmatch(r"#[\x21-\x7e]{1,255}", value):
            raise ValueError("a #name has no spaces and only ASCII letters, digits and punctuation")
        return value
    return "@" + _domain(value[1:]) if value.startswith("@") else _domain(value)


def _address(value: str) -> str:
    try:
        return str(parse_mailbox(value))
    except AddressError as error:
        raise ValueError(error.why) from None


def _account(value: str) -> str:
    name = value.lower()
    if "@" in name:
        raise ValueError(f"enter only the account's name, without @ and domain: {name.partition('@')[0]}")
    if not _ACCOUNT.match(name):
        raise ValueError(f"an account's name has {ACCOUNT_SIGNS}{plain_name_hint(name)}")
    return name


ACCOUNT_SIGNS = (
    "letters a to z, digits, dots, hyphens and underscores (at most 64, a letter or digit first and last)"
)


def plain_name_hint(name: str) -> str:
    """ ", like jose" for josé; "" if no valid account name is near."""
    near = re.sub(r"[^a-z0-9._-]+", ".", "".join(map(nearest, name.strip())).lower()).strip("._-")[:64]
    return f", for example {near}" if near != name and _ACCOUNT.match(near) else ""


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(
            "it must be a full path that starts with /, for example /dev/ttyUSB0 or /etc/dialpost/key.pem"
        )
    return value


def _timezone(value: str) -> str:
    if not _TIMEZONE.match(value):
        raise ValueError("use the form Europe/Berlin or UTC")
    return value


def _fingerprint(value: str) -> str:
    digits = re.sub(r"[:\s]", "", value).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons")
    return digits


def _dial_digits(value: str) -> str:
    digits = value.replace(" ", "")
    if not re.fullmatch(r"[0-9*#,wW@!]{1,60}", digits):
        raise ValueError("it may contain digits, * and #, a comma for a pause and w for a dial tone")
    return digits


def _apn(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value):
        raise ValueError("an access point name has letters, digits, dots and hyphens, for example internet")
    return value


def _ipv4(value: str) -> str:
    if ":" in value:
        raise ValueError("the line has IPv4 only: enter an address such as 192.0.2.53")
    return _ip(value)


def _sim_pin(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4,8}", value):  # 3GPP TS 31.101 §9.3
        raise ValueError("a PIN has four to eight digits, for example 1234")
    return value


def _at_command(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a modem command has only ASCII letters, digits and punctuation")
    return value


def _line_login(value: str) -> str:
    if len(value) > LONGEST_LINE_LOGIN or not value.isprintable():
        raise ValueError(f"it must have at most {LONGEST_LINE_LOGIN} characters and no control characters")
    return value


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
    "time": time_of_day,
    "weekday": _weekday,
    "etrn-name": _etrn_name,
    "address": _address,
    "account": _account,
    "path": _path,
    "timezone": _timezone,
    "fingerprint": _fingerprint,
    "phone-number": phone_number,
    "dial-prefix": _dial_digits,
    "dial-suffix": _dial_digits,
    "apn": _apn,
    "time-span": time_span,
}
