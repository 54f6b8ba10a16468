"""Exact spectra against numpy's SVD in double precision."""

import math

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra import exact_spectrum, tall

SHAPES = [(1, 1), (5, 1), (1, 7), (64, 64), (96, 200), (300, 100)]


def gaussian(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) / math.sqrt(columns)


def oracle(weight: torch.Tensor) -> np.ndarray:
    return np.linalg.svd(weight.detach().double().numpy(), compute_uv=False)


@pytest.mark.parametrize("method", ["svd", "gram", "auto"])
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_numpy_within_the_bound_it_states(shape: tuple[int, int], method: str) -> None:
    weight = gaussian(*shape)
    spectrum = exact_spectrum(weight, method=method)
    expected = oracle(weight)
    assert spectrum.values.shape == (min(shape),)
    assert spectrum.values.dtype == torch.float32
    error = np.abs(spectrum.values.double().numpy() - expected).max()
    assert error <= spectrum.error_bound
    assert error <= 2e-4 * expected[0]  # SCIENCE: float32 Gram, full-rank weights
    assert (spectrum.values.diff() <= 0).all()


@pytest.mark.parametrize("method", ["svd", "gram"])
@pytest.mark.parametrize(
    "weight",
    [
        pytest.param(torch.zeros(80, 70), id="zero"),
        pytest.param(torch.ones(200, 150), id="constant"),
        pytest.param(gaussian(200, 3) @ gaussian(3, 150), id="rank 3"),
        pytest.param(gaussian(128, 128) + 50 * gaussian(128, 1) @ gaussian(1, 128), id="one spike"),
        pytest.param(1e25 * gaussian(100, 80), id="squares overflow float32"),
        pytest.param(1e-30 * gaussian(100, 80), id="squares underflow float32"),
    ],
)
def test_bound_holds_for_awkward_matrices(weight: torch.Tensor, method: str) -> None:
    spectrum = exact_spectrum(weight, method=method)
    error = np.abs(spectrum.values.double().numpy() - oracle(weight)).max()
    assert error <= spectrum.error_bound
    assert (spectrum.values >= 0).all()
    assert spectrum.error_bound <= 4.1e-3 * float(spectrum.values[0])


def test_auto_takes_svd_when_small_and_gram_when_large() -> None:
    assert exact_spectrum(gaussian(1000, 64)).method == "svd"
    assert exact_spectrum(gaussian(65, 100)).method == "gram"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("method", ["svd", "gram"])
def test_other_precisions(dtype: torch.dtype, method: str) -> None:
    weight = gaussian(90, 70).to(dtype)
    spectrum = exact_spectrum(weight, method=method)
    error = np.abs(spectrum.values.double().numpy() - oracle(weight)).max()
    assert error <= spectrum.error_bound
    if dtype == torch.float64:
        assert error <= 1e-12


@pytest.mark.parametrize("method", ["svd", "gram"])
def test_non_contiguous_weight_is_read_and_left_alone(method: str) -> None:
    base = gaussian(150, 240).requires_grad_()
    weight = base[:, ::2].T
    before = base.detach().clone()
    random_state = torch.get_rng_state()
    spectrum = exact_spectrum(weight, method=method)
    np.testing.assert_allclose(spectrum.values.numpy(), oracle(weight), atol=spectrum.error_bound)
    assert not spectrum.values.requires_grad
    assert base.grad is None
    assert torch.equal(base.detach(), before)
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize("method", ["svd", "gram"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_weight_is_reported(method: str, value: float) -> None:
    weight = gaussian(80, 70)
    weight[3, 5] = value
    with pytest.raises(NumericalError, match="1 of 5600 weights are NaN or infinite"):
        exact_spectrum(weight, method=method)


@pytest.mark.parametrize(
    ("weight", "method", "message"),
    [
        (torch.zeros(4), "auto", r"two dimensions.*\(4,\)"),
        (torch.zeros(2, 3, 4), "auto", r"two dimensions.*flatten"),
        (torch.zeros(0, 3), "auto", r"at least 1"),
        (torch.zeros(2, 2, dtype=torch.int64), "auto", r"torch.int64"),
        (torch.zeros(2, 2, dtype=torch.complex64), "auto", r"torch.complex64"),
        (torch.zeros(2, 2), "qr", r"'qr'.*auto, svd, gram"),
    ],
)
def test_bad_input(weight: torch.Tensor, method: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        exact_spectrum(weight, method=method)


def test_tall_is_a_view_with_more_rows() -> None:
    weight = gaussian(3, 8).requires_grad_()
    view = tall(weight)
    assert view.shape == (8, 3)
    assert view.data_ptr() == weight.data_ptr()
    assert not view.requires_grad


ALIKE = {
    "constant": lambda m, n, dtype: torch.full((m, n), 0.1, dtype=dtype),
    "equal columns": lambda m, n, dtype: gaussian(m, 1).to(dtype).expand(m, n),
    "equal rows": lambda m, n, dtype: gaussian(1, n).to(dtype).expand(m, n),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["svd", "gram", "gram64"])
@pytest.mark.parametrize("shape", [(20_000, 1), (200, 100), (1024, 700), (2048, 300)])
@pytest.mark.parametrize("alike", ALIKE)
def test_bound_holds_where_all_roundings_go_one_way(
    alike: str, shape: tuple[int, int], method: str, dtype: torch.dtype
) -> None:
    """Of rank one, so that the truth is one product of norms, and zeros."""
    W = ALIKE[alike](*shape, dtype)
    exact = np.zeros(min(shape))
    exact[0] = math.sqrt(math.fsum((W[:, 0].double() ** 2).tolist())) * math.sqrt(
        math.fsum((W[0].double() / W[0, 0].double()).square().tolist())
    )
    spectrum = exact_spectrum(W, method=method)
    assert np.abs(spectrum.values.double().numpy() - exact).max() <= spectrum.error_bound


def test_values_beyond_the_type_are_no_infinity() -> None:
    for method in ("svd", "gram", "gram64"):
        with pytest.raises(
            NumericalError, match=r"leaves the range of torch\.float32; scale the weight down"
        ):
            exact_spectrum(torch.full((4, 4), 2e38), method=method)
