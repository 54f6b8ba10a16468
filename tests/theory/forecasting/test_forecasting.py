"""Forecasts: blind to the future, right on constructed trends, calibrated, and scored as they deserve."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting import (
    FEWEST,
    METHODS,
    History,
    forecast,
    rolling_evaluation,
)
from sigmascope.theory.forecasting.bands import with_bands
from sigmascope.theory.forecasting.forecast import TRENDS as TREND
from sigmascope.theory.forecasting.trends import (
    belief,
    damped_trend,
    drawn_together,
    foreseen,
    linear,
    running_lines,
    step_variance,
)
from tests.theory.forecasting.made import K, spectra, walk

TRENDS = ("persistence", "linear", "damped_trend")


@pytest.mark.parametrize("method", METHODS)
def test_the_future_is_not_seen(method: str) -> None:
    whole = spectra(variance=(4e-4, 1e-4, 1e-6))
    assert whole.spectra is not None
    changed = whole.spectra.copy()
    changed[201:] *= 3.0
    other = dataclasses.replace(whole, values=changed[:, :K], spectra=changed)
    seen = [
        forecast(one, origin=200, horizon=30, method=method, rng=np.random.default_rng(1)).quantiles
        for one in (whole, other, whole.until(200))
    ]
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


@pytest.mark.parametrize("method", TRENDS)
def test_the_rolling_evaluation_makes_the_same_forecasts(method: str) -> None:
    history = History.of(walk(300))
    single = forecast(history, origin=250, horizon=20, method=method).quantiles[-1]
    score = rolling_evaluation(history, method=method, horizon=20, first_origin=250, every=1000)
    assert score.origins == 1
    assert score.mae == pytest.approx(np.abs(single[:, 2] - history.values[270]).mean(), rel=1e-9)


@pytest.mark.parametrize("method", TRENDS)
def test_the_rolling_evaluation_sees_no_future_however_large(method: str) -> None:
    """Not even in the unit that rounding is measured by."""
    values = walk(400)
    exploded = values.copy()
    exploded[300:] *= 1e18
    for origins in (values, exploded):
        quantiles = with_bands(origins, TREND[method](origins, 40), 40)[:260]
        np.testing.assert_array_equal(quantiles, with_bands(values, TREND[method](values, 40), 40)[:260])


@pytest.mark.parametrize("method", TRENDS)
def test_forecasts_have_the_unit_of_the_values(method: str) -> None:
    values, unit = walk(300), 2.0**-70
    plain, small = (
        forecast(History.of(scaled), origin=280, horizon=20, method=method).quantiles
        for scaled in (values, values * unit)
    )
    np.testing.assert_allclose(small / unit, plain, rtol=1e-9)


def test_persistence_holds_and_a_line_is_extended() -> None:
    t = np.arange(300.0)[:, None]
    line = 5.0 + 0.02 * t + np.array([2.0, 1.0, 0.0])
    history = History.of(line)
    held = forecast(history, origin=250, horizon=40, method="persistence")
    np.testing.assert_array_equal(held.median, np.broadcast_to(line[250], (40, 3)))
    extended = forecast(history, origin=250, horizon=40, method="linear")
    np.testing.assert_allclose(extended.median, line[251:291], rtol=1e-12)


def test_linear_is_numpys_polyfit_from_the_first_steps_on() -> None:
    values = walk(150)
    ours = linear(values, 7)
    for row in (1, 30, 99, 100, 149):
        x = np.arange(max(row - 99, 0), row + 1)
        fits = [np.polyval(np.polyfit(x, values[x, k], 1), row + 7) for k in range(K)]
        np.testing.assert_allclose(ours[row], fits, rtol=1e-9)


def test_damping_is_learned() -> None:
    """Where values grow like sqrt(t), or not at all, trends are believed as far as they proved right."""
    t = np.arange(600.0)[:, None]
    slowing = 10.0 + np.sqrt(t + 20.0) * np.array([1.0, 0.5])
    outcome = slowing[-1]
    near, far = (method(slowing[:-100], 100)[-1] for method in (damped_trend, linear))
    assert np.abs(near - outcome).max() < 0.5 * np.abs(far - outcome).max()
    # without any trend, only noise, damping is strong
    still = 10.0 + 0.1 * np.random.default_rng(0).standard_normal((600, 4))
    trends = np.stack([np.diff(still, axis=0, prepend=still[:1])] * 2, axis=-1)
    prior = np.array([0.5, 0.5])
    assert np.abs(belief(still, trends, 100, prior=prior)[-1]).sum() < 0.9


def test_values_are_drawn_together_as_far_as_noise_parts_them() -> None:
    rng = np.random.default_rng(4)
    changes = rng.standard_normal((50, 6))
    spread = changes.var(axis=1, keepdims=True)
    mean = changes.mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(drawn_together(changes, 0.0 * spread), changes)
    half = drawn_together(changes, 0.5 * spread)
    np.testing.assert_allclose(half - mean, 0.8 * (changes - mean), rtol=1e-12)
    for noise in (spread, 3 * spread):
        np.testing.assert_allclose(drawn_together(changes, noise) - mean, 0.6 * (changes - mean), rtol=1e-12)
    np.testing.assert_array_equal(drawn_together(np.ones((5, 3)), np.zeros((5, 1))), np.ones((5, 3)))


def test_the_variance_of_steps_is_that_of_a_walk_whatever_its_drift() -> None:
    steps = np.random.default_rng(5).normal(0.7, 0.2, size=(4000, 40))
    found = step_variance(np.cumsum(steps, axis=0))
    assert found[1000:].mean() == pytest.approx(0.04, rel=0.02)
    assert step_variance(np.arange(50.0)[:, None] * np.ones(2))[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_weights_of_an_origin_solve_the_ridge_problem_by_hand() -> None:
    values, horizon, prior = walk(200), 30, np.array([0.5, 0.4])
    trends = np.random.default_rng(3).standard_normal((200, K, 2))
    known = np.arange(FEWEST, 170)
    y = values[known + horizon] - values[known]
    error = np.abs(y - trends[known] @ prior)
    gram, moments, squares, total = np.zeros((2, 2)), np.zeros(2), 0.0, 0.0
    for row, s in enumerate(known):
        forgotten = 0.98 ** (row - np.arange(row + 1))
        usual = (forgotten @ error[: row + 1].mean(axis=1)) / forgotten.sum()
        w = 0.98 ** (known[-1] - s) * np.sqrt(usual / (error[row] + 0.3 * usual))
        gram += trends[s].T @ (w[:, None] * trends[s])
        moments += trends[s].T @ (w * y[row])
        squares += w @ y[row] ** 2
        total += 0.98 ** (known[-1] - s) * K
    ridge = 400.0 * squares / total
    expected = np.linalg.solve(gram + ridge * np.eye(2), moments + ridge * prior)
    np.testing.assert_allclose(belief(values, trends, horizon, prior=prior)[199], expected, rtol=1e-9)


def test_lines_are_weighted_least_squares() -> None:
    """What is foreseen, and the level, against polyfit with the weights of a half-life."""
    values, steps = walk(120), np.arange(120.0)
    x = np.sqrt(steps + 20.0)
    level, _ = running_lines(values, x, 15.0)
    ahead = foreseen(values, steps, 7, 15.0, clock=lambda t: np.sqrt(t + 20.0))
    for row in (2, 30, 119):
        weight = 0.5 ** ((row - steps[: row + 1]) / 15.0)
        fit = np.polyfit(x[: row + 1], values[: row + 1], 1, w=np.sqrt(weight))
        np.testing.assert_allclose(ahead[row], fit[0] * (np.sqrt(row + 27.0) - x[row]), rtol=1e-7)
        np.testing.assert_allclose(level[row], fit[0] * x[row] + fit[1], rtol=1e-9)


@pytest.mark.parametrize("method", TRENDS)
def test_what_is_said_of_a_step_does_not_depend_on_how_far_one_asks(method: str) -> None:
    history = History.of(walk(900))
    far, near = (forecast(history, origin=890, horizon=h, method=method).quantiles for h in (800, 48))
    np.testing.assert_array_equal(far[:48], near)
    # and between the steps that are worked out, a band is as wide as one that is
    for ahead in (5, 20, 40):
        width, asked = (
            np.ptp(forecast(history, origin=890, horizon=h, method=method).quantiles[ahead - 1], axis=-1)
            for h in (48, ahead)
        )
        np.testing.assert_allclose(width, asked, rtol=0.1)


@pytest.mark.parametrize("method", TRENDS)
def test_bands_hold_what_they_promise(method: str) -> None:
    """Random walks with drift, 12 of them: errors of overlapping forecasts are few, hence the wide limits."""
    scores = [
        rolling_evaluation(History.of(walk(1500, 8, seed=seed)), method=method, horizon=25)
        for seed in range(12)
    ]
    assert np.mean([one.coverage_90 for one in scores]) == pytest.approx(0.9, abs=0.05)
    assert np.mean([one.coverage_50 for one in scores]) == pytest.approx(0.5, abs=0.06)


def test_scores_by_hand() -> None:
    history = History.of(walk(300, 2))
    score = rolling_evaluation(history, method="linear", horizon=50, first_origin=200)
    origins = np.arange(200, 250)
    errors = np.abs(linear(history.values, 50)[origins] - history.values[origins + 50])
    idle = np.abs(history.values[origins] - history.values[origins + 50])
    assert score.origins == 50
    assert score.mae == pytest.approx(errors.mean())
    assert score.skill == pytest.approx(1 - errors.sum() / idle.sum())
    np.testing.assert_allclose(score.skill_by_mode, 1 - errors.sum(axis=0) / idle.sum(axis=0))
    assert 0 < score.crps < 2 * score.mae
    still = rolling_evaluation(History.of(np.ones((300, 2))), method="damped_trend", horizon=50)
    assert (still.skill, still.mae, still.coverage_90) == (None, 0.0, 1.0)


GOOD = {"values": walk(120, 2)}
BAD_HISTORIES = [
    ({"values": [[np.nan, 1.0]]}, "NaN or infinity"),
    ({"values": [[2.0, -1.0]]}, "must be >= 0"),
    ({"values": [[1.0, 2.0]]}, "descending"),
    ({"values": [1.0, 2.0]}, r"must be \(steps, k\)"),
    ({"spectra": np.ones((3, 2)), "m": 5}, "spectra must be"),
    ({"values": [["a", "b"]]}, "values must be an array of real numbers"),
    ({"values": [[2.0, 1.0], [1.0]]}, "values must be an array of real numbers"),
    ({"values": [[2.0 + 1j, 1.0]]}, "real numbers: got complex128"),
    ({"spectra": np.ones((120, 4))}, "m is missing"),
    ({"spectra": np.ones((120, 4)), "m": 3}, "m must be >= n"),
    ({"spectra": np.arange(480.0).reshape(120, 4), "m": 5}, "each row of spectra must be descending"),
    ({"spectra": 50 * walk(120, 4), "m": 5}, "largest of spectra are .* apart in row"),
    ({"strength": [1.0]}, "strength must have shape"),
    ({"noise_variance": -np.ones((120, 2))}, "noise_variance must be >= 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD_HISTORIES)
def test_bad_histories(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        History.of(**(GOOD | change))  # type: ignore[arg-type]


BAD_CALLS = [
    ({"horizon": 0}, "horizon must be at least 1, got 0"),
    ({"origin": 100.7}, "origin must be a whole number, got 100.7"),
    ({"origin": float("nan")}, "origin must be a whole number, got nan"),
    ({"horizon": 2.5}, "got 2.5"),
    ({"origin": 10}, "needs 50 steps before its origin, got origin 10"),
    ({"origin": 500}, "origin 500 is not recorded; the last row is 119"),
    ({"method": "oracle"}, "method must be one of persistence, linear, damped_trend, sde, .*got 'oracle'"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CALLS)
def test_bad_calls(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        forecast(History.of(**GOOD), **({"origin": 60, "horizon": 10} | change))  # type: ignore[arg-type]


def test_bad_evaluations() -> None:
    with pytest.raises(InvalidValueError, match="record 31 more, or choose a shorter horizon"):
        rolling_evaluation(History.of(**GOOD), horizon=50, first_origin=100)  # type: ignore[arg-type]
    for call in (forecast, rolling_evaluation):
        with pytest.raises(InvalidValueError, match=r"must be a History, got ndarray; History\.of makes it"):
            call(walk(120), horizon=5, **({"origin": 60} if call is forecast else {}))  # type: ignore[operator]


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 1e6]), min_size=1, max_size=4),
    method=st.sampled_from(TRENDS),
)
def test_any_spectrum_has_finite_ordered_quantiles(values: list[float], method: str) -> None:
    rows = np.broadcast_to(np.sort(values)[::-1], (90, len(values)))
    seen = forecast(History.of(rows), origin=80, horizon=15, method=method).quantiles
    assert np.isfinite(seen).all()
    assert (np.diff(seen, axis=-1) >= 0).all()
    assert (seen >= 0).all()
