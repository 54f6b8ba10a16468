"""Theorems 6.1 and 6.3 and Corollary 6.2: backpropagation in a small tanh network, and its continuous limits.

Layer x = 1 ... X has z(x) = W(x) a(x - 1) + b(x), a(x) = tanh z(x), and the loss is |a(X) - y|^2 / 2. All
layers are of one width, so that formulas with a transposed or a missing W can be evaluated, and be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.laws.law import FloatArray

LAYERS, WIDTH = 3, 5
# the complex step has no truncation error to balance against rounding
STEP = 1e-30
# of derivatives of order one after some hundred operations
ROUNDING = 1e-14
LEARNING_RATE, HORIZON = 0.5, 2.0
UPDATES = (16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Network:
    """``weights`` (X, width, width), ``biases`` (X, width), input ``x`` and target ``y`` (width,)."""

    weights: FloatArray
    biases: FloatArray
    x: FloatArray
    y: FloatArray


def network(rng: np.random.Generator) -> Network:
    """Random weights for which no unit saturates."""
    return Network(
        rng.standard_normal((LAYERS, WIDTH, WIDTH)) / np.sqrt(WIDTH),
        0.3 * rng.standard_normal((LAYERS, WIDTH)),
        rng.standard_normal(WIDTH),
        rng.standard_normal(WIDTH),
    )


def slope(net: Network, *, weights: ArrayLike = 0.0, z: ArrayLike = 0.0) -> FloatArray:
    """Derivative of the loss along directions of the weights (..., X, width, width) and of z (..., X, width).

    By the complex step: exact up to rounding, without backpropagation.
    """
    W = net.weights + 1j * STEP * np.asarray(weights)
    shift = net.biases + 1j * STEP * np.asarray(z)
    a = net.x.astype(complex)
    for layer in range(LAYERS):
        a = np.tanh(np.einsum("...ij,...j->...i", W[..., layer, :, :], a) + shift[..., layer, :])
    return np.asarray((((a - net.y) ** 2).sum(axis=-1) / 2).imag / STEP)


def activations(net: Network) -> list[FloatArray]:
    """a(0) ... a(X)."""
    a = [net.x]
    for W, b in zip(net.weights, net.biases, strict=True):
        a.append(np.tanh(W @ a[-1] + b))
    return a


def error_signals(net: Network) -> list[FloatArray]:
    """delta(1) ... delta(X) by the recursion of Theorem 6.1; f' = 1 - f^2 for tanh."""
    a = activations(net)
    deltas = [(a[-1] - net.y) * (1 - a[-1] ** 2)]
    for layer in range(LAYERS - 1, 0, -1):
        deltas.insert(0, (net.weights[layer].T @ deltas[0]) * (1 - a[layer] ** 2))
    return deltas


def gradient(net: Network) -> FloatArray:
    """delta(x) a(x - 1)^T for all layers, (X, width, width): Corollary 6.2."""
    return np.stack([np.outer(d, a) for d, a in zip(error_signals(net), activations(net), strict=False)])


def measure_error_signal(lab: Laboratory) -> Iterator[Measurement]:
    """dL/dz(x) along a random direction and in one entry, for each layer."""
    net = network(lab.rng)
    for layer in range(LAYERS, 0, -1):
        for name, along in (("one entry", np.eye(WIDTH)[1]), ("a direction", lab.rng.standard_normal(WIDTH))):
            z = np.zeros((LAYERS, WIDTH))
            z[layer - 1] = along
            seen = {"net": net, "layer": layer, "along": along}
            yield Measurement(f"∂L/∂z({layer}), {name}", float(slope(net, z=z)), ROUNDING, seen)


def signal(net: Network, layer: int, along: FloatArray) -> float:
    """delta(x) by the recursion."""
    return float(error_signals(net)[layer - 1] @ along)


def measure_gradient(lab: Laboratory) -> Iterator[Measurement]:
    """dL/dW(x) and dL/db(x) along random directions, for each layer."""
    net = network(lab.rng)
    for layer in range(1, LAYERS + 1):
        weights = np.zeros_like(net.weights)
        weights[layer - 1] = lab.rng.standard_normal((WIDTH, WIDTH))
        seen = {"net": net, "layer": layer, "along": weights[layer - 1]}
        label = f"∂L/∂W({layer}) along a direction"
        yield Measurement(label, float(slope(net, weights=weights)), 3 * ROUNDING, seen)
        # a bias enters where z does
        biases = np.zeros_like(net.biases)
        biases[layer - 1] = lab.rng.standard_normal(WIDTH)
        seen = {"net": net, "layer": layer, "along": biases[layer - 1]}
        yield Measurement(
            f"∂L/∂b({layer}) along a direction", float(slope(net, z=biases)), 3 * ROUNDING, seen
        )


def parameter_gradient(net: Network, layer: int, along: FloatArray) -> float:
    """<delta a^T, E> for a direction of W, <delta, e> for one of b."""
    if along.ndim == 1:
        return signal(net, layer, along)
    return float((gradient(net)[layer - 1] * along).sum())


def descend(net: Network, updates: int) -> FloatArray:
    """The weights after ``updates`` steps -eta dt dL/dW of dt = HORIZON / updates; complex-step gradients."""
    units = np.eye(net.weights.size).reshape(-1, *net.weights.shape)
    W = net.weights
    for _ in range(updates):
        slopes = slope(Network(W, net.biases, net.x, net.y), weights=units)
        W = W - LEARNING_RATE * HORIZON / updates * slopes.reshape(W.shape)
    return W


def romberg(values: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Limit of a sequence whose step halves each time, errors in all powers of it, and its uncertainty."""
    row, order = values, 1
    while len(row) > 2:
        row = [b + (b - a) / (2**order - 1) for a, b in pairwise(row)]
        order += 1
    return row[1], np.abs(row[1] - row[0])


def measure_flow(lab: Laboratory) -> Iterator[Measurement]:
    """Where the updates lead as dt -> 0, along a direction in each layer, and how fast they get there."""
    net = network(lab.rng)
    ends = [descend(net, updates) for updates in UPDATES]
    for layer in range(1, LAYERS + 1):
        along = np.zeros_like(net.weights)
        along[layer - 1] = lab.rng.standard_normal((WIDTH, WIDTH))
        limit, error = romberg([np.asarray((W * along).sum()) for W in ends])
        label = f"W({layer}) along a direction at t = {HORIZON:g}, Δt → 0"
        seen = {"net": net, "along": along}
        yield Measurement(label, float(limit), float(error) + ROUNDING, seen)
    apart = [np.linalg.norm(b - a) for a, b in pairwise(ends)]
    orders = [np.log2(a / b) for a, b in pairwise(apart)]
    seen = {"net": net, "along": None}
    yield Measurement("order in Δt", float(orders[-1]), float(abs(orders[-1] - orders[-2])), seen)


def flow(net: Network, along: FloatArray | None) -> float:
    """The solution of dW/dt = -eta delta f(z)^T; Euler's method has order 1."""
    if along is None:
        return 1.0

    def velocity(t: float, W: FloatArray) -> FloatArray:
        at = Network(W.reshape(net.weights.shape), net.biases, net.x, net.y)
        return -LEARNING_RATE * gradient(at).ravel()

    end = solve_ivp(velocity, (0, HORIZON), net.weights.ravel(), method="DOP853", rtol=1e-12, atol=1e-13).y[
        :, -1
    ]
    return float(end @ along.ravel())


def measure_space(lab: Laboratory) -> Iterator[Measurement]:
    """dL/dz(x) of one inner layer, entry by entry, which has a layer on either side."""
    net = network(lab.rng)
    for entry in range(WIDTH):
        z = np.zeros((LAYERS, WIDTH))
        z[1, entry] = 1.0
        seen = {"net": net, "entry": entry}
        yield Measurement(f"∂L/∂z(2), entry {entry + 1}", float(slope(net, z=z)), ROUNDING, seen)


def backward_difference(net: Network, entry: int) -> float:
    """(delta(x) - delta(x - 1)) f'(z(x)) at x = 2."""
    deltas, a = error_signals(net), activations(net)
    return float(((deltas[1] - deltas[0]) * (1 - a[2] ** 2))[entry])


def backward_recursion(net: Network, entry: int) -> float:
    """(W(x + 1)^T delta(x + 1)) f'(z(x)) at x = 2."""
    return float(error_signals(net)[1][entry])


THEOREM_6_1 = Claim(
    id="theorem-6.1",
    statement="Theorem 6.1",
    title="Error-signal recursion",
    printed_formula="δ(X) = ∂L/∂a(X) ⊙ f′(z(X)), δ(x) = (W(x + 1)ᵀ δ(x + 1)) ⊙ f′(z(x))",
    exact_formula="δ(X) = ∂L/∂a(X) ⊙ f′(z(X)), δ(x) = (W(x + 1)ᵀ δ(x + 1)) ⊙ f′(z(x))",
    reference="Rumelhart, Hinton & Williams (1986)",
    method=f"complex-step derivatives of the loss, tanh network of {LAYERS} layers, each of width {WIDTH}",
    finding="The recursion is right to rounding.",
    measure=measure_error_signal,
    printed=signal,
    exact=signal,
)

COROLLARY_6_2 = Claim(
    id="corollary-6.2",
    statement="Corollary 6.2",
    title="Gradient of weights and biases",
    printed_formula="∂L/∂W(x) = δ(x) a(x − 1)ᵀ, ∂L/∂b(x) = δ(x)",
    exact_formula="∂L/∂W(x) = δ(x) a(x − 1)ᵀ, ∂L/∂b(x) = δ(x)",
    reference="Rumelhart, Hinton & Williams (1986)",
    method=THEOREM_6_1.method,
    finding="Both are right to rounding. They make the gradient of one sample a matrix of rank one, by which "
    "noise can be measured without forming it.",
    measure=measure_gradient,
    printed=parameter_gradient,
    exact=parameter_gradient,
)

THEOREM_6_3 = Claim(
    id="theorem-6.3",
    statement="Theorem 6.3",
    title="Continuum limit in time",
    printed_formula="(W(t + Δt) − W(t))/Δt = −η δ(x) a(x − 1)ᵀ becomes ∂_t W = −η δ(x) f(z(x − 1))ᵀ "
    "as Δt → 0",
    exact_formula="W(t + Δt) − W(t) = −ηΔt δ(x) a(x − 1)ᵀ tends to ∂_t W = −η δ(x) f(z(x − 1))ᵀ, "
    "with an error of order Δt",
    reference="Euler's method; Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, II.3",
    method=f"gradient descent to t = {HORIZON:g} in {UPDATES[0]} to {UPDATES[-1]} updates −ηΔt ∂L/∂W, "
    "complex-step gradients, extrapolated to Δt = 0; against the flow, by Runge-Kutta",
    finding="With the quotient of its proof the update converges to the gradient flow, at order 1. The "
    "increment displayed in the theorem carries η without Δt: at fixed η it has no limit. One SGD step is "
    "Δt = 1, and what becomes small is η.",
    measure=measure_flow,
    printed=flow,
    exact=flow,
)

THEOREM_6_3_SPACE = Claim(
    id="theorem-6.3-space",
    statement="Theorem 6.3",
    title="Continuum limit in depth",
    printed_formula="δ(x) = (∂ₓ†δ)(x) ⊙ f′(z(x)), ∂ₓ† the backward difference",
    exact_formula="δ(x) = (W(x + 1)ᵀ δ(x + 1)) ⊙ f′(z(x))",
    reference="Theorem 6.1",
    method=f"complex-step derivatives at the inner layer of a tanh network of {LAYERS} layers",
    finding="The displayed equation has lost W(x + 1)ᵀ, which carries the error from layer to layer, and "
    "between layers of different width a difference is not defined. A limit in depth needs layers close to "
    "the identity, as in residual networks.",
    measure=measure_space,
    printed=backward_difference,
    exact=backward_recursion,
)
