"""Lanczos quadrature against decompositions, on sizes where it does not fall back on one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sigmascope.errors import NumericalError
from sigmascope.spectra import slq_spectrum

ROWS, COLUMNS = 900, 700


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


def spiked() -> torch.Tensor:
    W = gaussian(ROWS, COLUMNS)
    for strength in (4.0, 5.0, 40.0):
        W += strength * torch.outer(gaussian(ROWS, seed=int(strength)), gaussian(COLUMNS, seed=9))
    return W


def decaying() -> torch.Tensor:
    basis = torch.linalg.qr(gaussian(ROWS, COLUMNS)).Q
    return basis * (10 * torch.arange(1, COLUMNS + 1) ** -0.5).clamp(min=0.5) + 0.1 * gaussian(ROWS, COLUMNS)


def kolmogorov(one: torch.Tensor, other: torch.Tensor) -> float:
    a, b = (np.sort(values.double().numpy()) for values in (one, other))
    points = np.concatenate([a, b])
    below = [np.searchsorted(values, points, side="right") / len(values) for values in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


@pytest.mark.parametrize(
    "weight",
    [gaussian(ROWS, COLUMNS), spiked(), decaying(), gaussian(COLUMNS, ROWS).half()],
    ids=["noise", "outliers", "decay", "wide half precision"],
)
def test_distribution_and_largest_values(weight: torch.Tensor) -> None:
    seen, truth = slq_spectrum(weight), torch.linalg.svdvals(weight.double())
    assert seen.method == "slq"
    assert seen.values.shape == truth.shape
    assert (seen.values.diff() <= 0).all()
    torch.testing.assert_close(seen.values[:5].double(), truth[:5], rtol=1e-5, atol=0)
    # 16 starts: chance leaves sqrt(1 / (2 * 700 * 16)) = 0.0067 midway, at most five times that
    assert kolmogorov(seen.values, truth) < 0.025
    assert float((seen.values - truth).abs().max()) <= 2 * seen.error_bound  # an estimate


def test_the_bound_tells_what_the_quadrature_has_left() -> None:
    """Noise whose columns have lengths over three orders of magnitude settles slowly."""
    lengths = torch.exp(1.5 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(5)))
    weight = gaussian(ROWS, COLUMNS) * lengths
    truth = torch.linalg.svdvals(weight.double())
    early, late = slq_spectrum(weight, rounds=10), slq_spectrum(weight, rounds=30)
    assert late.error_bound < early.error_bound
    for seen in (early, late):
        assert float((seen.values - truth).abs().max()) <= seen.error_bound
    # noise alone has settled after ten rounds, and more are not made
    few, many = (slq_spectrum(gaussian(ROWS, COLUMNS), top=1, rounds=rounds) for rounds in (20, 40))
    assert torch.equal(few.values, many.values)


def test_low_rank() -> None:
    weight = gaussian(ROWS, 30) @ gaussian(30, COLUMNS, seed=1)
    seen, truth = slq_spectrum(weight), torch.linalg.svdvals(weight.double())
    torch.testing.assert_close(seen.values[:5].double(), truth[:5], rtol=1e-5, atol=0)
    assert float((seen.values[32:]).max()) < 1e-2 * float(truth[0])


def test_zero_and_constant_weights() -> None:
    assert not slq_spectrum(torch.zeros(ROWS, COLUMNS)).values.any()
    for seed in range(8):  # what is left beside rank one is rounding, and each start has its own
        seen = slq_spectrum(torch.ones(ROWS, COLUMNS), seed=seed)
        assert float(seen.values[0]) == pytest.approx((ROWS * COLUMNS) ** 0.5, rel=1e-5)
        assert float(seen.values[1:].max()) < 1e-5 * float(seen.values[0])


def test_randomness_is_its_own() -> None:
    before = torch.get_rng_state()
    one, again, other = (slq_spectrum(gaussian(ROWS, COLUMNS), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.values, again.values)
    assert not torch.equal(one.values, other.values)


def test_nan_is_reported() -> None:
    weight = gaussian(ROWS, COLUMNS)
    weight[5, 5] = float("nan")
    with pytest.raises(NumericalError, match="1 of 630000 weights"):
        slq_spectrum(weight)


def test_more_values_at_the_top_and_few_rounds() -> None:
    weight = spiked()
    truth = torch.linalg.svdvals(weight.double())
    for top, rounds in ((1, 1), (20, 4), (40, 20)):
        seen = slq_spectrum(weight, top=top, rounds=rounds)
        assert seen.values.shape == truth.shape
        torch.testing.assert_close(seen.values[:top].double(), truth[:top], rtol=1e-5, atol=0)


def test_a_spectrum_of_one_value() -> None:
    seen = slq_spectrum(3 * torch.linalg.qr(gaussian(ROWS, COLUMNS)).Q)
    torch.testing.assert_close(seen.values, torch.full((COLUMNS,), 3.0), rtol=1e-3, atol=0)


def levels(*of: tuple[float, int], rotated: bool = True) -> torch.Tensor:
    """Singular values that occur many times each."""
    sigma = torch.cat([torch.full((count,), value) for value, count in of])
    n = len(sigma)
    if not rotated:
        return torch.diag(sigma)
    return torch.linalg.qr(gaussian(n, n, seed=1)).Q * sigma @ torch.linalg.qr(gaussian(n, n, seed=2)).Q


@pytest.mark.parametrize(
    "weight",
    [
        levels((2.0, 350), (1.0, 350), rotated=False),
        levels((2.0, 350), (1.0, 350)),
        levels((1.0, 350), (0.0, 350)),
        levels((3.0, 1), (2.0, 300), (1.0, 399)),
        torch.cat([gaussian(350, 700) * 30, torch.zeros(350, 700)]),
        gaussian(700, 350) @ gaussian(350, 700),
    ],
    ids=["two levels", "two levels, turned", "projection", "one above two levels", "half zero", "low rank"],
)
def test_values_that_occur_many_times_are_counted(weight: torch.Tensor) -> None:
    """A block Krylov space holds but a few vectors of each; their share of the starts tells how many."""
    found, true = slq_spectrum(weight), torch.linalg.svdvals(weight.double())
    error = (found.values.double() - true).abs()
    assert float(error.max()) <= found.error_bound
    assert int((error > 0.01 * true[0]).sum()) <= 7  # at a gap, where a value may be on the wrong side
    assert float(found.values.double().square().sum() / true.square().sum()) == pytest.approx(1.0, abs=2e-3)
    torch.testing.assert_close(found.values[:5].double(), true[:5], rtol=1e-5, atol=0.0)


def graded(decades: float, dtype: torch.dtype) -> torch.Tensor:
    left, right = (torch.linalg.qr(gaussian(600, 600, seed=seed).double()).Q for seed in (3, 4))
    return ((left * torch.logspace(0, -decades, 600, dtype=torch.float64)) @ right.T).to(dtype)


def dominated(ratio: float, dtype: torch.dtype) -> torch.Tensor:
    """Noise below three values so many times its edge."""
    u, v = (torch.linalg.qr(gaussian(n, 3, seed=5).double()).Q for n in (ROWS, COLUMNS))
    return (gaussian(ROWS, COLUMNS).double() + 2 * ratio * u @ v.T).to(dtype)


HARD = {
    "graded by 6": lambda dtype: graded(6.0, dtype),
    "graded by 2": lambda dtype: graded(2.0, dtype),
    "dominated": lambda dtype: dominated(3000.0, dtype),
    "rank 3": lambda dtype: (gaussian(ROWS, 3).double() @ gaussian(3, COLUMNS, seed=1).double()).to(dtype),
    "constant": lambda dtype: torch.full((ROWS, COLUMNS), 0.1, dtype=dtype),
    "one row": lambda dtype: torch.cat([torch.zeros(ROWS, COLUMNS), gaussian(1, COLUMNS)]).to(dtype),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", HARD)
def test_the_bound_holds_for_hard_spectra(name: str, dtype: torch.dtype, seed: int) -> None:
    weight = HARD[name](dtype)
    seen, truth = slq_spectrum(weight, seed=seed), torch.linalg.svdvals(weight.double())
    assert (seen.values.diff() <= 0).all()
    assert float((seen.values - truth).abs().max()) <= seen.error_bound


def test_values_beyond_the_type_are_refused() -> None:
    with pytest.raises(NumericalError, match=r"largest singular value leaves the range of torch\.float32"):
        slq_spectrum(torch.full((600, 600), 3e38))
