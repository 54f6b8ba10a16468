"""The laws of a tail against scipy, mpmath and quadrature, where the common contract does not look."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails import (
    Exponential,
    LogNormal,
    PowerLaw,
    TailLaw,
    TruncatedGamma,
    TruncatedPowerLaw,
)
from sigmascope.theory.tails.cut_off import log_partition, partition

LAWS: list[TailLaw] = [
    PowerLaw(2.5, 3.0),
    TruncatedPowerLaw(2.5, 0.01, 3.0),
    TruncatedPowerLaw(0.4, 0.5, 3.0),
    TruncatedGamma(3.0, 1.0, 3.0),
    LogNormal(0.0, 1.0, 3.0),
    LogNormal(-60.0, 6.0, 3.0),
    Exponential(0.7, 3.0),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_density_is_normalised_and_agrees_with_its_logarithm(law: TailLaw) -> None:
    # in y = log(x / lower), where no tail is heavy; quad's own error is below 1e-8
    mass = quad(lambda y: float(law.pdf(3.0 * math.exp(y))) * 3.0 * math.exp(y), 0, 40, limit=200)[0]
    assert mass == pytest.approx(1, abs=1e-8)
    x = law.ppf(np.linspace(0.01, 0.999, 50))
    np.testing.assert_allclose(np.log(law.pdf(x)), law.log_pdf(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.log(law.sf(x)), law.log_sf(x), rtol=1e-11, atol=1e-13)
    assert (law.log_pdf([1.0, np.inf]) == -np.inf).all()
    np.testing.assert_array_equal(law.log_sf([1.0, np.inf]), [0, -np.inf])


def test_against_scipy() -> None:
    x = np.array([3.0, 3.1, 4.0, 10.0, 80.0])
    gamma, normal = stats.gamma(3.0, scale=1 / 0.7), stats.lognorm(0.9, scale=math.exp(0.3))
    pairs: list[tuple[TailLaw, np.ndarray, np.ndarray]] = [
        (PowerLaw(2.5, 3.0), stats.pareto(1.5, scale=3.0).pdf(x), stats.pareto(1.5, scale=3.0).sf(x)),
        (Exponential(0.7, 3.0), stats.expon(3.0, 1 / 0.7).pdf(x), stats.expon(3.0, 1 / 0.7).sf(x)),
        (TruncatedGamma(3.0, 0.7, 3.0), gamma.pdf(x) / gamma.sf(3.0), gamma.sf(x) / gamma.sf(3.0)),
        (LogNormal(0.3, 0.9, 3.0), normal.pdf(x) / normal.sf(3.0), normal.sf(x) / normal.sf(3.0)),
    ]
    for law, pdf, sf in pairs:
        # 1e-11: scipy's sf(3) divides, and the exponents of 80 carry 1e-14 each
        np.testing.assert_allclose(law.pdf(x), pdf, rtol=1e-11)
        np.testing.assert_allclose(law.sf(x), sf, rtol=1e-11)


@pytest.mark.parametrize("a", [-30.0, -1.5, -0.01, 0.0, 0.7])
@pytest.mark.parametrize("z", [1e-12, 1e-3, 2.0, 500.0])
def test_normalisation_at_any_exponent(a: float, z: float) -> None:
    with mpmath.workdps(60):
        exact = float(mpmath.log(mpmath.gammainc(a, z)) + z - a * mpmath.log(z))
    # rounding of sums of exponentials, 1e-13 of the largest exponent
    assert partition(a, z).log_value == pytest.approx(exact, rel=1e-12, abs=1e-12)
    assert float(log_partition(a, z)) == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("a", "z"), [(-1.5, 1e-12), (-0.3, 1e-9), (-1.5, 0.1), (-8.0, 1e-4)])
def test_moments_of_the_weight_are_derivatives_of_its_norm(a: float, z: float) -> None:
    with mpmath.workdps(50):

        def log_norm(s: mpmath.mpf, r: mpmath.mpf) -> mpmath.mpf:
            return mpmath.log(mpmath.gammainc(s, r)) + r - s * mpmath.log(r)

        mean_t = float(mpmath.diff(lambda s: log_norm(s, mpmath.mpf(z)), mpmath.mpf(a)))
        growth = [float(mpmath.diff(lambda r: log_norm(mpmath.mpf(a), r), mpmath.mpf(z), k)) for k in (1, 2)]
    state = partition(a, z)
    ones = np.array([1.0, -1.0])
    # 1e-9: the heaviest moment, e^2t, rests on nodes far out; finite differences carry 25 digits
    assert state.mean[0] == pytest.approx(mean_t, rel=1e-9)
    assert ones @ state.mean == pytest.approx(-growth[0], rel=1e-9)
    assert ones @ state.covariance @ ones == pytest.approx(growth[1], rel=1e-9)


def test_limits_of_the_families_are_each_other() -> None:
    x = np.geomspace(1.0, 50.0, 40)
    power = PowerLaw(2.5, 1.0)
    pairs: list[tuple[TailLaw, TailLaw, float]] = [
        (TruncatedPowerLaw(2.5, 0.0, 1.0), power, 1e-13),
        # what is left of rate x, and of y^2 / (2 sigma^2)
        (TruncatedPowerLaw(2.5, 1e-12, 1.0), power, 1e-9),
        (LogNormal(-1.5 * 1e6**2, 1e6, 1.0), power, 1e-9),
        (TruncatedPowerLaw(0.0, 0.7, 1.0), Exponential(0.7, 1.0), 1e-12),
        (TruncatedPowerLaw(0.25, 0.7, 1.0), TruncatedGamma(0.75, 0.7, 1.0), 1e-13),
    ]
    for law, limit, tolerance in pairs:
        np.testing.assert_allclose(law.pdf(x), limit.pdf(x), rtol=tolerance)
        np.testing.assert_allclose(law.sf(x), limit.sf(x), rtol=tolerance)


def test_moments_that_diverge_are_infinite() -> None:
    for law in (PowerLaw(1.9, 1.0), TruncatedPowerLaw(1.9, 0.0, 1.0)):
        assert law.mean() == law.var() == math.inf
    for law in (PowerLaw(2.9, 1.0), TruncatedPowerLaw(2.9, 0.0, 1.0)):
        assert law.mean() == pytest.approx(1.9 / 0.9, rel=1e-12)
        assert law.var() == math.inf
    assert math.isfinite(TruncatedPowerLaw(1.9, 1e-3, 1.0).var())


def test_far_tails_keep_their_digits() -> None:
    # sf(1000) of an exponential is e^-999: no double, but its logarithm is
    assert float(Exponential(1.0, 1.0).log_sf(1e4)) == pytest.approx(-9999, rel=1e-14)
    assert float(TruncatedPowerLaw(0.0, 1.0, 1.0).log_sf(1e4)) == pytest.approx(-9999, rel=1e-12)
    exact = stats.norm.logsf(30.0) - stats.norm.logsf(0.0)
    assert float(LogNormal(0.0, 1.0, 1.0).log_sf(math.exp(30.0))) == pytest.approx(exact, rel=1e-12)
    draws = PowerLaw(1.001, 1.0).rvs(100, rng=np.random.default_rng(0))
    assert (draws >= 1).all()


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["power", "cut", "gamma", "lognormal", "exponential"]),
    a=st.floats(0.01, 30.0),
    b=st.floats(1e-8, 30.0),
    lower=st.sampled_from([1e-12, 1.0, 1e9]),
    p=st.floats(1e-9, 1 - 1e-9),
)
def test_quantiles_invert_at_any_parameters(kind: str, a: float, b: float, lower: float, p: float) -> None:
    law: TailLaw = {
        "power": lambda: PowerLaw(1 + a, lower),
        "cut": lambda: TruncatedPowerLaw(a, b / lower, lower),
        "gamma": lambda: TruncatedGamma(a, b / lower, lower),
        "lognormal": lambda: LogNormal(math.log(lower) - a, b, lower),
        "exponential": lambda: Exponential(b / lower, lower),
    }[kind]()
    x = law.ppf(p)
    if np.isinf(x):  # a quantile beyond float64
        assert law.cdf(np.finfo(np.float64).max) < p
        return
    # rounding of x moves the cdf by x pdf(x); the norms of the cut-off families, log z up to 20, carry 1e-14.
    # Where mu and log lower lie far apart in units of sigma, their rounding counts as one of x
    assert float(law.cdf(x)) == pytest.approx(p, abs=1e-12 + 5e-15 * float(x * law.pdf(x)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TruncatedPowerLaw(-0.1, 1.0, 1.0), r"alpha must be >= 0 and finite, got -0.1"),
        (lambda: TruncatedPowerLaw(math.nan, 1.0, 1.0), r"alpha must be >= 0 and finite, got nan"),
        (lambda: TruncatedPowerLaw(2.0, -1.0, 1.0), r"rate must be >= 0 and finite, got -1"),
        (lambda: TruncatedPowerLaw(0.9, 0.0, 1.0), r"alpha must be > 1 at rate 0, got 0.9"),
        (lambda: PowerLaw(1.0, 1.0), r"alpha - 1 must be positive and finite, got 0"),
        (lambda: LogNormal(math.inf, 1.0, 1.0), r"mu must be finite, got inf"),
    ],
)
def test_bad_parameters_name_the_remedy(make: object, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()  # type: ignore[operator]
