"""How a session ended, and two attempts as one."""

from __future__ import annotations

from dataclasses import replace

from dialpost.core.mail.esmtp.wire import Ended
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import HostTarget, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client.driver import SessionDriver


def no_address(target: HostTarget) -> SessionEnd:
    """The end of a session with a host that has none."""
    reason = f"no address is known for {target.host}"
    return SessionEnd(SessionFate.UNREACHABLE, reason, reply=Reply(451, (reason,), "4.4.4"))


def end_of(talk: SessionDriver) -> SessionEnd:
    """What became of a session."""
    ended = talk.ended or Ended(SessionFate.DONE, "mail goes on in this session", None)
    reply = ended.reply
    if not talk.is_ready and reply is None:
        reply = Reply(451, (ended.reason,), "4.4.2")
    return SessionEnd(
        fate=ended.fate,
        reason=_in_words(ended),
        ready=talk.is_ready,
        connected=True,
        bytes_up=talk.connection.bytes_up,
        bytes_down=talk.connection.bytes_down,
        idle_round_trips=talk.idle_round_trips,
        reply=reply,
        address=talk.address,
        tls=talk.connection.tls_version,
        learnt="; ".join(lesson.value for lesson in talk.core.lessons),
    )


def _in_words(ended: Ended) -> str:
    """The reason, with the server's own words if it gave any."""
    reply = ended.reply
    if reply is None or ended.fate is SessionFate.LOST or ended.reason in reply.text:
        return ended.reason
    return f"{ended.reason}: {reply}"


def added(before: SessionEnd, end: SessionEnd) -> SessionEnd:
    """The later end, with the sums of both; but a server's words are not replaced by those of a dead address."""
    telling = before if before.connected and not end.connected else end
    return replace(
        telling,
        ready=before.ready or end.ready,
        messages=before.messages + end.messages,
        bytes_up=before.bytes_up + end.bytes_up,
        bytes_down=before.bytes_down + end.bytes_down,
        idle_round_trips=before.idle_round_trips + end.idle_round_trips,
        learnt="; ".join(filter(None, (before.learnt, end.learnt))),
    )
