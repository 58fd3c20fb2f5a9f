"""The mail log: one function per fate, and each call of one writes one line.

Every line starts with the queue id (or the subject of the line), followed by key=value pairs; values with
spaces or quotes are quoted. Tests assert on these lines and operators grep them: change them with care. INFO is
a fate or transition, WARNING a fault that was handled, ERROR needs the operator. Never a body or a password.
"""

from __future__ import annotations

import logging

from dialpost.core.printable import log_pairs

_log = logging.getLogger("dialpost.mail")


def _pairs(**values: object) -> str:
    return log_pairs(values)


def accepted(
    queue_id: str, *, sender: str, recipients: int, size: int, origin: str, peer: str, account: str | None
) -> None:
    """A message is durable and was answered 250."""
    _log.info(
        "%s: accepted %s",
        queue_id,
        _pairs(**{"from": f"<{sender}>"}, nrcpt=recipients, size=size, origin=origin, peer=peer, account=account),
    )


def repeat_recognised(queue_id: str, *, sender: str, peer: str) -> None:
    """The provider resent a message that we already have (RFC 1047): answered 250, not stored twice."""
    _log.info("%s: repeat recognised %s", queue_id, _pairs(**{"from": f"<{sender}>"}, peer=peer))


def refused(*, peer: str, stage: str, sender: str, recipient: str, reply: str) -> None:
    """We refused a client's command or message."""
    _log.info(
        "refused %s",
        _pairs(peer=peer, stage=stage, **{"from": f"<{sender}>"}, to=recipient, reply=reply),
    )


def delivered(queue_id: str, *, recipient: str, account: str) -> None:
    """The message is in the recipient's mailbox."""
    _log.info("%s: delivered %s", queue_id, _pairs(to=f"<{recipient}>", account=account))


def relayed(queue_id: str, *, recipient: str, by: str, reply: object) -> None:
    """The next hop took responsibility."""
    _log.info("%s: relayed %s", queue_id, _pairs(to=f"<{recipient}>", by=by, reply=reply))


def deferred(queue_id: str, *, recipient: str, by: str, reply: object, answer_unknown: bool = False) -> None:
    """A temporary failure; the message stays in the queue."""
    _log.info(
        "%s: deferred %s",
        queue_id,
        _pairs(
            to=f"<{recipient}>",
            by=by,
            reply=reply,
            answer="unknown" if answer_unknown else None,
        ),
    )


def bounced(queue_id: str, *, recipient: str, by: str, reply: object) -> None:
    """Given up; the sender gets a notice if one is due."""
    _log.info("%s: bounced %s", queue_id, _pairs(to=f"<{recipient}>", by=by, reply=reply))


def body_removed(queue_id: str, *, why: str) -> None:
    """Recovery or retention removed a body that nobody needs."""
    _log.info("%s: body removed %s", queue_id, _pairs(why=why))


def operator(queue_id: str, *, action: str, count: int) -> None:
    """The operator held, released, deleted or retried a message."""
    _log.info("%s: operator %s", queue_id, _pairs(action=action, recipients=count))


def operator_many(action: str, messages: int, recipients: int, *, until: str) -> None:
    """The operator did so to many messages, the newest of them `until`; `dialpost trace` knows each."""
    _log.info("queue: operator %s", _pairs(action=action, messages=messages, recipients=recipients, until=until))


def dialled(*, reason: str, link: str) -> None:
    """A call begins."""
    _log.info("call: dialling %s", _pairs(reason=reason, link=link))


def connected(*, link: str, rate_bps: int | None) -> None:
    """The line is up."""
    _log.info("call: connected %s", _pairs(link=link, rate_bps=rate_bps))


def network_up(*, interface: str, local: str, remote: str) -> None:
    """PPP is up."""
    _log.info("call: network up %s", _pairs(interface=interface, local=local, remote=remote))


def network_ended(*, reason: str, detail: str) -> None:
    """pppd ended on its own; `reason` is a word from core/line/reasons."""
    _log.warning("call: network ended %s", _pairs(reason=reason, detail=detail))


def clock_set(*, by_s: float, source: str) -> None:
    """The wall clock was set."""
    _log.info("clock: set %s", _pairs(moved_s=f"{by_s:+.1f}", source=source))


def clock_not_told(*, server: str, why: str) -> None:
    """A time server gave no usable answer; the next one is asked."""
    _log.info("clock: no answer %s", _pairs(server=server, why=why))


def hung_up(*, reason: str, online_s: float, sent: int, received: int) -> None:
    """The line is down again."""
    _log.info("call: hung up %s", _pairs(reason=reason, online_s=f"{online_s:.1f}", sent=sent, received=received))


def dial_failed(*, result: str, detail: str) -> None:
    """The line did not come up."""
    _log.warning("call: failed %s", _pairs(result=result, detail=detail))


def etrn_answered(*, host: str, name: str, reply: str, advice: str, is_fault: bool) -> None:
    """The provider's reply to ETRN, in its own words, and the next step for the operator."""
    _log.log(
        logging.WARNING if is_fault else logging.INFO,
        "etrn: %s",
        _pairs(host=host, name=name, reply=reply, advice=advice),
    )


def way_taken(why: str) -> None:
    """Why a call does not fetch its mail by ETRN alone."""
    _log.info("inbound: %s", why)


def collected(*, way: str, fate: str, messages: int, words: str, advice: str, is_fault: bool) -> None:
    """What ATRN or a mailbox at a provider brought, in the server's words, and the next step for the operator."""
    _log.log(
        logging.WARNING if is_fault else logging.INFO,
        "inbound: %s",
        _pairs(way=way, fate=fate, messages=messages, words=words, advice=advice),
    )


def fault(what: str, **details: object) -> None:
    """A fault that was handled."""
    _log.warning("%s %s", what, _pairs(**details))


def operator_needed(what: str, **details: object) -> None:
    """A fault only the operator can fix."""
    _log.error("%s %s", what, _pairs(**details))


def held(queue_id: str, *, why: str) -> None:
    """The station holds a message."""
    _log.info("%s: held %s", queue_id, _pairs(why=why))


def let_go(queue_id: str, *, why: str) -> None:
    """The station releases a message it held."""
    _log.info("%s: released %s", queue_id, _pairs(why=why))
