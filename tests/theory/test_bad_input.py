"""Every public function refuses bad input by name, with a remedy, and without a numpy warning.

Warnings are errors in these tests. What a function's own test file covers is not repeated here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory import (
    MarchenkoPastur,
    StationaryGamma,
    beta1,
    canonical_drift,
    canonical_time,
    diffusion,
    diffusion_as_printed,
    edge_scaling,
    eigenvalue_diffusion,
    eigenvalue_drift,
    fit_bulk,
    gradient_variance,
    laplacian,
    marchenko_pastur_singular,
    median_entry_variance,
    on_singular_value_axis,
    outliers_at,
    power_law_hilbert,
    singular_value_diffusion,
    singular_value_drift,
    step_variance,
    walled_density,
)
from sigmascope.theory.edge import fitted_scaling
from sigmascope.theory.spikes import (
    asymptotic_power,
    covariance_spike_overlap,
    covariance_spike_position,
    covariance_spike_strength,
    critical_strength,
    spike_overlap,
    spike_position,
    spike_strength,
    spike_variance,
)

NAN, INF = float("nan"), float("inf")
Call = tuple[Callable[..., Any], dict[str, Any]]

VALUES = [3.0, 2.5, 2.0, 1.5, 1.0]
RATES = {"learning_rate": 0.1, "diffusion": 0.1}
SHAPE = {"m": 7, "n": 5}
NOISY = {**SHAPE, "entry_variance": 1.0}
BATCH = {"batch_size": 5, "samples": 50}

# the argument that holds a spectrum or what is like one: finite, and >= 0
ARRAYS: dict[str, tuple[str, Call]] = {
    "singular_value_drift": ("singular_values", (singular_value_drift, {"m": 7, **RATES})),
    "singular_value_diffusion": ("singular_values", (singular_value_diffusion, RATES)),
    "eigenvalue_drift": ("eigenvalues", (eigenvalue_drift, {"m": 7, **RATES})),
    "eigenvalue_diffusion": ("eigenvalues", (eigenvalue_diffusion, RATES)),
    "outliers_at": ("singular_values", (outliers_at, NOISY)),
    "diffusion_as_printed": ("singular_values", (diffusion_as_printed, {"batches": 3})),
    "spike_position": ("strength", (spike_position, NOISY)),
    "spike_strength": ("singular_value", (spike_strength, NOISY)),
    "spike_overlap": ("strength", (spike_overlap, NOISY)),
    "spike_variance": ("strength", (spike_variance, NOISY)),
    "asymptotic_power": ("strength", (asymptotic_power, NOISY)),
    "covariance_spike_position": ("ell", (covariance_spike_position, {"q": 0.5})),
    "covariance_spike_strength": ("eigenvalue", (covariance_spike_strength, {"q": 0.5})),
    "covariance_spike_overlap": ("ell", (covariance_spike_overlap, {"q": 0.5})),
}

GAMMA = {"beta1": 1.0, "learning_rate": 0.1, "D": 1.0}
# numbers that must be positive and finite, and the calls they belong to
POSITIVE: list[tuple[str, Call]] = [
    ("learning_rate", (singular_value_drift, {"singular_values": VALUES, "m": 7, **RATES})),
    ("learning_rate", (singular_value_diffusion, {"singular_values": VALUES, **RATES})),
    ("learning_rate", (eigenvalue_drift, {"eigenvalues": VALUES, "m": 7, **RATES})),
    ("learning_rate", (eigenvalue_diffusion, {"eigenvalues": VALUES, **RATES})),
    ("learning_rate", (canonical_time, {"t": 1.0, **RATES})),
    ("learning_rate", (diffusion, {"gradient_variance": 1.0, "learning_rate": 0.1, **BATCH})),
    ("learning_rate", (step_variance, {"learning_rate": 0.1, **BATCH})),
    ("diffusion", (canonical_time, {"t": 1.0, **RATES})),
    ("entry_variance", (edge_scaling, NOISY)),
    ("entry_variance", (fitted_scaling, NOISY)),
    ("entry_variance", (outliers_at, {"singular_values": VALUES, **NOISY})),
    ("entry_variance", (marchenko_pastur_singular, NOISY)),
    ("entry_variance", (MarchenkoPastur, {"q": 0.5, "entry_variance": 1.0})),
    ("entry_variance", (critical_strength, NOISY)),
    *(
        ("entry_variance", (function, {"strength": 1.0, **NOISY}))
        for function in (spike_position, spike_overlap, spike_variance, asymptotic_power)
    ),
    ("entry_variance", (spike_strength, {"singular_value": 1.0, **NOISY})),
    ("q", (covariance_spike_position, {"ell": 2.0, "q": 0.5})),
    ("q", (covariance_spike_overlap, {"ell": 2.0, "q": 0.5})),
    ("q", (covariance_spike_strength, {"eigenvalue": 2.0, "q": 0.5})),
    *((name, (StationaryGamma.as_printed, {**SHAPE, **GAMMA})) for name in GAMMA),
    *((name, (StationaryGamma.exact_one_particle, {"m": 7, **GAMMA})) for name in GAMMA),
    ("upper", (power_law_hilbert, {"points": 0.1, "alpha": 0.3, "upper": 1.0})),
    ("upper", (walled_density, {"points": 0.1, **SHAPE, "upper": 0.5})),
    ("m", (on_singular_value_axis, {"law": MarchenkoPastur(0.5), "m": 7.0})),
]

# counts of at least one
COUNTS: list[tuple[str, Call]] = [
    ("batches", (diffusion_as_printed, {"singular_values": VALUES, "batches": 3})),
    ("entries", (beta1, {"gradient_variance": 1.0, "entries": 9, **BATCH})),
    ("batch_size", (beta1, {"gradient_variance": 1.0, "entries": 9, **BATCH})),
    ("samples", (beta1, {"gradient_variance": 1.0, "entries": 9, **BATCH})),
    ("batch_size", (diffusion, {"gradient_variance": 1.0, "learning_rate": 0.1, **BATCH})),
    ("samples", (diffusion, {"gradient_variance": 1.0, "learning_rate": 0.1, **BATCH})),
    ("batch_size", (step_variance, {"learning_rate": 0.1, **BATCH})),
    *(
        (
            name,
            (
                gradient_variance,
                {"sum_of_squares": 9.0, "squared_norm_of_mean": 1.0, "entries": 9, "batch_size": 5},
            ),
        )
        for name in ("entries", "batch_size")
    ),
]

TALL: list[Call] = [
    (laplacian, {"singular_values": VALUES, "m": 7}),
    (canonical_drift, {"Y": VALUES, "m": 7}),
    (edge_scaling, SHAPE),
    (fitted_scaling, SHAPE | {"entry_variance": 1.0}),
    (fit_bulk, {"singular_values": VALUES, **SHAPE}),
    (outliers_at, {"singular_values": VALUES, **NOISY}),
    (median_entry_variance, {"singular_values": VALUES, **SHAPE}),
    (critical_strength, SHAPE),
    (spike_position, {"strength": 1.0, **SHAPE}),
    (asymptotic_power, {"strength": 1.0, **SHAPE}),
    (StationaryGamma.as_printed, {**SHAPE, **GAMMA}),
]


def refused(call: Call, **changes: Any) -> str:
    """The message; the unchanged call must pass, so that it is the change that is refused."""
    function, arguments = call
    with pytest.raises(InvalidValueError) as caught:
        function(**{**arguments, **changes})
    message = str(caught.value)
    # what is wrong, then what to do about it
    assert re.search(r"[;:,] \w", message), message
    return message


def test_the_calls_are_good_to_begin_with() -> None:
    for name, (function, arguments) in ARRAYS.values():
        function(**{name: VALUES, **arguments})
    for function, arguments in [*(call for _, call in POSITIVE), *(call for _, call in COUNTS), *TALL]:
        function(**arguments)


@settings(max_examples=120, deadline=None)
@given(
    which=st.sampled_from(sorted(ARRAYS)),
    bad=st.sampled_from([NAN, INF, -INF, -1.0, -1e-300]),
    at=st.integers(0, 4),
)
def test_entries_that_no_spectrum_has(which: str, bad: float, at: int) -> None:
    name, call = ARRAYS[which]
    values = np.array(VALUES)
    values[at] = bad
    message = refused(call, **{name: values})
    assert re.search("NaN or infinity|must be >= 0|must be in", message)
    assert "value" in message or name in message


@pytest.mark.parametrize("which", sorted(ARRAYS))
@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (np.array(VALUES) + 0j, "complex128; singular values are real"),
        (["3.0", "2.5", "2.0", "1.5", "one"], "<U3; convert them first"),
        ([[3.0, 2.5], [2.0]], "array of real numbers"),
        ([3.0, 2.5, 2.0, 1.5, "one"], "real numbers"),
        ([3.0, 2.5, 2.0, 1.5, {}], "array of real numbers"),
    ],
    ids=["complex", "strings", "ragged", "mixed", "objects"],
)
def test_what_is_no_real_number(which: str, bad: Any, part: str) -> None:
    name, call = ARRAYS[which]
    message = refused(call, **{name: bad})
    assert part in message
    assert message.startswith(name)


@settings(max_examples=120, deadline=None)
@given(case=st.sampled_from(POSITIVE), bad=st.sampled_from([NAN, INF, -INF, 0.0, -1.0]))
def test_numbers_that_must_be_positive(case: tuple[str, Call], bad: float) -> None:
    name, call = case
    message = refused(call, **{name: bad})
    assert name in message
    assert str(bad).removesuffix(".0") in message


@settings(max_examples=80, deadline=None)
@given(case=st.sampled_from(COUNTS), bad=st.sampled_from([NAN, INF, -INF, 0, -3]))
def test_counts(case: tuple[str, Call], bad: float) -> None:
    name, call = case
    assert str(bad) in refused(call, **{name: bad}), name


@settings(max_examples=80, deadline=None)
@given(call=st.sampled_from(TALL), m=st.sampled_from([4, 1, 0, -2, 7.5, NAN, INF, -INF]))
def test_shapes_that_are_not_tall(call: Call, m: float) -> None:
    assert f"m={m}" in refused(call, m=m)


@settings(max_examples=40, deadline=None)
@given(
    which=st.sampled_from(["singular_value_drift", "eigenvalue_drift"]),
    pair=st.permutations(range(5)).map(lambda p: p[:2]),
    value=st.floats(1e-150, 1e150),
)
def test_repeated_values_diverge(which: str, pair: list[int], value: float) -> None:
    name, call = ARRAYS[which]
    values = np.array([3.0, 2.5, 2.0, 1.5, 1.0]) * value
    values[pair] = value
    assert "repulsion diverges; leave one of them out" in refused(call, **{name: values})


@pytest.mark.parametrize("which", ["outliers_at", "diffusion_as_printed", "singular_value_drift"])
def test_empty_spectra(which: str) -> None:
    name, call = ARRAYS[which]
    refused(call, **{name: []})


@given(factor=st.floats(1e151, 1e300))
def test_squares_that_overflow(factor: float) -> None:
    values = factor * np.array(VALUES)
    for call in (
        (fit_bulk, SHAPE),
        (median_entry_variance, SHAPE),
        (outliers_at, NOISY),
        (diffusion_as_printed, {"batches": 3}),
    ):
        assert "rescale W" in refused(call, singular_values=values)


@settings(max_examples=40, deadline=None)
@given(dead=st.integers(3, 5), value=st.floats(1e-100, 1e100))
def test_a_bulk_without_spread(dead: int, value: float) -> None:
    values = np.full(5, value)
    values[5 - dead :] = 0.0
    assert "the bulk has no spread to fit" in refused((median_entry_variance, SHAPE), singular_values=values)


def test_one_number_is_no_matrix() -> None:
    for call in (
        (fit_bulk, {"singular_values": [1.0]}),
        (fitted_scaling, {"entry_variance": 1.0}),
        (asymptotic_power, {"strength": 1.0}),
        (outliers_at, {"singular_values": [1.0], "entry_variance": 1.0}),
        *((edge_scaling, {"method": method}) for method in ("leading", "johnstone", "ma")),
    ):
        assert "1x1" in refused(call, m=1, n=1)


@given(strength=st.floats(1e200, 1e308), variance=st.floats(1e-300, 1e-220))
def test_strengths_beyond_float64(strength: float, variance: float) -> None:
    for which in ("spike_position", "spike_strength", "spike_overlap", "spike_variance", "asymptotic_power"):
        name, (function, arguments) = ARRAYS[which]
        assert "rescale both" in refused(
            (function, arguments), **{name: strength, "entry_variance": variance}
        )


@settings(max_examples=60, deadline=None)
@given(strength=st.floats(0.0, 1e300), m=st.integers(2, 10**6), share=st.floats(0.0, 1.0))
def test_spikes_of_any_size_are_numbers(strength: float, m: int, share: float) -> None:
    n = max(1, int(share * m))
    shape = {"m": m, "n": n}
    overlap = spike_overlap(strength, **shape)
    position = spike_position(strength, **shape)
    assert 0 <= overlap.left <= overlap.right <= 1
    assert np.isfinite(position)
    assert np.isfinite(spike_strength(position, **shape))
    # s^2 for a strong signal, which it may exceed by what is of the first order in 1 / t
    assert 0 <= spike_variance(strength, **shape) < 1.2
