"""How lights behave in time."""

from cases import cases
from dialpost.core.panel import blink
from dialpost.core.panel.blink import OFF, ON, SLOW, Pattern, flashes, long_then


def test_flashes_are_counted_and_parted_by_a_pause() -> None:
    assert flashes(1).steps_ms == (200, 1500)
    assert flashes(3).steps_ms == (200, 300, 200, 300, 200, 1500)
    assert long_then(1).steps_ms == (1000, 500, 200, 1500)
    assert long_then(2).steps_ms == (1000, 500, 200, 300, 200, 1500)


def test_when_it_changes() -> None:
    assert (ON.step_at(5), OFF.step_at(5)) == ((True, None), (False, None))
    told = [SLOW.step_at(ms) for ms in (0, 999, 1000, 1999, 2000)]
    assert told == [(True, 1000), (True, 1), (False, 1000), (False, 1), (True, 1000)]


@cases(
    ("pattern", "flashes_in_it", "period_ms", "lit_ms"),
    [
        (blink.SLOW, 1, 2000, 1000),  # 1 s lit, 1 s dark
        (blink.FAST, 1, 300, 150),  # three times a second
        (blink.DOUBLE, 2, 1200, 240),
        (blink.FLICKER, 2, 200, 90),
        (blink.RARE, 1, 3000, 200),  # one flash every 3 s
        (blink.SHORT, 1, 1000, 200),  # one flash each second
        (blink.WINK, 1, 2000, 1800),  # goes out every 2 s
        (blink.DOUBLE_WINK, 2, 2000, 1700),
        (blink.EVEN, 1, 800, 400),  # 0.4 s each
        (blink.TRIPLE, 3, 1000, 300),  # three quick flashes each second
        (blink.HURRY, 1, 120, 60),  # eight times a second
        (blink.STUTTER, 1, 500, 400),  # goes out twice a second
        (blink.LONG_SHORT, 2, 2000, 1200),
        (blink.TWO_LONG, 2, 3800, 2000),
        (flashes(1), 1, 1700, 200),
        (flashes(3), 3, 2700, 600),
        (long_then(2), 3, 3700, 1400),
    ],
    ids=lambda value: value.name if isinstance(value, Pattern) else str(value),
)
def test_a_pattern_is_as_quick_as_its_words_say(
    pattern: Pattern, flashes_in_it: int, period_ms: int, lit_ms: int
) -> None:
    lit = [pattern.lit_at(ms) for ms in range(period_ms)]
    assert sum(lit) == lit_ms
    assert lit == [pattern.lit_at(ms + period_ms) for ms in range(period_ms)]
    assert sum(now and not before for before, now in zip([False, *lit], lit, strict=False)) == flashes_in_it
    assert lit[0] and not lit[-1]


def test_the_words_count_the_flashes() -> None:
    assert (flashes(1).words, flashes(2).words) == ("1 flash, a pause", "2 flashes, a pause")
    assert long_then(1).words == "1 long and 1 short flash, a pause"
    assert long_then(2).words == "1 long and 2 short flashes, a pause"
    assert Pattern("x", (1, 1), lit=False).step_at(0) == (False, 1)
