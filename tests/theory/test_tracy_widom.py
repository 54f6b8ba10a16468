"""Tracy-Widom against published constants, and against references made by another method (Painleve II)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import TracyWidom

REFERENCES = json.loads(
    (Path(__file__).parents[2] / "benchmarks" / "law_references.json").read_text(encoding="utf-8")
)["tracy_widom"]
S = np.array([float(row["s"]) for row in REFERENCES])


def reference(name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in REFERENCES])


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_against_painleve(beta: int) -> None:
    law = TracyWidom(beta)
    assert S.min() == -10
    assert S.max() == 8
    # the requirement is 1e-13 and 1e-6; rounding alone leaves 1e-15 and 1e-14
    np.testing.assert_allclose(law.cdf(S), reference(f"cdf{beta}"), rtol=0, atol=2e-15)
    np.testing.assert_allclose(law.cdf(S), reference(f"cdf{beta}"), rtol=1e-13)
    np.testing.assert_allclose(law.sf(S), reference(f"sf{beta}"), rtol=1e-13)


@pytest.mark.parametrize(
    ("beta", "mean", "variance", "skewness", "kurtosis"),
    [
        (1, -1.2065335745820, 1.607781034581, 0.29346452408, 0.1652429384),
        (2, -1.7710868074116, 0.8131947928329, 0.224084203610, 0.0934480876),
        (4, -2.306884893241 * 2**0.5, 2 * 0.5177237207726, 0.16550949435, 0.0491951565),
    ],
)
def test_published_moments(beta: int, mean: float, variance: float, skewness: float, kurtosis: float) -> None:
    law = TracyWidom(beta)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    x, mass = -2 + 14 * nodes, 14 * weights * law.pdf(-2 + 14 * nodes)
    # tolerances: the digits that were published
    assert mass.sum() == pytest.approx(1, abs=1e-12)
    assert mass @ x == pytest.approx(mean, abs=2e-12)
    centred = x - mass @ x
    spread = mass @ centred**2
    assert spread == pytest.approx(variance, abs=5e-12)
    assert mass @ centred**3 / spread**1.5 == pytest.approx(skewness, abs=2e-11)
    assert mass @ centred**4 / spread**2 - 3 == pytest.approx(kurtosis, abs=3e-10)
    assert law.mean() == pytest.approx(mean, abs=1e-13)
    assert law.var() == pytest.approx(variance, abs=1e-13)


def test_published_values_of_f1() -> None:
    law = TracyWidom(1)
    assert float(law.cdf(-1.2065335745820)) == pytest.approx(0.519652130983046, abs=2e-15)
    assert float(law.ppf(0.95)) == pytest.approx(0.97931605347, abs=5e-12)


@pytest.mark.parametrize("beta", [1, 2, 4])
@pytest.mark.parametrize(
    ("join", "tolerance"), [(-10, 1e-6), (-6, 1e-12), (-1.5, 1e-12), (2.5, 1e-12), (8, 1e-9)]
)
def test_pieces_join(beta: int, join: float, tolerance: float) -> None:
    # relative jump over 2e-9: the slope of log F or log sf, at most 50, times that; at -10 and 8 the
    # constant is matched and the asymptotic form continues
    law, (left, right) = TracyWidom(beta), np.array([join - 1e-14, join + 1e-14])
    for method in (law.cdf, law.sf):
        assert float(method(left) / method(right)) == pytest.approx(1, abs=tolerance)
    # left of -10 the density is 1e-4 off relatively, where it is below 1e-14
    assert float(law.pdf(left) / law.pdf(right)) == pytest.approx(1, abs=max(tolerance, 1e-4 * (join == -10)))


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_tails_go_on_to_underflow(beta: int) -> None:
    law = TracyWidom(beta)
    x = np.linspace(8, 60, 200)
    assert (np.diff(np.log(law.sf(x))) < 0).all()
    assert float(law.sf(1e300)) == 0
    assert float(law.cdf(-1e300)) == 0
    tiny = np.array([1e-300, 1e-100, 1e-30, 1e-10])
    np.testing.assert_allclose(law.cdf(law.ppf(tiny)), tiny, rtol=1e-11)


def test_the_tail_is_the_trace_of_the_airy_kernel() -> None:
    # 1 - F_2(s) = tr K_Ai up to its square: relative 1e-17 at s = 10
    from scipy.special import airy

    s = 10.0
    ai, slope, _, _ = airy(s)
    assert float(TracyWidom(2).sf(s)) == pytest.approx(
        (2 * s * s * ai * ai - 2 * s * slope * slope - ai * slope) / 3, rel=1e-9
    )


@pytest.mark.parametrize("beta", [0, 3, -1])
def test_only_the_three_symmetry_classes(beta: int) -> None:
    with pytest.raises(InvalidValueError, match="beta must be 1, 2 or 4"):
        TracyWidom(beta)
