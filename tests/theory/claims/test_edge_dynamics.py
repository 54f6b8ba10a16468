"""Memory of the edge: the verdict, processes that are not the limit, and the simulation itself."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory import TracyWidom
from sigmascope.theory.claims import Laboratory, Verdict, judge
from sigmascope.theory.claims import edge_dynamics as dynamics
from sigmascope.theory.claims.edge_dynamics import (
    LAGS,
    REMARK_6_14_DYNAMICS,
    both_edges,
    own_memory,
    symmetric,
)
from sigmascope.theory.claims.edge_dynamics_table import COVARIANCE, ERROR
from sigmascope.theory.claims.edge_samples import hermite_largest
from sigmascope.theory.claims.two_times import airy1_covariance, airy2_covariance
from tests.theory.claims.bench import checked, judged


def airy_1(beta, lag):
    return airy2_covariance(lag) if beta == 2 else 4 * airy1_covariance(lag / 4)


def exponential(beta, lag):
    """Of a process that is thrown anew at random times, with the right variance and first motion."""
    variance = TracyWidom(beta).var()
    return variance * np.exp(-lag / variance)


def complex_on_half_the_clock(beta, lag):
    return airy2_covariance(lag / 2) if beta == 2 else own_memory(beta, lag)


def real_airy_in_units_of_f1(beta, lag):
    """The Airy process with the variance of F_1, on its own clock."""
    stretch = 1.0 if beta == 2 else TracyWidom(1).var() / TracyWidom(2).var()
    return stretch * airy2_covariance(lag)


def forgetful(beta, lag):
    return 0.0


WRONG = [airy_1, exponential, complex_on_half_the_clock, real_airy_in_units_of_f1, forgetful]


def test_verdict() -> None:
    result = checked(REMARK_6_14_DYNAMICS)
    assert result.verdict == "does not hold as printed"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize("formula", WRONG)
def test_a_wrong_process_does_not_hold(formula) -> None:
    assert judged(REMARK_6_14_DYNAMICS, formula).verdict is Verdict.fails


@pytest.mark.parametrize("clock", np.linspace(0.3, 1.4, 12).tolist())
def test_no_clock_makes_real_matrices_follow_airy_1(clock: float) -> None:
    off = [
        (4 * airy1_covariance(clock * lag / 4) - value) / error
        for lag, value, error in zip(LAGS, COVARIANCE, ERROR, strict=True)
    ]
    assert np.abs(off).max() > 10


def test_no_clock_makes_real_matrices_follow_airy_2() -> None:
    first = checked(REMARK_6_14_DYNAMICS).measurements[0]
    # at no time is the covariance of a process above its variance
    assert first.value - 5 * first.standard_error > TracyWidom(2).var()


def test_not_even_scale_and_clock_together_make_the_table_that_of_airy_2() -> None:
    """Stretched to Var F_1, and with it the clock. Symmetric matrices of 24 to 128 rows give that table."""
    stretch = TracyWidom(1).var() / TracyWidom(2).var()
    stretched = [stretch * airy2_covariance(lag / stretch) for lag in LAGS]
    off = (np.array(COVARIANCE) - stretched) / np.array(ERROR)
    assert (off[:2] > 5).all()
    assert np.allclose(COVARIANCE, stretched, rtol=0.05)


def test_complex_matrices_follow_airy_2() -> None:
    """The positive control: each lag within 2.5 standard errors, of which 0.4 % of the variance is for n."""
    seen = checked(REMARK_6_14_DYNAMICS).measurements[len(LAGS) :]
    assert [m.arguments for m in seen] == [{"beta": 2, "lag": lag} for lag in LAGS]
    for m in seen:
        assert m.value == pytest.approx(airy2_covariance(m.arguments["lag"]), abs=2.5 * m.standard_error)
        assert m.standard_error < 0.025 * TracyWidom(2).var()


def test_matrices_that_are_thrown_anew_at_random_times_are_not_taken_for_a_diffusion(monkeypatch) -> None:
    """A process with the right law at each time and the right first motion, and no matrix in it."""

    def jumps(rng, paths, *, beta):
        n = dynamics.SIZES[beta]
        fresh = hermite_largest(rng, 2 * paths * dynamics.LOOKS, n=n, beta=beta)
        A = ((fresh - 2 * np.sqrt(n)) * n ** (1 / 6)).reshape(dynamics.LOOKS, 2, paths)
        stays = rng.random(A.shape) < np.exp(-dynamics.STEP / TracyWidom(beta).var())
        for before, after, same in zip(A, A[1:], stays, strict=False):
            after[same] = before[same]
        return A

    monkeypatch.setattr(dynamics, "edge_paths", jumps)
    seen = list(REMARK_6_14_DYNAMICS.measure(Laboratory(np.random.default_rng(0), lambda: 0.0)))
    assert judge(REMARK_6_14_DYNAMICS, own_memory, seen).verdict is Verdict.fails
    assert judge(REMARK_6_14_DYNAMICS, exponential, seen).verdict is Verdict.holds


@pytest.mark.parametrize("beta", [1, 2])
def test_matrices_have_the_units_of_the_edge(beta: int) -> None:
    """E |H_ij|^2 = 1 off the diagonal, 2 / beta on it; the edge is that of the tridiagonal model."""
    H = symmetric(np.random.default_rng(1), 500, beta=beta)
    n = H.shape[-1]
    np.testing.assert_array_equal(H, H.conj().swapaxes(1, 2))
    squares = np.abs(H) ** 2
    assert squares[:, ~np.eye(n, dtype=bool)].mean() == pytest.approx(1.0, abs=0.01)
    assert squares[:, np.eye(n, dtype=bool)].mean() == pytest.approx(2 / beta, abs=0.05)
    A = both_edges(H)
    model = (hermite_largest(np.random.default_rng(2), 20_000, n=n, beta=beta) - 2 * np.sqrt(n)) * n ** (
        1 / 6
    )
    # 1,000 edges: five standard errors
    assert A.mean() == pytest.approx(model.mean(), abs=5 * model.std() / np.sqrt(1000))
    assert A.var() == pytest.approx(model.var(), rel=5 * np.sqrt(2.2 / 1000))


@pytest.mark.parametrize("beta", [1, 2])
def test_the_clock_is_that_of_the_first_motion(beta: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """E (A(v) - A(0))^2 / 2 = v for short v, with an error of 2 % from 3,000 draws and 2 % from v itself."""
    monkeypatch.setattr(dynamics, "STEP", 0.002)
    monkeypatch.setattr(dynamics, "LOOKS", 2)
    A = dynamics.edge_paths(np.random.default_rng(2), 1500, beta=beta)
    value, error = dynamics.half_square_change(A, 1)
    assert value == pytest.approx(0.002, abs=5 * error)
    assert error < 0.03 * 0.002


def test_the_table_is_that_of_a_reversible_process_with_the_law_of_f1() -> None:
    """Convex, hence above Var F_1 - v; above the exponential of the same slope, and log-convex."""
    variance = TracyWidom(1).var()
    for lag, value, error in zip(LAGS, COVARIANCE, ERROR, strict=True):
        assert value > variance * np.exp(-lag / variance) + 5 * error
    assert variance > COVARIANCE[0] > variance - LAGS[0]
    rates = -np.diff(np.log([variance, *COVARIANCE])) / np.diff([0.0, *LAGS])
    assert (np.diff(rates) < 0).all()
    # at long lags 1 / t^2 for beta = 2 and twice that for beta = 1, where v = 2 t: not yet reached
    assert COVARIANCE[-1] < 8 / LAGS[-1] ** 2
