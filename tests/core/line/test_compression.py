"""The ratio follows what crossed lately."""

import pytest

from dialpost.core.line.compression import ASSUMED, Ratio


def test_it_goes_half_the_way_to_each_new_one() -> None:
    ratio = Ratio()
    assert ratio.value == ASSUMED
    ratio.saw(4000, 1000)
    assert ratio.value == 3.0
    ratio.saw(6000, 3000)
    assert ratio.value == 2.0


@pytest.mark.parametrize(("plain", "wire", "expected"), [(9000, 1000, 4.0), (1500, 3000, 1.5)])
def test_it_stays_between_none_and_six(plain: int, wire: int, expected: float) -> None:
    ratio = Ratio()
    ratio.saw(plain, wire)
    assert ratio.value == expected


def test_few_bytes_prove_nothing_until_they_have_become_more() -> None:
    ratio = Ratio()
    ratio.saw(1499, 1499)
    assert ratio.value == ASSUMED
    ratio.saw(1500, 1500)
    assert ratio.value == 1.5
    ratio.saw(3000, 1500)
    assert ratio.value == 1.5, "nothing crossed"


@pytest.mark.parametrize("counts", [(1999, 4000), (5000, 1999)])
def test_a_compressor_that_was_reset_counts_from_nothing(counts: tuple[int, int]) -> None:
    ratio = Ratio()
    ratio.saw(2000, 2000)
    assert ratio.value == 1.5
    ratio.saw(*counts)
    assert ratio.value == (1.5 + max(counts[0] / counts[1], 1)) / 2


def test_one_byte_that_crossed_is_enough() -> None:
    ratio = Ratio()
    ratio.saw(2000, 1)
    assert ratio.value == (ASSUMED + 6) / 2
    ratio.saw(4000, 1)
    assert ratio.value == (ASSUMED + 6) / 2, "nothing crossed since"
