"""How pppd ended, and why."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.line.link import Again
from dialpost.core.line.ppp.log import log_reason, peer_words
from dialpost.core.line.reasons import Reason, ppp_reason

_TERMINATED = 5  # pppd's status after SIGTERM: our own hook ended it, and `detail` says why


@dataclass(frozen=True, slots=True)
class PppEnd:
    """pppd ended. `exit_code` is pppd's own (pppd(8), EXIT STATUS), None if a signal ended it or it never ran.

    `last_lines` are the last lines of its log. They contain no secret: pppd hides passwords. `was_up`: the network
    had been up.
    """

    exit_code: int | None
    last_lines: tuple[str, ...] = ()
    detail: str = ""
    was_up: bool = False

    @property
    def reason(self) -> Reason | None:
        """The row for what pppd logged, otherwise for its status; None if there is neither."""
        if self.exit_code is None:
            return None
        if self.exit_code == _TERMINATED and self.detail:
            return ppp_reason(self.exit_code)
        return log_reason(self.last_lines, was_up=self.was_up) or ppp_reason(self.exit_code)

    @property
    def log(self) -> str:
        """The word for the log (core/line/reasons); "ppp-none" if pppd gave no status."""
        return "ppp-none" if self.reason is None else self.reason.log

    @property
    def again(self) -> Again:
        """When dialling again can help."""
        return Again.SOON if self.reason is None else self.reason.again

    @property
    def words(self) -> str:
        """What happened and what to do next, in words."""
        reason = self.reason
        if reason is None:
            return self.detail or "pppd was stopped"
        said = peer_words(self.last_lines)
        told = f'The provider\'s end said: "{said}".' if said else ""
        return " ".join(part for part in (reason.words, reason.next_step, told, self.detail) if part)
