"""Forecasts by the paper's equation: paths of the k largest singular values among the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forces import past_mean, top_laplacian
from sigmascope.theory.forecasting.history import History, Steps
from sigmascope.theory.ito import Form
from sigmascope.theory.laws.law import FloatArray

Noise = Literal["isotropic", "anisotropic"]

# of an ensemble
PATHS = 200
# of the drift that the past shows: half-life in steps
DRIFT_HALF_LIFE = 40.0
# squared gaps up to it have no inverse that sums would bear
COINCIDE = 1e-300
# rows of the past that still weigh more than 1 %
MEMORY = 320


@dataclass(frozen=True, slots=True)
class Equation:
    """How the equation is taken.

    Attributes:
        form: of the repulsion, ``exact`` or ``as_printed``.
        noise: ``isotropic``, 2 eta D for every mode, or ``anisotropic``, the measured variance along each.
            Repulsion goes by eta D in both: the past shows its mean, and only its changes are foreseen by it.
    """

    form: Form
    noise: Noise


# by the name of the forecaster
EQUATIONS: Mapping[str, Equation] = MappingProxyType(
    {
        "sde": Equation("exact", "isotropic"),
        "sde_as_printed": Equation("as_printed", "isotropic"),
        "sde_anisotropic": Equation("exact", "anisotropic"),
        "sde_anisotropic_as_printed": Equation("as_printed", "anisotropic"),
    }
)


def ensemble(
    history: History,
    origin: int,
    horizons: Steps,
    equation: Equation,
    *,
    paths: int = PATHS,
    rng: np.random.Generator | None,
) -> FloatArray:
    """(h, paths, k), each path descending: sigma at ``horizons`` steps (ascending) after row ``origin``.

    d sigma_k = [g_k + eta D Laplacian_k] dt + s_k dB_k in steps of one batch. g_k is what the past changes of
    sigma_k hold beyond the repulsion, as a mean whose weight halves every ``DRIFT_HALF_LIFE`` steps; eta D
    and s_k^2 are means alike. That mean is off by noise too, and every path has a g_k of its own, as far from
    it as the mean may be from the truth. The n - k values below are frozen, and values that would cross trade
    places, which the equation's density cannot tell from reflection.

    InvalidValueError: no ``rng``; the spectra, eta D, or for anisotropic noise its variance, are missing.
    """
    if not isinstance(rng, np.random.Generator):
        raise InvalidValueError(
            f"rng must be a numpy Generator, for an SDE draws paths, got {rng!r}; pass default_rng(seed)"
        )
    strength, deviation = noise_known(history, origin, equation.noise)
    past = history.rows(max(origin + 1 - MEMORY, 0), origin + 1)
    if past.spectra is None or past.m is None:
        raise InvalidValueError(
            "an SDE needs spectra and m, of whose values it knows the repulsion; pass both"
        )
    k, form = past.values.shape[1], equation.form
    repulsion = strength * finite(top_laplacian(past.spectra, k=k, m=past.m, form=form))
    drift = latest_mean(np.diff(past.values, axis=0) - repulsion[:-1])
    off = deviation / np.sqrt(effective_count(len(repulsion) - 1))
    drift = drift + off * rng.standard_normal((paths, k))
    fixed = repulsion[-1] - strength * among(past.values[-1:], form)[0]
    sigma = np.broadcast_to(past.values[-1], (paths, k)).copy()
    seen, wanted = [], set(horizons.tolist())
    for step in range(1, int(horizons[-1]) + 1):
        push = drift + fixed + strength * among(sigma, form)
        sigma = sigma + bounded(push, sigma) + deviation * rng.standard_normal(sigma.shape)
        sigma = -np.sort(-np.abs(sigma), axis=1)
        if step in wanted:
            seen.append(sigma)
    return np.array(seen)


def noise_known(history: History, origin: int, noise: Noise) -> tuple[float, FloatArray]:
    """Eta D and the (k,) standard deviations of a step, by all that was measured up to ``origin``.

    A measurement counts half as much every ``DRIFT_HALF_LIFE`` steps, and for good where none came after it.

    InvalidValueError: nothing was.
    """
    k = history.values.shape[1]
    if history.strength is None or not np.isfinite(history.strength[1 : origin + 1]).any():
        raise InvalidValueError(
            f"an SDE needs strength, eta D, of a step up to its origin {origin}, and there is none; measure "
            "the gradient noise from the first batch on (noise_every), or choose a later origin"
        )
    strength = float(latest_mean(known_rows(history.strength[1 : origin + 1, None]))[0])
    if noise == "isotropic":
        return strength, np.full(k, np.sqrt(2.0 * strength))
    variance = None if history.noise_variance is None else history.noise_variance[1 : origin + 1]
    if variance is None or not np.isfinite(variance).any(axis=0).all():
        raise InvalidValueError(
            f"anisotropic noise needs noise_variance along {k} modes, of a step up to the origin {origin}, "
            "and there is none; record both from the first batch on (modes_every, noise_every), or take the "
            "isotropic one"
        )
    return strength, np.sqrt(latest_mean(known_rows(variance)))


def known_rows(rows: FloatArray) -> FloatArray:
    """Up to the last that holds a number: what came before it keeps its weight beside it."""
    return rows[: int(np.flatnonzero(np.isfinite(rows).any(axis=1))[-1]) + 1]


def latest_mean(rows: FloatArray) -> FloatArray:
    """Weighted mean of the rows, the last included; NaN entries count for nothing."""
    known = np.isfinite(rows)
    ends = [np.concatenate([part, part[-1:]]) for part in (np.where(known, rows, 0.0), known.astype(float))]
    values, weights = (past_mean(part, DRIFT_HALF_LIFE)[-1] for part in ends)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values / weights)


def effective_count(rows: int) -> float:
    """Of how many rows, weighing alike, a mean varies as little as :func:`latest_mean` of so many."""
    weight = 0.5 ** (np.arange(rows) / DRIFT_HALF_LIFE)
    return float(weight.sum() ** 2 / (weight**2).sum())


def among(sigma: FloatArray, form: Form) -> FloatArray:
    """(paths, k): the part of the Laplacian that the k values give each other; 0 where they coincide."""
    one, other, signs = pairs(sigma.shape[1])
    gaps = (sigma[:, one] + sigma[:, other]) * (sigma[:, one] - sigma[:, other])
    inverse = np.divide(1.0, gaps, out=np.zeros_like(gaps), where=np.abs(gaps) > COINCIDE)
    total = sigma * (inverse @ signs)
    return np.asarray(total if form == "as_printed" else 2.0 * total)


@cache
def pairs(k: int) -> tuple[Steps, Steps, FloatArray]:
    """The first and the second of each pair of k values, and (pairs, k) by which it pushes each of them."""
    one, other = np.triu_indices(k, 1)
    return one, other, np.eye(k)[one] - np.eye(k)[other]


def bounded(push: FloatArray, sigma: FloatArray) -> FloatArray:
    """``push`` held to a tenth of sigma_1 a step: the pole of a near collision is the noise's to resolve."""
    most = 0.1 * sigma[:, :1]
    return np.asarray(np.clip(push, -most, most))


def finite(values: FloatArray) -> FloatArray:
    """0 where not finite."""
    return np.where(np.isfinite(values), values, 0.0)
