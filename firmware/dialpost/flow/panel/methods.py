"""The panel's commands on the control socket: `panel.show`.

systemd units that know about an update or a shutdown before the daemon does report it here, because the daemon
holds the lights' lines. The request expires unless it is renewed: a unit that was killed leaves no light behind.
"""

from __future__ import annotations

import asyncio

from dialpost.core.control.panel import SHOW, ShowParams
from dialpost.core.control.serving import Served, serve
from dialpost.core.panel.station_state import Phase
from dialpost.flow.panel.state import Panel

WISH_S = 30.0
"""How long a phase is shown after the last request for it."""

_WISHED = frozenset({Phase.UPDATE, Phase.SHUTDOWN, Phase.RUNNING})


def panel_methods(panel: Panel) -> dict[str, Served]:
    """The methods by name."""
    timers: list[asyncio.TimerHandle] = []

    def back() -> None:
        if panel.state.phase in {Phase.UPDATE, Phase.SHUTDOWN}:
            panel.phase(Phase.RUNNING)

    async def show(wanted: ShowParams) -> str:
        while timers:
            timers.pop().cancel()
        if panel.state.phase in _WISHED:  # a station that starts or resets takes precedence
            panel.phase(Phase(wanted.phase.value))
            timers.append(asyncio.get_running_loop().call_later(WISH_S, back))
        return panel.state.phase.value

    return serve(SHOW, show)
