"""Notices about the fate of a message: RFC 3464 reports that say it in plain words first.

A report has three parts (RFC 6522): words for a person, the fields for a program, and the message (or its
header). Pure: what comes from outside (date, ids, the original) is passed in. The result has LF line ends.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dialpost.core.queue_records import MessageRecord, RecipientRecord
from dialpost.core.reply import Reply


class Report(Enum):
    """What a notice tells (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient and the answer the notice is about. `by` is the host that answered."""

    record: RecipientRecord
    reply: Reply
    by: str


@dataclass(frozen=True, slots=True)
class ReportFrame:
    """What the notice needs from outside.

    `date` is an RFC 5322 date, `arrival` the original's; `unique` makes ids and boundaries (letters and digits).
    `original` is the message or only its header, LF line ends; `is_whole` tells which.
    """

    hostname: str
    to: str
    date: str
    arrival: str
    unique: str
    original: bytes
    is_whole: bool


_SUBJECTS = {
    Report.FAILED: "Your message could not be delivered",
    Report.DELAYED: "Your message is delayed",
    Report.RELAYED: "Your message was passed on",
    Report.DELIVERED: "Your message was delivered",
}

_INTROS = {
    Report.FAILED: "your message could not be delivered to:",
    Report.DELAYED: "your message has not been delivered yet. It is tried again by itself; you need not send it\n"
    "again. Still waiting for:",
    Report.RELAYED: "your message was passed on. The next host sends no notice of its own when it delivers it to:",
    Report.DELIVERED: "your message is in the mailbox of:",
}

# RFC 3463: what each detail means to the person who sent the message. The longest match wins.
_REASONS = {
    "x.1.1": "There is no such person at that address. Check the part before the @.",
    "x.1.2": "There is no such domain. Check the part after the @.",
    "x.1.3": "The address is not written as an address must be.",
    "x.1.10": "That domain takes no mail at all.",
    "x.2.1": "The mailbox is closed.",
    "x.2.2": "The mailbox is full. Ask the person, by another way, to make room.",
    "x.2.3": "The message is too large for that mailbox.",
    "x.3.4": "The message is too large. Send smaller attachments, or several messages.",
    "x.4.4": "No host that takes mail for that address could be found.",
    "x.4.6": "The message went round in circles. Tell the person who looks after your mail.",
    "x.4.7": "It was tried for a long time without success.",
    "x.6.1": "The receiving host can't take a message of this kind.",
    "x.6.3": "The receiving host can't take a message of this kind.",
    "x.6.7": "The receiving host can't take addresses with such characters.",
    "x.7.1": "The receiving host does not want this message.",
    "x.7": "The receiving host refused it for reasons of its policy.",
    "x.1": "Something is wrong with the address.",
    "x.2": "Something is wrong with the mailbox.",
    "x.4": "The receiving host could not be reached.",
}


def plain_reason(reply: Reply) -> str:
    """What a clerk should read for a refusal; the server's own words follow elsewhere."""
    subject, detail = reply.status().split(".")[1:]
    return _REASONS.get(f"x.{subject}.{detail}") or _REASONS.get(f"x.{subject}") or "The receiving host refused it."


def build_report(
    report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient], frame: ReportFrame
) -> bytes:
    """The whole notice as bytes with LF line ends; 8-bit only where the original or an address is."""
    boundary = f"=_{frame.unique}"
    is_global = not all(part.record.address.isascii() for part in recipients)
    text = _words(report, message, recipients, frame)
    head = [
        f"From: Mail station <postmaster@{frame.hostname}>",
        f"To: <{frame.to}>",
        f"Subject: {_SUBJECTS[report]}{_about(message)}",
        f"Date: {frame.date}",
        f"Message-ID: <{frame.unique}@{frame.hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
    ]
    if message.message_id_header.isascii() and message.message_id_header:
        head.append(f"In-Reply-To: {message.message_id_header}")
    parts = [
        _text_part(text),
        _status_part(report, message, recipients, frame, is_global=is_global),
        _original_part(frame, is_global=is_global),
    ]
    body = b"".join(b"--" + boundary.encode() + b"\n" + part + b"\n" for part in parts)
    return "\n".join(head).encode() + b"\n\n" + body + b"--" + boundary.encode() + b"--\n"


def _about(message: MessageRecord) -> str:
    plain = re.sub(r"[^\x20-\x7e]+", " ", message.subject).strip()
    return f": {plain[:60]}" if plain else ""


def _words(
    report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient], frame: ReportFrame
) -> str:
    lines = ["Hello,", "", _INTROS[report], ""]
    for part in recipients:
        lines.append(f"    {part.record.original_address or part.record.address}")
        if report is Report.FAILED:
            lines.append(f"      {plain_reason(part.reply)}")
        if report in {Report.FAILED, Report.DELAYED} and part.reply.text:
            lines.append(f"      {part.by} said: {part.reply}")
        lines.append("")
    if message.subject:
        lines += [f'The message: "{message.subject}", handed in {frame.arrival}.', ""]
    if report is Report.FAILED:
        shown = "Your message is attached." if frame.is_whole else "The header of your message is attached."
        lines += [shown, ""]
    lines += [f"This notice was made by the mail station {frame.hostname} (number {message.queue_id}).", ""]
    return "\n".join(lines)


def _text_part(text: str) -> bytes:
    head = b'Content-Type: text/plain; charset="utf-8"\n'
    if text.isascii():
        return head + b"Content-Transfer-Encoding: 7bit\n\n" + text.encode()
    coded = base64.encodebytes(text.encode())
    return head + b"Content-Transfer-Encoding: base64\n\n" + coded


def _status_part(
    report: Report, message: MessageRecord, recipients: Sequence[ReportedRecipient], frame: ReportFrame, *,
    is_global: bool,
) -> bytes:  # fmt: skip
    kind = "message/global-delivery-status" if is_global else "message/delivery-status"  # RFC 6533 §3
    lines = [f"Content-Type: {kind}", f"Content-Transfer-Encoding: {'8bit' if is_global else '7bit'}", ""]
    if message.envid:
        lines.append(f"Original-Envelope-Id: {_ascii(_unxtext(message.envid))}")
    lines += [f"Reporting-MTA: dns;{frame.hostname}", f"Arrival-Date: {frame.arrival}", ""]
    for part in recipients:
        lines += [*_recipient_fields(report, part), ""]
    return "\n".join(lines).encode()


def _recipient_fields(report: Report, part: ReportedRecipient) -> list[str]:
    record = part.record
    fields = []
    if record.orcpt:
        address_type, _, address = record.orcpt.partition(";")
        fields.append(f"Original-Recipient: {address_type};{_ascii(_unxtext(address))}")
    elif record.original_address and record.original_address.isascii():
        fields.append(f"Original-Recipient: rfc822;{record.original_address}")
    kind = "rfc822" if record.address.isascii() else "utf-8"
    fields += [
        f"Final-Recipient: {kind};{record.address}",
        f"Action: {report.value}",
        f"Status: {_status(report, part.reply)}",
    ]
    if part.by:
        fields.append(f"Remote-MTA: dns;{part.by}")
    if part.reply.text or part.reply.code:
        fields.append(f"Diagnostic-Code: smtp;{_fold(_ascii(str(part.reply)))}")
    return fields


def _status(report: Report, reply: Reply) -> str:
    """The class of the status follows the action (RFC 3464 §2.3.4)."""
    wanted = {Report.FAILED: "5", Report.DELAYED: "4"}.get(report, "2")
    return f"{wanted}.{reply.status().split('.', 1)[1]}"


def _original_part(frame: ReportFrame, *, is_global: bool) -> bytes:
    if frame.is_whole:
        kind = "message/global" if is_global else "message/rfc822"
    else:
        kind = "message/global-headers" if is_global else "text/rfc822-headers"
    coding = "7bit" if frame.original.isascii() else "8bit"
    head = f"Content-Type: {kind}\nContent-Transfer-Encoding: {coding}\n\n".encode()
    return head + frame.original.rstrip(b"\n") + b"\n"


def _unxtext(text: str) -> str:
    """RFC 3461 §4: `+` and two hexadecimal digits stand for a character."""
    return re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match.group(1), 16)), text)


def _ascii(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)


def _fold(text: str) -> str:
    """Long server words on lines of at most about 900 characters (RFC 5322 §2.1.1)."""
    return "\n ".join(text[i : i + 900] for i in range(0, len(text), 900)) or text
