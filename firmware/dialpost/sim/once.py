"""`dialpost simulate --once`: submit mail, call until everything has arrived, count, say how it ended.

Exit status: 0 everything arrived exactly once; 3 the provider did not release its mail (ETRN refused, or "no mail
waiting" although there is some), the rest is all right; 1 anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.amounts import count_words
from dialpost.core.line.call.record import HANG_UP_WORDS, CallRecord
from dialpost.core.line.link import DialResult
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.sim.letters import DOMAIN, WORLD, make_letters
from dialpost.sim.relay import BITS_PER_BYTE
from dialpost.sim.report import Count, Report, count
from dialpost.sim.world import ACCOUNTS, WORLD_ADDRESSES, World

MOST_CALLS = 12
MOST_DULL_CALLS = 2
"""How many calls in a row may move nothing before the run is given up."""


@dataclass(frozen=True, slots=True)
class Load:
    """The load. `size` fixes every message's length in bytes; otherwise they vary with the seed."""

    outbound: int = 5
    inbound: int = 5
    seed: int = 1
    size: int | None = None


class Once:
    """One run in one world. `say` gets progress, one line at a time."""

    def __init__(self, world: World, load: Load, say: Callable[[str], None]) -> None:
        self.world, self._say = world, say
        self.outgoing = make_letters(
            "out",
            load.outbound,
            load.seed,
            sender=f"{ACCOUNTS[0]}@{DOMAIN}",
            recipients=WORLD_ADDRESSES,
            size=load.size,
        )
        self.incoming = make_letters(
            "in",
            load.inbound,
            load.seed,
            sender=f"cleo@{WORLD}",
            recipients=tuple(f"{account}@{DOMAIN}" for account in ACCOUNTS),
            size=load.size,
        )
        self._trouble: list[str] = []

    async def run(self) -> Report:
        """The whole run, within the time such a load may take; returns the report, whatever happened."""
        limit_s = self.limit_s()
        try:
            async with asyncio.timeout(limit_s):
                await self._carry()
        except TimeoutError:
            self._trouble.append(f"Gave up: not finished within {limit_s:.0f} s.")
        return await self.report()

    def limit_s(self) -> float:
        """Far more than a run of this load takes, cuts and redials included, so that nothing runs for ever."""
        settings = self.world.settings
        line = settings.line
        up, down = (
            sum(len(letter.content) + 2000 for letter in letters) for letters in (self.outgoing, self.incoming)
        )
        pure_s = (up + down) * BITS_PER_BYTE / line.rate_bps
        trips_s = 20 * (len(self.outgoing) + len(self.incoming) + 10) * line.rtt_s
        rest_s = line.dial_s + settings.pause_s + 2 * settings.grace_max_s + 20 * line.rtt_s
        calls = 4 + len(line.results)
        gaps_s = len(self.incoming) * settings.provider.gap_s + settings.provider.start_s
        return 60.0 + 3 * pure_s + trips_s + calls * rest_s + 3 * gaps_s

    async def _carry(self) -> None:
        world = self.world
        world.hold(self.incoming)
        self._say(f"waiting at the provider: {count_words(len(self.incoming), 'message')} for {DOMAIN}")
        await world.hand_in(self.outgoing)
        out = count_words(len(self.outgoing), "message")
        self._say(f"submitted by SMTP, waiting for the line: {out} for the world")
        stop = world.station.calls.subscribe(lambda words: self._say(f"  {words}"))
        try:
            await self._call_until_done()
        finally:
            stop()

    async def _call_until_done(self) -> None:
        dull = calls = 0
        while calls < MOST_CALLS and dull < MOST_DULL_CALLS:
            self._say("the button is pressed")
            record = await self.world.call()
            calls += 1
            await self.world.delivered_locally()
            if self._outbound().is_exact and (self._inbound().is_exact or not self._can_fetch(record)):
                return
            dull = 0 if record.sent or record.received else dull + 1

    def _can_fetch(self, record: CallRecord) -> bool:
        """Whether another call may bring more: not if the provider refuses, or says that no mail is waiting."""
        if record.result is not DialResult.CONNECTED or not record.etrn:
            return True
        return any(answer.promises_mail for answer in record.etrn)

    def _outbound(self) -> Count:
        """Counted at the provider: one message with all its recipients, once."""
        received = self.world.provider.ledger.received
        arrived: dict[str, list[bytes]] = {}
        for message in received:
            arrived.setdefault(" ".join(sorted(message.recipients)), []).append(message.content)
        return count(self.outgoing, arrived, 0, lambda letter: (" ".join(sorted(letter.recipients)),))

    def _inbound(self) -> Count:
        """Counted in the mailboxes."""
        arrived = {account: self.world.mailbox(account) for account in ACCOUNTS}
        return count(
            self.incoming,
            arrived,
            self.world.provider.waiting,
            lambda letter: [address.partition("@")[0] for address in letter.recipients],
        )

    async def report(self) -> Report:
        """Count both ends and say how it ended."""
        world = self.world
        counts = await world.station.counts()
        calls = list(reversed(await world.station.store.calls(1000)))
        sent = self._outbound()
        outbound = Count(
            sent.expected,
            sent.delivered,
            sent.duplicates,
            sent.damaged,
            min(counts.waiting_remote, sent.expected - sent.delivered - sent.damaged),
        )
        report = Report(outbound, self._inbound(), counts.waiting_remote, calls, world.led_history)
        report.extra = {
            "repeats_recognised": world.provider.ledger.repeats_recognised,
            "cuts": world.line.cuts,
            "bytes_up": world.line.carried().up,
            "bytes_down": world.line.carried().down,
            "seconds": round(world.seconds(), 2),
            "attention": world.station.attention(),
            "refused_by_station": world.provider.ledger.refused,
        }
        report.words = self._words(report)
        report.exit_status = self._exit_status(report)
        return report

    def _exit_status(self, report: Report) -> int:
        exact = report.outbound.is_exact and report.inbound.is_exact
        if self._trouble or report.outbound.lost or report.inbound.lost:
            return 1
        if self._etrn_refused(report):
            return 3 if report.outbound.is_exact else 1
        if exact:
            return 0
        waits_there = report.outbound.is_exact and not (report.inbound.duplicates or report.inbound.damaged)
        return 3 if waits_there and report.inbound.waiting and self._was_connected(report) else 1

    def _etrn_refused(self, report: Report) -> bool:
        return any(answer.is_fault for answer in self._last_answers(report))

    def _was_connected(self, report: Report) -> bool:
        return any(CallRecord.from_json(call).result is DialResult.CONNECTED for call in report.calls)

    def _last_answers(self, report: Report) -> list[EtrnAnswer]:
        connected = [CallRecord.from_json(call) for call in report.calls]
        answered = [record.etrn for record in connected if record.etrn]
        return list({answer.name: answer for answer in answered[-1]}.values()) if answered else []

    def _words(self, report: Report) -> list[str]:
        """How it ended, for people."""
        out, came = report.outbound, report.inbound
        words = list(self._trouble)
        words.append(_count_words("to the world", out, "waiting in the station's queue"))
        words.append(_count_words("to the station", came, "waiting at the provider"))
        for answer in self._last_answers(report):
            if answer.is_fault:
                words.append(f"ETRN for {answer.name}: the provider replied: {answer.words()}")
                words.append(answer.advice)
        answers = self._last_answers(report)
        if came.waiting and answers and not any(answer.is_fault for answer in answers):
            words.append(
                "The provider accepted ETRN but sent nothing more: "
                + "; ".join(answer.words() for answer in answers)
                + ". Ask your provider for the name of its queue for your domain (etrn.names)."
            )
        last = CallRecord.from_json(report.calls[-1]) if report.calls else None
        if last is not None and last.result is not DialResult.CONNECTED:
            words.append(f"The line did not come up: {last.result.value}. {last.detail}")
        elif last is not None:
            calls = count_words(len(report.calls), "call")
            words.append(f"{calls}; the last ended: {HANG_UP_WORDS[last.hangup_reason]}.")
        words += self._cut_words()
        return words

    def _cut_words(self) -> list[str]:
        line, carried = self.world.settings.line, self.world.line.carried()
        if self.world.line.cuts:
            cuts = count_words(self.world.line.cuts, "time")
            repeats = count_words(self.world.provider.ledger.repeats_recognised, "duplicate transmission")
            return [f"The carrier was cut {cuts}; the provider recognised {repeats}."]
        if line.cut_up is not None and carried.up < line.cut_up:
            return [f"No cut: only {carried.up} bytes went up."]
        if line.cut_down is not None and carried.down < line.cut_down:
            return [f"No cut: only {carried.down} bytes came down."]
        return []


def _count_words(where: str, counted: Count, waiting_words: str) -> str:
    words = f"{counted.delivered} of {count_words(counted.expected, 'message')} {where} arrived"
    faults = [
        f"{counted.duplicates} duplicated" if counted.duplicates else "",
        f"{counted.damaged} damaged" if counted.damaged else "",
        f"{counted.lost} lost" if counted.lost else "",
        f"{counted.waiting} {waiting_words}" if counted.waiting else "",
    ]
    found = ", ".join(fault for fault in faults if fault)
    if found:
        return f"{words}: {found}."
    return f"{words}, exactly once." if counted.expected else f"No messages {where}."
