"""What bounded a real call, as the provider's own log proves it, and what a perfect station would have needed."""

from __future__ import annotations

from dataclasses import dataclass

from call_cells import PROVIDERS, SETS, Cell
from call_model.line import LineRate
from call_model.perfect import perfect_in_run_s, waiting, waits
from call_model.play import messages, received
from call_model.providers import KINDS
from provider_log import read


@dataclass(frozen=True)
class Proof:
    """The provider's connections and the round trips that it waited for, over all of them; its own seconds.

    `begins_s` is from ETRN until its first delivery, `empty_s` how long its places for one stood empty between two,
    both at least. `content_s`: the bytes of the mail alone, of the fuller direction. `perfect_s`: a lower bound of
    the seconds from CONNECT until all was across, for a station that costs nothing.
    """

    connections: int
    round_trips: int
    begins_s: float
    empty_s: float
    content_s: float
    perfect_s: float


def proof(cell: Cell, log: str) -> Proof:
    """From the provider's log of a run of this cell."""
    mail, kind, places = SETS[cell.mail_set], PROVIDERS[cell.provider].kind, KINDS[cell.provider].connections
    line, tls = LineRate(mail.line.rate_bps, mail.line.rtt_s), cell.tls == "shipped"
    seen = read(kind, log)
    inbound = [received(one, kind) for one in messages(mail.inbound, "in")]
    content = waiting(inbound, messages(mail.outbound, "out"), tls=tls)
    return Proof(
        seen.connections,
        waits(kind, seen, tls=tls),
        seen.begins_s,
        seen.own_s(places),
        line.seconds(max(content.down, content.up)),
        perfect_in_run_s(line, kind, places, seen, content, tls=tls),
    )
