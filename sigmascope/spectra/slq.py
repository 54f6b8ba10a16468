"""Spectra of layers too large to decompose: largest values exactly, the rest by Lanczos quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import Spectrum, bounded, check_finite, decomposable, exact_spectrum
from sigmascope.spectra.orientation import tall

# random starts, Lanczos steps from each, and values at the top that are exact
PROBES, STEPS, TOP = 24, 32, 5
# for the largest values: vectors in a block, and products of it with W^T W at most
_BLOCK, _ROUNDS, _MOST_ROUNDS = 16, 12, 60
# residual |W^T W v - lambda v| / lambda at which a largest value is settled (its own error is as the square),
# and at which its vector is good enough to be taken out of the rest
_SETTLED, _REMOVED = 1e-4, 1e-2
# residual relative to sigma_max from which on a node of a quadrature is taken for a singular value
_STEP = 1e-3
# points, for each value, at which the mean distribution is computed
_POINTS = 8
# of a residual, relative to the largest eigenvalue, in float32
_ROUNDING = 1e-6
# up to this many values a decomposition is as fast
_SMALL = 512


@torch.no_grad()
def slq_spectrum(
    weight: torch.Tensor, *, probes: int = PROBES, steps: int = STEPS, top: int = TOP, seed: int = 0
) -> Spectrum:
    """All min(rows, columns) singular values of ``weight``, the ``top`` largest exactly, the rest estimated.

    The largest are Rayleigh-Ritz values on a block Krylov space of W^T W with full reorthogonalisation,
    grown until their residuals settle them to about 1e-6 relative. Every vector that has converged there is
    then taken out: Lanczos without reorthogonalisation would find such values again and again.

    For the rest, Golub-Kahan steps from ``probes`` random vectors give Gaussian quadratures of its spectral
    density, as seen from each (Golub and Meurant 2010; Ubaru, Chen and Saad 2017). Each is read as a smooth
    :func:`distribution`, not as steps, and the quantiles of their mean stand for the remaining values. What
    chance has left in their mean square is taken back, since the Frobenius norm is known.

    Cost: O(m n) for each of some seventy products with a few vectors, instead of O(m n^2).

    The Kolmogorov distance to the true spectrum is about sqrt(1 / (2 n probes)) from the starts; the
    quadrature adds 1 / (4 steps) or less where the density is smooth, more where it spans many orders of
    magnitude (0.05 where entries of different columns do). ``error_bound`` is their sum, in the unit of the
    values: the largest shift of an estimated value within so many places. It is an estimate.

    ``seed`` makes a generator of its own: the global random state is not touched. Up to 512 values are
    computed, by :func:`exact_spectrum`.

    Raises:
        InvalidValueError: probes, steps or top below 1; ``weight`` is no real matrix.
        NumericalError: NaN or infinity.
    """
    for name, value in (("probes", probes), ("steps", steps), ("top", top)):
        if value < 1:
            raise InvalidValueError(f"{name} must be at least 1, got {value}; leave it out for the usual")
    matrix = tall(weight)
    n = matrix.shape[1]
    if n <= max(_SMALL, 2 * top):
        return exact_spectrum(matrix)
    check_finite(matrix)
    matrix = decomposable(matrix)
    scale = matrix.abs().amax()
    if float(scale) == 0.0:
        return bounded(torch.zeros(n, dtype=matrix.dtype), "svd", matrix)
    return _estimate(matrix, scale, probes=probes, steps=steps, top=top, seed=seed)


def _estimate(
    matrix: torch.Tensor, scale: torch.Tensor, *, probes: int, steps: int, top: int, seed: int
) -> Spectrum:
    n = matrix.shape[1]
    scaled = matrix / scale
    generator = torch.Generator(device="cpu").manual_seed(seed)
    known, removed = _largest(scaled, top=top, generator=generator)
    starts = torch.randn(n, probes, generator=generator, dtype=matrix.dtype).to(matrix.device)
    rules = _rules(*_bidiagonal(scaled, starts, removed, steps=steps))
    squares = float(torch.linalg.vector_norm(scaled)) ** 2
    points = np.linspace(0.0, float(known[-1]), _POINTS * n)
    masses = tilted(
        np.diff(np.mean([distribution(rule, points) for rule in rules], axis=0), prepend=0.0),
        points**2,
        mean=(squares - float(known.square().sum())) / (n - len(known)),
    )
    rest = torch.from_numpy(quantiles(points, masses, n - len(known)))
    values = torch.cat([known, rest]) * float(scale)
    distance = math.sqrt(1 / (2 * n * probes)) + 1 / (4 * steps)
    return Spectrum(
        values.to(matrix.dtype), "slq", _largest_shift(values[len(known) :], math.ceil(distance * n))
    )


def _largest(
    matrix: torch.Tensor, *, top: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest singular values, (t,) float64 on the CPU, t >= ``top``, and their vectors (n, t).

    t counts all that have converged from the top down.
    """
    n = matrix.shape[1]
    block = max(_BLOCK, 2 * top)
    start = torch.randn(n, block, generator=generator, dtype=matrix.dtype).to(matrix.device)
    basis = newest = torch.linalg.qr(start).Q
    T = torch.zeros(0, 0, dtype=torch.float64)
    for rounds in range(1, _MOST_ROUNDS + 1):
        image = matrix @ newest
        grown = matrix.mT @ image
        T = _bordered(T, (basis.mT @ grown).double().cpu())
        for _ in range(2):  # twice is enough (Parlett 1998, 6.9)
            grown = grown - basis @ (basis.mT @ grown)
        newest, R = torch.linalg.qr(grown)
        # where W has lost rank, what was left is rounding, and lies in the span as much as outside
        newest = torch.linalg.qr(newest - basis @ (basis.mT @ newest)).Q
        full = basis.shape[1] + block > n
        if rounds % 4 == 0 or full:
            ritz, vectors = (part.flip(-1) for part in torch.linalg.eigh(T))
            residual = (R.double().cpu() @ vectors[-block:]).norm(dim=0)
            # no value is better than rounding makes the largest
            residual = (residual - _ROUNDING * ritz[0]).clamp(min=0.0) / ritz.clamp(min=1e-300)
            settled = _leading(residual <= _SETTLED)
            if full or (settled >= top and rounds >= _ROUNDS) or rounds == _MOST_ROUNDS:
                break
        basis = torch.cat([basis, newest], dim=1)
    count = max(top, _leading(residual <= _REMOVED))
    taken = basis @ vectors[:, :count].to(basis)
    return ritz[:count].clamp(min=0.0).sqrt(), taken


def _bordered(T: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The symmetric T with its next block of columns, and of rows."""
    old = T.shape[0]
    both = torch.zeros(len(columns), len(columns), dtype=T.dtype)
    both[:old, :old] = T
    both[:, old:] = columns
    both[old:, :old] = columns[:old].T
    return both


def _leading(good: torch.Tensor) -> int:
    """How many hold before the first that does not."""
    return int(good.long().cumprod(0).sum())


def _bidiagonal(
    matrix: torch.Tensor, starts: torch.Tensor, removed: torch.Tensor, *, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Golub-Kahan: diagonal and superdiagonal, (probes, steps) each, float64 on the CPU."""
    tiny = torch.finfo(matrix.dtype).tiny
    v = starts - removed @ (removed.mT @ starts)
    v = v / v.norm(dim=0)
    u, beta = torch.zeros(()), torch.zeros(())
    diagonal, beside = [], []
    for _ in range(steps):
        u = matrix @ v - u.to(v) * beta.to(v)
        alpha = u.norm(dim=0)
        u = u / alpha.clamp(min=tiny)
        w = matrix.mT @ u - v * alpha
        w = w - removed @ (removed.mT @ w)
        beta = w.norm(dim=0)
        v = w / beta.clamp(min=tiny)
        diagonal.append(alpha)
        beside.append(beta)
    return torch.stack(diagonal, 1).double().cpu(), torch.stack(beside, 1).double().cpu()


@dataclass(frozen=True, slots=True)
class Rule:
    """A Gauss quadrature of a spectral density.

    Attributes:
        nodes: singular values, ascending.
        masses: of the nodes; they sum to 1.
        settled: whether a node has converged to a singular value, so that its mass lies there and not around.
    """

    nodes: NDArray[np.float64]
    masses: NDArray[np.float64]
    settled: NDArray[np.bool_]


def _rules(diagonal: torch.Tensor, beside: torch.Tensor) -> list[Rule]:
    """The rule that each start gives; ``beside`` has one more entry, that of the step after the last."""
    B = torch.diag_embed(diagonal) + torch.diag_embed(beside[:, :-1], offset=1)
    U, sigma, Vh = torch.linalg.svd(B)
    residual = beside[:, -1:] * U[:, -1].abs()  # |W^T u - sigma v|, by the last component of u
    of_nodes = sigma, Vh[:, :, 0] ** 2, residual <= _STEP * sigma[:, :1]
    return [Rule(*one) for one in zip(*(part.flip(-1).numpy() for part in of_nodes), strict=True)]


def distribution(rule: Rule, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of singular values up to each of the ascending ``points``, as ``rule`` has it.

    Linear between the nodes, at each of which half its mass is counted: of a smooth density that is right to
    second order in their distance, where the steps of the rule itself are to first. At the ends the line goes
    on to 0 and 1. A settled node is a step.
    """
    after = rule.masses.cumsum()
    before = after - rule.masses
    middle = (before + after) / 2
    nodes = np.repeat(rule.nodes, 2)
    levels = np.column_stack(
        [np.where(rule.settled, before, middle), np.where(rule.settled, after, middle)]
    ).ravel()
    first, last = _end(nodes, levels), _end(-nodes[::-1], 1.0 - levels[::-1])
    nodes = np.concatenate([[max(first, 0.0)], nodes, [-last]])
    levels = np.concatenate([[0.0], levels, [1.0]])
    found: NDArray[np.float64] = np.interp(points, np.maximum.accumulate(nodes), levels)
    return found


def _end(nodes: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    """Where the line through the first two nodes reaches level 0."""
    rise = levels[2] - levels[1] if len(levels) > 2 else 0.0
    return float(nodes[0] - (levels[0] * (nodes[2] - nodes[0]) / rise if rise > 0.0 else 0.0))


def tilted(masses: NDArray[np.float64], points: NDArray[np.float64], *, mean: float) -> NDArray[np.float64]:
    """``masses`` times a linear function of ``points``, so that their mean is what it is known to be.

    The sum of all squared singular values is the squared Frobenius norm: chance in the starts that shows in
    it is taken back.
    """
    off = points - (masses * points).sum()
    spread = float((masses * off**2).sum())
    if spread == 0.0:
        return masses
    missing = (mean - float((masses * points).sum())) / spread
    changed: NDArray[np.float64] = (masses * (1.0 + missing * off)).clip(min=0.0)
    total: NDArray[np.float64] = changed / changed.sum()
    return total


def quantiles(points: NDArray[np.float64], masses: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count,) descending: where the distribution reaches the levels (k - 1/2) / count."""
    levels = (np.arange(count) + 0.5) / count
    found: NDArray[np.float64] = np.interp(levels, masses.cumsum(), points)[::-1].copy()
    return found


def _largest_shift(values: torch.Tensor, places: int) -> float:
    """The most by which two of the descending ``values`` so many places apart differ."""
    places = min(places, len(values) - 1)
    return float((values[:-places] - values[places:]).max()) if places > 0 else 0.0
