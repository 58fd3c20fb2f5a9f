"""How lights behave in time."""

from dialpost.core.panel.blink import OFF, ON, SLOW, flashes, long_then


def test_flashes_are_counted_and_parted_by_a_pause() -> None:
    assert flashes(1).steps_ms == (200, 1500)
    assert flashes(3).steps_ms == (200, 300, 200, 300, 200, 1500)
    assert long_then(1).steps_ms == (1000, 500, 200, 1500)
    assert long_then(2).steps_ms == (1000, 500, 200, 300, 200, 1500)


def test_when_it_changes() -> None:
    assert (ON.step_at(5), OFF.step_at(5)) == ((True, None), (False, None))
    told = [SLOW.step_at(ms) for ms in (0, 999, 1000, 1999, 2000)]
    assert told == [(True, 1000), (True, 1), (False, 1000), (False, 1), (True, 1000)]
