"""What moved the largest singular values, batch by batch: drift, noise, repulsion, turning, and what is left.

W -> W + G changes sigma_k by the integral of u_k^T G v_k along the way, u_k and v_k turning as it goes. Its
value at the start is the Ito part of a stochastic differential equation; the mean of start and end, as
Stratonovich has it, is right to second order in G. Half their difference is half the second derivative along
G, whose mean over mini-batch noise is eta D times the Laplacian of sigma_k: the repulsion of Theorem 3.1.
Axis: singular values of W, m x n, m >= n; rows are batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import Form, check_descending, check_form, check_values
from sigmascope.theory.laws.law import FloatArray, check_positive

HALF_LIFE = 20.0
# pairs handled at once: a block that stays in the cache
BLOCK = 1_000_000
FORMS: tuple[Form, Form] = ("exact", "as_printed")


@dataclass(frozen=True, slots=True)
class Forces:
    """observed = drift + noise + repulsion + turning + remainder, each (batches, k), in sigma a batch.

    Attributes:
        observed: sigma_k after the batch minus before.
        drift: mean of u_k^T G v_k over the batches before this one, their weight halving every ``half_life``
            batches; for the first one, its own. It lags behind a drift that changes faster.
        noise: u_k^T G v_k minus ``drift``.
        repulsion: eta D times the exact Laplacian of sigma_k; NaN where values coincide and it diverges.
        repulsion_as_printed: eta D times that of Lemma 6.5.
        turning: second order along the G of this batch, beyond ``repulsion``, its mean over isotropic noise:
            half of what u_k^T G v_k gains as the modes turn under G, minus ``repulsion``. NaN where the modes
            after the batch are not known, and then the remainder holds it.
        remainder: what is left, O(|G|^3 / gap^2) of exact modes and spectra. Where singular values cross or
            nearly touch it is large. Recorded ones add what they are off by: spectra in float32 1e-7 to 1e-6
            of sigma_1, and the modes of a tracker, whose vectors lag by an angle theta, that of u_k^T G v_k,
            about theta |G|, which is less than the rest of a step at usual rates, and more at small ones.

    Where ``strength`` is NaN, repulsion, turning and remainder are NaN.
    """

    observed: FloatArray
    drift: FloatArray
    noise: FloatArray
    repulsion: FloatArray
    repulsion_as_printed: FloatArray
    turning: FloatArray
    remainder: FloatArray


def forces(
    spectra: ArrayLike,
    projected: ArrayLike,
    strength: ArrayLike,
    *,
    m: int,
    turned: ArrayLike | None = None,
    earlier: ArrayLike | None = None,
    ages: ArrayLike | None = None,
    half_life: float = HALF_LIFE,
) -> Forces:
    """Decompose the change of the k largest singular values in each of t batches, one after another.

    Args:
        spectra: (t + 1, n) all singular values before the first batch and after each, descending.
        projected: (t, k) u_k^T G v_k of each batch, u_k and v_k those before it.
        strength: (t,) eta D of each batch; NaN where it is not known, and then no repulsion is either.
        m: rows of W.
        turned: (t, k) u_k^T G v_k of each batch, u_k and v_k those after it; a row of NaN where unknown.
        earlier: (s, k) u_k^T G v_k of batches before, for the running mean alone.
        ages: (s,) how many batches before the first of the t those were, descending; s, ..., 2, 1 unless
            given.
        half_life: batches, of the running mean that parts drift from noise.

    Raises:
        InvalidValueError: NaN or infinity in spectra or updates, negative values, rows that do not descend,
            no batch, shapes that do not fit, m < n, a half-life that is not positive, ages that do not
            descend to 1 or more.
    """
    values = check_values("spectra", spectra, m)
    updates = np.asarray(projected, dtype=np.float64)
    rate = np.asarray(strength, dtype=np.float64)
    check_shapes(values, updates, rate)
    check_positive("half_life", half_life, remedy="20 batches are customary")
    k = updates.shape[1]
    observed = np.diff(values[:, :k], axis=0)
    before = np.empty((0, k)) if earlier is None else check_earlier(earlier, k)
    gained = check_turned(turned, updates.shape) - updates
    since = np.concatenate([check_ages(ages, len(before)), -np.arange(len(updates), dtype=np.float64)])
    drift = past_mean(np.concatenate([before, updates]), half_life, apart=-np.diff(since))[len(before) :]
    exact, printed = (rate[:, None] * top_laplacian(values[:-1], k=k, m=m, form=form) for form in FORMS)
    turning = gained / 2.0 - exact
    return Forces(
        observed=observed,
        drift=drift,
        noise=updates - drift,
        repulsion=exact,
        repulsion_as_printed=printed,
        turning=turning,
        remainder=observed - updates - exact - np.where(np.isnan(gained), 0.0, turning),
    )


def check_shapes(values: FloatArray, updates: FloatArray, rate: FloatArray) -> None:
    """InvalidValueError unless (t + 1, n), (t, k) and (t,) fit together, k <= n, and updates are finite."""
    if values.ndim != 2 or updates.ndim != 2 or not 1 <= updates.shape[1] <= values.shape[1]:
        raise InvalidValueError(
            f"spectra must be (t + 1, n) and projected (t, k) with 1 <= k <= n, got {values.shape} and "
            f"{updates.shape}"
        )
    if len(values) != len(updates) + 1 or rate.shape != (len(updates),):
        raise InvalidValueError(
            f"{len(updates)} batches have {len(updates) + 1} spectra and as many strengths as batches, got "
            f"{len(values)} and shape {rate.shape}"
        )
    if len(updates) == 0:
        raise InvalidValueError("projected must hold at least one batch, got none; train on")
    check_descending("spectra", values, remedy="sort it, as the updates are")
    if not np.isfinite(updates).all():
        raise InvalidValueError("projected holds NaN or infinity; check the loss")
    if (rate < 0).any() or np.isinf(rate).any():
        raise InvalidValueError("strength must be >= 0 and finite, or NaN where unknown")


def check_turned(turned: ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
    """``turned`` as float64, NaN where there is none; InvalidValueError for another shape, or infinity."""
    if turned is None:
        return np.full(shape, np.nan)
    after = np.asarray(turned, dtype=np.float64)
    if after.shape != shape:
        raise InvalidValueError(f"turned must be {shape} like projected, got {after.shape}")
    if np.isinf(after).any():
        raise InvalidValueError("turned holds infinity; check the loss")
    return after


def check_earlier(earlier: ArrayLike, k: int) -> FloatArray:
    """``earlier`` as float64; InvalidValueError unless it is (s, k) and finite."""
    before = np.asarray(earlier, dtype=np.float64)
    if before.ndim != 2 or before.shape[1] != k:
        raise InvalidValueError(f"earlier must be (batches, {k}) like projected, got shape {before.shape}")
    if not np.isfinite(before).all():
        raise InvalidValueError("earlier holds NaN or infinity; check the loss")
    return before


def check_ages(ages: ArrayLike | None, count: int) -> FloatArray:
    """``ages`` as float64, ``count``, ..., 1 where there are none; InvalidValueError unless they descend."""
    if ages is None:
        return np.arange(count, 0, -1, dtype=np.float64)
    found = np.asarray(ages, dtype=np.float64)
    if found.shape != (count,) or not (np.diff(found) < 0).all() or not (found >= 1).all():
        raise InvalidValueError(f"ages must be {count} descending numbers >= 1, one for each row of earlier")
    return found


def past_mean(updates: FloatArray, half_life: float, *, apart: FloatArray | None = None) -> FloatArray:
    """Exponentially weighted mean of the rows before each row; the first row's own for the first.

    Rows are one step apart, or (rows - 1,) as many as ``apart`` says.
    """
    decay = 0.5 ** (1.0 / half_life)
    rows = np.concatenate([updates, np.ones((len(updates), 1))], axis=1)  # and their weights
    if apart is None or (apart == 1.0).all():
        sums = lfilter([1.0], [1.0, -decay], rows, axis=0)
    else:
        sums = rows.copy()
        for row, kept in enumerate((decay**apart).tolist(), start=1):
            sums[row] += kept * sums[row - 1]
    means = sums[:, :-1] / sums[:, -1:]
    return np.concatenate([updates[:1], means[:-1]])


def top_laplacian(spectra: FloatArray, *, k: int, m: int, form: Form) -> FloatArray:
    """:func:`sigmascope.theory.ito.laplacian` of the first k values of each row, at O(k n) a row.

    (t, n) to (t, k); NaN where a value is 0 or repeated.
    """
    check_form(form)
    n = spectra.shape[1]
    rows = max(BLOCK // (k * n), 1)
    blocks = [pair_sums(spectra[at : at + rows], k) for at in range(0, len(spectra), rows)]
    sums, top = np.concatenate(blocks), spectra[:, :k]
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = (m - n + 1) / (2.0 * top) if form == "as_printed" else (m - n) / top
    pairs = 1.0 if form == "as_printed" else 2.0
    return np.where((top > 0) & np.isfinite(sums), wall + pairs * sums, np.nan)


def pair_sums(spectra: FloatArray, k: int) -> FloatArray:
    """Sum over j of sigma_k / (sigma_k^2 - sigma_j^2), (t, k); not finite where values coincide."""
    top, every = spectra[:, :k, None], spectra[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = top / (top + every) / (top - every)
        own = np.arange(k)
        terms[:, own, own] = 0.0
        return np.asarray(terms.sum(axis=2))
