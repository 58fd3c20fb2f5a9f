"""The panel's commands on the control socket: `panel.show`.

Who knows of an update or a shutdown before the daemon does (systemd's units) tells it here, as the daemon holds the
lights' lines. The wish ends by itself when it is not renewed: a unit that was killed leaves no light behind.
"""

from __future__ import annotations

import asyncio

from dialpost.core.errors import ControlError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.core.panel.station_state import Phase
from dialpost.flow.panel.state import Panel

WISH_S = 30.0
"""So long a phase is shown after it was last wished for."""

WISHED = {phase.value: phase for phase in (Phase.UPDATE, Phase.SHUTDOWN, Phase.RUNNING)}


def panel_methods(panel: Panel) -> dict[str, ControlMethod]:
    """The methods by name."""
    timers: list[asyncio.TimerHandle] = []

    def back() -> None:
        if panel.state.phase in {Phase.UPDATE, Phase.SHUTDOWN}:
            panel.phase(Phase.RUNNING)

    async def show(params: JsonObject) -> JsonValue:
        wished = params.get("phase")
        phase = WISHED.get(wished) if isinstance(wished, str) else None
        if phase is None:
            raise ControlError(f"phase must be one of: {', '.join(WISHED)}.")
        while timers:
            timers.pop().cancel()
        if panel.state.phase in WISHED.values():  # a station that starts or resets has the last word
            panel.phase(phase)
            timers.append(asyncio.get_running_loop().call_later(WISH_S, back))
        return panel.state.phase.value

    return {"panel.show": show}
