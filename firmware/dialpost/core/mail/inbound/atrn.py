"""The meaning of the provider's replies to ATRN, and what to do about each (RFC 2645 §5.2).

250 turns the roles round; 453 says that no mail waits. 450 refuses the request, because it is too frequent or not
allowed from here; 451 can't check it now: both are asked again on the next connect. 502 (and 500, 504) does not
support ATRN, and another way is needed. 503 was not expected here, 530 and 535 want a valid login. Each reply is
kept in the server's own words.
"""

from __future__ import annotations

from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import AtrnDialogue, SessionFate

_BY_CODE = {
    453: CollectFate.NOTHING,
    500: CollectFate.NOT_SUPPORTED,
    501: CollectFate.NEEDS_OPERATOR,
    502: CollectFate.NOT_SUPPORTED,
    503: CollectFate.NOT_NOW,
    504: CollectFate.NOT_SUPPORTED,
    530: CollectFate.LOGIN_REFUSED,  # RFC 4954 §6
    534: CollectFate.LOGIN_REFUSED,
    535: CollectFate.LOGIN_REFUSED,
    538: CollectFate.LOGIN_REFUSED,
    550: CollectFate.NEEDS_OPERATOR,
    553: CollectFate.NEEDS_OPERATOR,
}

_BY_SESSION = {
    SessionFate.UNREACHABLE: CollectFate.UNREACHABLE,
    SessionFate.NOT_SERVED: CollectFate.NOT_NOW,
    SessionFate.LOGIN_REFUSED: CollectFate.LOGIN_REFUSED,
    SessionFate.NEEDS_OPERATOR: CollectFate.NEEDS_OPERATOR,
}

ADVICE = {
    450: (
        "Your provider supports ATRN but refuses it for now: too soon after the last time, or not for this login. "
        "Dialpost asks again at the next connection; if that repeats, ask the provider how often it allows ATRN, "
        "and for which domains."
    ),
    451: (
        "Your provider can't check what waits for you at the moment. Nothing to do: Dialpost asks again at the "
        "next connection."
    ),
    501: "Your provider does not know one of the domains in this form. Correct atrn.domains, or leave it empty.",
    502: (
        "Your provider does not support ATRN on this host and port. Ask for those that do, and set atrn.host and "
        "atrn.port (366, 386 or 587), or remove atrn.user."
    ),
    503: (
        "Your provider wants something else before ATRN. Its words say what; if they don't, ask it, and whether "
        "atrn.port is the right one."
    ),
    530: (
        "Your provider wants another login for ATRN. Correct atrn.user and atrn.password; if it wants TLS first, "
        'set atrn.tls = "starttls".'
    ),
    550: (
        "Your provider does not hold mail for this login, or for one of the domains: check atrn.user and "
        "atrn.domains."
    ),
}
_ALIKE = {500: 502, 504: 502, 534: 530, 535: 530, 538: 530, 553: 550}

_ADVICE_BY_FATE = {
    CollectFate.UNREACHABLE: (
        "The provider's ATRN host could not be reached. Dialpost tries again at the next connection; check "
        "atrn.host and atrn.port if this repeats."
    ),
    CollectFate.LOGIN_REFUSED: (
        "The provider's ATRN host refused the login. Dialpost does not try again until something changes: correct "
        "atrn.user and atrn.password with `dialpost config set`, or force one more try with `dialpost call now`."
    ),
    CollectFate.NEEDS_OPERATOR: (
        "The provider's ATRN host was reached, but the session failed before ATRN. Check atrn.user, atrn.password, "
        "atrn.tls, atrn.tls_verify and the provider's certificate against this message."
    ),
    CollectFate.CUT: "What had not come is still at the provider; Dialpost asks again.",
    CollectFate.NOT_NOW: "Nothing to do: Dialpost asks again at the next connection.",
}


def atrn_result(dialogue: AtrnDialogue) -> Collected:
    """What one ATRN dialogue achieved."""
    reply = dialogue.reply
    if reply is not None and reply.code == 250:
        return _turned(dialogue)
    if reply is None:
        fate = _BY_SESSION.get(dialogue.fate, CollectFate.CUT)
        return Collected(Way.ATRN, "", fate, dialogue.error or "no answer", _ADVICE_BY_FATE[fate])
    fate = _fate(reply)
    advice = ADVICE.get(_ALIKE.get(reply.code, reply.code), "")
    if fate is not CollectFate.NOTHING and not advice:
        advice = ADVICE[451 if reply.is_transient else 502]
    return Collected(Way.ATRN, "", fate, _reply_words(reply), advice)


def with_next_session(before: Collected, following: Collected) -> Collected:
    """Both sessions as one, the first of which brought mail. That nothing more waits, or that the provider wants a
    pause before the next session, takes nothing from that.
    """
    if following.fate in {CollectFate.NOTHING, CollectFate.NOT_NOW}:
        return before
    return following.after(before)


def _turned(dialogue: AtrnDialogue) -> Collected:
    fate = CollectFate.DONE if dialogue.is_whole else CollectFate.CUT
    words = "" if dialogue.is_whole else dialogue.error or "the provider left without QUIT"
    advice = "" if dialogue.is_whole else _ADVICE_BY_FATE[fate]
    return Collected(Way.ATRN, "", fate, words, advice, dialogue.messages, dialogue.bytes)


def _fate(reply: Reply) -> CollectFate:
    """Unknown codes are judged by their first digit (RFC 5321 §4.2.1)."""
    known = _BY_CODE.get(reply.code)
    if known is not None:
        return known
    return CollectFate.NOT_NOW if reply.is_transient else CollectFate.NOT_SUPPORTED


def _reply_words(reply: Reply) -> str:
    return " ".join(str(part) for part in (reply.code, reply.enhanced, reply.text) if part)
