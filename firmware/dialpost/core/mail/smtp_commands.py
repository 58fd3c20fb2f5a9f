"""The arguments of SMTP commands, as a server reads them (RFC 5321 §4.1, RFC 1870, 3030, 3461, 4954, 6152, 6531).

Pure: text in, a value or the refusing `Reply` out; never an exception. Keywords are compared without regard to
case, values are kept byte for byte: ENVID and ORCPT belong to the sender (RFC 3461 §4.4, §4.2). Parsing is lenient
where that harms nobody: spaces after the colon, a path without angle brackets or with a name in front.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.address import parse_mailbox
from dialpost.core.errors import AddressError
from dialpost.core.mail.envelope import BodyType, Envelope, Notify, Recipient, Return
from dialpost.core.mail.reply import Reply

POSTMASTER = "postmaster"

_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>(?:[ \t]+(.*))?\Z')
_BARE_PATH = re.compile(r"([^\s<>]+)(?:[ \t]+(.*))?\Z")
_NAME_IN_FRONT = re.compile(r'(?:"[^"\\]*"|[^<>@"])+(?=<)')
"""As in a header: `Anna <anna@clinic.example>`. Postfix accepts it, too (smtpd, extract_addr)."""
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=\x00-\x1f\x7f]+))?\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+\Z")
_BDAT = re.compile(r"([0-9]{1,20})(?: +(LAST))? *\Z", re.IGNORECASE | re.ASCII)

_ANOTHERS_VERBS = frozenset(
    b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PRI PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK "
    b"REPORT SEARCH INVITE REGISTER DESCRIBE SETUP PLAY".split()
)
"""Methods of HTTP (RFC 9110 §9.3, RFC 9113 §3.4, RFC 4918), SIP and RTSP."""
_VERSIONED = re.compile(rb"\s(?:HTTP|SIP|RTSP|ICAP)/\d(?:\.\d)?\s*\Z")
_FIELD = re.compile(rb"[!-9;-~]+:(?: |\Z)")
"""A header field: no SMTP command has a colon in its first word."""

_MAX_ENVID = 100  # RFC 3461 §4.4
_MAX_ORCPT = 500  # RFC 3461 §4.2


@dataclass(frozen=True, slots=True)
class MailCommand:
    """MAIL FROM: the envelope without recipients, and SIZE= (0 if it was not given)."""

    envelope: Envelope
    declared_bytes: int


@dataclass(frozen=True, slots=True)
class ChunkCommand:
    """BDAT: the number of bytes that follow immediately (RFC 3030 §2)."""

    size: int
    is_last: bool


class _RefusedError(Exception):
    """Raised inside the parser; never leaves this module."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, (text,), enhanced)


def speaks_something_else(line: bytes) -> bool:
    """Whether a line is a request or a header field of HTTP or a similar protocol, not just a mistyped command."""
    words = line.split()
    is_verb = bool(words) and words[0].upper() in _ANOTHERS_VERBS
    return is_verb or _VERSIONED.search(line) is not None or _FIELD.match(line) is not None


def parse_mail(argument: str, *, extended: bool, home: str = "") -> MailCommand | Reply:
    """Read what follows MAIL. `extended`: the client said EHLO, so parameters may follow.

    `home` is the domain for a name without one (`<scanner>`, as printers and scanners write); "" if there is none.
    """
    try:
        path, parameters = _path_and_parameters(argument, "FROM:", extended)
        return _mail_command(_in_full(path, home), parameters)
    except _RefusedError as refused:
        return refused.reply


def parse_rcpt(argument: str, *, extended: bool, smtputf8: bool, home: str = "") -> Recipient | Reply:
    """Read what follows RCPT; `home` as in `parse_mail`.

    `<postmaster>` without a domain comes back as "postmaster" (RFC 5321 §4.1.1.3).
    """
    try:
        path, parameters = _path_and_parameters(argument, "TO:", extended)
        return _recipient(_in_full(path, home), parameters, smtputf8)
    except _RefusedError as refused:
        return refused.reply


def parse_bdat(argument: str) -> ChunkCommand | Reply:
    """Read what follows BDAT."""
    match = _BDAT.match(argument)
    if not match:
        return Reply(501, ("Syntax: BDAT <size> [LAST]",), "5.5.4")
    return ChunkCommand(int(match.group(1)), match.group(2) is not None)


def _path_and_parameters(argument: str, keyword: str, extended: bool) -> tuple[str, dict[str, str | None]]:
    verb = "MAIL FROM" if keyword == "FROM:" else "RCPT TO"
    if argument[: len(keyword)].upper() != keyword:
        raise _RefusedError(501, "5.5.4", f"Syntax: {verb}:<address> [parameters]")
    rest = argument[len(keyword) :].strip(" \t")
    named = _NAME_IN_FRONT.match(rest)
    rest = rest[named.end() :] if named else rest
    match = (_PATH if rest.startswith("<") else _BARE_PATH).match(rest)
    if not match:
        status = "5.1.7" if keyword == "FROM:" else "5.1.3"
        raise _RefusedError(501, status, f"Syntax: {verb}:<address> [parameters]")
    if match.group(2) and not extended:
        raise _RefusedError(501, "5.5.4", "Parameters are allowed only after EHLO")
    return match.group(1), _parameters(match.group(2) or "")


def _in_full(path: str, home: str) -> str:
    is_bare = path and home and "@" not in path and path.lower() != POSTMASTER
    return f"{path}@{home}" if is_bare else path


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.match(word)
        if not match:
            raise _RefusedError(501, "5.5.4", f"Malformed parameter: {word[:60]}")
        name = match.group(1).upper()
        if name in found:
            raise _RefusedError(501, "5.5.4", f"Parameter {name} given twice")
        found[name] = match.group(2)
    return found


def _mail_command(path: str, parameters: dict[str, str | None]) -> MailCommand:
    smtputf8 = "SMTPUTF8" in parameters
    if smtputf8 and parameters.pop("SMTPUTF8") is not None:
        raise _RefusedError(501, "5.5.4", "SMTPUTF8 takes no value")
    size = _size(parameters.pop("SIZE")) if "SIZE" in parameters else 0
    body_type = _body_type(parameters.pop("BODY")) if "BODY" in parameters else BodyType.SEVEN_BIT
    ret = _return(parameters.pop("RET")) if "RET" in parameters else None
    envid = _envid(parameters.pop("ENVID")) if "ENVID" in parameters else None
    auth = _auth(parameters.pop("AUTH")) if "AUTH" in parameters else None
    _refuse_unknown(parameters)
    sender = _address(path, smtputf8, is_sender=True) if path else ""
    return MailCommand(Envelope(sender, (), body_type, smtputf8, envid, ret, auth, size), size)


def _recipient(path: str, parameters: dict[str, str | None], smtputf8: bool) -> Recipient:
    notify = _notify(parameters.pop("NOTIFY")) if "NOTIFY" in parameters else None
    orcpt = _orcpt(parameters.pop("ORCPT"), smtputf8) if "ORCPT" in parameters else None
    _refuse_unknown(parameters)
    if not path:
        raise _RefusedError(501, "5.1.3", "The null address can't be a recipient")
    if path.lower() == POSTMASTER:
        return Recipient(POSTMASTER, notify, orcpt)
    return Recipient(_address(path, smtputf8, is_sender=False), notify, orcpt)


def _refuse_unknown(parameters: Mapping[str, str | None]) -> None:
    for name in parameters:
        raise _RefusedError(555, "5.5.4", f"Unknown parameter {name}")


def _address(path: str, smtputf8: bool, *, is_sender: bool) -> str:
    status = "5.1.7" if is_sender else "5.1.3"
    if not path.isprintable():  # C1 controls, line separators, lone surrogates: only attacks contain them
        raise _RefusedError(553, status, "Bad address: it contains invisible characters")
    try:
        mailbox = parse_mailbox(path)
    except AddressError as error:
        raise _RefusedError(553, status, f"Bad address: {error.why}") from None
    if not smtputf8 and not mailbox.is_ascii:  # RFC 6531 §3.5; from here on a domain is in ASCII
        raise _RefusedError(550 if is_sender else 553, "5.6.7", "A non-ASCII address needs SMTPUTF8 on MAIL")
    return str(mailbox)


def _size(value: str | None) -> int:
    if value is None or not re.fullmatch(r"[0-9]{1,20}", value):  # RFC 1870 §5
        raise _RefusedError(501, "5.5.4", "SIZE needs a number of bytes")
    return int(value)


def _body_type(value: str | None) -> BodyType:
    kind = (value or "").upper()
    if kind == BodyType.BINARY.value:  # RFC 3030 §3: only where offered
        raise _RefusedError(555, "5.5.4", "BODY=BINARYMIME is not offered here")
    if kind not in {BodyType.SEVEN_BIT.value, BodyType.EIGHT_BIT.value}:
        raise _RefusedError(501, "5.5.4", "BODY can be 7BIT or 8BITMIME")
    return BodyType(kind)


def _return(value: str | None) -> Return:
    try:
        return Return((value or "").upper())
    except ValueError:
        raise _RefusedError(501, "5.5.4", "RET can be FULL or HDRS") from None


def _envid(value: str | None) -> str:
    if not value or len(value) > _MAX_ENVID or not _XTEXT.match(value):
        raise _RefusedError(501, "5.5.4", "ENVID needs at most 100 characters of xtext")
    return value


def _auth(value: str | None) -> str:
    if not value or not (value == "<>" or _XTEXT.match(value)):  # RFC 4954 §5
        raise _RefusedError(501, "5.5.4", "AUTH needs <> or an address in xtext")
    return value


def _notify(value: str | None) -> frozenset[Notify]:
    words = (value or "").upper().split(",")
    try:
        wanted = frozenset(Notify(word) for word in words)
    except ValueError:
        raise _RefusedError(501, "5.5.4", "NOTIFY can be NEVER, or SUCCESS, FAILURE, DELAY") from None
    if len(wanted) != len(words) or (Notify.NEVER in wanted and len(wanted) > 1):  # RFC 3461 §4.1
        raise _RefusedError(501, "5.5.4", "NOTIFY=NEVER stands alone, and no word comes twice")
    return wanted


def _orcpt(value: str | None, smtputf8: bool) -> str:
    kind, _, address = (value or "").partition(";")
    is_utf8 = kind.lower() == "utf-8" and (smtputf8 or address.isascii())  # RFC 6533 §3
    if (
        not value
        or len(value) > _MAX_ORCPT
        or not (address and _ADDRESS_TYPE.match(kind))
        or not (is_utf8 or _XTEXT.match(address))
    ):
        raise _RefusedError(501, "5.5.4", "ORCPT needs type;address, the address in xtext")
    return value
