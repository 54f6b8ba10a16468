"""Spectra of layers too large to decompose: largest values exactly, the rest by Lanczos quadrature."""

from __future__ import annotations

import math

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import Spectrum, bounded, check_finite, decomposable, exact_spectrum
from sigmascope.spectra.orientation import tall

# random starts, Lanczos steps from each, and values at the top that are exact
PROBES, STEPS, TOP = 12, 64, 5
# for the largest values: vectors in a block, and products of it with W^T W at most
_BLOCK, _ROUNDS, _MOST_ROUNDS = 16, 12, 60
# residual |W^T W v - lambda v| / lambda at which a largest value is settled (its own error is as the square),
# and at which its vector is good enough to be taken out of the rest
_SETTLED, _REMOVED = 1e-4, 1e-2
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
    density, as seen from each (Golub and Meurant 2010; Ubaru, Chen and Saad 2017). Each start is used at all
    lengths from half the steps on: the nodes of one length lie on one another for all starts, and those of
    many lengths lie between one another. The quantiles of their mean stand for the remaining values.

    Cost: O(m n) for each of some hundred products with a few vectors, instead of O(m n^2).

    What chance has left in their mean square is taken back, since the Frobenius norm is known.

    The Kolmogorov distance to the true spectrum is sqrt(1 / (2 n probes)) from the starts and about
    1 / (4 steps) from the quadrature, up to a factor that grows where the spectrum spans many orders of
    magnitude. ``error_bound`` is that, in the unit of the values: the largest shift of an estimated value
    within so many places. It is an estimate.

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
    diagonal, beside = _bidiagonal(scaled, starts, removed, steps=steps)
    nodes, masses = _nodes(diagonal, beside)
    squares = float(torch.linalg.vector_norm(scaled)) ** 2
    masses = tilted(masses, nodes**2, mean=(squares - float(known.square().sum())) / (n - len(known)))
    rest = quantiles(nodes, masses, n - len(known)).clamp(max=float(known[-1]))
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
    """Golub-Kahan: diagonal (probes, steps) and superdiagonal (probes, steps - 1), float64 on the CPU."""
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
    return torch.stack(diagonal, 1).double().cpu(), torch.stack(beside[:-1] or [beta[:0]], 1).double().cpu()


def _nodes(diagonal: torch.Tensor, beside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Singular values ascending, and their masses, which sum to 1: of all starts at all lengths, pooled."""
    steps = diagonal.shape[1]
    lengths = range(max(steps // 2, 1), steps + 1, 2)
    nodes, masses = [], []
    for length in lengths:
        B = torch.diag_embed(diagonal[:, :length]) + torch.diag_embed(beside[:, : length - 1], offset=1)
        _, sigma, Vh = torch.linalg.svd(B)
        nodes.append(sigma.flatten())
        masses.append((Vh[:, :, 0] ** 2).flatten())
    ordered = torch.cat(nodes).sort()
    return ordered.values, torch.cat(masses)[ordered.indices] / (len(diagonal) * len(lengths))


def tilted(masses: torch.Tensor, points: torch.Tensor, *, mean: float) -> torch.Tensor:
    """``masses`` times a linear function of ``points``, so that their mean is what it is known to be.

    The sum of all squared singular values is the squared Frobenius norm: chance in the starts that shows in
    it is taken back.
    """
    off = points - (masses * points).sum()
    spread = float((masses * off.square()).sum())
    if spread == 0.0:
        return masses
    changed = (masses * (1.0 + (mean - float((masses * points).sum())) / spread * off)).clamp(min=0.0)
    return changed / changed.sum()


def quantiles(nodes: torch.Tensor, masses: torch.Tensor, count: int) -> torch.Tensor:
    """(count,) descending: the distribution's values at the levels (k - 1/2) / count, linear in between."""
    middle = masses.cumsum(0) - masses / 2
    levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    right = torch.searchsorted(middle, levels).clamp(1, len(middle) - 1)
    low, high = middle[right - 1], middle[right]
    share = ((levels - low) / (high - low).clamp(min=1e-300)).clamp(0.0, 1.0)
    return torch.lerp(nodes[right - 1], nodes[right], share).flip(0)


def _largest_shift(values: torch.Tensor, places: int) -> float:
    """The most by which two of the descending ``values`` so many places apart differ."""
    places = min(places, len(values) - 1)
    return float((values[:-places] - values[places:]).max()) if places > 0 else 0.0
