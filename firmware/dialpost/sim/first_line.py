"""What a station set up by hand finds at the end of its line: a stand-in for pppd, DNS, connections to hosts.

The modem dialogue is real (a pseudo-terminal with sim/modem on it), and so is the rest of the station. Only pppd,
which needs root and its own network, and DNS are replaced: the provider's hosts are relays on 127.0.0.1 that exist
only while the line is up. Runs in the daemon's event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dialpost.core.config.model import DnsConfig
from dialpost.core.line.link import Traffic
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest
from dialpost.core.mail.mx import AddressAnswer, DnsTrouble, MxAnswer, NoSuchName
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, SessionEnd
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.smtp_client.message_sender import NextMessage, OnOutcome
from dialpost.sim.line import SimulatedLine
from dialpost.sim.subscription import Subscription

AUTHENTICATION_FAILED = 19
"""pppd(8), EXIT STATUS: we failed to authenticate ourselves to the peer."""
SERVER_PORTS = (25, 587)
_LOCALHOST = "127.0.0.1"


class SimulatedPpp:
    """flow/line/modem/dialled_line.Ppp: accepts the customer's login, and opens the relays."""

    def __init__(self, line: SimulatedLine, subscription: Subscription) -> None:
        self._line, self._subscription = line, subscription

    def rehearse(self) -> None:
        """Nothing has to be read from a card."""

    async def start(self, request: PppRequest) -> PppUp | PppEnd:
        """The network is up, or pppd's status for a refused login."""
        theirs = (self._subscription.user, self._subscription.password)
        if (request.user, request.password) != theirs:
            return PppEnd(AUTHENTICATION_FAILED)
        await self._line.negotiate()
        return PppUp("ppp0", "192.0.2.17", "192.0.2.1")

    async def ended(self) -> PppEnd:
        """Wait for the line to be lost."""
        return PppEnd(None, detail=await self._line.lost())

    async def stop(self) -> None:
        """Close the relays."""
        if self._line.is_up:
            await self._line.hang_up()

    def traffic(self) -> Traffic | None:
        """Bytes of this call."""
        return self._line.traffic()


class LineNames(Resolver):
    """Resolves the provider's hosts while the line is up, and nothing else: nothing leaves this machine."""

    def __init__(self, line: SimulatedLine, hosts: Sequence[str]) -> None:
        super().__init__(DnsConfig())
        self._line, self._known = line, frozenset(hosts)

    async def addresses(self, host: str) -> AddressAnswer:
        """127.0.0.1 for a host of the provider."""
        if not self._line.is_up:
            return DnsTrouble(host, "the line is down")
        return (_LOCALHOST,) if host in self._known else NoSuchName(host)

    async def mx(self, domain: str) -> MxAnswer:
        """None."""
        return NoSuchName(domain) if self._line.is_up else DnsTrouble(domain, "the line is down")


class LineClient(SmtpClient):
    """Connects to the line's relays instead of the provider's ports."""

    def __init__(self, relays: Mapping[tuple[str, int], int]) -> None:
        super().__init__()
        self._relays = dict(relays)

    async def send(
        self, target: HostTarget, settings: ConnectSettings, next_message: NextMessage, on_outcome: OnOutcome
    ) -> SessionEnd:
        """As the real one does."""
        return await super().send(self._over_the_line(target), settings, next_message, on_outcome)

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        """As the real one does."""
        return await super().etrn(self._over_the_line(target), settings, names)

    def _over_the_line(self, target: HostTarget) -> HostTarget:
        port = self._relays.get((target.host, target.port))
        return target if port is None else replace(target, port=port)
