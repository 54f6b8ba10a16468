"""Airy kernels against mpmath, quadrature, the Tracy-Widom law and what a process must satisfy."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import airy

from sigmascope.errors import InvalidValueError
from sigmascope.theory.airy import airy1_kernel, airy_kernel, extended_airy_kernel
from sigmascope.theory.laws import TracyWidom


def kernel_by_mpmath(x: float, y: float) -> tuple[float, float]:
    """K(x, y) and sqrt(K(x, x) K(y, y)) with 40 digits."""
    with mpmath.workdps(40):
        a, b = mpmath.mpf(x), mpmath.mpf(y)

        def own(z: mpmath.mpf) -> mpmath.mpf:
            return mpmath.airyai(z, derivative=1) ** 2 - z * mpmath.airyai(z) ** 2

        if a == b:
            return float(own(a)), float(own(a))
        cross = mpmath.airyai(a) * mpmath.airyai(b, derivative=1)
        cross -= mpmath.airyai(a, derivative=1) * mpmath.airyai(b)
        return float(cross / (a - b)), float(mpmath.sqrt(own(a) * own(b)))


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.2, 0.49, 0.99, 1.01, 5.0])
def test_kernel_by_mpmath(gap: float) -> None:
    for x in (-30.0, -12.3, -5.0, -1.0, 0.0, 0.5, 3.0, 8.0):
        exact, scale = kernel_by_mpmath(x, x + gap)
        assert abs(float(airy_kernel(x, x + gap)) - exact) < 5e-14 * scale
        assert airy_kernel(x + gap, x) == airy_kernel(x, x + gap)


def test_the_plain_quotient_fails_where_ours_does_not() -> None:
    x, gap = -3.0, 1e-11
    exact, scale = kernel_by_mpmath(x, x + gap)
    (ai, slope), (ai2, slope2) = airy(x)[:2], airy(x + gap)[:2]
    plain = (ai * slope2 - slope * ai2) / ((x + gap) - x)
    assert abs(float(plain) - exact) > 1e-8 * scale
    assert abs(float(airy_kernel(x, x + gap)) - exact) < 5e-14 * scale


def fredholm(kernel: np.ndarray, weights: np.ndarray) -> float:
    root = np.sqrt(weights)
    return float(np.linalg.det(np.eye(len(weights)) - root[:, None] * kernel * root))


def half_line(s: float, nodes: int = 48) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    return s + 8.0 * (1 + x), 8.0 * w


@pytest.mark.parametrize("s", [-5.0, -3.5, -2.0, -1.0, 0.0, 1.5])
def test_fredholm_determinant_is_tracy_widom_2(s: float) -> None:
    x, w = half_line(s)
    seen = fredholm(airy_kernel(x[:, None], x), w)
    assert seen == pytest.approx(float(TracyWidom(2).cdf(s)), abs=1e-13)
    assert abs(seen - float(TracyWidom(1).cdf(s))) > 1e-5


TIMES_AND_POINTS = [
    (1.0, -3.0, 0.0, -1.0),
    (0.5, -8.0, 0.2, 1.0),
    (0.0, -3.0, 1.0, -1.0),
    (0.0, -3.0, 0.5, -2.0),
    (0.0, 2.0, 1.3, 1.0),
    (0.2, -8.0, 2.2, -7.0),
    (0.0, 1.0, 5.0, 2.0),
    (-2.0, 5.0, 1.0, -2.0),
    (0.0, -20.0, 2.0, -18.0),
]


@pytest.mark.parametrize(("t1", "x1", "t2", "x2"), TIMES_AND_POINTS)
def test_extended_kernel_by_quadrature(t1: float, x1: float, t2: float, x2: float) -> None:
    def integrand(u: float, rate: float = t2 - t1) -> float:
        return float(np.exp(rate * u) * airy(x1 + u)[0] * airy(x2 + u)[0])

    def panels(low: float, high: float, rate: float) -> float:
        edges = np.linspace(low, high, int(high - low) * 2 + 1)
        return float(sum(quad(integrand, a, b, args=(rate,), epsabs=1e-15)[0] for a, b in pairwise(edges)))

    lag = t2 - t1
    exact = panels(0.0, 40.0, lag) if lag <= 0 else -panels(-np.ceil(38.0 / lag), 0.0, lag)
    assert float(extended_airy_kernel(t1, x1, t2, x2)) == pytest.approx(exact, abs=2e-12)
    printed = float(extended_airy_kernel(t1, x1, t2, x2, form="as_printed"))
    assert printed == pytest.approx(panels(0.0, 60.0, t1 - t2), rel=1e-10, abs=1e-12)
    assert abs(printed - exact) > 1e-3 * abs(exact)


def test_both_ways_of_the_lower_branch_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat kernel minus the upper integral, and the lower integral itself, over where they meet."""
    x = np.linspace(-6, 3, 10)
    t2 = np.array([0.4, 0.8, 1.5])[:, None, None]
    arguments = (0.0, x[:, None], t2, x)
    seen = extended_airy_kernel(*arguments)
    for threshold in (-1e9, 8.0):
        monkeypatch.setattr("sigmascope.theory.airy.CANCELLING", threshold)
        np.testing.assert_allclose(extended_airy_kernel(*arguments), seen, atol=1e-11)


@pytest.mark.parametrize("form", ["as_printed", "exact"])
def test_equal_times_give_the_airy_kernel(form: str) -> None:
    x = np.linspace(-6, 4, 11)
    kernel = airy_kernel(x[:, None], x)
    at = extended_airy_kernel(0.7, x[:, None], 0.7, x, form=form)  # type: ignore[arg-type]
    np.testing.assert_array_equal(at, kernel)
    # from above in time the exact kernel is continuous; from below it tends to K - delta
    late = extended_airy_kernel(1e-9, x[:, None], 0.0, x, form=form)  # type: ignore[arg-type]
    np.testing.assert_allclose(late, kernel, atol=1e-7)


def joint(s: float, lag: float, form: str) -> float:
    """P(A(0) <= s, A(lag) <= s) = det(I - K) over two copies of (s, oo)."""
    x, w = half_line(s, 40)
    times, points = np.repeat([0.0, lag], len(x)), np.tile(x, 2)
    kernel = extended_airy_kernel(times[:, None], points[:, None], times, points, form=form)  # type: ignore[arg-type]
    return fredholm(kernel, np.tile(w, 2))


def test_joint_law_of_two_times() -> None:
    """Between independence and identity, with both as limits; the printed kernel leaves that range."""
    s = -1.5
    one = float(TracyWidom(2).cdf(s))
    values = np.array([joint(s, lag, "exact") for lag in (0.2, 0.5, 1.0, 2.0, 4.0)])
    assert (np.diff(values) < 0).all()
    assert ((values > one**2) & (values < one)).all()
    # correlations fall as 1 / t^2 (Adler and van Moerbeke 2005)
    assert values[-1] - one**2 < 0.1 * one**2
    far = joint(s, 8.0, "exact")
    assert (far - one**2) / (values[-1] - one**2) == pytest.approx(0.25, abs=0.05)
    # one branch lacks the -delta of t1 < t2 near equal times, so the two copies exclude each other twice
    assert not one**2 <= joint(s, 0.2, "as_printed") <= one


@pytest.mark.parametrize(
    ("t1", "x1", "t2", "x2"), [*TIMES_AND_POINTS, (0.0, 30.0, 3.0, 20.0), (2.0, 9.0, 2.0, 1.0)]
)
def test_airy_1_kernel_by_mpmath(t1: float, x1: float, t2: float, x2: float) -> None:
    with mpmath.workdps(30):
        tau, total = mpmath.mpf(t2) - t1, mpmath.mpf(x1) + x2
        exact = mpmath.airyai(total + tau**2) * mpmath.exp(tau * total + 2 * tau**3 / 3)
        if tau > 0:
            exact -= mpmath.exp(-((mpmath.mpf(x1) - x2) ** 2) / (4 * tau)) / mpmath.sqrt(4 * mpmath.pi * tau)
    # the two parts cancel where the heat kernel is the larger
    assert float(airy1_kernel(t1, x1, t2, x2)) == pytest.approx(float(exact), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("s", [-2.0, -1.0, 0.0, 1.0])
def test_airy_1_at_one_time_is_tracy_widom_1_of_twice_the_level(s: float) -> None:
    x, w = half_line(s)
    seen = fredholm(airy1_kernel(0.0, x[:, None], 0.0, x), w)
    assert seen == pytest.approx(float(TracyWidom(1).cdf(2 * s)), abs=1e-12)


def test_airy_1_is_stationary_and_reversible() -> None:
    """P(A(0) <= s, A(t) <= s') is symmetric in s and s', and tends to the product for long lags."""

    def both(s: float, later: float, lag: float) -> float:
        (x, w), (y, v) = half_line(s, 40), half_line(later, 40)
        times, points = np.repeat([0.0, lag], 40), np.concatenate([x, y])
        kernel = airy1_kernel(times[:, None], points[:, None], times, points)
        return fredholm(kernel, np.concatenate([w, v]))

    assert both(-1.0, -0.2, 0.3) == pytest.approx(both(-0.2, -1.0, 0.3), abs=1e-12)
    product = float(TracyWidom(1).cdf(-2.0) * TracyWidom(1).cdf(-0.4))
    assert both(-1.0, -0.2, 0.3) > product + 0.01
    assert both(-1.0, -0.2, 2.0) == pytest.approx(product, abs=1e-5)


@given(where=st.integers(0, 3), bad=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_bad_points(where: int, bad: float) -> None:
    arguments: list[float] = [0.0, 1.0, 2.0, 3.0]
    arguments[where] = bad
    name = ("t1", "x1", "t2", "x2")[where]
    with pytest.raises(InvalidValueError, match=f"{name} holds NaN or infinity"):
        extended_airy_kernel(*arguments)
    with pytest.raises(InvalidValueError, match=f"{name} holds NaN or infinity"):
        airy1_kernel(*arguments)
    with pytest.raises(InvalidValueError, match="x holds NaN or infinity"):
        airy_kernel(bad, 0.0)


def test_bad_shapes_and_form() -> None:
    with pytest.raises(InvalidValueError, match=r"do not broadcast: x \(2,\), y \(3,\)"):
        airy_kernel(np.ones(2), np.ones(3))
    with pytest.raises(InvalidValueError, match="form must be one of"):
        extended_airy_kernel(0.0, 0.0, 1.0, 0.0, form="two")  # type: ignore[arg-type]
    assert extended_airy_kernel(np.zeros((0, 2)), 1.0, 1.0, 0.0).shape == (0, 2)
    assert airy1_kernel(np.zeros((0, 2)), 1.0, 1.0, 0.0).shape == (0, 2)
