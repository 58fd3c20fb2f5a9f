"""The meaning of a refusal or a deferral, for the author of the message; the server's own words are elsewhere.

Keyed by enhanced status code (RFC 3463), or by reply code for servers without one.
"""

from __future__ import annotations

from dialpost.core.mail.reply import Reply

_BY_STATUS = {
    "1.1": "Nobody has that address. Check the part before the @.",
    "1.2": "The part after the @ does not exist. Check its spelling.",
    "1.3": "That is not a valid address. Check its spelling.",
    "1.6": "The recipient has moved; there is no longer a mailbox at that address.",
    "1.8": "The receiving mail host does not accept your own address as a sender.",
    "1.10": "The domain after the @ accepts no mail at all. Ask the recipient for another address.",
    "2.1": "The mailbox is closed.",
    "2.2": "The mailbox is full. Ask the recipient, by other means, to make room.",
    "2.3": "The message is too large for that mailbox. Send smaller attachments, or several messages.",
    "3.3": "The receiving mail host can't take a message of this kind.",
    "3.4": "The message is too large. Send smaller attachments, or several messages.",
    "3.5": "The mail station is not set up to send it. Tell its operator.",
    "4.1": "The receiving mail host does not answer.",
    "4.2": "The connection to the receiving mail host was lost.",
    "4.3": "The address of the receiving mail host could not be looked up.",
    "4.4": "No mail host for that address could be found. Check the part after the @.",
    "4.6": "The message is going round in circles. Tell your mail administrator.",
    "4.7": "The station tried for a long time without success.",
    "5.3": "The message has too many recipients for the receiving mail host. Send it in several parts.",
    "6": "The receiving mail host can't take a message of this kind.",
    "6.7": "The receiving mail host can't take addresses with such characters.",
    "7.1": "The receiving mail host does not want this message.",
    "7.8": "The mail station could not log in to the provider. Tell its operator.",
    "7": "The receiving mail host refused it under its own rules.",
    "1": "Something is wrong with the address.",
    "2": "Something is wrong with the mailbox.",
    "3": "The receiving mail host can't take it.",
    "4": "The receiving mail host could not be reached.",
    "5": "The two mail hosts did not understand each other.",
}

_BY_CODE = {
    421: "The receiving mail host is busy.",
    450: "The mailbox is not available at the moment.",
    451: "The receiving mail host could not take it just now.",
    452: "The receiving mail host has no room at the moment.",
    550: "The receiving mail host refused it. Check the address.",
    551: "Nobody has that address.",
    552: "The message is too large, or the mailbox is full.",
    553: "The address is not accepted there. Check its spelling.",
    554: "The receiving mail host does not want this message.",
    556: "The domain after the @ accepts no mail at all. Ask the recipient for another address.",
}


def plain_reason(reply: Reply) -> str:
    """The reason in one or two plain sentences."""
    if reply.enhanced:
        subject, detail = reply.enhanced.split(".")[1:]
        for key in (f"{subject}.{detail}", subject):
            if key in _BY_STATUS:
                return _BY_STATUS[key]
    if reply.code in _BY_CODE:
        return _BY_CODE[reply.code]
    return "The receiving mail host refused it." if reply.is_permanent else "It could not be delivered yet."
