"""Metrics of a spectrum: independent implementations, invariances, known spectra, bad input.

Unless a test says otherwise the tolerance is 1e-12 relative: sums of some hundred terms in double precision.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, fields
from functools import cache
from typing import Any

import numpy as np
import powerlaw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import svdvals
from scipy.stats import entropy, ks_2samp, kstest, wasserstein_distance

from sigmascope.errors import InvalidValueError
from sigmascope.theory import MarchenkoPastur, fit_laws, marchenko_pastur_singular
from sigmascope.theory.metrics import (
    METRICS,
    OVER_TIME,
    RandomizedNull,
    SpectrumMetrics,
    metrics_over_time,
    randomized_null,
    spectrum_metrics,
)
from sigmascope.theory.metrics import elementary as module
from sigmascope.theory.metrics.spectrum import BULK, TAIL

TIGHT = 1e-12


def gaussian(m: int, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, n)) / np.sqrt(m)


def spiked() -> np.ndarray:
    """Noise with three planted directions."""
    rng = np.random.default_rng(3)
    U, V = (np.linalg.qr(rng.standard_normal((size, 3)))[0] for size in (200, 120))
    return gaussian(200, 120, 4) + (U * [5.0, 4.0, 3.0]) @ V.T


def heavy() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.standard_t(2.5, (150, 100))


def deficient() -> np.ndarray:
    """Rank 40 of 60."""
    rng = np.random.default_rng(6)
    return rng.standard_normal((90, 40)) @ rng.standard_normal((40, 60))


SHARED = {
    "square": lambda: gaussian(80, 80, 1),
    "tall": lambda: gaussian(300, 50, 2),
    "spiked": spiked,
    "heavy": heavy,
    "deficient": deficient,
    "three columns": lambda: gaussian(9, 3, 7),
}


@cache
def matrix(name: str) -> np.ndarray:
    return SHARED[name]()


@cache
def metrics_of(name: str) -> SpectrumMetrics:
    W = matrix(name)
    return spectrum_metrics(svdvals(W), m=W.shape[0], n=W.shape[1])


def with_spectrum(values: list[float], *, m: int) -> SpectrumMetrics:
    return spectrum_metrics(values, m=m, n=len(values))


def as_dict(found: SpectrumMetrics) -> dict[str, Any]:
    return asdict(found)


def equal(first: SpectrumMetrics, second: SpectrumMetrics, *, rel: float, but: tuple[str, ...] = ()) -> None:
    """Every metric, None included; absolute 1e-12 beside ``rel``, for those near 0."""
    a, b = as_dict(first), as_dict(second)
    for name in (name for name in a if name not in but):
        assert a[name] == (None if b[name] is None else pytest.approx(b[name], rel=rel, abs=1e-12)), name


@pytest.mark.parametrize("name", SHARED)
class TestAgainstOthers:
    def test_norms_of_numpy(self, name: str) -> None:
        W, found = matrix(name), metrics_of(name)
        assert found.spectral_norm == pytest.approx(np.linalg.norm(W, 2), rel=TIGHT)
        assert found.frobenius_norm == pytest.approx(np.linalg.norm(W, "fro"), rel=TIGHT)
        assert found.nuclear_norm == pytest.approx(np.linalg.norm(W, "nuc"), rel=TIGHT)
        assert found.log_spectral_norm == pytest.approx(2 * math.log10(np.linalg.norm(W, 2)), abs=TIGHT)
        # from the entries, without a singular value
        assert found.log_frobenius_norm == pytest.approx(math.log10(math.fsum(W.ravel() ** 2)), abs=TIGHT)

    def test_ranks(self, name: str) -> None:
        W, found = matrix(name), metrics_of(name)
        assert found.hard_rank == np.linalg.matrix_rank(W)
        stable = np.linalg.norm(W, "fro") ** 2 / np.linalg.norm(W, 2) ** 2
        assert found.stable_rank == pytest.approx(stable, rel=TIGHT)
        assert found.effective_rank == pytest.approx(math.exp(entropy(svdvals(W))), rel=TIGHT)

    def test_entropies_of_scipy(self, name: str) -> None:
        values, found = svdvals(matrix(name)), metrics_of(name)
        assert found.entropy == pytest.approx(entropy(values), rel=TIGHT)
        assert found.normalized_entropy == pytest.approx(entropy(values, base=values.size), rel=TIGHT)
        # the directions of rounding weigh 1e-30
        squares = values[: found.hard_rank] ** 2
        assert found.matrix_entropy == pytest.approx(entropy(squares, base=squares.size), rel=TIGHT)

    def test_entropies_by_exact_sums(self, name: str) -> None:
        values, found = svdvals(matrix(name)).tolist(), metrics_of(name)
        total = math.fsum(values)
        shannon = -math.fsum(s / total * math.log(s / total) for s in values if s > 0)
        assert found.entropy == pytest.approx(shannon, rel=TIGHT)

    def test_spans(self, name: str) -> None:
        W, found = matrix(name), metrics_of(name)
        values = svdvals(W)
        assert found.spread == pytest.approx(values[0] - np.median(values), rel=TIGHT)
        # a quotient of rounding says nothing to twelve digits
        if found.hard_rank == len(values):
            assert found.condition_number == pytest.approx(np.linalg.cond(W), rel=1e-9)

    def test_the_bulk_is_that_of_the_law_fit(self, name: str) -> None:
        (m, n), found = matrix(name).shape, metrics_of(name)
        values = svdvals(matrix(name))
        fit = fit_laws(values, m=m, n=n, step=0, learning_rate=0.1)
        # the fit works at another scale: 1e-9 covers the rounding of sums and of cdfs
        assert found.mp_soft_rank == pytest.approx((fit.mp_upper / values[0]) ** 2, rel=1e-9)
        assert found.mp_distance == pytest.approx(fit.ks, rel=1e-9)
        assert found.tw_p_value == pytest.approx(fit.p_value, rel=1e-9, abs=1e-12)
        # no more than half of the values are called outliers
        beyond = values[values > fit.edge][: n // 2]
        assert found.outliers == fit.outliers == beyond.size
        share = math.fsum(beyond**2) / math.fsum(values**2)
        assert found.outlier_mass == pytest.approx(share, rel=TIGHT)

    def test_the_distance_of_scipy(self, name: str) -> None:
        (m, n), found = matrix(name).shape, metrics_of(name)
        values = svdvals(matrix(name))
        fit = fit_laws(values, m=m, n=n, step=0, learning_rate=0.1)
        rows, columns = m - fit.outliers, n - fit.outliers
        law = MarchenkoPastur(columns / rows, fit.entry_variance)
        theirs = kstest(values[fit.outliers :] ** 2 / rows, law.cdf).statistic
        assert found.mp_distance == pytest.approx(theirs, rel=1e-9)

    def test_permuted_values(self, name: str) -> None:
        W = matrix(name)
        shuffled = np.random.default_rng(0).permutation(svdvals(W))
        assert spectrum_metrics(shuffled, m=W.shape[0], n=W.shape[1]) == metrics_of(name)


@pytest.mark.parametrize("name", ["square", "tall", "spiked", "heavy"])
def test_alpha_of_the_powerlaw_package(name: str) -> None:
    """1e-5: above alpha = 3, where the package clips unless told not to, its optimiser takes over."""
    found, squares = metrics_of(name), svdvals(matrix(name)) ** 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optimiser, about its own bounds
        theirs = powerlaw.Fit(squares, parameter_ranges={"alpha": [1.0001, 20]}, verbose=0)
    assert found.alpha == pytest.approx(theirs.power_law.alpha, rel=1e-5)
    assert found.alpha_error == pytest.approx(theirs.power_law.standard_err, rel=1e-5)
    assert found.tail_points == theirs.n


def test_alpha_by_its_formula() -> None:
    found, squares = metrics_of("heavy"), np.sort(svdvals(matrix("heavy")) ** 2)[::-1]
    tail = squares[: found.tail_points].tolist()
    alpha = 1 + len(tail) / math.fsum(math.log(x / tail[-1]) for x in tail)
    assert found.alpha == pytest.approx(alpha, rel=TIGHT)
    assert found.weighted_alpha == pytest.approx(alpha * math.log10(squares[0]), rel=TIGHT)
    norm = math.log10(math.fsum(x**alpha for x in squares))
    assert found.log_alpha_norm == pytest.approx(norm, rel=TIGHT)


def test_alpha_of_a_power_law() -> None:
    """Exact quantiles of p ~ lambda^-2.5, 4000 of them: the estimate is off by less than its error."""
    squares = (1 - (np.arange(4000) + 0.5) / 4000) ** (-1 / 1.5)
    found = spectrum_metrics(np.sqrt(squares), m=4000, n=4000)
    assert found.alpha is not None
    assert found.alpha_error is not None
    assert abs(found.alpha - 2.5) < found.alpha_error


class TestKnownSpectra:
    def test_orthogonal(self) -> None:
        found = with_spectrum([2.0] * 8, m=8)
        assert found.stable_rank == 8
        assert found.effective_rank == pytest.approx(8, rel=TIGHT)
        assert found.hard_rank == 8
        assert found.normalized_entropy == pytest.approx(1, rel=TIGHT)
        assert found.matrix_entropy == pytest.approx(1, rel=TIGHT)
        assert (found.spread, found.condition_number) == (0, 1)
        # no slope in one point repeated, and no noise
        assert {getattr(found, name) for name in (*TAIL, *BULK)} == {None}

    def test_rank_one(self) -> None:
        found = with_spectrum([3.0, 0.0, 0.0, 0.0, 0.0], m=9)
        assert found.spectral_norm == found.frobenius_norm == found.nuclear_norm == found.spread == 3
        assert found.stable_rank == found.effective_rank == found.hard_rank == 1
        assert found.entropy == found.normalized_entropy == 0
        assert found.matrix_entropy is found.condition_number is None
        assert {getattr(found, name) for name in BULK + TAIL} == {None}

    def test_zero(self) -> None:
        found = as_dict(with_spectrum([0.0] * 6, m=7))
        defined = {"spectral_norm", "frobenius_norm", "nuclear_norm", "spread", "hard_rank"}
        assert {name for name, value in found.items() if value is not None} == defined
        assert {found[name] for name in defined} == {0}

    def test_one_entry(self) -> None:
        found = as_dict(with_spectrum([5.0], m=1))
        undefined = {"normalized_entropy", "matrix_entropy", *BULK, *TAIL}
        assert {name for name, value in found.items() if value is None} == undefined

    def test_geometric(self) -> None:
        """sigma = 2^-k, k < 10: every sum is a closed form."""
        found = with_spectrum([2.0**-k for k in range(10)], m=12)
        assert found.nuclear_norm == 2 - 2.0**-9
        assert found.stable_rank == pytest.approx((1 - 4.0**-10) / 0.75, rel=TIGHT)
        assert found.condition_number == 512
        assert found.spread == 1 - (2.0**-4 + 2.0**-5) / 2

    def test_marchenko_pastur(self) -> None:
        """The quantiles of the law itself: the edge fits, nothing lies beyond, the distance is 1 / 2n."""
        m, n = 800, 400
        found = spectrum_metrics(marchenko_pastur_singular(m, n).ppf((np.arange(n) + 0.5) / n), m=m, n=n)
        assert (found.outliers, found.outlier_mass) == (0, 0)
        # the fit minds the next order in 1 / n, which quantiles of the limit do not have
        assert found.mp_distance == pytest.approx(0.5 / n, abs=1e-3)
        # the top quantile lies n^(-2/3) = 0.018 below the edge, in order
        assert found.mp_soft_rank == pytest.approx(1, abs=0.02)
        # the mean eigenvalue is m s^2 and the edge m s^2 (1 + sqrt q)^2
        assert found.stable_rank == pytest.approx(n / (1 + math.sqrt(0.5)) ** 2, rel=0.02)

    def test_planted_directions(self) -> None:
        found = metrics_of("spiked")
        values = svdvals(matrix("spiked"))
        assert found.outliers == 3
        assert found.outlier_mass == pytest.approx((values[:3] ** 2).sum() / (values**2).sum(), rel=TIGHT)
        assert found.mp_soft_rank is not None
        assert found.mp_soft_rank < 0.2
        assert found.tw_p_value is not None
        assert found.tw_p_value < 1e-6

    def test_p_values_of_noise(self) -> None:
        """At 5 %, of 400 matrices between 2 and 8.5 %: four standard errors around the level."""
        small = [gaussian(60, 40, seed) for seed in range(400)]
        found = [spectrum_metrics(svdvals(W), m=60, n=40).tw_p_value for W in small]
        assert 0.02 < np.mean([p is not None and p < 0.05 for p in found]) < 0.085


@pytest.mark.parametrize("name", SHARED)
class TestInvariances:
    """Of W: 1e-9, since the values change by rounding, and the smallest of them by all their digits."""

    def test_transposition(self, name: str) -> None:
        W = matrix(name)
        turned = spectrum_metrics(svdvals(W.T), m=W.shape[0], n=W.shape[1])
        equal(turned, metrics_of(name), rel=1e-9)

    def test_rotation(self, name: str) -> None:
        W = matrix(name)
        rng = np.random.default_rng(9)
        left, right = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in W.shape)
        turned = spectrum_metrics(svdvals(left @ W @ right), m=W.shape[0], n=W.shape[1])
        equal(turned, metrics_of(name), rel=1e-9)

    @pytest.mark.parametrize("power", [-500, -3, 480])
    def test_scale(self, name: str, power: int) -> None:
        """By powers of 2 nothing rounds: metrics without a scale keep every digit."""
        W, found = matrix(name), as_dict(metrics_of(name))
        scaled = as_dict(spectrum_metrics(svdvals(W) * 2.0**power, m=W.shape[0], n=W.shape[1]))
        for metric in METRICS:
            if metric.source != "matrix" and metric.unit not in {"sigma", "decades"}:
                assert scaled[metric.name] == found[metric.name], metric.name
            elif metric.unit == "sigma" and metric.source == "values":
                assert scaled[metric.name] == found[metric.name] * 2.0**power, metric.name
        shift = 2 * power * math.log10(2)
        for log_norm in ("log_spectral_norm", "log_frobenius_norm"):
            assert scaled[log_norm] == pytest.approx(found[log_norm] + shift, abs=1e-9)
        for log_norm in ("weighted_alpha", "log_alpha_norm"):
            if found["alpha"] is not None:
                assert scaled[log_norm] == pytest.approx(found[log_norm] + found["alpha"] * shift, rel=1e-9)


class TestRounding:
    """What a method cannot tell from 0 is in no metric that looks at the smallest values."""

    def test_low_rank_has_no_condition_and_no_tail_of_rounding(self) -> None:
        rng = np.random.default_rng(1)
        W = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 50))
        exact = np.concatenate([svdvals(W)[:3], np.zeros(47)])
        by_gram = np.sqrt(np.maximum(np.linalg.eigvalsh(W.T @ W), 0.0))
        for values, bound in ((svdvals(W), 0.0), (exact, 0.0), (by_gram, 1e-5)):
            found = spectrum_metrics(values, m=60, n=50, error_bound=bound)
            assert found.hard_rank == 3
            assert [getattr(found, name) for name in ("condition_number", *TAIL)] == [None] * 6

    def test_a_tail_is_of_what_is_known(self) -> None:
        values = np.concatenate([np.geomspace(10.0, 1.0, 20), np.geomspace(1e-3, 1e-6, 20)])
        found = as_dict(spectrum_metrics(values, m=50, n=40, error_bound=1e-2))
        alone = as_dict(spectrum_metrics(values[:20], m=30, n=20))
        assert {name: found[name] for name in TAIL} == {name: alone[name] for name in TAIL}

    @pytest.mark.parametrize(("bound", "known"), [(0.0, True), (0.05, True), (0.11, False), (2.0, False)])
    def test_a_condition_number_is_known_to_a_tenth(self, bound: float, known: bool) -> None:
        found = spectrum_metrics([5.0, 2.0, 1.0], m=4, n=3, error_bound=bound)
        assert found.condition_number == (5.0 if known else None)
        series = metrics_over_time([[5.0, 2.0, 1.0]] * 2, m=4, n=3, error_bound=[bound, 0.0])
        assert series["condition_number"].tolist() == [5.0 if known else None, 5.0]


class TestOverTime:
    def test_each_step_is_the_metric_of_that_spectrum(self) -> None:
        W = [gaussian(40, 30, seed) for seed in range(5)]
        spectra = np.array([*map(svdvals, W), np.zeros(30), np.eye(30)[0]])
        series = metrics_over_time(spectra, m=40, n=30)
        assert tuple(series) == tuple(sorted(OVER_TIME, key=list(series).index))
        assert set(series) == set(OVER_TIME)
        for name, values in series.items():
            expected = [getattr(spectrum_metrics(row, m=40, n=30), name) for row in spectra]
            assert values.tolist() == expected, name

    def test_blocks_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        spectra = np.random.default_rng(0).random((23, 7))
        whole = metrics_over_time(spectra, m=8, n=7)
        monkeypatch.setattr(module, "BLOCK", 30)
        parts = metrics_over_time(spectra, m=8, n=7)
        assert {name: one.tolist() for name, one in parts.items()} == {
            name: one.tolist() for name, one in whole.items()
        }

    def test_undefined_is_masked_and_never_nan(self) -> None:
        series = metrics_over_time([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]], m=2, n=2)
        assert all(np.isfinite(values.data).all() for values in series.values())
        assert series["condition_number"].tolist() == [None, None, 2.0]
        assert series["spread"].tolist() == [0.0, 1.0, 0.5]

    def test_no_steps(self) -> None:
        series = metrics_over_time(np.empty((0, 4)), m=5, n=4)
        assert {values.shape for values in series.values()} == {(0,)}

    def test_unsorted_rows(self) -> None:
        series = metrics_over_time([[1.0, 3.0, 2.0], [3.0, 2.0, 1.0]], m=3, n=3)
        assert all(values[0] == values[1] for values in series.values())

    def test_of_single_precision_rounding_is_no_rank(self) -> None:
        values = np.array([[1.0, 1e-6]], dtype=np.float32)
        assert metrics_over_time(values, m=100, n=2)["hard_rank"].tolist() == [1]
        assert metrics_over_time(values.astype(np.float64), m=100, n=2)["hard_rank"].tolist() == [2]
        assert spectrum_metrics(values[0], m=100, n=2).hard_rank == 1

    def test_single_precision_ranks_are_those_of_numpy(self) -> None:
        W = deficient().astype(np.float32)
        values = np.linalg.svd(W, compute_uv=False)
        assert values.dtype == np.float32
        assert spectrum_metrics(values, m=90, n=60).hard_rank == np.linalg.matrix_rank(W) == 40

    def test_what_the_method_cannot_tell_from_0_is_no_rank(self) -> None:
        spectra = [[5.0, 1.0, 1e-3]] * 2
        assert metrics_over_time(spectra, m=4, n=3, error_bound=[1e-3, 1e-4])["hard_rank"].tolist() == [2, 3]
        assert metrics_over_time(spectra, m=4, n=3, error_bound=1e-2)["hard_rank"].tolist() == [2, 2]
        found = spectrum_metrics(spectra[0], m=4, n=3, error_bound=1e-2)
        assert found.hard_rank == 2
        assert found.matrix_entropy == pytest.approx(entropy([25.0, 1.0], base=2), rel=TIGHT)
        # then more than half are rounding, and so is the bulk
        assert spectrum_metrics(spectra[0], m=4, n=3, error_bound=2.0).outliers is None

    @pytest.mark.parametrize("bound", [-1.0, np.nan, np.inf, [1.0, 1.0], [[1.0]]])
    def test_a_bad_bound(self, bound: Any) -> None:
        with pytest.raises(InvalidValueError, match="error_bound"):
            metrics_over_time([[2.0, 1.0]], m=2, n=2, error_bound=bound)
        with pytest.raises(InvalidValueError, match="error_bound"):
            spectrum_metrics([2.0, 1.0], m=2, n=2, error_bound=bound)

    @pytest.mark.parametrize(
        ("spectra", "m", "n", "message"),
        [
            ([1.0, 2.0], 2, 2, r"are \(steps, 2\), got shape \(2,\)"),
            ([[1.0, 2.0]], 3, 3, r"got shape \(1, 2\)"),
            ([[1.0, 2.0]], 1, 2, "transpose W"),
            ([[1.0, np.nan]], 2, 2, "NaN or infinity"),
            ([[1.0, np.inf]], 2, 2, "NaN or infinity"),
            ([[1.0, -1.0]], 2, 2, "must be >= 0"),
            ([[1e200, 1.0]], 2, 2, "rescale W"),
        ],
    )
    def test_bad_input(self, spectra: Any, m: int, n: int, message: str) -> None:
        with pytest.raises(InvalidValueError, match=message):
            metrics_over_time(spectra, m=m, n=n)


class TestBadInput:
    @pytest.mark.parametrize(
        ("values", "m", "n", "message"),
        [
            ([1.0, 2.0], 3, 3, "has 3 singular values"),
            ([[1.0, 2.0]], 2, 2, "has 2 singular values"),
            ([], 1, 0, "whole numbers >= 1"),
            ([1.0, 2.0], 1, 2, "transpose W"),
            ([1.0, 2.0], 2.5, 2, "whole numbers"),
            ([1.0, np.nan], 2, 2, "NaN or infinity"),
            ([1.0, np.inf], 2, 2, "NaN or infinity"),
            ([1.0, -1e-9], 2, 2, "must be >= 0"),
            ([1e151, 1.0], 2, 2, "rescale W"),
        ],
    )
    def test_named(self, values: Any, m: Any, n: int, message: str) -> None:
        with pytest.raises(InvalidValueError, match=message):
            spectrum_metrics(values, m=m, n=n)

    @settings(max_examples=150, deadline=None)
    @given(
        values=arrays(np.float64, st.integers(1, 12), elements=st.floats(allow_nan=True)),
        surplus=st.integers(-2, 5),
    )
    def test_any_numbers_are_refused_or_measured(self, values: np.ndarray, surplus: int) -> None:
        n = values.size
        try:
            found = as_dict(spectrum_metrics(values, m=n + surplus, n=n))
        except InvalidValueError:
            wrong = surplus < 0 or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1e150
            assert wrong
            return
        assert all(value is None or math.isfinite(value) for value in found.values())

    @settings(max_examples=150, deadline=None)
    @given(
        values=arrays(
            np.float64,
            st.integers(1, 40),
            elements=st.sampled_from([0.0, 5e-324, 1e-160, 1e-9, 1.0, 1 + 1e-15, 2.0, 1e8, 1e150])
            | st.floats(0, 1e3),
        )
    )
    def test_bounds(self, values: np.ndarray) -> None:
        """Ranks in [1, n], entropies and shares in [0, 1], and one order of the norms, to rounding."""
        n = values.size
        found = spectrum_metrics(values, m=n + 1, n=n)
        slack = 1 + 1e-9
        assert found.spectral_norm <= found.frobenius_norm * slack <= found.nuclear_norm * slack**2
        assert 0 <= found.hard_rank <= n
        for rank in (found.stable_rank, found.effective_rank):
            assert rank is None or 1 / slack <= rank <= n * slack
        for share in (
            found.normalized_entropy,
            found.matrix_entropy,
            found.outlier_mass,
            found.mp_distance,
            found.tw_p_value,
        ):
            assert share is None or 0 <= share <= slack
        if values.max() > 0:
            # the effective rank counts directions, the stable one weighs them by their square
            assert found.stable_rank is not None
            assert found.effective_rank is not None
            assert found.stable_rank <= found.effective_rank * slack


class TestRandomized:
    def test_against_scipy(self) -> None:
        W = gaussian(30, 20, 0)
        found = randomized_null(W, rng=np.random.default_rng(1), draws=6)
        rng = np.random.default_rng(1)
        copies = [svdvals(rng.permuted(W)) for _ in range(6)]
        ks = [ks_2samp(svdvals(W), copy).statistic for copy in copies]
        w1 = [wasserstein_distance(svdvals(W), copy) for copy in copies]
        assert found.kolmogorov == pytest.approx(np.mean(ks), rel=TIGHT)
        assert found.kolmogorov_spread == pytest.approx(np.std(ks, ddof=1), rel=TIGHT)
        assert found.wasserstein == pytest.approx(np.mean(w1), rel=TIGHT)
        assert found.wasserstein_spread == pytest.approx(np.std(w1, ddof=1), rel=TIGHT)
        ring = [(copies[i], copies[i - 1]) for i in range(6)]
        assert found.null_kolmogorov == pytest.approx(np.mean([ks_2samp(*two).statistic for two in ring]))
        assert found.null_wasserstein == pytest.approx(np.mean([wasserstein_distance(*two) for two in ring]))
        assert found.top == pytest.approx(np.mean([copy[0] for copy in copies]), rel=TIGHT)

    def test_noise_is_as_far_from_its_copies_as_they_are_from_one_another(self) -> None:
        """W and its copies are exchangeable, so W is the farthest of 20 once in 20: three times the mean."""
        found = randomized_null(gaussian(100, 60, 2), rng=np.random.default_rng(0), draws=20)
        assert found.null_kolmogorov is not None
        assert found.null_wasserstein is not None
        assert found.kolmogorov < 3 * found.null_kolmogorov
        assert found.wasserstein < 3 * found.null_wasserstein

    def test_structure_is_lost(self) -> None:
        """W of rank one: shuffled, it is noise of the same variance, top value s (sqrt m + sqrt n)."""
        W = np.outer(np.where(np.arange(200) % 3, 1.0, -1.0), np.where(np.arange(100) % 2, 1.0, -1.0))
        found = randomized_null(W, rng=np.random.default_rng(0), draws=3)
        assert found.kolmogorov == pytest.approx(1 - 1 / 100, rel=TIGHT)
        # 1 %: the edge is approached as n^(-2/3), and the draws spread by as much
        assert found.top == pytest.approx(math.sqrt(200) + 10, rel=0.02)

    def test_entries_that_are_all_equal_stay(self) -> None:
        found = randomized_null(np.full((7, 4), 3.0), rng=np.random.default_rng(0))
        assert found.kolmogorov == found.wasserstein == found.null_kolmogorov == 0

    @pytest.mark.parametrize("W", [np.zeros((4, 3)), [[2.0]]])
    def test_trivial(self, W: Any) -> None:
        found = randomized_null(W, rng=np.random.default_rng(0), draws=2)
        assert found.kolmogorov == found.wasserstein == 0

    def test_one_draw_has_no_spread(self) -> None:
        found = randomized_null(gaussian(5, 4, 0), rng=np.random.default_rng(0), draws=1)
        assert found.kolmogorov_spread is found.wasserstein_spread is None
        assert found.null_kolmogorov is found.null_wasserstein is None

    def test_scale(self) -> None:
        W = gaussian(20, 12, 0)
        one = randomized_null(W, rng=np.random.default_rng(0))
        two = randomized_null(4 * W, rng=np.random.default_rng(0))
        assert two.kolmogorov == one.kolmogorov
        assert two.wasserstein == pytest.approx(4 * one.wasserstein, rel=TIGHT)

    def test_the_argument_and_the_generator(self) -> None:
        W = gaussian(6, 5, 0)
        before = W.copy()
        again = [randomized_null(W, rng=np.random.default_rng(3)) for _ in range(2)]
        np.testing.assert_array_equal(W, before)
        assert again[0] == again[1]

    @pytest.mark.parametrize(
        ("W", "draws", "message"),
        [
            ([1.0, 2.0], 3, "must be a matrix"),
            ([[1.0, 2.0]], 3, "transpose W"),
            (np.empty((0, 0)), 3, "whole numbers >= 1"),
            ([[1.0], [np.nan]], 3, "NaN or infinity"),
            ([[1.0], [np.inf]], 3, "NaN or infinity"),
            ([[1.0], [-1e200]], 3, "rescale W"),
            ([[1.0], [2.0]], 0, "draws must be"),
            ([[1.0], [2.0]], 2.5, "draws must be"),
            ([[1.0], [2.0]], np.inf, "draws must be"),
        ],
    )
    def test_bad_input(self, W: Any, draws: Any, message: str) -> None:
        with pytest.raises(InvalidValueError, match=message):
            randomized_null(W, rng=np.random.default_rng(0), draws=draws)


class TestCatalogue:
    def test_names_are_the_fields(self) -> None:
        of_values = [metric.name for metric in METRICS if metric.source != "matrix"]
        assert of_values == [field.name for field in fields(SpectrumMetrics)]
        of_matrix = {metric.name for metric in METRICS if metric.source == "matrix"}
        assert of_matrix < {field.name for field in fields(RandomizedNull)}
        assert set(BULK + TAIL) == {metric.name for metric in METRICS if metric.source == "fit"}

    def test_every_one_is_explained(self) -> None:
        assert len({metric.title for metric in METRICS}) == len({metric.name for metric in METRICS})
        for metric in METRICS:
            assert metric.title
            assert metric.formula
            assert metric.reference
            assert metric.unit in {"", "sigma", "decades", "nats", "values"}

    @pytest.mark.parametrize("kind", [SpectrumMetrics, RandomizedNull])
    def test_every_field_is_documented(self, kind: type) -> None:
        text = kind.__doc__ or ""
        assert [field.name for field in fields(kind) if f"\n        {field.name}: " not in text] == []
