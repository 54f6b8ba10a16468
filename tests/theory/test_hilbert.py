"""Hilbert transforms against mpmath and known ones; the sign of Lemma 6.15; what Corollary 6.16 implies."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.hilbert import (
    hilbert_transform,
    power_law_hilbert,
    power_law_hilbert_leading,
    stationary_residual,
    walled_density,
)
from sigmascope.theory.laws import MarchenkoPastur

POINTS = np.array([1e-6, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 1e-9])
EXPONENTS = (-0.95, -0.9, -0.5, -0.4, -0.1, -1e-9, 0.0, 1e-4, 0.3, 0.5, 0.9, 1.0, 1.5, 2.0000001, 3.0, 7.3)


def by_mpmath(alpha: float, z: float) -> float:
    """PV by mpmath alone: the pole taken out analytically, the rest by its quadrature."""
    with mpmath.workdps(30):
        a, x0 = mpmath.mpf(alpha), mpmath.mpf(z)
        rest = mpmath.quad(lambda x: (x**a - x0**a) / (x - x0), [0, x0 / 2, x0, (1 + x0) / 2, 1])
        return float((rest + x0**a * mpmath.log((1 - x0) / x0)) / mpmath.pi)


@pytest.mark.parametrize("alpha", [-0.4, 0.5, 2.0])
def test_closed_form_by_mpmath_quadrature(alpha: float) -> None:
    for z in (0.2, 0.7, 0.95):
        assert float(power_law_hilbert(z, alpha=alpha, upper=1.0)) == pytest.approx(
            by_mpmath(alpha, z), rel=1e-9
        )


@pytest.mark.parametrize("alpha", EXPONENTS)
def test_quadrature_and_closed_form_agree(alpha: float) -> None:
    seen = hilbert_transform(lambda x: x**alpha, POINTS, upper=1.0)
    closed = power_law_hilbert(POINTS, alpha=alpha, upper=1.0)
    np.testing.assert_allclose(
        seen / (1 + POINTS**alpha), closed / (1 + POINTS**alpha), rtol=1e-11, atol=1e-12
    )


@given(alpha=st.floats(-0.95, 6.0), z=st.floats(1e-4, 1 - 1e-4), upper=st.floats(0.1, 50.0))
@settings(max_examples=60, deadline=None)
def test_closed_form_for_any_exponent(alpha: float, z: float, upper: float) -> None:
    at = z * upper
    closed = float(power_law_hilbert(at, alpha=alpha, upper=upper, coefficient=2.0))
    seen = float(hilbert_transform(lambda x: 2.0 * x**alpha, at, upper=upper))
    assert closed == pytest.approx(seen, rel=1e-9, abs=1e-10 * (upper**alpha + at**alpha))


def test_the_printed_sign_is_wrong() -> None:
    """SCIENCE.md: alpha = -0.4, lambda = 0.7 on a long interval, where the remainder vanishes as R^alpha."""
    printed = float(power_law_hilbert_leading(0.7, alpha=-0.4, form="as_printed"))
    exact = float(power_law_hilbert_leading(0.7, alpha=-0.4))
    assert exact == pytest.approx(0.3747, abs=1e-4)
    assert printed == -exact
    # an interval so long that R^alpha / (pi alpha) is 8e-9
    R = 1e20
    assert float(power_law_hilbert(0.7, alpha=-0.4, upper=R)) == pytest.approx(exact, abs=1e-7)
    # on [0, 1]: what is left after the leading term is smooth at 0 with the exact sign only
    small = np.array([1e-6, 1e-5])
    seen = hilbert_transform(lambda x: x**-0.4, small, upper=1.0)
    left = seen - power_law_hilbert_leading(small, alpha=-0.4)
    np.testing.assert_allclose(left, -1 / (0.4 * np.pi), rtol=2e-5)
    wrong = seen - power_law_hilbert_leading(small, alpha=-0.4, form="as_printed")
    assert (wrong > 30).all()


def test_whole_exponents_have_logarithms() -> None:
    z = POINTS[2:7]
    log = np.log((1 - z) / z)
    for alpha, exact in ((0.0, log), (1.0, 1 + z * log), (2.0, 0.5 + z + z * z * log)):
        np.testing.assert_allclose(
            power_law_hilbert(z, alpha=alpha, upper=1.0), exact / np.pi, rtol=1e-13, atol=1e-15
        )


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_marchenko_pastur(q: float) -> None:
    """Re of its Stieltjes transform: PV int rho / (x - lambda) = (1 - q - lambda) / (2 q lambda)."""
    law = MarchenkoPastur(q)
    lower, upper = law.support()
    points = lower + (upper - lower) * np.array([0.01, 0.2, 0.5, 0.9, 0.99])
    seen = hilbert_transform(law.pdf, points, lower=lower, upper=upper)
    np.testing.assert_allclose(seen, (1 - q - points) / (2 * np.pi * q * points), rtol=1e-7, atol=1e-7)


def test_shapes_and_smooth_densities() -> None:
    points = np.linspace(-1.9, 2.9, 12).reshape(3, 4)
    seen = hilbert_transform(lambda x: np.ones_like(x), points, lower=-2.0, upper=3.0)
    np.testing.assert_allclose(seen, np.log((3 - points) / (points + 2)) / np.pi, rtol=1e-12, atol=1e-13)
    assert hilbert_transform(np.exp, 0.5, upper=1.0).shape == ()


def test_corollary_6_16_is_solved_only_against_a_wall() -> None:
    m, n, upper = 6, 4, 0.7
    points = upper * np.array([0.05, 0.3, 0.6, 0.9])

    def solution(x: np.ndarray) -> np.ndarray:
        # rounding may put a node of the quadrature on the wall
        return walled_density(np.minimum(x, upper * (1 - 1e-15)), m=m, n=n, upper=upper)

    # the wall's (R - x)^(-1/2) is known to float64's spacing there only: sqrt(1e-16)
    residual = stationary_residual(solution, points, m=m, n=n, upper=upper)
    np.testing.assert_allclose(residual, 0.0, atol=1e-4)
    # mass 1: the singular ends integrate by x = R sin^2
    angle = (np.arange(2000) + 0.5) * np.pi / 4000
    x = upper * np.sin(angle) ** 2
    mass = (solution(x) * 2 * upper * np.sin(angle) * np.cos(angle)).sum() * np.pi / 4000
    assert mass == pytest.approx(1.0, rel=1e-9)
    # pushed against the wall at R, which nothing in the equation provides
    assert solution(np.array([upper - 1e-9])) > 1e4


@pytest.mark.parametrize(("m", "n"), [(4, 4), (6, 4), (9, 4)])
def test_the_claimed_power_law_does_not_solve_it(m: int, n: int) -> None:
    """No factor C makes lambda^((m-n+3)/4 - 1) a solution: the residual varies where it should be 0."""
    alpha = (m - n + 3) / 4 - 1
    points = np.array([0.1, 0.3, 0.5, 0.7])
    unit = (m - n + 3) - stationary_residual(lambda x: x**alpha, points, m=m, n=n, upper=1.0)
    factors = (m - n + 3) / unit  # the C that would solve it, point by point
    assert np.ptp(factors) > abs(factors).min()
    # and in closed form, the derivative is the same
    h = 1e-5
    ends = [(p := points + s * h) * power_law_hilbert(p, alpha=alpha, upper=1.0) for s in (1, -1)]
    np.testing.assert_allclose(unit, 2 * np.pi * (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-6)


@given(where=st.integers(0, 2), bad=st.sampled_from([0.0, 1.0, -0.3, 1.7, np.inf]))
def test_points_outside(where: int, bad: float) -> None:
    points = np.array([0.2, 0.4, 0.6])
    points[where] = bad
    with pytest.raises(InvalidValueError, match=r"points must lie inside \(0.0, 1.0\), got"):
        hilbert_transform(np.exp, points, upper=1.0)
    with pytest.raises(InvalidValueError, match="points must lie inside"):
        power_law_hilbert(points, alpha=0.5, upper=1.0)


def test_bad_arguments() -> None:
    with pytest.raises(InvalidValueError, match="x holds NaN"):
        power_law_hilbert(np.nan, alpha=0.5, upper=1.0)
    for alpha in (-1.0, -3.5, np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="alpha must be > -1 and finite"):
            power_law_hilbert(0.5, alpha=alpha, upper=1.0)
    with pytest.raises(InvalidValueError, match="alpha must be <= 10000, got"):
        power_law_hilbert(0.5, alpha=1e12, upper=1.0)
    for coefficient in (np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="coefficient must be finite"):
            power_law_hilbert(0.5, alpha=0.5, upper=1.0, coefficient=coefficient)
    with pytest.raises(
        InvalidValueError, match=r"alpha must not be a whole number, got 2.0; use power_law_h"
    ):
        power_law_hilbert_leading(0.5, alpha=2.0)
    with pytest.raises(InvalidValueError, match="form must be one of"):
        power_law_hilbert_leading(0.5, alpha=0.3, form="paper")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="upper must be positive"):
        power_law_hilbert(0.5, alpha=0.5, upper=-1.0)
    with pytest.raises(InvalidValueError, match=r"lower < upper, got \[2.0, 1.0\]"):
        hilbert_transform(np.exp, 0.5, lower=2.0, upper=1.0)
    with pytest.raises(InvalidValueError, match="the density is not finite at"):
        hilbert_transform(lambda x: np.where(x > 0.3, np.nan, 1.0), 0.5, upper=1.0)
    with pytest.raises(InvalidValueError, match="must work elementwise"):
        hilbert_transform(lambda x: x[:, 0], 0.5, upper=1.0)
    with pytest.raises(InvalidValueError, match="m must be >= n, got m=2, n=3; transpose W"):
        stationary_residual(np.exp, 0.5, m=2, n=3, upper=1.0)
    with pytest.raises(InvalidValueError, match=r"upper must be <= 4 / \(m - n \+ 3\) = 0.8, got 0.9"):
        walled_density(0.5, m=4, n=2, upper=0.9)
