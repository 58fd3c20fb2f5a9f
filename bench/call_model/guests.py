"""How slow the guests of the real calls are: a machine that has more to do gives each of them less.

Measured at loads of 3 to 28 on two cores. Up to 4 the guests are as fast as they get; above, everything that waits
for a core takes longer in proportion: until what arrived is handled, a process starts, a message is stored.
"""

from __future__ import annotations

from dataclasses import replace

from call_model.play import Scene

_QUIET_LOAD = 4.0


def at_load(scene: Scene, load: float) -> Scene:
    """The same call on a machine with this load average."""
    slower = max(1.0, load / _QUIET_LOAD)
    kind = scene.provider
    manners = replace(kind.manners, commits_s=kind.manners.commits_s * slower)
    kind = replace(kind, manners=manners, starts_s=kind.starts_s * slower, between_s=kind.between_s * slower)
    return replace(scene, provider=kind, line=replace(scene.line, wakes_s=scene.line.wakes_s * slower))
