"""Notices about the fate of a message: RFC 3464 reports that begin in plain words.

A report has three parts (RFC 6522): plain words with the technical details below them, the fields for programs, and
the message (or its header). International addresses make it an RFC 6533 report. Pure: everything from outside
(dates, ids, the original) is passed in. Foreign text (replies, ENVID, ORCPT, subjects) never breaks out of its
field. The result has LF line endings.
"""

from __future__ import annotations

import quopri
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from dialpost.core.mail.content.downgrade import CannotDowngradeError, plan
from dialpost.core.mail.header.encoding import text_field
from dialpost.core.mail.plain_reasons import plain_reason
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.core.mail.reply import Reply

_WIDTH = 76
_MAX_LINE = 900  # well below RFC 5322 §2.1.1's 998


class Report(Enum):
    """The kind of a notice: the Action of RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient and the reply the notice is about, given by `by`; None if it was never tried."""

    record: RecipientRecord
    reply: Reply | None
    by: str = ""


@dataclass(frozen=True, slots=True)
class ReportFrame:
    """The data that a notice needs from outside.

    `to` is the reader's address; `about_notice` means that this is the postmaster, as the message has no sender.
    `date`, `arrival` and `retry_until` are RFC 5322 dates. `unique` makes ids and boundaries (letters, digits,
    dots). `original` is the message, or (if not `is_whole`) its header, with LF line endings; b"" if it can't be
    read. `held_because` says, for a message that is delayed on purpose, why and until when, in sentences.
    """

    hostname: str
    to: str
    date: str
    arrival: str
    unique: str
    original: bytes
    is_whole: bool
    retry_until: str = ""
    about_notice: bool = False
    held_because: str = ""


_SUBJECTS = {
    Report.FAILED: "Your message could not be delivered",
    Report.DELAYED: "Your message is delayed",
    Report.RELAYED: "Your message was passed on",
    Report.DELIVERED: "Your message was delivered",
}

_INTROS = {
    Report.FAILED: "Your message could NOT be delivered to:",
    Report.DELAYED: "Your message has not been delivered yet. You need not do anything: the station keeps "
    "trying. Please do not send it again. It still waits for:",
    Report.RELAYED: "Your message was passed on to the next mail host. That host sends no notice of its own when "
    "it delivers it to:",
    Report.DELIVERED: "Your message is in the mailbox of:",
}

_INTRO_TO_POSTMASTER = (
    "A message that came without a sender (most often another mail host's notice) could not be delivered. There is "
    "nobody else to tell, so this notice goes to you, the postmaster. It was for:"
)


_INTRO_OF_HELD = "Your message has not been sent yet."


def build_report(
    report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient], frame: ReportFrame
) -> bytes:
    """The whole notice as bytes; 8-bit only if the original or an address is.

    An original that could not be made 7-bit for a host on the way is not attached, only its header.
    """
    frame = _with_sendable_original(frame)
    addresses = [frame.to]
    for part in recipients:
        addresses += [part.record.address, _one_line(part.record.original_address or "")]
    is_global = message.smtputf8 or not all(address.isascii() for address in addresses)
    parts = [
        _text_part(_words(report, message, recipients, frame)),
        _status_part(report, message, recipients, frame, is_global=is_global),
    ]
    if frame.original:
        parts.append(_original_part(frame, is_global=is_global))
    boundary = _boundary(frame.unique, parts)
    lines = _head(report, message, frame, boundary)
    body = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return "\n".join(lines).encode("utf-8", "replace") + b"\n\n" + body + b"--" + boundary + b"--\n"


def _with_sendable_original(frame: ReportFrame) -> ReportFrame:
    if not frame.is_whole or frame.original.isascii():
        return frame
    try:
        plan(lambda: [frame.original])
    except CannotDowngradeError:
        return replace(frame, original=frame.original.partition(b"\n\n")[0] + b"\n", is_whole=False)
    return frame


def message_id_of_notice(unique: str, hostname: str) -> str:
    """Its Message-ID; `unique` begins with the id of the message it is about."""
    return f"<{unique}@{hostname}>"


def _head(report: Report, message: MessageRecord, frame: ReportFrame, boundary: bytes) -> list[str]:
    lines = [
        f"From: Mail station <postmaster@{frame.hostname}>",
        f"To: <{_one_line(frame.to)}>",
        text_field("Subject", _subject(report, message, frame)),
        f"Date: {frame.date}",
        f"Message-ID: {message_id_of_notice(frame.unique, frame.hostname)}",
        "Auto-Submitted: auto-replied",  # RFC 3834 §5
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary.decode()}"',
    ]
    about = _one_line(message.message_id_header)
    if about.isascii() and 0 < len(about) < _MAX_LINE:
        lines += [f"In-Reply-To: {about}", f"References: {about}"]
    return lines


def _subject(report: Report, message: MessageRecord, frame: ReportFrame) -> str:
    text = "A notice could not be delivered" if frame.about_notice else _SUBJECTS[report]
    about = _one_line(message.subject).strip()
    return f"{text}: {about}" if about else text


def _boundary(unique: str, parts: Sequence[bytes]) -> bytes:
    """A boundary that occurs in no part, whatever the original contains."""
    number = 0
    while any(f"=_{unique}.{number}".encode() in part for part in parts):
        number += 1
    return f"=_{unique}.{number}".encode()


# The words


def _words(
    report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient], frame: ReportFrame
) -> str:
    intro = _INTRO_TO_POSTMASTER if frame.about_notice else _INTROS[report]
    if frame.held_because:
        intro = f"{_INTRO_OF_HELD} {frame.held_because} Please do not send it again. It waits for:"
    lines = [f"This is the mail station {frame.hostname}.", "", *textwrap.wrap(intro, _WIDTH), ""]
    for part in recipients:
        lines += [f"    {_name(part.record)}"]
        for sentence in () if frame.held_because else _sentences(report, part):
            lines += textwrap.wrap(sentence, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines.append("")
    lines += ["The message:", ""]
    if message.subject:
        lines.append(f"    Subject: {_one_line(message.subject)}")
    lines += [f"    Submitted: {frame.arrival}", ""]
    if report is Report.DELAYED and frame.retry_until:
        lines += textwrap.wrap(
            f"If it can't be delivered before {frame.retry_until}, you will get another notice.", _WIDTH
        )
        lines.append("")
    if report is Report.FAILED:
        lines += [*textwrap.wrap(_what_is_attached(frame), _WIDTH), ""]
    return "\n".join([*lines, *_technical(report, message, recipients), ""])


def _sentences(report: Report, part: ReportedRecipient) -> list[str]:
    record, reply = part.record, part.reply
    if report is Report.DELAYED and reply is None:
        return ["The station has not had a line to the world since."]
    if report not in {Report.FAILED, Report.DELAYED} or reply is None:
        return []
    reason = plain_reason(reply)
    if report is Report.FAILED and reply.is_transient:
        tries = "once" if record.attempts == 1 else f"{record.attempts} times"
        reason = f"The station tried {tries} and has now given up. {reason}"
    sentences = [reason]
    if record.answer_unknown:
        sentences.append("It was sent once, but no answer came back, so it may have arrived.")
    return sentences


def _what_is_attached(frame: ReportFrame) -> str:
    again = "The station does not try again. "
    if not frame.original:
        return again + "The message itself can no longer be read on this station."
    if frame.is_whole:
        return again + "The message is attached to this notice."
    return again + "The header of the message is attached to this notice."


def _technical(report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> list[str]:
    lines = ["* * *", "", f"For the mail administrator (queue id {message.queue_id}):"]
    for part in recipients:
        if part.reply is None:
            lines.append(f"{part.record.address}: not tried yet")
            continue
        by = f"{part.by} said: " if part.by else ""
        tries = f", tries: {part.record.attempts}" if part.record.attempts else ""
        said = _one_line(f"{part.record.address}{tries}; {by}{part.reply}")
        lines += textwrap.wrap(said, _WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [said]
    return lines


def _name(record: RecipientRecord) -> str:
    written = record.original_address
    shown = record.address if written in (None, record.address) else f"{written} (that is {record.address})"
    return _one_line(shown)


def _text_part(text: str) -> bytes:
    head = b"Content-Description: Notification\nContent-Type: text/plain; charset=utf-8\n"
    if text.isascii():
        return head + b"Content-Transfer-Encoding: 7bit\n\n" + text.encode()
    coded = quopri.encodestring(text.encode("utf-8", "replace"))
    return head + b"Content-Transfer-Encoding: quoted-printable\n\n" + coded


# The fields


def _status_part(
    report: Report,
    message: MessageRecord,
    recipients: Sequence[ReportedRecipient],
    frame: ReportFrame,
    *,
    is_global: bool,
) -> bytes:
    kind = "message/global-delivery-status" if is_global else "message/delivery-status"  # RFC 6533 §3
    head = ["Content-Description: Delivery report", f"Content-Type: {kind}"]
    lines = [_field("Reporting-MTA", f"dns; {frame.hostname}")]
    if message.envid:
        lines.insert(0, _field("Original-Envelope-Id", _decoded(message.envid)))
    lines += [_field("Arrival-Date", frame.arrival), _field("X-Dialpost-Queue-ID", message.queue_id), ""]
    for part in recipients:
        lines += [*_recipient_fields(report, part, frame, is_global=is_global), ""]
    content = "\n".join(lines).encode("utf-8", "replace")
    if not content.isascii():
        head.append("Content-Transfer-Encoding: 8bit")
    return "\n".join(head).encode() + b"\n\n" + content


def _recipient_fields(report: Report, part: ReportedRecipient, frame: ReportFrame, *, is_global: bool) -> list[str]:
    record, reply = part.record, part.reply
    fields = []
    if record.orcpt:
        kind, _, address = record.orcpt.partition(";")
        fields.append(_field("Original-Recipient", f"{kind.strip()}; {_decoded(address)}"))
    elif record.original_address:
        fields.append(_field("Original-Recipient", _typed(record.original_address)))
    fields += [
        _field("Final-Recipient", _typed(record.address)),
        _field("Action", report.value),
        _field("Status", "4.3.4" if frame.held_because else _status(report, reply)),  # RFC 3463 §3.4: too big
    ]
    if part.by and report is not Report.DELIVERED and part.by != frame.hostname:
        fields.append(_field("Remote-MTA", f"dns; {part.by}"))
    if reply is not None and report is not Report.DELIVERED:
        fields.append(_field("Diagnostic-Code", f"smtp; {reply}", keep_utf8=is_global))
    if report is Report.DELAYED and frame.retry_until:
        fields.append(_field("Will-Retry-Until", frame.retry_until))
    return fields


def _status(report: Report, reply: Reply | None) -> str:
    """RFC 3464 §2.3.4. A recipient given up after days keeps the status of the actual problem (RFC 3463 §3.5)."""
    if report in {Report.RELAYED, Report.DELIVERED}:
        return "2.0.0" if reply is None or not reply.is_positive else reply.status()
    return "4.4.7" if reply is None else reply.status()


def _typed(address: str) -> str:
    return f"{'rfc822' if address.isascii() else 'utf-8'}; {address}"


def _field(name: str, value: str, *, keep_utf8: bool = False) -> str:
    """One field, folded; its value can't break out of its line and, except for addresses, is ASCII."""
    text = _one_line(value)
    if not keep_utf8 and not name.endswith("-Recipient"):
        text = text.encode("ascii", "backslashreplace").decode()
    folded = textwrap.wrap(text, _MAX_LINE - len(name), break_on_hyphens=False) or [""]
    return f"{name}: " + "\n ".join(folded)


def _decoded(xtext: str) -> str:
    """RFC 3461 §4: `+` and two hexadecimal digits encode a character; one that can't be shown is left encoded."""

    def one(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        return character if " " <= character <= "~" else match.group(0)

    return re.sub(r"\+([0-9A-F]{2})", one, xtext)


# The message


def _original_part(frame: ReportFrame, *, is_global: bool) -> bytes:
    if frame.is_whole:
        kind = "message/global" if is_global else "message/rfc822"
    else:
        kind = "message/global-headers" if is_global else "text/rfc822-headers"
    head = f"Content-Description: {'Message' if frame.is_whole else 'Message header'}\nContent-Type: {kind}\n"
    if not frame.original.isascii():
        head += "Content-Transfer-Encoding: 8bit\n"
    return head.encode() + b"\n" + frame.original.rstrip(b"\n") + b"\n"


def _one_line(text: str) -> str:
    """Without control characters and surrogate halves: nothing in it can begin a new line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", " ", text)
