"""The laws laid over one spectrum: what is fitted at each step, in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.theory.edge import BulkFit, check_spectrum, fit_bulk
from sigmascope.theory.laws.law import FloatArray, as_floats, check_positive
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur
from sigmascope.theory.noise import diffusion_as_printed
from sigmascope.theory.tails import MIN_POINTS, TruncatedGammaFit, fit_truncated_gamma


@dataclass(frozen=True, slots=True)
class LawFit:
    """Parameters of the laws overlaid on one layer's singular values at one step.

    With k outliers the noise that remains is (m - k) x (n - k) (see :mod:`sigmascope.theory.edge`);
    ``tw_center``, ``tw_scale`` and ``edge`` speak of it, so that ``edge`` parts outliers from bulk. Without
    outliers it is m x n.

    Axes: ``tw_center`` and ``tw_scale`` speak of the eigenvalues of W^T W (unscaled), so that the largest
    one is about ``tw_center + tw_scale * s`` with s Tracy-Widom (beta = 1); ``mp_upper`` and ``edge`` are
    singular values of W. Gamma laws speak of lambda = sigma^2.

    Attributes:
        entry_variance: variance of an entry of W, fitted to the bulk with outliers left out.
        mp_upper: upper edge of the Marchenko-Pastur bulk, s (sqrt m + sqrt n).
        tw_center: Ma's finite-size centring for a fitted variance, times the entry variance.
        tw_scale: Ma's finite-size scaling for a fitted variance, times the entry variance.
        edge: 95 % quantile of the largest singular value of the noise; the values beyond it are the outliers.
        p_value: probability that m x n pure noise has a larger top singular value than seen, by the first
            test, whose variance is fitted to all values.
        outliers: number of singular values beyond the edge, by sequential top-down testing at 5 %; at most
            half of them (:func:`~sigmascope.theory.edge.fit_bulk` tells where that stopped the search).
        ks: Kolmogorov distance of the bulk (outliers left out) from the fitted Marchenko-Pastur law.
        printed_shape: shape of the gamma law as printed, (m - n + 3) / 4.
        printed_rate: its rate beta1 / (4 eta D), D by Lemma 6.18; None where D or beta1 is not to be had.
        gamma_shape: shape of the gamma law fitted to the outliers, truncated at the edge; None when there are
            fewer than five, or they all coincide. 1e-6 says that the best fit lies at the boundary, shape 0.
        gamma_rate: its rate.
        gamma_log_norm: log of the factor that scales it: p_sigma(x) = exp(gamma_log_norm) 2 x^(2 shape - 1)
            exp(-rate x^2) integrates over x > edge to the fraction of singular values there.
    """

    entry_variance: float
    mp_upper: float
    tw_center: float
    tw_scale: float
    edge: float
    p_value: float
    outliers: int
    ks: float
    printed_shape: float
    printed_rate: float | None
    gamma_shape: float | None
    gamma_rate: float | None
    gamma_log_norm: float | None


def fit_laws(
    singular_values: ArrayLike,
    *,
    m: int,
    n: int,
    step: int,
    learning_rate: float,
    beta1: float | None = None,
    previous: LawFit | None = None,
) -> LawFit:
    """Fit every law to the n singular values of W (m x n, m >= n) at one step.

    ``beta1`` is the estimate of Lemma 6.19 and ``step`` the t_b of Lemma 6.18; ``previous`` only saves time.

    NumericalError: NaN or infinity in the spectrum. InvalidValueError: a shape with m < n or 1x1, another
    number of values than n, negative values, a learning rate or step outside its domain, a spectrum of which
    more than half is 0, or whose bulk repeats one value, as that of an orthogonal W does.
    """
    values = as_floats("singular_values", singular_values)
    if not np.isfinite(values).all():
        raise NumericalError(f"the spectrum of step {step} holds NaN or infinity; lower the learning rate")
    if step < 0:
        raise InvalidValueError(f"step must be >= 0, got {step}; step 0 is before the first batch")
    check_positive("learning_rate", learning_rate, remedy="the printed gamma law needs a step size")
    values = check_spectrum(values, m, n)
    bulk = fit_bulk(values, m=m, n=n)
    edge = bulk.residual.edge()
    tail = gamma_of_outliers(values[: bulk.outliers] ** 2, edge**2, previous)
    spread = math.sqrt(bulk.entry_variance)
    return LawFit(
        entry_variance=bulk.entry_variance,
        mp_upper=spread * (math.sqrt(m) + math.sqrt(n)),
        tw_center=bulk.residual.center,
        tw_scale=bulk.residual.scale,
        edge=edge,
        p_value=float(bulk.whole.p_value(values[0])),
        outliers=bulk.outliers,
        ks=bulk_distance(values[bulk.outliers :], bulk, m=m, n=n),
        printed_shape=(m - n + 3) / 4,
        printed_rate=printed_rate(values, step=step, learning_rate=learning_rate, beta1=beta1),
        gamma_shape=tail.shape if tail else None,
        gamma_rate=tail.rate if tail else None,
        gamma_log_norm=tail.log_norm + math.log(bulk.outliers / n) if tail else None,
    )


def gamma_of_outliers(points: FloatArray, lower: float, previous: LawFit | None) -> TruncatedGammaFit | None:
    """Truncated gamma law of the outliers (lambda axis); None when they are too few or all coincide."""
    if len(points) < MIN_POINTS:
        return None
    start = None
    if previous is not None and previous.gamma_shape is not None and previous.gamma_rate is not None:
        start = (previous.gamma_shape, previous.gamma_rate)
    try:
        return fit_truncated_gamma(points, lower, start=start)
    except InvalidValueError:  # the outliers coincide: no law to fit
        return None


def bulk_distance(values: FloatArray, bulk: BulkFit, *, m: int, n: int) -> float:
    """Kolmogorov distance of the descending bulk from Marchenko-Pastur for the noise that remains."""
    rows, count = m - bulk.outliers, n - bulk.outliers
    cdf = MarchenkoPastur(count / rows, bulk.entry_variance).cdf(values[::-1] ** 2 / rows)
    ranks = np.arange(count + 1) / count
    return float(max((ranks[1:] - cdf).max(), (cdf - ranks[:-1]).max()))


def printed_rate(values: FloatArray, *, step: int, learning_rate: float, beta1: float | None) -> float | None:
    """beta1 / (4 eta D) with D by Lemma 6.18; None at step 0, without beta1, or where D vanishes."""
    if step == 0 or beta1 is None or not math.isfinite(beta1) or beta1 <= 0:
        return None
    diffusion = diffusion_as_printed(values, batches=step)
    rate = beta1 / (4 * learning_rate * diffusion) if diffusion > 0 else math.inf
    return rate if math.isfinite(rate) else None
