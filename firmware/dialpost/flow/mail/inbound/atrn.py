"""ATRN: taking the mail the provider holds over the station's own connection (RFC 2645).

A connection that can't be made is retried by the call (`flow/line/call/collection`). A refused login is not
repeated until something changes. A session that brought one message may not be all: Exim 4.100 hands over no more
where it does TLS itself. So it is asked again until nothing waits, unless it was seen to hand over several at once.
Runs in the call's task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dialpost.core.config.model import Config
from dialpost.core.mail.inbound.atrn import atrn_result, with_next_session
from dialpost.core.mail.inbound.collected import Collected, CollectFate
from dialpost.core.mail.mx import no_addresses
from dialpost.core.mail.routing import asking_settings
from dialpost.core.mail.smtp_target import AtrnDialogue, ConnectSettings, HostTarget, SessionFate
from dialpost.flow.mail.needs import HostAddresses
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles, HostUse


class AtrnSpeaker(Protocol):
    """The subset of edge/mail/smtp_client.SmtpClient needed here."""

    async def atrn(self, target: HostTarget, settings: ConnectSettings, domains: Sequence[str]) -> AtrnDialogue:
        """One dialogue with the host, to the end of the turned session. Never raises for what a server or a line
        does."""

    @property
    def atrn_patience_ends_s(self) -> float:
        """Until when it is worth waiting for if nothing else keeps the line up."""

    def stop_atrn(self, why: str) -> None:
        """End it, as after a time-out, if it waits for the provider."""


class AtrnCollector:
    """Fetches by ATRN (flow/line/call/mail_needs.Collector)."""

    def __init__(
        self, config: Config, speaker: AtrnSpeaker, addresses: HostAddresses, troubles: HostTroubles
    ) -> None:
        self._config, self._speaker, self._addresses, self._troubles = config, speaker, addresses, troubles
        self._gives_several = self._is_stopped = False

    async def collect(self) -> Collected:
        """Ask, and take what the provider sends."""
        self._is_stopped = False
        last = found = await self._asked()
        while self._may_hold_more(last):
            last = await self._asked()
            found = with_next_session(found, last)
        return found

    def _may_hold_more(self, last: Collected) -> bool:
        self._gives_several = self._gives_several or last.messages > 1
        brought_one = last.fate is CollectFate.DONE and last.messages == 1
        return brought_one and not (self._gives_several or self._is_stopped)

    async def _asked(self) -> Collected:
        host, port = self._config.atrn_host, self._config.atrn.port
        refused = self._troubles.login_refused(HostUse.ATRN, host, port)
        if refused is not None:
            return atrn_result(AtrnDialogue(None, refused.reason, fate=refused.fate))
        dialogue = await self._dialogue(host, port)
        served = dialogue.fate in {SessionFate.DONE, SessionFate.CLOSED}
        self._troubles.note(HostUse.ATRN, host, port, dialogue.fate, dialogue.error or "", served=served)
        return atrn_result(dialogue)

    async def _dialogue(self, host: str, port: int) -> AtrnDialogue:
        addresses = await self._addresses.addresses(host)
        if not isinstance(addresses, tuple):
            error = no_addresses(host, [addresses]).reply.text
            return AtrnDialogue(None, error, fate=SessionFate.UNREACHABLE)
        target = HostTarget(host, addresses, port)
        return await self._speaker.atrn(target, atrn_settings(self._config), self._config.atrn.domains)

    def stop(self) -> None:
        """The session ends between two messages by itself; another does not begin."""
        self._is_stopped = True

    @property
    def patience_ends_s(self) -> float:
        """See `AtrnSpeaker`."""
        return self._speaker.atrn_patience_ends_s

    def stop_waiting(self, why: str) -> None:
        """See `AtrnSpeaker`."""
        self._is_stopped = True
        self._speaker.stop_atrn(why)


def atrn_settings(config: Config) -> ConnectSettings:
    """The settings for a session with the provider's ATRN host."""
    return asking_settings(config, config.atrn, config.atrn_host)
