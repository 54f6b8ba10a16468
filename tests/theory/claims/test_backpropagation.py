"""Backpropagation and its continuous limits: verdicts, wrong formulas, and what the displayed step does."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.backpropagation import (
    COROLLARY_6_2,
    HORIZON,
    THEOREM_6_1,
    THEOREM_6_3,
    THEOREM_6_3_SPACE,
    WIDTH,
    Network,
    activations,
    descend,
    error_signals,
    flow,
    gradient,
    network,
    romberg,
    slope,
)
from sigmascope.theory.claims.claim import Formula
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    THEOREM_6_1: "holds",
    COROLLARY_6_2: "holds",
    THEOREM_6_3: "holds",
    THEOREM_6_3_SPACE: "does not hold as printed",
}


def transposed(net, layer, along):
    other = Network(net.weights.transpose(0, 2, 1), net.biases, net.x, net.y)
    deltas, a = error_signals(net), activations(net)
    if layer == len(deltas):
        return float(deltas[-1] @ along)
    return float(((other.weights[layer].T @ deltas[layer]) * (1 - a[layer] ** 2)) @ along)


def without_the_slope(net, layer, along):
    deltas = error_signals(net)
    return float(
        deltas[-1] @ along if layer == len(deltas) else (net.weights[layer].T @ deltas[layer]) @ along
    )


def loss_without_its_half(net, layer, along):
    return 2 * THEOREM_6_1.exact(net=net, layer=layer, along=along)


def swapped_outer_product(net, layer, along):
    return COROLLARY_6_2.exact(net=net, layer=layer, along=along.T)


def input_of_the_next_layer(net, layer, along):
    if along.ndim == 1:
        return COROLLARY_6_2.exact(net=net, layer=layer, along=along)
    return float(error_signals(net)[layer - 1] @ along @ activations(net)[layer])


def uphill(net, along):
    return 2 * float((net.weights * along).sum()) - flow(net, along) if along is not None else 1.0


def five_percent_faster(net, along):
    if along is None:
        return 1.0
    start = float((net.weights * along).sum())
    return start + 1.05 * (flow(net, along) - start)


def second_order(net, along):
    return 2.0 if along is None else flow(net, along)


def difference(ahead: int, behind: int, sign: int) -> Formula:
    def formula(net: Network, entry: int) -> float:
        deltas, a = error_signals(net), activations(net)
        return float((sign * (deltas[ahead] - deltas[behind]) * (1 - a[2] ** 2))[entry])

    return formula


WRONG = [
    (THEOREM_6_1, transposed),
    (THEOREM_6_1, without_the_slope),
    (THEOREM_6_1, loss_without_its_half),
    (COROLLARY_6_2, swapped_outer_product),
    (COROLLARY_6_2, input_of_the_next_layer),
    (THEOREM_6_3, uphill),
    (THEOREM_6_3, five_percent_faster),
    (THEOREM_6_3, second_order),
    # no reading of the difference, ahead or behind, of either sign, stands in for W^T
    (THEOREM_6_3_SPACE, difference(1, 0, -1)),
    (THEOREM_6_3_SPACE, difference(2, 1, 1)),
    (THEOREM_6_3_SPACE, difference(2, 1, -1)),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_the_complex_step_agrees_with_differences_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    net, E = network(rng), rng.standard_normal((3, WIDTH, WIDTH))

    def loss(step: float) -> float:
        a = net.x
        for W, b in zip(net.weights + step * E, net.biases, strict=True):
            a = np.tanh(W @ a + b)
        return float(((a - net.y) ** 2).sum() / 2)

    h = 1e-3
    fourth = (8 * (loss(h) - loss(-h)) - loss(2 * h) + loss(-2 * h)) / (12 * h)
    # truncation h^4 times a fifth derivative of some thousands
    assert float(slope(net, weights=E)) == pytest.approx(fourth, abs=1e-8)


def test_the_displayed_increment_has_no_limit() -> None:
    """Without dt in the increment, half the step does not come closer to a limit: it makes twice the way."""
    net = network(np.random.default_rng(2))
    ways = []
    # eta an update stays the same; descend() divides it by their number
    for updates in (4, 8, 16):
        W = net.weights
        for _ in range(updates):
            W = W - 1e-4 * gradient(Network(W, net.biases, net.x, net.y))
        ways.append(np.linalg.norm(W - net.weights))
    # at this eta the gradient hardly changes on the way
    assert np.diff(np.log2(ways)) == pytest.approx(1.0, abs=0.01)
    proper = [np.linalg.norm(descend(net, updates) - net.weights) for updates in (32, 64)]
    assert proper[1] == pytest.approx(proper[0], rel=0.1 * HORIZON)


def test_romberg_finds_a_limit_and_how_far_it_may_be_off() -> None:
    steps = 0.5 ** np.arange(6)
    limit, error = romberg([np.asarray(np.exp(h) + h**2) for h in steps])
    assert abs(limit - 1.0) < error < 1e-4
