"""Lists of numbers as people write them."""

from __future__ import annotations

import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.number_list import read_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1e-3,3e-3, 1e-2", [0.001, 0.003, 0.01]),
        ("16 32,64", [16, 32, 64]),
        (" , ", []),
        ("-1, 0", [-1, 0]),
        ("log 1e-3 1e-1 5", [0.001, 0.003162, 0.01, 0.03162, 0.1]),
        ("linear 8, 32, 4", [8, 16, 24, 32]),
    ],
)
def test_lists_and_ranges(text: str, numbers: list[float]) -> None:
    assert read_numbers(text) == numbers


def test_whole_numbers_are_integers() -> None:
    assert [type(one) for one in read_numbers("16, 2.0, 0.5")] == [int, int, float]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.1, x", "'x' is no number"),
        ("nan", "'nan' is not finite"),
        ("1e999", "'1e999' is not finite"),
        ("log 1 10", "log FIRST LAST COUNT, got 'log 1 10'"),
        ("log 0 1 5", "positive ends, got 0 and 1"),
        ("linear 0 1 1", "2 to 10,000 numbers, got 1"),
        ("linear 0 1 2.5", "got 2.5"),
        ("linear 0 1 1e9", "got 1e9"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        read_numbers(text)
    assert said in str(caught.value)
