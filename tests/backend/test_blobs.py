from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.blobs import ranges
from sigmascope.client import expand


@given(st.sets(st.integers(0, 500)))
def test_ranges_and_expand_are_inverse(steps: set[int]) -> None:
    ascending = np.array(sorted(steps), np.int64)
    np.testing.assert_array_equal(expand(ranges(ascending)), ascending)


def test_ranges_are_short() -> None:
    assert ranges(np.arange(401)) == "0-400"
    assert ranges(np.array([3])) == "3"
    assert ranges(np.array([], np.int64)) == ""
