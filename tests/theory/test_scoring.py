"""Skill over hold."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.scoring import cumulative_skill, skill


def test_skill() -> None:
    true, hold = [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]
    assert skill(true, true, hold) == 1
    assert skill(true, hold, hold) == 0
    assert skill(true, [1.0, 0.0, -1.0], hold) == -1
    assert np.isnan(skill(hold, true, hold))


def test_cumulative_skill_is_skill_of_every_prefix() -> None:
    rng = np.random.default_rng(0)
    true = np.cumsum(rng.standard_normal((30, 4)), axis=0)
    predicted = true + 0.3 * rng.standard_normal((30, 4))
    scores = cumulative_skill(true, predicted)
    assert scores.shape == (30,)
    assert np.isnan(scores[0])
    hold = np.broadcast_to(true[0], true.shape)
    for t in (1, 7, 29):
        expected = skill(true[1 : t + 1], predicted[1 : t + 1], hold[1 : t + 1])
        assert scores[t] == pytest.approx(expected, rel=1e-12)


def test_nothing_moves() -> None:
    assert np.isnan(cumulative_skill(np.ones((4, 2)), np.zeros((4, 2)))).all()


def test_bad_shapes() -> None:
    with pytest.raises(InvalidValueError, match=r"true \(2,\), predicted \(3,\)"):
        skill([1, 2], [1, 2, 3], [1, 2])
    with pytest.raises(InvalidValueError, match="nothing to score"):
        skill([], [], [])
    for shape in ((3,), (0, 2), (2, 0)):
        with pytest.raises(InvalidValueError, match="must have shape"):
            cumulative_skill(np.ones(shape), np.ones(shape))
    with pytest.raises(InvalidValueError, match="align steps"):
        cumulative_skill(np.ones((3, 2)), np.ones((2, 2)))
