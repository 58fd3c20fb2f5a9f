"""The panel's state over several stations: reset for each, with a fault if none runs."""

from dialpost.core.faults import Fault
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.core.panel.lights import Led
from dialpost.flow.panel.state import Panel


class Counted:
    def __init__(self, waiting: int) -> None:
        self.waiting = waiting

    async def counts(self) -> QueueCounts:
        return QueueCounts(waiting_remote=self.waiting)


async def test_one_panel_shows_station_after_station() -> None:
    panel, seen = Panel(), []
    panel.watch(lambda state, lights: seen.append((lights[Led.POWER].name, lights[Led.FAULT].name, state.waiting)))
    panel.waits_for_set_up()
    await panel.refresh()  # nothing to count
    panel.starts(Counted(2))
    panel.started()
    await panel.refresh()
    panel.fault(Fault.LINE, True)
    panel.starts(Counted(1))
    await panel.refresh()
    panel.started()
    panel.waits_for_set_up()
    assert seen == [
        ("fast", "off", 0),
        ("on", "flash-9", 0),
        ("fast", "off", 0),
        ("on", "off", 0),
        ("on", "off", 2),
        ("on", "flash-3", 2),
        ("fast", "off", 0),
        ("fast", "off", 1),
        ("on", "off", 1),
        ("on", "flash-9", 0),
    ]
    assert panel.counted == QueueCounts()
