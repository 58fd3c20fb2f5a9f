"""From an envelope to the queue's rows: every place a message goes to, here and in the world."""

from __future__ import annotations

from dialpost.core.address import parse_mailbox
from dialpost.core.mail.accounts import Directory, NotLocal, Unknown
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.queue.records import RecipientRecord, RecipientState


def resolve(envelope: Envelope, directory: Directory) -> tuple[RecipientRecord, ...] | None:
    """Every place the message goes to, each once: accounts here, addresses in the world.

    None if a recipient accepted at RCPT no longer exists: then no part of it can be promised.
    """
    rows: dict[str, RecipientRecord] = {}  # by account, or by address, which has an @
    for recipient in envelope.recipients:
        found = directory.resolve(recipient.address)
        places: list[tuple[str, str | None]] = []
        if isinstance(found, NotLocal):
            # Its domain in the normal form, so that mail for it is found together.
            places = [(str(parse_mailbox(recipient.address)), None)]
        elif isinstance(found, Unknown):
            return None
        else:
            places = [(recipient.address, account) for account in found.accounts]
            places += [(address, None) for address in found.forwards]
        for address, account in places:
            original = recipient.address if address != recipient.address else None
            row = RecipientRecord(
                len(rows),
                address,
                RecipientState.WAITING,
                account,
                recipient.orcpt,
                recipient.notify,
                original_address=original,
            )
            rows.setdefault(account or address, row)
    return tuple(rows.values())
