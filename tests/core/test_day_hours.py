"""Times of day in spans, those over midnight included."""

from cases import cases
from dialpost.core.day_hours import is_within


@cases(
    ("spans", "clock", "is_in"),
    [
        (("08:00-12:00",), "07:59", False),
        (("08:00-12:00",), "08:00", True),
        (("08:00-12:00",), "11:59", True),
        (("08:00-12:00",), "12:00", False),
        (("22:00-06:30",), "21:59", False),
        (("22:00-06:30",), "22:00", True),
        (("22:00-06:30",), "06:29", True),
        (("22:00-06:30",), "06:30", False),
        (("08:00-12:00", "13:00-17:00"), "12:30", False),
        (("08:00-12:00", "13:00-17:00"), "16:00", True),
        (("00:00-00:00",), "15:00", True),
        ((), "12:00", False),
    ],
)
def test_spans(spans: tuple[str, ...], clock: str, is_in: bool) -> None:
    assert is_within(spans, clock) is is_in
