"""What changing the configuration needs of the world around it: the card, the process, the system, the clock."""

from __future__ import annotations

from typing import Protocol

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.history import Commit, Proof, Unproven
from dialpost.core.config.model import Config


class Texts(Protocol):
    """The texts of every configuration that is kept (edge/config/history.ConfigHistory). Blocking."""

    def text_of(self, number: int) -> str:
        """The text of a number. Raises: NotFoundError, StorageError."""


class History(Texts, Protocol):
    """The subset of edge/config/history.ConfigHistory needed here. Blocking."""

    def current(self) -> Commit | None:
        """The one in force, None where there is none."""

    def commit(
        self, text: str, who: str, comment: str, when_s: int, *, clock_trusted: bool, proof: Proof | None = None
    ) -> Commit:
        """Put it in force, durably."""

    def unproven(self) -> Unproven | None:
        """What is on trial."""

    def proven(self) -> None:
        """It is on trial no more."""

    def revert(self, trial: Unproven, why: str, when_s: int, *, clock_trusted: bool) -> Commit | None:
        """Back to the one before; None: there was none."""


class Parser(Protocol):
    """The subset of edge/config/file.ConfigFile needed here."""

    def parse(self, text: str, source: str = "") -> Config:
        """The configuration, or every fault of it."""


class Process(Protocol):
    """The daemon's process, which has a station or is waiting to be set up."""

    @property
    def config(self) -> Config | None:
        """What the running station was made with, None where none runs."""

    @property
    def call_is_up(self) -> bool:
        """Whether a call is under way."""

    @property
    def trouble(self) -> str:
        """Why no station runs although there is a configuration; "" where one does."""

    async def call_ended(self) -> None:
        """Return when none is."""

    async def rehearse(self, config: Config) -> tuple[str, ...]:
        """Why a station would not start with it, as far as can be tell without stopping the one that runs."""

    async def take(self, config: Config | None) -> None:
        """Run a station with it (None: none, and wait to be set up).

        Raises: DialpostError where it does not start; what ran before runs again then.
        """


class Apply(Protocol):
    """What renders a committed configuration into the system (host name, LAN address, firewall ...)."""

    async def run(self, number: int) -> ApplyResult:
        """Do it for the configuration of this number, which is in force; what became of it."""


class WallClock(Protocol):
    """The subset of edge/system/clock.Clock needed here."""

    def wall_s(self) -> float:
        """Unix seconds as believed."""

    def is_trusted(self) -> bool:
        """Whether that can be right."""
