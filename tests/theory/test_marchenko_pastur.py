"""Marchenko-Pastur and the gamma law against quadrature, Gaussian matrices and simulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import (
    MarchenkoPastur,
    StationaryGamma,
    marchenko_pastur_singular,
    on_singular_value_axis,
)

REFERENCES = json.loads(
    (Path(__file__).parents[2] / "benchmarks" / "law_references.json").read_text(encoding="utf-8")
)["marchenko_pastur"]


@pytest.mark.parametrize("row", REFERENCES, ids=lambda row: f"q{row['q']}-x{row['x']:.3g}")
def test_cdf_against_quadrature(row: dict[str, float | str]) -> None:
    law, exact = MarchenkoPastur(float(row["q"])), float(row["cdf"])
    # the requirement is 1e-12; rounding alone leaves 1e-15
    assert float(law.cdf(row["x"])) == pytest.approx(exact, abs=5e-15)
    assert float(law.sf(row["x"])) == pytest.approx(1 - exact, abs=5e-15)


@pytest.mark.parametrize(("m", "n"), [(600, 600), (900, 300), (200, 500)])
def test_gaussian_matrices(m: int, n: int) -> None:
    W = 0.3 * np.random.default_rng(1).standard_normal((m, n))
    seen = np.linalg.svd(W, compute_uv=False)
    spectrum = np.sort(np.concatenate([seen, np.zeros(max(n - m, 0))]))
    cdf = marchenko_pastur_singular(m, n, entry_variance=0.09).cdf(spectrum)
    ranks = np.arange(1, n + 1) / n
    # spectra are rigid: the distance is O(1 / n), not 1 / sqrt(n); within the atom ranks mean nothing
    assert np.abs(ranks - cdf)[max(n - m, 0) :].max() < 3 / min(m, n)


def test_singular_axis_is_the_printed_push_forward() -> None:
    m, n, x = 784, 256, np.linspace(13, 43, 50)
    eigen, singular = MarchenkoPastur(n / m), marchenko_pastur_singular(m, n)
    np.testing.assert_allclose(singular.pdf(x), 2 * x / m * eigen.pdf(x * x / m), rtol=1e-14)
    assert singular.support() == pytest.approx((28 - 16, 28 + 16))


def test_quarter_circle() -> None:
    law = marchenko_pastur_singular(1, 1)
    assert law.mean() == pytest.approx(8 / (3 * np.pi), rel=1e-14)
    np.testing.assert_allclose(law.pdf([0.0, 1.0]), np.sqrt([4.0, 3.0]) / np.pi, rtol=1e-13)


def test_inverse_moments_are_refused() -> None:
    for law in (MarchenkoPastur(1.0), StationaryGamma(0.5, 1.0)):
        with pytest.raises(InvalidValueError, match="order must be >= 0, got -1"):
            law.moment(-1)


def test_printed_gamma_is_far_too_narrow() -> None:
    law = StationaryGamma.as_printed(m=3072, n=1024, beta1=1.0, learning_rate=0.1, D=1.0)
    assert law.shape == 512.75
    assert np.sqrt(law.var()) / law.mean() == pytest.approx(0.0442, abs=1e-4)


def test_exact_gamma_for_one_column_and_not_the_printed_one() -> None:
    m, eta, D, beta1 = 8, 0.1, 0.5, 0.7
    rng = np.random.default_rng(3)
    # exact Ornstein-Uhlenbeck transitions of every entry, long past relaxation
    W, dt = np.zeros((20_000, m)), 2.0
    keep = np.exp(-beta1 / 2 * dt * 2)
    for _ in range(12):
        W = keep * W + np.sqrt(2 * eta * D / beta1 * (1 - keep**2)) * rng.standard_normal(W.shape)
    norms = (W**2).sum(axis=1)
    exact = StationaryGamma.exact_one_particle(m=m, beta1=beta1, learning_rate=eta, D=D)
    printed = StationaryGamma.as_printed(m=m, n=1, beta1=beta1, learning_rate=eta, D=D)
    assert kstest(norms, exact.cdf).pvalue > 1e-3
    assert kstest(norms, printed.cdf).statistic > 0.3
    assert kstest(np.sqrt(norms), on_singular_value_axis(exact).cdf).pvalue > 1e-3


def test_gamma_shapes_need_a_tall_matrix() -> None:
    with pytest.raises(InvalidValueError, match="transpose W"):
        StationaryGamma.as_printed(m=2, n=4, beta1=1.0, learning_rate=0.1, D=1.0)
