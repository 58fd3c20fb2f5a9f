"""The wizard's questions about incoming mail: how the provider hands it over, and what that way needs."""

from __future__ import annotations

from collections.abc import Callable

from dialpost.core.config.model import InboundUse, LinkKind
from dialpost.core.console.wizard.draft import NONE, Draft, check_key
from dialpost.core.console.wizard.facts import Choice
from dialpost.core.console.wizard.inbound_answers import BOX_KINDS, UNASKED, box_of, present_way
from dialpost.core.console.wizard.step import Step, by_key

_WAYS = (
    Choice(InboundUse.ETRN.value, "It sends it when the station asks for it (ETRN)."),
    Choice(InboundUse.ATRN.value, "Over the station's own connection, with a login (ATRN)."),
    Choice(InboundUse.IMAP.value, "It keeps it in a mailbox that is read by IMAP."),
    Choice(InboundUse.POP3.value, "It keeps it in a mailbox that is read by POP3."),
    Choice(UNASKED, "It sends it without being asked."),
)


def _takes(*ways: str) -> Callable[[Draft], bool]:
    return lambda draft: draft.link is not LinkKind.GATEWAY and draft.get("inbound") in ways


def _box(draft: Draft, name: str) -> str:
    box = box_of(draft.base, draft.get("inbound"))
    return "" if box is None else str(getattr(box, name))


_HAS_BOX = _takes(*BOX_KINDS)
_HAS_ATRN = _takes(InboundUse.ATRN.value)

INBOUND_STEPS = (
    Step(
        "inbound",
        "Incoming mail",
        "How does your provider hand over your mail?",
        lambda typed, draft: typed,
        applies=lambda draft: draft.link is not LinkKind.GATEWAY,
        choices=lambda draft: _WAYS,
        default=lambda draft: present_way(draft.base),
        more="1 needs a provider that knows where to reach this station and may connect to it. 2 works from any "
        "address. 3 and 4 work with any hosted mailbox, also one that holds the mail of your whole domain. Not "
        "sure? Take 1: `doctor --online` says what the provider supports.",
    ),
    Step(
        "etrn_host",
        "ETRN host",
        "Which of the provider's hosts should the station ask (by ETRN) for waiting mail?",
        lambda typed, draft: NONE if typed.lower() == NONE else check_key("etrn.host", typed),
        applies=_takes("", InboundUse.ETRN.value),
        default=lambda draft: draft.base.etrn.host or draft.get("mail_host"),
        more="Usually the mail host itself.",
    ),
    Step(
        "atrn_host",
        "ATRN host",
        "Which of the provider's hosts does ATRN, for example odmr.provider.example?",
        by_key("atrn.host"),
        applies=_HAS_ATRN,
        default=lambda draft: draft.base.atrn.host or draft.get("mail_host"),
        more="The provider may call it on-demand mail relay (ODMR).",
    ),
    Step(
        "atrn_port",
        "ATRN port",
        "The port of the ATRN host: 366, 386 or 587.",
        lambda typed, draft: _port(typed),
        applies=_HAS_ATRN,
        default=lambda draft: str(draft.base.atrn.port),
        more="366 by the standard (RFC 2645). Exim's manual says 386.",
    ),
    Step(
        "atrn_user",
        "ATRN user",
        "The user name for the ATRN host.",
        by_key("atrn.user"),
        applies=_HAS_ATRN,
        default=lambda draft: draft.base.atrn.user,
    ),
    Step(
        "atrn_password",
        "ATRN password",
        "The password for the ATRN user.",
        by_key("atrn.password"),
        applies=_HAS_ATRN,
        is_secret=True,
        default=lambda draft: draft.base.atrn.password,
    ),
    Step(
        "box_host",
        "Mailbox host",
        "The provider's host for the mailbox, for example imap.provider.example.",
        by_key("inbound.mailbox.host"),
        applies=_HAS_BOX,
        default=lambda draft: _box(draft, "host"),
        more="The station uses TLS from the first byte: port 993 for IMAP, 995 for POP3.",
    ),
    Step(
        "box_user",
        "Mailbox user",
        "The user name of the mailbox.",
        by_key("inbound.mailbox.user"),
        applies=_HAS_BOX,
        default=lambda draft: _box(draft, "user"),
        more="Often a full mail address. The mailbox holds the mail of your whole domain; the provider has to "
        "write each message's recipient into its header (`explain inbound.mailbox.recipient_header`).",
    ),
    Step(
        "box_password",
        "Mailbox password",
        "The password of the mailbox.",
        by_key("inbound.mailbox.password"),
        applies=_HAS_BOX,
        is_secret=True,
        default=lambda draft: _box(draft, "password"),
    ),
)


def _port(typed: str) -> str:
    if not typed.isascii() or not typed.isdigit() or not 1 <= int(typed[:6]) <= 65_535:
        raise ValueError("it must be a number from 1 to 65535, for example 366")
    return str(int(typed))
