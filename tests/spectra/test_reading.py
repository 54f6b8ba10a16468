"""Spectra of many layers, adaptive in time, and by Lanczos quadrature: right, and honest about it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra import (
    CHOICES,
    SpectraReader,
    exact_spectra,
    exact_spectrum,
    slq_spectrum,
)
from sigmascope.spectra.batched import rounds

SHAPES = [(40, 30), (30, 40), (1, 1), (5, 70), (300, 200)]


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


def reference(weight: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(weight.detach().double())


def test_many_layers_are_each_as_exact_as_one() -> None:
    weights = {str(i): gaussian(*shape, seed=i) for i, shape in enumerate(SHAPES * 2)}
    weights |= {
        "half": gaussian(50, 20).bfloat16(),
        "turned": gaussian(90, 70).T,
        "double": gaussian(80, 66).double(),
    }
    found = exact_spectra(weights)
    assert list(found) == list(weights)
    for name, weight in weights.items():
        error = (
            found[name].values - reference(weight.float() if weight.dtype is torch.bfloat16 else weight)
        ).abs()
        assert float(error.max()) <= found[name].error_bound


def test_tied_weights_are_decomposed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.Size] = []
    real = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", lambda A: calls.append(A.shape) or real(A))
    W = gaussian(30, 20)
    found = exact_spectra({"a": W, "b": W, "c": gaussian(30, 20, seed=3)}, method="svd")
    assert len(calls) == 2
    assert torch.equal(found["a"].values, found["b"].values)
    assert not torch.equal(found["a"].values, found["c"].values)


def test_rounds_leave_no_thread_idle_for_long() -> None:
    assert rounds({}, threads=2) == []
    large = 2048.0**3
    assert rounds({"a": 9 * large, "b": 10 * large}, threads=1) == [(["b", "a"], 1)]
    # three layers and a small head on two threads: the third has no company, and takes both
    assert rounds({"h": 1.0, "a": large, "b": large, "c": large / 2}, threads=2) == [
        (["a", "b"], 1),
        (["c"], 2),
        (["h"], 1),
    ]
    assert rounds(dict.fromkeys("abcd", large), threads=2) == [(["a", "b", "c", "d"], 1)]
    assert rounds(dict.fromkeys("abc", large), threads=16) == [(["a", "b", "c"], 5)]
    # what gains nothing by a second thread has one, unless it is alone
    small = 512.0**3
    assert rounds({"h": 1.0, "a": small, "b": small, "c": small}, threads=2) == [(["a", "b", "c", "h"], 1)]
    assert rounds({"a": small}, threads=2) == [(["a"], 2)]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_two_threads_find_what_one_finds_and_are_given_back() -> None:
    weights = {str(i): gaussian(70, 66, seed=i) for i in range(5)}
    found = exact_spectra(weights)
    assert torch.get_num_threads() == 2
    for name, weight in weights.items():
        error = (found[name].values - reference(weight)).abs()
        assert float(error.max()) <= found[name].error_bound


@pytest.mark.usefixtures("two_threads")
def test_a_large_matrix_alone_is_decomposed_on_one_thread_of_two() -> None:
    """Which is faster: the same bits as beside others, where each has one thread."""
    weights = {str(i): gaussian(600, 520, seed=i) for i in range(2)}
    alone, together = exact_spectra({"0": weights["0"]}), exact_spectra(weights)
    assert torch.equal(alone["0"].values, together["0"].values)
    assert float((alone["0"].values - reference(weights["0"])).abs().max()) <= alone["0"].error_bound


@pytest.mark.usefixtures("two_threads")
def test_calls_from_several_threads_leave_the_number_of_threads_alone() -> None:
    weights = {str(i): gaussian(70, 66, seed=i) for i in range(3)}
    for _ in range(5):
        with ThreadPoolExecutor(3) as pool:
            for found in pool.map(exact_spectra, [weights] * 3):
                assert set(found) == set(weights)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


@pytest.mark.parametrize("method", [one for one in CHOICES if one != "auto"])
def test_a_bad_weight_is_named_with_its_step(method: str) -> None:
    weights = {"good": gaussian(20, 10), "bad": gaussian(20, 10)}
    weights["bad"][3, 4] = float("nan")
    with pytest.raises(NumericalError, match="step 7") as caught:
        SpectraReader(method).read(weights, step=7)
    assert "layer bad" in str(caught.value)
    assert "1 of 200 weights" in str(caught.value)


@pytest.mark.parametrize("method", CHOICES)
@pytest.mark.parametrize("weight", [torch.zeros(9, 5), torch.ones(9, 5), torch.eye(6)])
def test_rank_deficient_and_zero_weights(method: str, weight: torch.Tensor) -> None:
    reader = SpectraReader(method)
    for step in range(3):
        seen = reader.read({"w": weight}, step=step)[step]["w"]
        tolerance = max(seen.error_bound, 1e-6) if method != "slq" else 1e-5
        torch.testing.assert_close(seen.values.double(), reference(weight), rtol=0, atol=tolerance)


def test_bad_choices() -> None:
    with pytest.raises(InvalidValueError, match="unknown spectra method 'qr'; choose one of auto, svd"):
        SpectraReader("qr")
    with pytest.raises(InvalidValueError, match="positive"):
        SpectraReader("adaptive", accuracy=0.0)
    with pytest.raises(InvalidValueError, match="probes must be at least 1, got 0"):
        slq_spectrum(gaussian(9, 5), probes=0)


class TestQuadrature:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_noise_with_outliers(self, seed: int) -> None:
        W = gaussian(700, 500, seed=seed)
        for strength in (4.0, 5.0, 6.0):
            u, v = gaussian(700, seed=seed + 5), gaussian(500, seed=seed + 6)
            W += strength * torch.outer(u / u.norm(), v / v.norm())
        seen, truth = slq_spectrum(W), reference(W)
        torch.testing.assert_close(seen.values[:5].double(), truth[:5], rtol=1e-5, atol=0)
        assert kolmogorov(seen.values, truth) < 0.05  # 1 / 40 steps and 1 / sqrt(500 * 10 probes)
        assert (seen.values.diff() <= 0).all()

    def test_low_rank(self) -> None:
        W = gaussian(300, 20) @ gaussian(20, 250)
        seen, truth = slq_spectrum(W), reference(W)
        torch.testing.assert_close(seen.values[:5].double(), truth[:5], rtol=1e-5, atol=0)
        assert float(seen.values[40:].max()) < 1e-2 * float(truth[0])

    def test_the_global_random_state_stays(self) -> None:
        before = torch.random.get_rng_state()
        first, again = slq_spectrum(gaussian(60, 50)), slq_spectrum(gaussian(60, 50))
        assert torch.equal(before, torch.random.get_rng_state())
        assert torch.equal(first.values, again.values)


def kolmogorov(one: torch.Tensor, other: torch.Tensor) -> float:
    a, b = (np.sort(values.double().numpy()) for values in (one, other))
    points = np.concatenate([a, b + 1e-4])
    below = [np.searchsorted(values, points, side="right") / len(values) for values in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def test_exact_methods_by_accuracy() -> None:
    W = gaussian(200, 150)
    assert exact_spectrum(W).method == "gram"
    assert exact_spectrum(W, accuracy=1e-4).method == "svd"
    fine = exact_spectrum(W, accuracy=1e-7)
    assert fine.method == "gram64"
    assert float((fine.values - reference(W)).abs().max()) <= fine.error_bound
    with pytest.raises(InvalidValueError, match="accuracy must be positive"):
        exact_spectrum(W, accuracy=-1.0)
