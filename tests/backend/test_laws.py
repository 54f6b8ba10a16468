"""Laws answered at once: what the library says, on the axis that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.main import create_app
from backend.settings import Settings
from sigmascope.theory import MarchenkoPastur, TracyWidom, edge_scaling, fit_bulk
from sigmascope.theory.edge import Method

LAWS = "/api/v1/laws"


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    """Of one kind of database: laws ask none."""
    with TestClient(create_app(settings)) as client:
        yield client


def get(api: TestClient, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{LAWS}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("axis", ["singular_values", "eigenvalues"])
def test_marchenko_pastur_has_unit_mass_and_the_laws_moments(api: TestClient, axis: str) -> None:
    curve = get(api, "marchenko-pastur", m=400, n=100, entry_variance=0.5, axis=axis, points=501)
    x, pdf = np.array(curve["x"]), np.array(curve["pdf"])
    # the trapezoid rule on 501 points, dense at both edges
    assert np.trapezoid(pdf, x) == pytest.approx(1, abs=1e-4)
    assert np.trapezoid(x * pdf, x) == pytest.approx(curve["mean"], rel=1e-4)
    assert curve["cdf"][-1] == pytest.approx(1)
    assert curve["support"][1] == x[-1]
    if axis == "eigenvalues":
        np.testing.assert_allclose(pdf, MarchenkoPastur(0.25, 0.5).pdf(x))


def test_a_square_matrix_has_a_hard_edge_and_finite_numbers(api: TestClient) -> None:
    curve = get(api, "marchenko-pastur", m=100, n=100, axis="eigenvalues")
    assert np.isfinite(curve["pdf"]).all()
    assert curve["support"][0] == 0


@pytest.mark.parametrize("axis", ["singular_values", "eigenvalues"])
def test_a_wide_matrix_has_an_atom_at_zero(api: TestClient, axis: str) -> None:
    curve = get(api, "marchenko-pastur", m=100, n=400, axis=axis, points=501)
    assert curve["atom"] == 0.75
    assert np.trapezoid(curve["pdf"], curve["x"]) == pytest.approx(0.25, abs=1e-4)
    assert curve["cdf"][0] == pytest.approx(0.75)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_tracy_widom(api: TestClient, beta: int) -> None:
    curve = get(api, "tracy-widom", beta=beta)
    np.testing.assert_allclose(curve["pdf"], TracyWidom(beta).pdf(np.array(curve["x"])))
    assert curve["support"][1] is None


def test_gamma_as_printed_and_exact(api: TestClient) -> None:
    query = {"beta1": 0.02, "learning_rate": 0.1, "diffusion": 0.01, "axis": "eigenvalues"}
    printed = get(api, "stationary-gamma", m=8, n=1, form="as_printed", **query)
    exact = get(api, "stationary-gamma", m=8, n=1, form="exact", **query)
    # shapes (m - n + 3) / 4 = 2.5 and m / 2 = 4 at the rate 5
    assert printed["mean"] == pytest.approx(0.5)
    assert exact["mean"] == pytest.approx(0.8)
    refused = api.get(f"{LAWS}/stationary-gamma", params={"m": 8, "n": 2, "form": "exact", **query})
    assert refused.status_code == 422
    assert "got n=2" in refused.json()["detail"]


def test_edge_and_p_value_agree(api: TestClient) -> None:
    edge = get(api, "edge", m=256, n=128, entry_variance=0.01, level=0.01)
    assert edge["bulk_edge"] == pytest.approx(0.1 * (16 + 128**0.5))
    values = [edge["edge"], 2.0, 4.0]
    answer = get(api, "p-value", m=256, n=128, entry_variance=0.01, singular_value=values)
    assert answer["p_values"][0] == pytest.approx(0.01)
    assert answer["p_values"][1] > 0.9
    assert 0 < answer["p_values"][2] < 1e-6
    expected = edge_scaling(256, 128, entry_variance=0.01).p_value(np.array(values))
    np.testing.assert_allclose(answer["p_values"], expected)


@pytest.mark.parametrize("method", ["leading", "johnstone", "ma"])
def test_centrings_can_be_chosen_and_ma_is_the_default(api: TestClient, method: Method) -> None:
    query = {"m": 100, "n": 5}
    chosen = get(api, "edge", **query, method=method)
    assert chosen["center"] == pytest.approx(edge_scaling(100, 5, method=method).center)
    by_value = get(api, "p-value", **query, singular_value=13.0, method=method)
    assert by_value["p_values"] == pytest.approx([float(edge_scaling(100, 5, method=method).p_value(13.0))])
    assert (get(api, "edge", **query) == chosen) == (method == "ma")
    assert (get(api, "p-value", **query, singular_value=13.0) == by_value) == (method == "ma")


def test_more_outliers_than_can_be_told_are_said(api: TestClient) -> None:
    values = np.linalg.svd(np.random.default_rng(3).standard_normal((30, 20)), compute_uv=False)
    for raised, truncated in ((5, False), (11, True)):
        body = {"m": 30, "n": 20, "singular_values": [*(1000 * values[:raised]), *values[raised:]]}
        answer = api.post(f"{LAWS}/fit", json=body).json()
        assert (len(answer["outliers"]), answer["truncated"]) == (min(raised, 10), truncated)


def test_a_posted_spectrum_is_fitted(api: TestClient) -> None:
    rng = np.random.default_rng(3)
    W = rng.standard_normal((128, 64))
    W += 60 * np.outer(rng.standard_normal(128), rng.standard_normal(64)) / (128 * 64) ** 0.5
    values = np.linalg.svd(W, compute_uv=False)
    answer = api.post(f"{LAWS}/fit", json={"m": 128, "n": 64, "singular_values": values.tolist()}).json()
    assert answer["outliers"] == [pytest.approx(values[0])]
    assert answer["entry_variance"] == pytest.approx(fit_bulk(values, m=128, n=64).entry_variance)
    assert answer["p_value"] < 1e-6
    assert answer["ks"] < 0.1


@pytest.mark.parametrize(
    ("path", "query", "parts"),
    [
        ("edge", {"m": 10, "n": 20}, ["m", "10", "20"]),
        ("marchenko-pastur", {"m": 10, "n": 5, "entry_variance": 0}, ["entry_variance", "got '0'"]),
        ("marchenko-pastur", {"m": 10, "n": 5, "points": 10**9}, ["points"]),
        ("marchenko-pastur", {"m": 10}, ["n"]),
        ("tracy-widom", {"beta": 3}, ["beta"]),
        ("edge", {"m": 1, "n": 1}, ["m=1"]),
        ("edge", {"m": 10, "n": 5, "level": 1}, ["level"]),
        ("edge", {"m": 10, "n": 5, "method": "guess"}, ["method", "johnstone"]),
        ("p-value", {"m": 10, "n": 5, "singular_value": "nan"}, ["singular_value", "nan"]),
        ("p-value", {"m": 10, "n": 5}, ["singular_value"]),
    ],
)
def test_bad_queries_name_the_value(
    api: TestClient, path: str, query: dict[str, Any], parts: list[str]
) -> None:
    answer = api.get(f"{LAWS}/{path}", params=query)
    assert answer.status_code == 422, answer.text
    for part in parts:
        assert part in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"m": 4, "n": 3, "singular_values": [1.0, 0.5]}, "has 3 singular values"),
        ({"m": 3, "n": 4, "singular_values": [1.0] * 4}, "m"),
        ({"m": 4, "n": 2, "singular_values": [1.0, -0.5]}, "got -0.5"),
        ({"m": 4, "n": 2, "singular_values": [0.0, 0.0]}, "no spread"),
        ({"m": 4, "n": 3, "singular_values": [1.0, 1.0, 1.0]}, "repeated singular values"),
        ({"m": 4, "n": 2, "singular_values": ["nan", 1.0]}, "NaN"),
        ({"m": 4, "n": 2, "singular_values": []}, "has 2 singular values"),
    ],
)
def test_a_bad_spectrum_is_refused(api: TestClient, body: dict[str, Any], part: str) -> None:
    answer = api.post(f"{LAWS}/fit", json=body)
    assert answer.status_code == 422
    assert part in answer.json()["detail"]
