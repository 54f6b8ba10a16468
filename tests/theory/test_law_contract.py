"""One contract, every law. Tolerances are stated where they are used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import (
    Law,
    MarchenkoPastur,
    StationaryGamma,
    TracyWidom,
    marchenko_pastur_singular,
    on_singular_value_axis,
)
from sigmascope.theory.tails import Exponential, LogNormal, PowerLaw, TruncatedGamma, TruncatedPowerLaw

LAWS: dict[str, Law] = {
    "mp-q1": MarchenkoPastur(1.0),
    "mp-q0.3": MarchenkoPastur(0.3, 2.5),
    "mp-q1e-4": MarchenkoPastur(1e-4),
    "mp-q3": MarchenkoPastur(3.0, 0.5),
    "mp-sigma-square": marchenko_pastur_singular(256, 256, entry_variance=1 / 256),
    "mp-sigma": marchenko_pastur_singular(784, 256, entry_variance=1 / 784),
    "mp-sigma-wide": marchenko_pastur_singular(100, 300),
    "tw1": TracyWidom(1),
    "tw2": TracyWidom(2),
    "tw4": TracyWidom(4),
    "gamma-0.5": StationaryGamma(0.5, 2.0),
    "gamma-512": StationaryGamma(512.75, 30.0),
    "gamma-sigma": on_singular_value_axis(StationaryGamma(3.0, 0.2)),
    "power-law": PowerLaw(8.0, 2.0),
    "power-law-sigma": on_singular_value_axis(PowerLaw(4.0, 0.5)),
    "truncated-power-law": TruncatedPowerLaw(1.8, 0.05, 1.0),
    "truncated-power-law-a0": TruncatedPowerLaw(0.0, 2.0, 0.3),
    "truncated-power-law-z0": TruncatedPowerLaw(9.0, 0.0, 1.0),
    "truncated-gamma-3": TruncatedGamma(3.0, 1.0, 2.0),
    "truncated-gamma-512": TruncatedGamma(512.0, 30.0, 17.0),
    "truncated-gamma-far": TruncatedGamma(2.0, 3.0, 400.0),
    "lognormal": LogNormal(0.0, 0.5, 1.5),
    "lognormal-bulk": LogNormal(5.0, 0.1, 1.0),
    "lognormal-far": LogNormal(-2000.0, 16.0, 1.0),
    "exponential": Exponential(0.7, 1.0),
}
P = np.linspace(0.001, 0.999, 999)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@pytest.fixture(params=LAWS, ids=list(LAWS))
def law(request: pytest.FixtureRequest) -> Law:
    return LAWS[request.param]


def atom(law: Law) -> float:
    low = law.support()[0]
    return float(law.cdf(low)) if np.isfinite(low) else 0.0


def law_floor(law: Law, low: float) -> float:
    """Lower end of the continuous part."""
    return float(law.ppf(atom(law) + 1e-15)) if atom(law) > 0 else low


def test_cdf_of_ppf(law: Law) -> None:
    # 1e-12: a quantile is a double, and cdf' times its rounding is below that for every law here
    np.testing.assert_allclose(law.cdf(law.ppf(P)), np.maximum(P, atom(law)), rtol=0, atol=1e-12)


def test_ppf_is_monotone_and_ends_at_the_support(law: Law) -> None:
    assert (np.diff(law.ppf(P)) >= 0).all()
    np.testing.assert_allclose(law.ppf([0.0, 1.0]), law.support(), rtol=1e-14)


def test_sf_and_cdf_sum_to_one(law: Law) -> None:
    x = law.ppf(P)
    np.testing.assert_allclose(law.sf(x) + law.cdf(x), 1.0, rtol=0, atol=1e-13)


def test_pdf_is_the_derivative_of_cdf(law: Law) -> None:
    p = P[(atom(law) + 0.01 < P) & (P < 0.99)]
    x = law.ppf(p)
    # five-point differences, h a thousandth of the distance to where the law may be singular: the error
    # (h / distance)^4 and the rounding 1e-16 / h lie far below 1e-6 relative
    low, high = law.support()
    h = 1e-3 * np.minimum(
        law.ppf(0.99) - law.ppf(atom(law) + 0.005), np.minimum(x - law_floor(law, low), high - x)
    )
    slope = (8 * (law.cdf(x + h) - law.cdf(x - h)) - (law.cdf(x + 2 * h) - law.cdf(x - 2 * h))) / (12 * h)
    np.testing.assert_allclose(law.pdf(x), slope, rtol=1e-6)


def test_mean_and_var_by_quadrature(law: Law) -> None:
    # E g(X) = g(low) atom + int g(ppf(p)) dp, with p = u^3 (10 - 15 u + 6 u^2) to smooth both ends
    u, mass = (1 + NODES) / 2, atom(law)
    x = law.ppf(np.minimum(mass + (1 - mass) * u**3 * (10 - 15 * u + 6 * u**2), 1 - 1e-16))
    weight = (1 - mass) * WEIGHTS / 2 * 30 * (u * (1 - u)) ** 2
    mean = weight @ x  # the atoms lie at 0
    # 1e-7: what is left of the singular ends of ppf in the quadrature
    assert law.mean() == pytest.approx(mean, rel=1e-7)
    assert law.var() == pytest.approx(weight @ (x - mean) ** 2 + mass * mean**2, rel=1e-7)


def test_rvs_follow_the_law_and_the_generator(law: Law) -> None:
    x = law.rvs(4000, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(x, law.rvs(4000, rng=np.random.default_rng(5)))
    low, high = law.support()
    assert ((x >= low) & (x <= high)).all()
    mass = atom(law)
    share = float((x == low).mean())
    # five standard errors of a binomial share; 1e-3 of false alarms for the continuous part, seed fixed
    assert abs(share - mass) <= 5 * np.sqrt(mass * (1 - mass) / 4000)
    assert kstest(x[x > low], lambda t: (law.cdf(t) - mass) / (1 - mass)).pvalue > 1e-3


def test_outside_the_support(law: Law) -> None:
    low, high = law.support()
    if np.isfinite(low):
        assert float(law.cdf(low - 1)) == float(law.pdf(low - 1)) == 0
        assert float(law.sf(low - 1)) == 1
    if np.isfinite(high):
        assert float(law.sf(high + 1)) == float(law.pdf(high + 1)) == 0
    np.testing.assert_array_equal(law.cdf([-np.inf, np.inf]), [0, 1])
    np.testing.assert_array_equal(law.sf([-np.inf, np.inf]), [1, 0])
    np.testing.assert_array_equal(law.pdf([-np.inf, np.inf]), [0, 0])


def test_shapes_are_kept(law: Law) -> None:
    for shape in ((), (0,), (3,), (2, 3)):
        for method in (law.pdf, law.cdf, law.sf, law.ppf):
            assert method(np.full(shape, 0.5)).shape == shape
        assert law.rvs(shape, rng=np.random.default_rng(0)).shape == shape


def test_bad_arguments(law: Law) -> None:
    for method in (law.pdf, law.cdf, law.sf):
        with pytest.raises(InvalidValueError, match="NaN"):
            method([0.0, np.nan])
    for p in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidValueError, match=r"probability must be in \[0, 1\]"):
            law.ppf(p)


BAD = st.sampled_from([0.0, -1.0, float("nan"), float("inf"), -float("inf")])


@given(bad=BAD)
def test_bad_parameters(bad: float) -> None:
    for make in (
        lambda: MarchenkoPastur(bad),
        lambda: MarchenkoPastur(0.5, bad),
        lambda: StationaryGamma(bad, 1.0),
        lambda: StationaryGamma(1.0, bad),
        lambda: StationaryGamma.as_printed(m=4, n=2, beta1=bad, learning_rate=0.1, D=1.0),
        lambda: on_singular_value_axis(MarchenkoPastur(0.5), m=bad),
        lambda: PowerLaw(1.0 + bad, 1.0),
        lambda: PowerLaw(2.0, bad),
        lambda: TruncatedPowerLaw(2.0, 1.0, bad),
        lambda: TruncatedGamma(bad, 1.0, 1.0),
        lambda: TruncatedGamma(1.0, bad, 1.0),
        lambda: TruncatedGamma(1.0, 1.0, bad),
        lambda: LogNormal(0.0, bad, 1.0),
        lambda: LogNormal(0.0, 1.0, bad),
        lambda: Exponential(bad, 1.0),
        lambda: Exponential(1.0, bad),
    ):
        with pytest.raises(InvalidValueError, match=str(bad).replace("+", r"\+")):
            make()


@settings(max_examples=60)
@given(q=st.floats(1e-8, 1e8), variance=st.floats(1e-6, 1e6), p=st.floats(0.0, 1.0))
def test_marchenko_pastur_inverts_at_any_aspect_ratio(q: float, variance: float, p: float) -> None:
    law = MarchenkoPastur(q, variance)
    # rounding of x by eps moves the cdf by eps / sqrt(ratio), the inverse width of the bulk
    tolerance = 1e-13 + 2e-15 / np.sqrt(min(q, 1 / q))
    assert float(law.cdf(law.ppf(p))) == pytest.approx(max(p, law.atom), abs=tolerance)
