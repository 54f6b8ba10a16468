"""Every metric of one spectrum: norms, ranks, entropies, its bulk beside noise, its tail as a power law."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.edge import check_spectrum, fit_bulk
from sigmascope.theory.law_fit import bulk_distance
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.metrics.elementary import elementary, rounding
from sigmascope.theory.tails import MIN_POINTS, choose_lower


@dataclass(frozen=True, slots=True)
class SpectrumMetrics:
    """Metrics of the n singular values sigma_1 >= ... >= sigma_n of W, m x n, m >= n.

    lambda_k = sigma_k^2 are eigenvalues of W^T W, unscaled. A metric is None where it is undefined, never
    NaN or infinite. All but the norms, their logarithms, the spread, ``weighted_alpha`` and
    ``log_alpha_norm`` are free of the scale of W.

    Attributes:
        spectral_norm: sigma_1.
        frobenius_norm: sqrt(sum sigma_k^2).
        nuclear_norm: sum sigma_k (these three: Horn and Johnson).
        log_spectral_norm: log10 sigma_1^2 (Martin, Peng and Mahoney 2021); None for W = 0.
        log_frobenius_norm: log10 sum sigma_k^2 (the same); None for W = 0.
        stable_rank: sum sigma_k^2 / sigma_1^2, in [1, n] (Rudelson and Vershynin 2007); None for W = 0.
        effective_rank: exp(entropy), in [1, n] (Roy and Vetterli 2007); None for W = 0.
        hard_rank: number of sigma_k > m epsilon sigma_1, epsilon that of the precision in which the values
            came, and beyond their error bound (``numpy.linalg.matrix_rank``; Martin and Mahoney 2021).
        entropy: -sum p ln p with p = sigma / sum sigma, not normalised, in nats, in [0, ln n] (Roy and
            Vetterli 2007); None for W = 0.
        normalized_entropy: ``entropy`` / ln n, in [0, 1]; None for W = 0 or n = 1.
        matrix_entropy: -sum p ln p / ln R with p = sigma^2 / sum sigma^2 over the R = ``hard_rank`` largest
            values, in [0, 1] (Martin and Mahoney 2021); None for R < 2.
        spread: sigma_1 - median of sigma (Lemma 6.18, Fig. 5).
        condition_number: sigma_1 / sigma_n; None where sigma_n is not known to a tenth: within rounding, as
            the hard rank has it, or below ten of its error bounds.
        mp_soft_rank: lambda_+ / lambda_1 with the Marchenko-Pastur edge lambda_+ = s^2 (sqrt m + sqrt n)^2,
            s^2 fitted to the bulk (Martin and Mahoney 2021); about 1 for noise, and a little above when the
            top value happens to lie below the edge.
        mp_distance: Kolmogorov distance of the bulk, outliers left out, from the fitted law of
            Marchenko and Pastur (1967).
        outliers: number of values beyond the Tracy-Widom edge at 5 %, at most half of n
            (:func:`~sigmascope.theory.edge.fit_bulk`; Johnstone 2001, Ma 2012).
        outlier_mass: their share of sum sigma_k^2.
        tw_p_value: probability that m x n noise has a larger top value (the same, by the first of its tests).
            These five are None for n = 1, where
            ``hard_rank`` < n / 2, since the bulk is rounding then, and where the bulk repeats one value.
        alpha: exponent of the power law p(lambda) ~ lambda^-alpha beyond the lambda_min that
            :func:`~sigmascope.theory.tails.choose_lower` finds, by the distance of the authors' code
            (Clauset, Shalizi and Newman 2009). A number is had of any spectrum; whether a power law describes
            it :func:`~sigmascope.theory.tails.fit_tail` says.
        alpha_error: its standard error, (alpha - 1) / sqrt(tail_points).
        tail_points: number of lambda_k from lambda_min on.
        weighted_alpha: alpha log10 lambda_1 (Martin, Peng and Mahoney 2021).
        log_alpha_norm: log10 sum lambda_k^alpha (the same). These five are of the ``hard_rank`` largest
            values, the others being rounding; None where these are fewer than 5, or the largest 5 coincide.
    """

    spectral_norm: float
    frobenius_norm: float
    nuclear_norm: float
    log_spectral_norm: float | None
    log_frobenius_norm: float | None
    stable_rank: float | None
    effective_rank: float | None
    hard_rank: int
    entropy: float | None
    normalized_entropy: float | None
    matrix_entropy: float | None
    spread: float
    condition_number: float | None
    mp_soft_rank: float | None
    mp_distance: float | None
    outliers: int | None
    outlier_mass: float | None
    tw_p_value: float | None
    alpha: float | None
    alpha_error: float | None
    tail_points: int | None
    weighted_alpha: float | None
    log_alpha_norm: float | None


BULK = ("mp_soft_rank", "mp_distance", "outliers", "outlier_mass", "tw_p_value")
TAIL = ("alpha", "alpha_error", "tail_points", "weighted_alpha", "log_alpha_norm")


def spectrum_metrics(
    singular_values: ArrayLike, *, m: int, n: int, error_bound: float = 0.0
) -> SpectrumMetrics:
    """Every metric of the n singular values of W (m x n, m >= n), in any order.

    ``error_bound``, absolute, keeps what cannot be told from 0 out of the hard rank and of what builds on it.
    InvalidValueError: m < n, another number of values than n, NaN, infinity, negative values, values whose
    squares overflow, a bound that is negative or not finite.

    >>> found = spectrum_metrics([3.0, 4.0], m=2, n=2)
    >>> found.frobenius_norm, found.stable_rank, found.alpha
    (5.0, 1.5625, None)
    """
    array = np.asarray(singular_values)
    values = check_spectrum(array, m, n)
    tolerance = rounding(values[:1], error_bound, m=m, dtype=array.dtype)
    plain = elementary(values[None, :], tolerance=tolerance, error_bound=error_bound)
    # free of the scale, so that squares of tiny values do not vanish
    ratio = values / (values[0] or 1.0)
    found: dict[str, Any] = {name: series.tolist()[0] for name, series in plain.items()}
    found["hard_rank"] = int(found["hard_rank"])
    # of one column the only value is all that the variance is fitted to
    noisy = n >= 2 and 2 * found["hard_rank"] >= n
    bulk = of_bulk(ratio, m=m, n=n) if noisy else dict.fromkeys(BULK)
    return SpectrumMetrics(**found, **bulk, **of_tail(ratio[: found["hard_rank"]], float(values[0])))


def of_bulk(ratio: FloatArray, *, m: int, n: int) -> dict[str, Any]:
    """The metrics named in ``BULK`` of the descending values, not more than half of which are rounding."""
    try:
        bulk = fit_bulk(ratio, m=m, n=n)
    except InvalidValueError:  # the bulk has no spread, as that of an orthogonal W
        return dict.fromkeys(BULK)
    squares = ratio**2
    return {
        "mp_soft_rank": bulk.entry_variance * (math.sqrt(m) + math.sqrt(n)) ** 2 / float(squares[0]),
        "mp_distance": bulk_distance(ratio[bulk.outliers :], bulk, m=m, n=n),
        "outliers": bulk.outliers,
        "outlier_mass": float(squares[: bulk.outliers].sum() / squares.sum()),
        "tw_p_value": float(bulk.whole.p_value(ratio[0])),
    }


def of_tail(ratio: FloatArray, top: float) -> dict[str, Any]:
    """The metrics named in ``TAIL`` of values beyond rounding, in units of ``top``; None without a tail."""
    positive = ratio[ratio**2 > 0]
    if positive.size < MIN_POINTS:
        return dict.fromkeys(TAIL)
    try:
        tail = choose_lower(positive**2)
    except InvalidValueError:  # the values coincide: no slope
        return dict.fromkeys(TAIL)
    weighted = tail.alpha * 2.0 * math.log10(top)
    others = float(np.exp(2.0 * tail.alpha * np.log(positive)).sum())
    return {
        "alpha": tail.alpha,
        "alpha_error": tail.standard_error,
        "tail_points": tail.points,
        "weighted_alpha": weighted,
        "log_alpha_norm": weighted + math.log10(others),
    }
