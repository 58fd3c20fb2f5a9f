"""ETRN: asking the provider to send the mail it holds for each configured name (RFC 1985).

One dialogue asks for all names. Each reply is logged in the server's own words, with advice. A connection that
can't be made is tried once more: right after connect the first packets are often lost. Runs in the call's task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from dialpost.core.config.model import Config, TlsVerify
from dialpost.core.config.trust import DEMANDS_TLS
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome, classify_dialogue
from dialpost.core.mail.mx import AddressAnswer, no_addresses
from dialpost.core.mail.routing import asking_settings
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, SessionFate
from dialpost.flow import maillog
from dialpost.flow.mail.needs import HostAddresses
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles, HostUse
from dialpost.flow.mail.outgoing.known_host import Early, KnownHost, KnownHosts
from dialpost.flow.memory import Memory

TRIES = 2
PAUSE_S = 3.0
"""The pause before a failed connection is retried."""
QUICK_S = 10.0
"""If the first attempt took longer than this to fail, it is not retried: the line is expensive."""


class EtrnSpeaker(Protocol):
    """The subset of edge/mail/smtp_client.SmtpClient needed here."""

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        """One dialogue with the host. Never raises for what a server or a line does."""


class EtrnAsk:
    """Asks for the configured names. `last_answers` holds the answers of the last time."""

    def __init__(
        self,
        config: Config,
        speaker: EtrnSpeaker,
        addresses: HostAddresses,
        troubles: HostTroubles | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._config, self._speaker, self._addresses = config, speaker, addresses
        self._troubles = troubles or HostTroubles()
        self._known = KnownHosts(memory)
        self._looking: asyncio.Task[AddressAnswer] | None = None
        self.last_answers: tuple[EtrnAnswer, ...] = ()

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        """Ask for every name; the answers in order. Each is in the log when it returns.

        `is_retry`: the host could not be reached a moment ago; that it still can't is not logged once more.
        """
        config = self._config
        names = config.etrn_names
        if not config.etrn_host:
            text = "no host is configured: set etrn.host or outbound.smarthost"
            answers = tuple(EtrnAnswer(name, EtrnOutcome.NEEDS_OPERATOR, None, text) for name in names)
        else:
            answers = classify_dialogue(names, await self._dialogue(config.etrn_host, names))
        for answer in () if is_retry and answers == self.last_answers else answers:
            maillog.etrn_answered(
                host=config.etrn_host,
                name=answer.name,
                reply=answer.words(),
                advice=answer.advice,
                is_fault=answer.is_fault,
            )
        self.last_answers = answers
        return answers

    async def _dialogue(self, host: str, names: Sequence[str]) -> EtrnDialogue:
        port = self._config.etrn.port
        refused = self._troubles.login_refused(HostUse.ETRN, host, port)
        if refused is not None:
            return EtrnDialogue((), refused.reason, offered=False, fate=refused.fate)
        dialogue = await self._asked(host, names)
        served = dialogue.fate in {SessionFate.DONE, SessionFate.CLOSED}
        self._troubles.note(HostUse.ETRN, host, port, dialogue.fate, dialogue.error or "", served=served)
        return dialogue

    async def _asked(self, host: str, names: Sequence[str]) -> EtrnDialogue:
        dialogue = EtrnDialogue((), "not asked", offered=False)
        now_s = asyncio.get_running_loop().time
        began_s = now_s()
        for attempt in range(TRIES):
            if attempt:
                if now_s() - began_s > QUICK_S:
                    break
                await asyncio.sleep(PAUSE_S)
            dialogue = await self._once(host, names)
            if dialogue.fate is not SessionFate.UNREACHABLE:
                break
        return dialogue

    async def _once(self, host: str, names: Sequence[str]) -> EtrnDialogue:
        """One attempt: at once at the last address, while the name service is asked, else at what it says.

        An answer from the last address counts. Whatever the name service says later corrects what is known.
        """
        known = await self._known.of(host, self._config.etrn.port)
        if self._looking is not None:
            self._looking.cancel()
        looking = self._looking = asyncio.create_task(self._look_up(known))
        dialogue: EtrnDialogue | None = None
        if known.address and may_meet_a_stranger(etrn_settings(self._config)):
            asking = asyncio.create_task(self._speak(known, (known.address,), names))
            try:
                await asyncio.wait({asking, looking}, return_when=asyncio.FIRST_COMPLETED)
                if asking.done() or _has(looking.result(), known.address):
                    dialogue = await asking
                    if dialogue.fate is not SessionFate.UNREACHABLE:
                        return dialogue
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        addresses = await looking
        if dialogue is not None and isinstance(addresses, tuple):
            addresses = tuple(address for address in addresses if address != known.address)
            if not addresses:
                return dialogue
        if not isinstance(addresses, tuple):
            error = no_addresses(host, [addresses]).reply.text
            return EtrnDialogue((), error, offered=False, fate=SessionFate.UNREACHABLE)
        return await self._speak(known, addresses, names)

    async def _look_up(self, known: KnownHost) -> AddressAnswer:
        addresses = await self._addresses.addresses(known.host)
        if known.address and isinstance(addresses, tuple) and known.address not in addresses:
            await self._known.learn(replace(known, address=""))
        return addresses

    async def _speak(self, known: KnownHost, addresses: tuple[str, ...], names: Sequence[str]) -> EtrnDialogue:
        """One dialogue, and what it teaches. Where beginning with ETRN failed, a usual one follows at once."""
        target = HostTarget(known.host, addresses, known.port)
        settings = etrn_settings(self._config)
        early_settings = replace(settings, early_etrn=known.early is Early.MAY_TRY)
        dialogue = await self._speaker.etrn(target, early_settings, names)
        has_failed = dialogue.early_failed
        if has_failed and dialogue.fate is not SessionFate.DONE:
            dialogue = await self._speaker.etrn(target, settings, names)
        if dialogue.answers and all(reply.is_completion for _, reply in dialogue.answers):
            early = Early.REFUSED if has_failed else Early.MAY_TRY if dialogue.may_be_early else known.early
            await self._known.learn(replace(known, address=dialogue.address, early=early))
        return dialogue


def etrn_if_wanted(
    config: Config, speaker: EtrnSpeaker, addresses: HostAddresses, troubles: HostTroubles, memory: Memory
) -> EtrnAsk | None:
    """None if the provider is not to be asked (etrn.use, and the kind of link)."""
    return EtrnAsk(config, speaker, addresses, troubles, memory) if config.etrn_wanted else None


def _has(answer: AddressAnswer, address: str) -> bool:
    """Whether the name service does not contradict this address; trouble with it contradicts nothing."""
    return not isinstance(answer, tuple) or address in answer


def may_meet_a_stranger(settings: ConnectSettings) -> bool:
    """Whether a host that has the provider's old address by now would learn nothing but public names from us.

    Not with a login, unless the certificate has proved the host before it.
    """
    is_proved = settings.tls in DEMANDS_TLS and settings.tls_verify in {TlsVerify.FULL, TlsVerify.FINGERPRINT}
    return not settings.user or is_proved


def etrn_settings(config: Config) -> ConnectSettings:
    """The settings for a session with the provider's ETRN host."""
    return asking_settings(config, config.etrn, config.etrn_host)
