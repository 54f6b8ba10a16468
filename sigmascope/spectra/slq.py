"""Spectra of layers too large to decompose: the largest values exactly, the rest by Lanczos quadrature."""

from __future__ import annotations

import math

import numpy as np
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import Spectrum, check_finite, decomposable
from sigmascope.spectra.orientation import tall

# random starts, Lanczos steps from each, and values at the top that are exact
PROBES, STEPS, TOP = 10, 40, 5
# a node with so much of the mass is no piece of a density but many equal values
ATOM = 0.2
# block Krylov iteration for the top values: vectors, and products with W^T W until they settle
BLOCK, MOST_ROUNDS, SETTLED = 16, 40, 1e-6


@torch.no_grad()
def slq_spectrum(
    weight: torch.Tensor,
    *,
    probes: int = PROBES,
    steps: int = STEPS,
    top: int = TOP,
    seed: int = 0,
) -> Spectrum:
    """All min(rows, columns) singular values of ``weight``, estimated, the ``top`` largest exactly.

    From each of ``probes`` random unit vectors, Lanczos steps on W^T W give a Gaussian quadrature of its
    spectral density, seen from there (Golub and Meurant; Ubaru, Chen and Saad 2017). Their mean is a
    distribution function with ``probes * steps`` jumps, which is smoothed by linear interpolation; its n
    quantiles stand for the n values. The largest come from a block Krylov space with full
    reorthogonalisation, to 1e-6 relative.

    Cost: (probes + 16 rounds) products with W and with W^T, that is O(m n) each, instead of O(m n^2). The
    Kolmogorov distance from the true spectrum is about 1 / steps plus 1 / sqrt(n probes); ``error_bound``
    turns the latter into the unit of the values and is an estimate.

    ``seed`` makes a generator of its own: the global random state is not touched.

    Raises:
        InvalidValueError: probes, steps or top below 1; ``weight`` is no real matrix.
        NumericalError: NaN or infinity.
    """
    for name, value in (("probes", probes), ("steps", steps), ("top", top)):
        if value < 1:
            raise InvalidValueError(f"{name} must be at least 1, got {value}; leave it out for the usual")
    matrix = decomposable(tall(weight))
    check_finite(matrix)
    n = matrix.shape[1]
    scale = float(matrix.abs().amax())
    if scale == 0.0:
        return Spectrum(torch.zeros(n, dtype=matrix.dtype), "slq", 0.0)
    scaled = matrix / scale
    generator = torch.Generator(device="cpu").manual_seed(seed)
    starts = torch.randn(n, probes, generator=generator, dtype=matrix.dtype).to(matrix.device)
    nodes, weights = quadrature(scaled, starts, steps=min(steps, n))
    values = quantiles(nodes, weights, n)
    exact = largest_values(scaled, count=min(top, n), generator=generator)
    values[: len(exact)] = exact
    # the estimate may not stand above what is known to be the largest
    values = values.clamp(max=float(exact[-1])).where(torch.arange(n) >= len(exact), values)
    ordered = values.sort(descending=True).values.to(matrix.dtype) * scale
    distance = 1.0 / min(steps, n) + 1.0 / math.sqrt(n * probes)
    return Spectrum(ordered, "slq", distance * float(ordered[0]))


def quadrature(
    matrix: torch.Tensor, starts: torch.Tensor, *, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes (probes, steps), squared singular values, and weights that sum to 1 in each row; float64, CPU.

    Lanczos on W^T W from all starts (n, probes) side by side, reorthogonalised against all before.
    """
    n, probes = starts.shape
    basis = torch.empty(probes, steps, n, dtype=matrix.dtype, device=matrix.device)
    diagonal = torch.zeros(probes, steps, dtype=torch.float64)
    beside = torch.zeros(probes, steps - 1, dtype=torch.float64)
    v = (starts / starts.norm(dim=0)).mT  # (probes, n)
    for step in range(steps):
        basis[:, step] = v
        w = ((v @ matrix.mT) @ matrix).unsqueeze(1)  # (probes, 1, n)
        diagonal[:, step] = (w[:, 0] * v).sum(1).double().cpu()
        if step + 1 == steps:
            break
        known = basis[:, : step + 1]
        # twice is enough, whatever was lost to rounding
        for _ in range(2):
            w = w - (w @ known.mT) @ known
        length = w[:, 0].norm(dim=1)
        beside[:, step] = length.double().cpu()
        v = w[:, 0] / length.clamp(min=torch.finfo(w.dtype).tiny)[:, None]
    nodes, vectors = torch.linalg.eigh(tridiagonal(diagonal, beside))
    return nodes, vectors[:, 0, :] ** 2


def tridiagonal(diagonal: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
    """(probes, steps, steps) from (probes, steps) and (probes, steps - 1)."""
    return (
        torch.diag_embed(diagonal) + torch.diag_embed(beside, offset=1) + torch.diag_embed(beside, offset=-1)
    )


def quantiles(nodes: torch.Tensor, weights: torch.Tensor, n: int) -> torch.Tensor:
    """(n,) descending singular values at the levels (k - 1/2) / n of the mean distribution."""
    share = weights / weights.sum(1, keepdim=True)
    order = nodes.flatten().sort()
    mass = (share / len(nodes)).flatten()[order.indices]
    heavy = (share > ATOM).flatten()[order.indices]
    sigma = order.values.clamp(min=0.0).sqrt()
    # each node stands at the middle of its mass, an atom at both its ends too
    ends = mass.cumsum(0)
    levels = torch.cat([ends - mass / 2, (ends - mass)[heavy], ends[heavy]])
    places = torch.cat([sigma, sigma[heavy], sigma[heavy]])
    known = levels.sort()
    wanted = (np.arange(n) + 0.5) / n
    found = np.interp(wanted, known.values.numpy(), places[known.indices].numpy())
    return torch.from_numpy(found).flip(0)


def largest_values(matrix: torch.Tensor, *, count: int, generator: torch.Generator) -> torch.Tensor:
    """(count,) float64: the largest singular values by Rayleigh-Ritz on a growing block Krylov space."""
    n = matrix.shape[1]
    block = min(max(BLOCK, 2 * count), n)
    start = torch.randn(n, block, generator=generator, dtype=matrix.dtype).to(matrix.device)
    Q = torch.linalg.qr(start).Q
    last: torch.Tensor | None = None
    newest = Q
    products = matrix @ Q  # (m, columns of Q)
    for _ in range(MOST_ROUNDS):
        values = _top(torch.linalg.qr(products, mode="r").R, count)
        if last is not None and bool(((values - last).abs() <= SETTLED / 4 * values[0]).all()):
            return values
        if Q.shape[1] + block > n:
            return _top(matrix, count)
        last = values
        grown = matrix.mT @ (matrix @ newest)
        for _ in range(2):
            grown = grown - Q @ (Q.mT @ grown)
        newest = torch.linalg.qr(grown).Q
        # where W has lost rank, what is left of a direction is rounding, and leans on the others
        newest = torch.linalg.qr(newest - Q @ (Q.mT @ newest)).Q
        Q = torch.cat([Q, newest], 1)
        products = torch.cat([products, matrix @ newest], 1)
    return values


def _top(matrix: torch.Tensor, count: int) -> torch.Tensor:
    values: torch.Tensor = torch.linalg.svdvals(matrix)
    return values[:count].double().cpu()
