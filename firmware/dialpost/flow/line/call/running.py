"""One call while it lasts: its record, its times, its mail. `machine` drives it; nothing here decides.

Times are those of the event loop. `completed` fills in the record's bytes, messages and costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from dialpost.core.line.call.record import LEFT_BEHIND, CallRecord, HangUpReason
from dialpost.core.line.link import Again
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.mail_part import MailPart
from dialpost.flow.line.link import Link


class RunningCall:
    """The current call. `record` holds what the events reported; `mail` exists once the line is up."""

    def __init__(
        self, record: CallRecord, link: Link, budget: Budget, tls_cost: Callable[[], TlsCost] = TlsCost
    ) -> None:
        """`tls_cost` tells what TLS took so far, in all calls."""
        self.record = record
        self._tls_cost, self._tls_before = tls_cost, tls_cost()
        self.mail: MailPart | None = None
        self.stop_reason: HangUpReason | None = None
        self.stop_detail = ""
        self._link, self._budget = link, budget
        self._began_s = asyncio.get_running_loop().time()
        self._online_at_s: float | None = None
        self._online_s: float | None = None

    def online(self) -> None:
        """Mail can flow."""
        self._online_at_s = asyncio.get_running_loop().time()
        self.record = replace(self.record, connect_s=self._online_at_s - self._began_s)

    def offline(self) -> None:
        """The line is being given up. Harmless if it never was up."""
        if self._online_at_s is not None and self._online_s is None:
            self._online_s = asyncio.get_running_loop().time() - self._online_at_s

    def stop(self, reason: HangUpReason, detail: str) -> None:
        """End after the current message; `detail` adds to the reason."""
        if self.stop_reason is None:
            self.stop_reason, self.stop_detail = reason, detail
        if self.mail is not None:
            self.mail.stop(reason)

    def completed(self) -> CallRecord:
        """The record with the counts so far."""
        budget = self._budget
        # The meter is otherwise only advanced when the counters are written.
        budget.count()
        record = replace(self.record, paid_s=budget.paid_s, cost=budget.cost, currency=budget.currency)
        if self._online_at_s is None:
            return record  # never on line: the link's counts are those of a former call
        so_far_s = self._online_s
        if so_far_s is None:
            so_far_s = asyncio.get_running_loop().time() - self._online_at_s
        record = replace(record, online_s=so_far_s, tls=self._tls_cost() - self._tls_before)
        if self.mail is not None:
            tally = self.mail.tally
            record = replace(
                record,
                sent=tally.sent,
                received=tally.received,
                deferred=tally.deferred,
                refused=tally.refused,
                etrn=self.mail.answers,
                bytes_down=tally.bytes_received,
                notes=tally.notes,
                inbound=self.mail.inbound,
                inbound_why=self.mail.inbound_why,
            )
            if record.hangup_reason in LEFT_BEHIND:
                again = record.again if tally.hope else Again.NEXT_TIME
                record = replace(record, hangup_detail=tally.why_left, again=again)
        traffic = self._link.traffic()
        return record if traffic is None else replace(record, bytes_up=traffic.up, bytes_down=traffic.down)
