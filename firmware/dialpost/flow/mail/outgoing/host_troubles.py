"""Mail hosts that won't serve us until the operator changes something: reported in `status`, and a bar to calls.

A refused login would be refused again in every paid call, and a host that counts wrong passwords would lock the
account. So it is not repeated until something changes: a commit that changes that host's settings, or an operator
who asks for another attempt (`try_again`); a restart does not count (`keep`, `recall`). Other troubles (TLS, a
certificate) are retried, because the other side may fix them. Each is remembered until the host serves us. Runs in
the event loop.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from dialpost.core.config.digest import digest
from dialpost.core.config.model import Config
from dialpost.core.config.trust import trusts_line
from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_json
from dialpost.core.mail.smtp_target import NEEDS_OPERATOR, SessionFate
from dialpost.flow.memory import Memory

_KEY = "hosts.refused"


class HostUse(Enum):
    """The purpose of a host; the value is the section with its settings."""

    OUTBOUND = "outbound"
    ETRN = "etrn"
    ATRN = "atrn"


def login_settings(config: Config) -> dict[HostUse, str]:
    """A digest of the settings that decide each login. On a trusted line, that trust is one of them."""
    line = (config.ppp,) if trusts_line(config) else ()
    return {
        HostUse.OUTBOUND: digest(config.outbound, *line),
        HostUse.ETRN: digest(config.etrn, *line),
        HostUse.ATRN: digest(config.atrn, *line),
    }


@dataclass(frozen=True, slots=True)
class HostTrouble:
    """`reason` is in words, including the server's own. `is_barred`: not to be tried again for now."""

    use: HostUse
    host: str
    fate: SessionFate
    reason: str
    is_barred: bool

    @property
    def words(self) -> str:
        """What happened, and the next step."""
        section = self.use.value
        what = "Mail for the world waits" if self.use is HostUse.OUTBOUND else "Mail may wait at the provider"
        if self.fate is SessionFate.LOGIN_REFUSED:
            return (
                f"{what}: {self.host} refused the login ({self.reason}). Dialpost does not try again until "
                f"something changes: correct {section}.user and {section}.password with `dialpost config set`, or "
                "force one more try with `dialpost call now`."
            )
        return (
            f"{what}: {self.host} can't be used as configured ({self.reason}). Check {section}.tls, "
            f"{section}.tls_verify, {section}.user and the host's certificate; `dialpost doctor` tests them."
        )


class HostTroubles:
    """`on_change` is called with whether any trouble is left. `settings` holds a digest of each use's settings."""

    def __init__(
        self,
        on_change: Callable[[bool], None] = lambda any_left: None,
        settings: Mapping[HostUse, str] = MappingProxyType({}),
    ) -> None:
        self._on_change, self._settings = on_change, settings
        self._known: dict[tuple[HostUse, str, int], HostTrouble] = {}

    def note(self, use: HostUse, host: str, port: int, fate: SessionFate, reason: str, *, served: bool) -> bool:
        """Note how a session with a host ended; returns whether that is a new trouble."""
        key = (use, host, port)
        if fate in NEEDS_OPERATOR:
            before = self._known.get(key)
            self._known[key] = HostTrouble(use, host, fate, reason, fate is SessionFate.LOGIN_REFUSED)
            self._on_change(True)
            return before is None or before.reason != reason
        if served and self._known.pop(key, None) is not None:
            self._on_change(bool(self._known))
        return False

    def login_refused(self, use: HostUse, host: str, port: int) -> HostTrouble | None:
        """The refused login that bars this host now: a call for this host alone would be in vain."""
        trouble = self._known.get((use, host, port))
        return trouble if trouble is not None and trouble.is_barred else None

    def is_barred(self, use: HostUse, host: str, port: int) -> bool:
        """Whether a refused login bars this host now."""
        return self.login_refused(use, host, port) is not None

    def try_again(self) -> None:
        """An operator asks for it: try refused logins once more. The trouble stays until that succeeds."""
        self._known = {key: replace(trouble, is_barred=False) for key, trouble in self._known.items()}

    async def keep(self, memory: Memory) -> None:
        """Save refused logins, so that they survive a restart. Raises: StorageError."""
        refused = [
            {
                "use": use.value,
                "host": host,
                "port": port,
                "reason": one.reason,
                "settings": self._settings.get(use),
            }
            for (use, host, port), one in self._known.items()
            if one.fate is SessionFate.LOGIN_REFUSED
        ]
        await memory.remember(_KEY, json.dumps(refused))

    async def recall(self, memory: Memory) -> None:
        """Restore the refused logins whose settings have not changed. Unreadable ones are ignored."""
        # Without this memory the login is tried once more, which is better than a station that does not start.
        with contextlib.suppress(StorageError, ValueError, TypeError, KeyError):
            kept = parse_json(await memory.recall(_KEY) or "[]")
            for one in kept if isinstance(kept, list | tuple) else ():
                if not isinstance(one, Mapping):
                    continue
                use, port = HostUse(one["use"]), one["port"]
                if isinstance(port, int) and one["settings"] == self._settings.get(use):
                    host, reason = str(one["host"]), str(one["reason"])
                    self._known[use, host, port] = HostTrouble(use, host, SessionFate.LOGIN_REFUSED, reason, True)
        if self._known:
            self._on_change(True)

    def at(self, host: str) -> str:
        """The trouble with sending through a host, in words; "" if none is known."""
        return next(
            (one.words for one in self._known.values() if (one.use, one.host) == (HostUse.OUTBOUND, host)), ""
        )

    def attention(self) -> list[str]:
        """The troubles that need the operator, a sentence each. ETRN's replies are in the record of their call."""
        return [trouble.words for trouble in self._known.values() if trouble.use is HostUse.OUTBOUND]
