"""What a change of the configuration needs around it: the card, the process, the system, the clock."""

from __future__ import annotations

from typing import Protocol

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.history import Commit, Proof, Unproven
from dialpost.core.config.model import Config


class Texts(Protocol):
    """The texts of all configurations kept (edge/config/history.ConfigHistory). Blocks."""

    def text_of(self, number: int) -> str:
        """The text of a configuration. Raises: NotFoundError, StorageError."""


class History(Texts, Protocol):
    """The subset of edge/config/history.ConfigHistory needed here. Blocking."""

    def current(self) -> Commit | None:
        """The active one; None if there is none."""

    def commit(
        self, text: str, who: str, comment: str, when_s: int, *, clock_trusted: bool, proof: Proof | None = None
    ) -> Commit:
        """Make it active, durably."""

    def unproven(self) -> Unproven | None:
        """The commit on trial."""

    def proven(self) -> None:
        """It is no longer on trial."""

    def revert(self, trial: Unproven, why: str, when_s: int, *, clock_trusted: bool) -> Commit | None:
        """Restore the previous one; None if there was none."""


class Parser(Protocol):
    """The subset of edge/config/file.ConfigFile needed here."""

    def parse(self, text: str, source: str = "") -> Config:
        """The configuration, or every fault of it."""


class Process(Protocol):
    """The daemon's process, which has a station or is waiting to be set up."""

    @property
    def config(self) -> Config | None:
        """The configuration of the running station; None if none runs."""

    @property
    def call_is_up(self) -> bool:
        """Whether there is a call."""

    @property
    def trouble(self) -> str:
        """Why no station runs although there is a configuration; "" if one runs."""

    async def call_ended(self) -> None:
        """Wait until there is none."""

    async def rehearse(self, config: Config) -> tuple[str, ...]:
        """Why a station would not start with it, as far as can be seen without stopping the running one."""

    async def take(self, config: Config | None) -> None:
        """Run a station with it (None: none, and wait to be set up).

        Raises: DialpostError if it does not start; the previous station runs again then.
        """


class Apply(Protocol):
    """Renders a committed configuration into the system (host name, LAN address, firewall ...)."""

    async def run(self, number: int) -> ApplyResult:
        """Apply the configuration with this number, which is active; returns the result."""


class WallClock(Protocol):
    """The subset of edge/system/clock.Clock needed here."""

    def wall_s(self) -> float:
        """Unix seconds by the wall clock."""

    def is_trusted(self) -> bool:
        """Whether they can be right."""
