"""Spectra of layers too large to decompose: largest values exactly, the rest by Lanczos quadrature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.apart import apart_from_training
from sigmascope.counts import whole
from sigmascope.spectra.exact import (
    SQUARABLE,
    Spectrum,
    bounded,
    check_finite,
    check_range,
    decomposable,
    exact_spectrum,
)
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.products import frobenius_norm, times

# random starts, rounds of products with W^T W on all of them at most, and values at the top that are exact
PROBES, ROUNDS, TOP = 16, 20, 5
# rounds before the first look at what the last so many have changed in the distribution; at how many points
# that is seen; and what is taken for nothing
_FIRST_ROUNDS, _LAST_ROUNDS, _GLANCES, _UNCHANGED = 10, 4, 512, 0.005
# at most, where the largest values have not settled before
_MOST_ROUNDS = 60
# residual |W^T W v - lambda v| / lambda at which a largest value is settled (its own error is as the square),
# and at which its vector is good enough to be taken out of the rest
_SETTLED, _REMOVED = 1e-4, 1e-2
# a share of the starts that stands for so many values: more is one value that occurs several times
_SIMPLE = 3.0
# error relative to sigma_max from which on a node of a quadrature is taken for a singular value
_STEP = 1e-3
# points, for each value, at which the mean distribution is computed
_POINTS = 8
# rounding in units of the type's: of a residual, relative to the largest eigenvalue, and of what the squares
# of the known values add up to, relative to all
_ROUNDING = 8.0
# length that a unit vector keeps when it was outside a span already; projections that reach it, at most
_KEPT, _MOST_PROJECTIONS = 0.9, 6
# up to this many values a decomposition is as fast
_SMALL = 512


@apart_from_training
def slq_spectrum(
    weight: torch.Tensor, *, probes: int = PROBES, rounds: int = ROUNDS, top: int = TOP, seed: int = 0
) -> Spectrum:
    """All min(rows, columns) singular values of ``weight``, the ``top`` largest exactly, the rest estimated.

    One block Krylov space of W^T W, grown from ``probes`` random vectors with full reorthogonalisation, gives
    both. The largest are its Rayleigh-Ritz values: it grows until their residuals settle them to about 1e-6
    relative. Every vector that has converged there is then taken out of the starts, down to the first value
    that occurs many times, of which the space holds but a few vectors.

    For the rest, Lanczos from each start, in coordinates of the space and therefore without a further product
    with W, gives a Gaussian quadrature of the spectral density as seen from it (Golub and Meurant 2010;
    Ubaru, Chen and Saad 2017). Each is read as a smooth :func:`distribution`, not as steps, and the quantiles
    of their mean stand for the remaining values. What chance has left in their mean square is taken back,
    since the Frobenius norm is known.

    The space stops growing once the last four rounds have changed the distribution by less than 0.005, at
    ``rounds`` otherwise: ten or twelve are enough where the density is smooth, as that of noise with outliers
    is.

    Cost: O(m n probes) for each round, instead of O(m n^2).

    The Kolmogorov distance to the true spectrum is about sqrt(1 / (2 n probes)) from the starts; the
    quadrature adds about what its last four rounds have changed, next to nothing where the density is smooth
    and 0.1 or more where it spans many orders of magnitude. ``error_bound`` is their sum, in the unit of the
    values: the largest shift of an estimated value within so many places. It is an estimate.

    ``seed`` makes a generator of its own: the global random state is not touched. Up to 512 values are
    computed, by :func:`exact_spectrum`, and as many as the space could hold where nothing less tells them.

    Raises:
        InvalidValueError: probes, rounds or top below 1; ``weight`` is no real matrix.
        NumericalError: NaN or infinity, in the weight or of the largest value in its precision.
    """
    for name, value in (("probes", probes), ("rounds", rounds), ("top", top)):
        whole(name, value, least=1, remedy="leave it out for the usual")
    matrix = tall(weight)
    n = matrix.shape[1]
    block = max(probes, 2 * top)
    if n <= max(_SMALL, 2 * block):
        return exact_spectrum(matrix)
    matrix = decomposable(matrix)
    norm, scale = frobenius_norm(matrix), 1.0
    if not 1 / SQUARABLE < norm < SQUARABLE:
        check_finite(matrix)
        scale = max(-float(matrix.amin()), float(matrix.amax()))
        if scale == 0.0:
            return bounded(torch.zeros(n, dtype=matrix.dtype), "svd", matrix)
        matrix = matrix / scale
    generator = torch.Generator(device="cpu").manual_seed(seed)
    starts = torch.randn(n, block, generator=generator, dtype=matrix.dtype, device="cpu").to(matrix.device)
    found = _estimate(matrix, starts, rounds=rounds, top=top)
    if found is None:
        return exact_spectrum(weight)
    values, known, distance = found
    values = values * scale
    check_range(values, matrix.dtype)
    shift = _largest_shift(values[known:], math.ceil(distance * n))
    grid = float(values[known - 1]) / (_POINTS * n)  # that the distribution is read on
    # of the products, and of the squares that the eigenvalues are of, in float64: a zero comes out as that
    rounding = max(4 * torch.finfo(matrix.dtype).eps, math.sqrt(_ROUNDING * torch.finfo(torch.float64).eps))
    return Spectrum(values.to(matrix.dtype), "slq", shift + grid + rounding * float(values[0]))


def _estimate(
    matrix: torch.Tensor, starts: torch.Tensor, *, rounds: int, top: int
) -> tuple[torch.Tensor, int, float] | None:
    """All values, (n,) float64 on the CPU; how many of them, from the top, are exact; and how far off the
    distribution of the others may be. None where the space has grown to the whole: it settles nothing then.
    """
    n, block = starts.shape
    chance = math.sqrt(1 / (2 * n * block))
    for space in _spaces(matrix, starts, rounds=rounds, top=top):
        if len(space.ritz) + block > n:
            return None
        largest = float(space.ritz[space.removed :].amax().sqrt())
        diagonal, beside = _tridiagonal(space)
        rules, before = (
            _rules(diagonal[:, :steps], beside[:, :steps], sigma_max=math.sqrt(float(space.ritz[0])))
            for steps in (space.rounds, max(space.rounds - _LAST_ROUNDS, 1))
        )
        glances = np.linspace(0.0, largest, _GLANCES)
        change = _mean_distribution(rules, glances) - _mean_distribution(before, glances)
        changed = float(np.abs(change).max())
        if changed < _UNCHANGED:
            break
    known = space.ritz[: space.removed]
    points = np.linspace(0.0, largest, _POINTS * n)
    squares = sum_of_squares(matrix)
    masses = tilted(
        np.diff(_mean_distribution(rules, points), prepend=0.0),
        points**2,
        mean=(squares - float(known.sum())) / (n - len(known)),
        within=_ROUNDING * torch.finfo(matrix.dtype).eps * squares / (n - len(known)),
    )
    rest = quantiles(points, masses, n - len(known))
    values = torch.cat([known.sqrt(), torch.from_numpy(rest)])
    values[:top] = space.ritz[:top].sqrt()
    values = values.sort(descending=True).values  # a multiple one at the top may be a quantile besides
    return values, max(top, len(known)), chance + changed


@dataclass(frozen=True, slots=True)
class _Space:
    """A block Krylov space of W^T W, by its Ritz vectors.

    Attributes:
        ritz: eigenvalues of W^T W on it, (N,) float64 on the CPU, descending, none negative.
        starts: an orthonormal basis of the starts in coordinates of the Ritz vectors, (N, block).
        removed: how many, from the top, are eigenvalues of W^T W that occur once; a block at least is left
            for the rest.
        rounds: products with W^T W behind it.
    """

    ritz: torch.Tensor
    starts: torch.Tensor
    removed: int
    rounds: int


def _spaces(matrix: torch.Tensor, starts: torch.Tensor, *, rounds: int, top: int) -> Iterator[_Space]:
    """Growing, each with its ``top`` values settled; the last one after ``rounds`` or when these have."""
    n, block = starts.shape
    last = max(rounds, 2)
    basis = newest = torch.linalg.qr(starts).Q
    images: list[torch.Tensor] = []
    for count in range(1, _MOST_ROUNDS + 1):
        image = times(matrix, newest)
        images.append(image)
        newest, R = _beside(basis, times(matrix.mT, image))
        full = basis.shape[1] + block > n or count == _MOST_ROUNDS
        if full or _due(count, last):
            image = torch.cat(images, dim=1).double()
            ritz, vectors = (part.flip(-1) for part in torch.linalg.eigh((image.mT @ image).cpu()))
            residual = (R.double().cpu() @ vectors[-block:]).norm(dim=0)
            # no value is better than rounding makes the largest
            rounding = _ROUNDING * torch.finfo(matrix.dtype).eps * ritz[0]
            residual = (residual - rounding).clamp(min=0.0) / ritz.clamp(min=1e-300)
            if full or _leading(residual <= _SETTLED) >= top:
                occurrences = n * vectors[:block].square().mean(0)
                known = (residual <= _REMOVED) & (rounding <= _REMOVED * ritz)
                simple = known & (occurrences <= _SIMPLE)
                removed = min(_leading(simple), len(ritz) - block)
                yield _Space(ritz.clamp(min=0.0), vectors[:block].T, removed, count)
                if full or count >= last:
                    return
        basis = torch.cat([basis, newest], dim=1)


def _due(count: int, last: int) -> bool:
    """Whether to look at the space after ``count`` rounds: more seldom beyond the ``last``."""
    if count < last:
        return count >= _FIRST_ROUNDS and count % 2 == 0
    return (count - last) % 4 == 0


def _beside(basis: torch.Tensor, grown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Q R = ``grown`` less its part in the span of ``basis``, the columns of Q orthonormal and outside it.

    Twice is enough (Parlett 1998, 6.9) where something is left outside. Where W has lost rank it is rounding,
    and Q's columns are any that complete it, inside the span as well as outside: they are projected until
    projection takes little from them.
    """
    for _ in range(2):
        grown = grown - basis @ (basis.mT @ grown)
    Q, R = torch.linalg.qr(grown)
    for _ in range(_MOST_PROJECTIONS):
        Q, kept = torch.linalg.qr(Q - basis @ (basis.mT @ Q))
        if float(kept.diagonal().abs().min()) > _KEPT:
            break
    return Q, R


def _leading(good: torch.Tensor) -> int:
    """How many hold before the first that does not."""
    return int(good.long().cumprod(0).sum())


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


def _tridiagonal(space: _Space) -> tuple[torch.Tensor, torch.Tensor]:
    """(block, rounds) each, the diagonal and what is beside it, of what Lanczos makes of each start.

    On the diagonal matrix of the ``ritz`` that have not converged, with full reorthogonalisation.
    """
    ritz, starts = space.ritz[space.removed :], space.starts[space.removed :]
    tiny = max(1e-14 * float(ritz[0]), 1e-150)  # below it nothing is left to go on with
    v = starts.T / starts.norm(dim=0)[:, None].clamp(min=1e-150)  # (block, N)
    basis = v[:, None, :]
    diagonal, beside = [], []
    for _ in range(min(space.rounds, len(ritz))):
        w = v * ritz
        diagonal.append((w * v).sum(1))
        for _ in range(2):
            w = w - ((basis @ w[:, :, None]).mT @ basis)[:, 0]
        beside.append(w.norm(dim=1))
        v = w / beside[-1][:, None].clamp(min=tiny)
        basis = torch.cat([basis, v[:, None, :]], dim=1)
    return torch.stack(diagonal, 1), torch.stack(beside, 1)


def _rules(diagonal: torch.Tensor, beside: torch.Tensor, *, sigma_max: float) -> list[Rule]:
    """The rule of each start."""
    off = torch.zeros_like(torch.diag_embed(diagonal))
    off[:, :-1, 1:] = torch.diag_embed(beside[:, :-1])
    squares, vectors = torch.linalg.eigh(torch.diag_embed(diagonal) + off + off.mT)
    sigma = squares.clamp(min=0.0).sqrt()
    residual = beside[:, -1:] * vectors[:, -1].abs()  # of W^T W
    gaps = squares.diff(dim=1)
    alone = torch.full_like(squares[:, :1], math.inf)
    gap = torch.minimum(torch.cat([alone, gaps], 1), torch.cat([gaps, alone], 1))  # to the nearest node
    # of a square (Parlett 1998, 11.7); two nodes may be the same, of which each is known as well as it is
    error = torch.minimum(residual, residual**2 / gap.clamp(min=1e-300))
    # over sigma it is that of the singular value, and its root where that is zero
    settled = error <= _STEP * sigma_max * sigma.clamp(min=_STEP * sigma_max)
    of_nodes = sigma, vectors[:, 0] ** 2, settled
    return [Rule(*(part.numpy() for part in one)) for one in zip(*of_nodes, strict=True)]


def _mean_distribution(rules: Sequence[Rule], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([distribution(rule, points) for rule in rules], axis=0)
    return mean


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


def sum_of_squares(matrix: torch.Tensor) -> float:
    """|W|_F^2, added up in float64 where there is one: a bulk below large values is a small part of it."""
    exact = torch.float32 if matrix.device.type == "mps" else torch.float64
    return float(torch.linalg.vector_norm(matrix, dtype=torch.promote_types(matrix.dtype, exact))) ** 2


def tilted(
    masses: NDArray[np.float64], points: NDArray[np.float64], *, mean: float, within: float = 0.0
) -> NDArray[np.float64]:
    """``masses`` times a linear function of ``points``, so that their mean is ``within`` of what is known.

    The sum of all squared singular values is the squared Frobenius norm: chance in the starts that shows in
    it is taken back. What is left of it for the smaller ones is known as well as the larger ones are.
    """
    off = points - (masses * points).sum()
    spread = float((masses * off**2).sum())
    if spread == 0.0:
        return masses
    off_mean = mean - float((masses * points).sum())
    missing = math.copysign(max(abs(off_mean) - within, 0.0), off_mean) / spread
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
