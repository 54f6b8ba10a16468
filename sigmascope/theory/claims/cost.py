"""Section 7.1: what Algorithm 1 costs, and saves. Sizes m x n of W, k singular values tracked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import linregress

from sigmascope.errors import InvalidValueError
from sigmascope.theory.claims.bootstrap import Tally, Triplets, algorithm_1, bidiagonal
from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.laws.law import FloatArray

Size = tuple[int, int, int]

# sizes that grow by half or double, along one axis each
COUNTED_N: tuple[Size, ...] = ((96, 96, 4), (144, 144, 4), (216, 216, 4), (324, 324, 4))
COUNTED_M: tuple[Size, ...] = ((324, 324, 4), (648, 324, 4), (1296, 324, 4))
COUNTED_K: tuple[Size, ...] = ((324, 324, 2), (324, 324, 4), (324, 324, 8), (324, 324, 16))
TIMED_N: tuple[Size, ...] = ((256, 256, 8), (384, 384, 8), (576, 576, 8), (864, 864, 8))
TIMED_K: tuple[Size, ...] = ((512, 512, 4), (512, 512, 8), (512, 512, 16), (512, 512, 32))
# counts follow no pure power: lower powers of n come with it, and O() leaves their constants open
LOWER_TERMS = 0.06
# of times, one fifth of what is allowed for: caches, the cost of a call, and whoever else is on the machine
MACHINE = 0.08
REPEATS = 16


def axis(sizes: Sequence[Size]) -> tuple[str, list[int]]:
    """Which of k, n and m grows over ``sizes``, and its values; n stands for m = n."""
    for name, column in (("k", 2), ("m = n", 1), ("m", 0)):
        values = [size[column] for size in sizes]
        if values[0] != values[-1]:
            return name, values
    raise InvalidValueError(f"all sizes are {sizes[0]}; let one of m, n, k grow")


def exponent(sizes: Sequence[Size], costs: ArrayLike) -> tuple[float, float]:
    """Least-squares p of cost ~ size^p, and its standard error."""
    fit = linregress(np.log(axis(sizes)[1]), np.log(costs))
    return float(fit.slope), float(fit.stderr)


def step_operations(rng: np.random.Generator, size: Size) -> int:
    """Multiplications of one batch of Algorithm 1."""
    m, n, k = size
    U, V = np.linalg.qr(rng.standard_normal((m, k)))[0], np.linalg.qr(rng.standard_normal((n, k)))[0]
    tally = Tally()
    algorithm_1(Triplets(U, np.linspace(2.0, 1.0, k), V, tally), 1e-3 * rng.standard_normal((m, n)))
    return tally.operations


def svd_operations(rng: np.random.Generator, size: Size) -> int:
    """Multiplications of the bidiagonal form of W."""
    m, n, _ = size
    tally = Tally()
    bidiagonal(rng.standard_normal((m, n)), tally)
    return tally.operations


def seen_exponent(
    label: str, sizes: tuple[Size, ...], costs: ArrayLike, *, of: str, allowance: float
) -> Measurement:
    """The exponent of ``costs`` as a measurement of a step or of a gain."""
    p, error = exponent(sizes, costs)
    label = f"exponent in {axis(sizes)[0]} of {label}"
    return Measurement(label, p, float(np.hypot(error, allowance)), {"of": of, "sizes": sizes})


def measure_counts(lab: Laboratory) -> Iterator[Measurement]:
    """Exponents of the multiplications of a step, and of those of an SVD over a step's."""
    for sizes in (COUNTED_N, COUNTED_M, COUNTED_K):
        steps = np.array([step_operations(lab.rng, size) for size in sizes])
        yield seen_exponent("a step's multiplications", sizes, steps, of="step", allowance=LOWER_TERMS)
    for sizes in (COUNTED_N, COUNTED_K):
        gain = [svd_operations(lab.rng, size) / step_operations(lab.rng, size) for size in sizes]
        yield seen_exponent(
            "an SVD's multiplications over a step's", sizes, gain, of="gain", allowance=LOWER_TERMS
        )


def exponents_of(step: Callable[[int, int, int], float], gain: Callable[[int, int, int], float]) -> Formula:
    """The exponents that follow from a cost of a step and a gain, over the same sizes."""

    def formula(of: str, sizes: tuple[Size, ...]) -> float:
        cost = step if of == "step" else gain
        return exponent(sizes, [cost(*size) for size in sizes])[0]

    return formula


def printed_step(m: int, n: int, k: int) -> float:
    """The bound k m n + k^2 max(m, n), with constants of 1."""
    return k * m * n + k**2 * max(m, n)


def printed_gain(m: int, n: int, k: int) -> float:
    """min(m, n) / k."""
    return min(m, n) / k


def projection_time(lab: Laboratory, size: Size) -> Callable[[], float]:
    """Seconds of one U^T G V, again at each call.

    By plain loops on one thread: BLAS changes its ways with size, and its threads wait for each other.
    """
    m, n, k = size
    U, V = lab.rng.standard_normal((k, m)), lab.rng.standard_normal((k, n))
    G = lab.rng.standard_normal((n, m))

    def run() -> float:
        started = lab.clock()
        product: FloatArray = np.einsum("im,nm->in", U, G)
        np.einsum("in,jn->ij", product, V)
        return lab.clock() - started

    return run


def measure_times(lab: Laboratory) -> Iterator[Measurement]:
    """Exponents of the shortest of several times, taken in turn so that a busy spell hits all sizes."""
    for sizes in (TIMED_N, TIMED_K):
        runs = [projection_time(lab, size) for size in sizes]
        times = np.array([[run() for run in runs] for _ in range(REPEATS)]).min(axis=0)
        yield seen_exponent("the time of UᵀGV", sizes, times, of="step", allowance=MACHINE)


SECTION_7_1 = Claim(
    id="section-7.1",
    statement="Section 7.1",
    title="Cost of a step, and its gain over an SVD",
    printed_formula="O(kmn + k² max(m, n)) a step; gain Θ(min(m, n)/k)",
    exact_formula="O(kmn + k² max(m, n)) a step; gain Θ(min(m, n)/k)",
    reference="Golub & Van Loan, Matrix Computations (2013), sections 5.4 and 8.6",
    method="multiplications counted while Algorithm 1 and the bidiagonal form of W are computed, "
    f"n = {COUNTED_N[0][1]} to {COUNTED_N[-1][1]}, k = {COUNTED_K[0][2]} to {COUNTED_K[-1][2]}: exponents by "
    "least squares",
    finding="The counts grow as stated. A warm-started power step, which follows W where Algorithm 1 "
    "does not, is of the same order.",
    measure=measure_counts,
    printed=exponents_of(printed_step, printed_gain),
    exact=exponents_of(printed_step, printed_gain),
)

SECTION_7_1_TIME = Claim(
    id="section-7.1-time",
    statement="Section 7.1",
    title="Time of the projection",
    printed_formula="UᵀGV takes O(kmn)",
    exact_formula="UᵀGV takes O(kmn), and O(k²n) for its second product",
    reference="Golub & Van Loan, Matrix Computations (2013), section 1.1",
    method=f"shortest of {REPEATS} times by plain loops on one thread, n = {TIMED_N[0][1]} to "
    f"{TIMED_N[-1][1]}, k = {TIMED_K[0][2]} to {TIMED_K[-1][2]}; {5 * MACHINE:g} in an exponent is "
    "allowed for caches and load",
    finding="The projection, the part that grows fastest, takes the time stated.",
    measure=measure_times,
    printed=exponents_of(lambda m, n, k: k * m * n, printed_gain),
    exact=exponents_of(lambda m, n, k: k * m * n + k**2 * n, printed_gain),
)
