"""The meaning of the provider's replies to ETRN, and what to do about each (RFC 1985).

250 promises nothing, 251 says that no mail is waiting, 252 and 253 that some is. 458 means "unable to queue"; Exim
also uses it for a domain whose queue it is already running, and then mail is on its way. Other 4xx: the server
supports ETRN, but not now or not for us; it is asked again on the next connect. 5xx: it does not support ETRN (in
this form), and no further name is tried there in this call. Every reply is kept in the server's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import EtrnDialogue, SessionFate


class EtrnOutcome(Enum):
    """The meaning of a reply, or of its absence."""

    STARTED = "started"  # 250: the queue was started, whatever is in it
    NOTHING_WAITS = "nothing-waits"  # 251
    PENDING = "pending"  # 252, 253
    AT_WORK = "at-work"  # 458, because the queue is being run already
    TRY_LATER = "try-later"  # other 458, other 4xx
    NOT_ALLOWED = "not-allowed"  # 459
    LOGIN_NEEDED = "login-needed"  # 530, 534, 535, 538
    BAD_NAME = "bad-name"  # 501, 553
    NOT_DONE = "not-done"  # 500, 502, 504 and other 5xx, or ETRN missing from the EHLO answer
    UNREACHABLE = "unreachable"  # no connection, or it was lost before the answer
    NEEDS_OPERATOR = "needs-a-person"  # TLS, certificate or ways to log in not as configured
    LOGIN_REFUSED = "login-refused"  # and not tried again until something changes


_PROMISES = frozenset({EtrnOutcome.STARTED, EtrnOutcome.PENDING, EtrnOutcome.AT_WORK})

_FAULTS = frozenset(EtrnOutcome) - _PROMISES - {EtrnOutcome.NOTHING_WAITS}

_BY_CODE = {
    250: EtrnOutcome.STARTED,
    251: EtrnOutcome.NOTHING_WAITS,
    252: EtrnOutcome.PENDING,
    253: EtrnOutcome.PENDING,
    459: EtrnOutcome.NOT_ALLOWED,
    501: EtrnOutcome.BAD_NAME,
    530: EtrnOutcome.LOGIN_NEEDED,  # RFC 4954 §6
    534: EtrnOutcome.LOGIN_NEEDED,
    535: EtrnOutcome.LOGIN_NEEDED,
    538: EtrnOutcome.LOGIN_NEEDED,
    553: EtrnOutcome.BAD_NAME,
}

_BY_FATE = {
    SessionFate.NEEDS_OPERATOR: EtrnOutcome.NEEDS_OPERATOR,
    SessionFate.LOGIN_REFUSED: EtrnOutcome.LOGIN_REFUSED,
}

_ADVICE = {
    EtrnOutcome.STARTED: "",
    EtrnOutcome.NOTHING_WAITS: "",
    EtrnOutcome.PENDING: "",
    EtrnOutcome.AT_WORK: (
        "Your provider was already sending mail for {name}. If none came, it is still waiting for the time-out of "
        "an earlier call. Nothing to do: Dialpost asks again."
    ),
    EtrnOutcome.TRY_LATER: (
        "Your provider supports ETRN but can't start its queue for {name} now. Nothing to do: Dialpost asks again "
        "at the next connection. If it still fails after a day, ask the provider."
    ),
    EtrnOutcome.NOT_ALLOWED: (
        "Your provider supports ETRN but does not allow it for {name} from here. Dialpost asks again at the next "
        "connection; ask the provider to allow ETRN for {name} from this line, or for the name to use "
        "(setting etrn.names), or for a login (etrn.user and etrn.password)."
    ),
    EtrnOutcome.LOGIN_NEEDED: (
        "Your provider does not support ETRN without a valid login. Ask it for a user and password and set "
        "etrn.user and etrn.password."
    ),
    EtrnOutcome.BAD_NAME: (
        "Your provider does not support ETRN under the name {name}. Ask which name it wants (the domain, "
        "@domain or #name) and set etrn.names."
    ),
    EtrnOutcome.NOT_DONE: (
        "Your provider does not support ETRN on this host. Ask for the host that does, and set etrn.host (and "
        'etrn.port, mostly 25), or set etrn.use = "never" if it sends your mail without being asked.'
    ),
    EtrnOutcome.UNREACHABLE: (
        "The provider's ETRN host could not be reached. Dialpost tries again at the next connection; check "
        "etrn.host and etrn.port if this repeats."
    ),
    EtrnOutcome.LOGIN_REFUSED: (
        "The provider's ETRN host refused the login, so the station could not ask for mail. Dialpost does not try "
        "again until something changes: correct etrn.user and etrn.password with `dialpost config set`, or force "
        "one more try with `dialpost call now`."
    ),
    EtrnOutcome.NEEDS_OPERATOR: (
        "The provider's ETRN host was reached, but the session failed before ETRN. Check etrn.user and "
        "etrn.password, or etrn.tls, etrn.tls_verify and the provider's certificate, against this message."
    ),
}

_AT_WORK = re.compile(r"\b(already|in progress|being processed)\b", re.IGNORECASE)
_COUNT = re.compile(r"\b\d{1,9}\b")


@dataclass(frozen=True, slots=True)
class EtrnAnswer:
    """The answer for one name. `code` is None if the server gave none; `text` is in its words.

    `waiting` is the number of messages in a 253, 0 for a 251, otherwise None.
    """

    name: str
    outcome: EtrnOutcome
    code: int | None
    text: str
    waiting: int | None = None

    @property
    def is_fault(self) -> bool:
        """Whether the operator should know: mail that was not asked for may be waiting at the provider.

        AT_WORK is a fault only if nothing came in the call (`core/line/call/notes`).
        """
        return self.outcome in _FAULTS

    @property
    def advice(self) -> str:
        """What to do next, in words; "" if all is well."""
        return _ADVICE[self.outcome].format(name=self.name)

    @property
    def promises_mail(self) -> bool:
        """Whether mail may come because of it: 250 (perhaps), 252, 253 and a busy 458 (certainly)."""
        return self.outcome in _PROMISES

    @property
    def tells_what_waits(self) -> bool:
        """Whether this server's answers distinguish a full queue from an empty one (251, 252, 253)."""
        return self.outcome in {EtrnOutcome.NOTHING_WAITS, EtrnOutcome.PENDING}

    def words(self) -> str:
        """Code and text on one line."""
        return f"{self.code} {self.text}".strip() if self.code is not None else self.text

    def to_json(self) -> dict[str, JsonValue]:
        """For the call's record and the report."""
        return {
            "domain": self.name,
            "code": self.code,
            "text": self.text,
            "advice": self.advice,
            "outcome": self.outcome.value,
            "waiting": self.waiting,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> EtrnAnswer:
        """Restored from `to_json`. Raises: KeyError, ValueError."""
        code, waiting = value.get("code"), value.get("waiting")
        return cls(
            str(value["domain"]),
            EtrnOutcome(value["outcome"]),
            code if isinstance(code, int) else None,
            str(value["text"]),
            waiting if isinstance(waiting, int) else None,
        )


def classify(name: str, reply: Reply) -> EtrnAnswer:
    """What the reply to `ETRN name` means. Unknown codes are judged by their first digit (RFC 5321 §4.2.1)."""
    outcome = _BY_CODE.get(reply.code)
    if reply.code == 458 and _AT_WORK.search(reply.text):
        outcome = EtrnOutcome.AT_WORK
    if outcome is None:
        if reply.is_positive:
            outcome = EtrnOutcome.STARTED
        else:
            outcome = EtrnOutcome.TRY_LATER if reply.is_transient else EtrnOutcome.NOT_DONE
    words = " ".join(part for part in (reply.enhanced, reply.text) if part)
    return EtrnAnswer(name, outcome, reply.code, words, _waiting(reply))


def _waiting(reply: Reply) -> int | None:
    if reply.code == 251:
        return 0
    if reply.code != 253:
        return None
    count = _COUNT.search(reply.text)  # "253 14 pending messages for node x started" (RFC 1985 §5.3)
    return int(count[0]) if count else None


def classify_dialogue(names: Sequence[str], dialogue: EtrnDialogue) -> tuple[EtrnAnswer, ...]:
    """The answers of one dialogue, in the order of `names`.

    A name not asked because an earlier one got a 5xx is left out: there is nothing to say about it. One left
    without an answer because the dialogue was interrupted is reported as such.
    """
    replies = dict(dialogue.answers)
    answers = [classify(name, replies[name]) for name in names if name in replies]
    missing = [name for name in names if name not in replies]
    if dialogue.error is not None and not _stopped_by_5xx(answers):
        outcome = _BY_FATE.get(dialogue.fate, EtrnOutcome.UNREACHABLE)
        answers += [EtrnAnswer(name, outcome, None, dialogue.error) for name in missing]
    elif not answers:
        text = "ETRN is not among what the server offers" if not dialogue.offered else "no answer"
        answers = [EtrnAnswer(name, EtrnOutcome.NOT_DONE, None, text) for name in names]
    return tuple(answers)


def waiting_in_all(answers: Sequence[EtrnAnswer]) -> int | None:
    """How many messages the answers name together; None if one that promises mail names no number."""
    counts = [answer.waiting for answer in answers if answer.promises_mail]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _stopped_by_5xx(answers: Sequence[EtrnAnswer]) -> bool:
    return bool(answers) and (answers[-1].code or 0) >= 500
