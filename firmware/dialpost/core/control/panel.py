"""The panel's methods: showing a phase that the daemon can't know about, and testing lights and button."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Access, Method

LONGEST_TEST_S = 120.0
"""The longest time for echoing the button, which does not dial meanwhile."""


class WishedPhase(Enum):
    """A phase that a systemd unit may have shown (core/panel/station_state.Phase)."""

    UPDATE = "update"
    SHUTDOWN = "shutdown"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `panel.show`."""

    phase: Annotated[WishedPhase, Setting("The phase to show for the next 30 s.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestParams:
    """Of `panel.test`."""

    seconds: Annotated[
        float, Setting("How long to report the button.", unit="seconds", minimum=0, maximum=LONGEST_TEST_S)
    ]
    board: Annotated[str, Setting("The board's name, to make sure that it is this one.")] = ""


SHOW = Method(
    "panel.show", "Show a phase on the panel; the answer is the phase shown.", ShowParams, str, access=Access.OWNER
)
TEST = Method(
    "panel.test",
    "Light each LED, then report the button; it does not start calls meanwhile.",
    TestParams,
    type(None),
    streams="what is lit, or what the button does, in words",
)

METHODS = (SHOW, TEST)
