"""The clock is believed only from the release's date on."""

import time

import pytest

from dialpost.edge.system.clock import RELEASED_S, Clock


@pytest.mark.parametrize(("now", "trusted"), [(0, False), (RELEASED_S - 1, False), (RELEASED_S, True)])
def test_trusted_from_the_release_on(monkeypatch: pytest.MonkeyPatch, now: int, trusted: bool) -> None:
    monkeypatch.setattr(time, "time", lambda: float(now))
    assert Clock().is_trusted() is trusted
