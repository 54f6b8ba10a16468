"""Every ensemble refuses what it cannot do, at the call, naming value and remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ensembles import eigenvalue_sde, matrix_sde, ornstein_uhlenbeck

GOOD: dict[str, Any] = {
    "learning_rate": 0.1, "diffusion": 0.1, "steps": 2, "paths": 2, "restoring_rate": 0.1
}  # fmt: skip


def call(process: str, start: Any = None, **changes: Any) -> Any:
    arguments = {**GOOD, "rng": np.random.default_rng(0), **changes}
    if process == "eigenvalue":
        return eigenvalue_sde([2.0, 1.0] if start is None else start, m=arguments.pop("m", 3), **arguments)
    of_matrix = matrix_sde if process == "matrix" else ornstein_uhlenbeck
    return of_matrix(np.eye(3, 2) if start is None else start, **arguments)


PROCESSES = pytest.mark.parametrize("process", ["matrix", "ornstein_uhlenbeck", "eigenvalue"])


@PROCESSES
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0), ("steps", 1.5), ("steps", True), ("paths", -1), ("every", 0), ("dt", 0.0),
        ("dt", math.nan),
        ("learning_rate", 0.0), ("diffusion", -1.0), ("restoring_rate", -0.1), ("restoring_rate", math.inf),
    ],
)  # fmt: skip
def test_a_bad_argument_is_named(process: str, name: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"{name} .*{value}"):
        call(process, **{name: value})


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (np.ones((2, 3)), "m >= n, got 2 x 3"),
        (np.empty((0, 0)), r"shape \(0, 0\)"),
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((5, 3, 2)), "2 paths"),
        (np.array([[1.0], [math.nan]]), "NaN"),
    ],
)
@pytest.mark.parametrize("process", ["matrix", "ornstein_uhlenbeck"])
def test_a_bad_matrix_is_refused(process: str, start: np.ndarray, part: str) -> None:
    with pytest.raises(InvalidValueError, match=part):
        call(process, start)


@pytest.mark.parametrize(
    ("start", "part"),
    [
        ([1.0, 1.0], r"singular value 0 of path 0 is 1\.0, repeated"),
        ([1.0, 0.0], r"singular value 1 of path 0 is 0\.0"),
        ([[2.0, 1.0], [3.0, 3.0]], "of path 1"),
        ([2.0, -1.0], r"got -1\.0"),
        ([2.0, math.inf], "infinity"),
        ([4.0, 3.0, 2.0, 1.0], "m"),
        ([], "n >= 1"),
        (np.ones((3, 2)), "2 paths"),
    ],
)
def test_a_bad_spectrum_is_refused(start: Any, part: str) -> None:
    with pytest.raises(InvalidValueError, match=part):
        call("eigenvalue", start)


def test_an_unknown_form_and_a_missing_force_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="as_printed, exact, got 'guess'"):
        call("eigenvalue", form="guess")
    with pytest.raises(InvalidValueError, match="restoring_rate must be positive, got 0"):
        call("ornstein_uhlenbeck", restoring_rate=0.0)


VALUES = st.lists(
    st.one_of(st.floats(-2, 5), st.sampled_from([math.nan, math.inf, 0.0, 1.0])), min_size=0, max_size=5
)


@settings(max_examples=80, deadline=None)
@given(values=VALUES, m=st.integers(1, 6))
@example(values=[1e-308], m=1)
@example(values=[3e-80, 1e-80], m=4)
@example(values=[2e-70, 1e-70], m=4)
def test_any_spectrum_is_walked_in_order_or_refused(values: list[float], m: int) -> None:
    try:
        walk = list(call("eigenvalue", values, m=m, diffusion=1e-3))
    except InvalidValueError as error:
        assert len(str(error)) > 20  # noqa: PT017
        return
    for snapshot in walk:
        assert np.isfinite(snapshot.singular_values).all()
        assert (np.diff(snapshot.singular_values, axis=1) < 0).all()
