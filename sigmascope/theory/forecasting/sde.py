"""Forecasts by the paper's equation: paths of the k largest singular values among the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forces import past_mean, top_laplacian
from sigmascope.theory.forecasting.history import History, Steps
from sigmascope.theory.ito import Form, check_form
from sigmascope.theory.laws.law import FloatArray

Noise = Literal["isotropic", "anisotropic"]

NOISES = ("isotropic", "anisotropic")
# of the drift that the past shows: half-life in steps
DRIFT_HALF_LIFE = 40.0
# rows of the past that still weigh more than 1 %
MEMORY = 320


@dataclass(frozen=True, slots=True)
class SdeOptions:
    """How the equation is taken.

    Attributes:
        form: of the repulsion, ``exact`` or ``as_printed``.
        noise: ``isotropic``, 2 eta D for every mode, or ``anisotropic``, the measured variance along each.
        paths: of the ensemble.
    """

    form: Form = "exact"
    noise: Noise = "isotropic"
    paths: int = 200

    def __post_init__(self) -> None:
        check_form(self.form)
        if self.noise not in NOISES:
            raise InvalidValueError(f"noise must be one of {', '.join(NOISES)}, got {self.noise!r}")
        if isinstance(self.paths, bool) or not isinstance(self.paths, int | np.integer) or self.paths < 2:
            raise InvalidValueError(
                f"paths must be a whole number >= 2, got {self.paths!r}; 200 is customary"
            )


def ensemble(
    history: History,
    origin: int,
    horizons: Steps,
    options: SdeOptions,
    *,
    rng: np.random.Generator | None,
) -> FloatArray:
    """(h, paths, k), each path descending: sigma at ``horizons`` steps (ascending) after row ``origin``.

    d sigma_k = [g_k + eta D Laplacian_k] dt + s_k dB_k in steps of one batch. g_k is what the past changes of
    sigma_k hold beyond the repulsion, as a mean whose weight halves every ``DRIFT_HALF_LIFE`` steps; eta D
    and s_k^2 are means alike. The n - k values below are frozen, and values that would cross trade places,
    which the equation's density cannot tell from reflection.

    InvalidValueError: no ``rng``; the spectra, eta D, or for anisotropic noise its variance, are missing.
    """
    if rng is None:
        raise InvalidValueError("rng is missing: the forecaster 'sde' draws paths; pass default_rng(seed)")
    past = history.rows(max(origin + 1 - MEMORY, 0), origin + 1)
    if past.spectra is None or past.m is None or past.strength is None:
        raise InvalidValueError("the forecaster 'sde' needs spectra, m and strength; record them")
    k = past.values.shape[1]
    strength = latest_mean(past.strength[1:, None])[0]
    if not np.isfinite(strength):
        raise InvalidValueError("strength is NaN throughout: eta D was never measured before the origin")
    repulsion = strength * finite(top_laplacian(past.spectra, k=k, m=past.m, form=options.form))
    drift = latest_mean(np.diff(past.values, axis=0) - repulsion[:-1])
    deviation = np.sqrt(np.full(k, 2.0 * strength) if options.noise == "isotropic" else measured(past))
    fixed = repulsion[-1] - strength * among(past.values[-1:], options.form)[0]
    sigma = np.broadcast_to(past.values[-1], (options.paths, k)).copy()
    seen, wanted = [], set(horizons.tolist())
    for step in range(1, int(horizons[-1]) + 1):
        push = drift + fixed + strength * among(sigma, options.form)
        sigma = sigma + bounded(push, sigma) + deviation * rng.standard_normal(sigma.shape)
        sigma = -np.sort(-np.abs(sigma), axis=1)
        if step in wanted:
            seen.append(sigma)
    return np.array(seen)


def latest_mean(rows: FloatArray) -> FloatArray:
    """Weighted mean of the rows, the last included; NaN entries count for nothing."""
    known = np.isfinite(rows)
    ends = [np.concatenate([part, part[-1:]]) for part in (np.where(known, rows, 0.0), known.astype(float))]
    values, weights = (past_mean(part, DRIFT_HALF_LIFE)[-1] for part in ends)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values / weights)


def measured(past: History) -> FloatArray:
    """(k,) variance of a step along each mode."""
    variance = None if past.noise_variance is None else latest_mean(past.noise_variance[1:])
    if variance is None or not np.isfinite(variance).all():
        raise InvalidValueError(
            "noise='anisotropic' needs noise_variance along the modes; record it, or take 'isotropic'"
        )
    return variance


def among(sigma: FloatArray, form: Form) -> FloatArray:
    """(paths, k): the part of the Laplacian that the k values give each other; 0 where they coincide."""
    own, other = sigma[:, :, None], sigma[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pairs = own / (own + other) / (own - other)
    total = np.where(np.isfinite(pairs), pairs, 0.0).sum(axis=2)
    return np.asarray(total if form == "as_printed" else 2.0 * total)


def bounded(push: FloatArray, sigma: FloatArray) -> FloatArray:
    """``push`` held to a tenth of sigma_1 a step: the pole of a near collision is the noise's to resolve."""
    most = 0.1 * sigma[:, :1]
    return np.asarray(np.clip(push, -most, most))


def finite(values: FloatArray) -> FloatArray:
    """0 where not finite."""
    return np.where(np.isfinite(values), values, 0.0)
