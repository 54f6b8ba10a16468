"""Section 7.1: what Algorithm 1 costs, and saves. Sizes m x n of W, k singular values tracked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import linregress

from sigmascope.errors import InvalidValueError
from sigmascope.theory.claims.bootstrap import Tally, Triplets, algorithm_1, bidiagonal
from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.laws.law import FloatArray


class Size(NamedTuple):
    """W is m x n, k singular values are tracked over so many batches."""

    m: int
    n: int
    k: int
    batches: int = 1


Sizes = tuple[Size, ...]

TALL, WIDE, SQUARE = (1024, 64), (64, 1024), (324, 324)
# series along one axis each: m and n apart, on either side of square, and k up to min(m, n), where the term
# k^2 max(m, n) outweighs k m n
STEP_SERIES: tuple[Sizes, ...] = (
    tuple(Size(n, n, 4) for n in (96, 144, 216, 324)),
    tuple(Size(m, 64, 64) for m in (256, 512, 1024, 2048)),
    tuple(Size(64, n, 64) for n in (256, 512, 1024, 2048)),
    tuple(Size(1024, n, 32) for n in (32, 64, 128, 256)),
    tuple(Size(m, 1024, 32) for m in (32, 64, 128, 256)),
    *(tuple(Size(*shape, k) for k in (8, 16, 32, 64)) for shape in (TALL, WIDE)),
    tuple(Size(*SQUARE, k) for k in (2, 4, 8, 16)),
)
# the gain is for k << min(m, n), and the cost of an SVD does not depend on k
SVD_SERIES: tuple[Sizes, ...] = (
    tuple(Size(n, n, 4) for n in (96, 144, 216, 324)),
    tuple(Size(m, 64, 4) for m in (128, 256, 512, 1024)),
    tuple(Size(64, n, 4) for n in (128, 256, 512, 1024)),
    tuple(Size(1024, n, 4) for n in (32, 64, 128, 256)),
    tuple(Size(m, 1024, 4) for m in (32, 64, 128, 256)),
)
TOTAL_SERIES: tuple[Sizes, ...] = tuple(
    tuple(Size(*shape, 4, batches) for batches in (8, 32, 128)) for shape in ((256, 64), (64, 256))
)
TIMED_N: Sizes = tuple(Size(n, n, 8) for n in (256, 384, 576, 864))
TIMED_K: Sizes = tuple(Size(512, 512, k) for k in (4, 8, 16, 32))
# one fifth of what O() is allowed: sums with other constants than 1, and lower powers beside them, follow
# other exponents, by 0.24 at most in these series; and a cost itself may be off by a factor of 3
EXPONENT_OPEN, FACTOR_OPEN = 0.06, np.log(3.0) / 5
# counts are whole numbers, and their logarithms rounded
ROUNDING = 1e-10
# of times, one fifth of what is allowed for: caches, the cost of a call, and whoever else is on the machine
MACHINE = 0.08
REPEATS = 16


def axis(sizes: Sequence[Size]) -> tuple[str, list[int]]:
    """Which of k, n, m and the number of batches grows over ``sizes``, and its values; n stands for m = n."""
    moving = [
        name
        for name, column in zip(Size._fields, zip(*sizes, strict=True), strict=True)
        if column[0] != column[-1]
    ]
    if not moving:
        raise InvalidValueError(f"all sizes are {tuple(sizes[0])}; let one of m, n, k or the batches grow")
    name = "m = n" if moving == ["m", "n"] else moving[0]
    return name, [getattr(size, moving[0]) for size in sizes]


def exponent(sizes: Sequence[Size], costs: ArrayLike) -> tuple[float, float]:
    """Least-squares p of cost ~ size^p, and its standard error."""
    fit = linregress(np.log(axis(sizes)[1]), np.log(costs))
    return float(fit.slope), float(fit.stderr)


def run(rng: np.random.Generator, size: Size) -> int:
    """Multiplications of so many batches of Algorithm 1, without the SVD at its start."""
    m, n, k, batches = size
    U, V = np.linalg.qr(rng.standard_normal((m, k)))[0], np.linalg.qr(rng.standard_normal((n, k)))[0]
    at = Triplets(U, np.linspace(2.0, 1.0, k), V, Tally())
    for _ in range(batches):
        at = algorithm_1(at, 1e-3 * rng.standard_normal((m, n)))
    return at.tally.operations


def decompose(rng: np.random.Generator, size: Size) -> int:
    """Multiplications of the bidiagonal form of W, or of its transpose when that is the taller."""
    tally = Tally()
    bidiagonal(rng.standard_normal((max(size.m, size.n), min(size.m, size.n))), tally)
    return tally.operations


@dataclass(frozen=True)
class Costs:
    """A claim about multiplications, as functions of m, n and k.

    ``step`` is that of one batch, ``setup`` of the SVD at the start, ``gain`` of an SVD over a step, and
    ``total`` of all batches with the set-up, by default their sum.
    """

    step: Callable[[int, int, int], float]
    setup: Callable[[int, int], float]
    gain: Callable[[int, int, int], float]
    total: Callable[[int, int, int, int], float] | None = None

    def of(self, what: str, size: Size) -> float:
        """The cost, or the gain, called ``what``."""
        m, n, k, batches = size
        if what == "set-up":
            return self.setup(m, n)
        if what == "total":
            summed = self.setup(m, n) + batches * self.step(m, n, k)
            return summed if self.total is None else self.total(m, n, k, batches)
        return self.step(m, n, k) if what == "step" else self.gain(m, n, k)


def counted(rng: np.random.Generator, what: str, size: Size) -> float:
    """The same by counting."""
    if what == "set-up":
        return decompose(rng, size)
    if what == "total":
        return decompose(rng, size) + run(rng, size)
    return run(rng, size) if what == "step" else decompose(rng, size) / run(rng, size)


def measure_counts(lab: Laboratory) -> Iterator[Measurement]:
    """Exponents of the counts along each series, and the logarithm of the count where it ends."""
    names = {
        "step": "a step",
        "set-up": "the SVD",
        "gain": "the SVD over a step",
        "total": "set-up and batches",
    }
    series = {"step": STEP_SERIES, "set-up": SVD_SERIES, "gain": SVD_SERIES, "total": TOTAL_SERIES}
    for what, name in names.items():
        gain_in_k = STEP_SERIES[-1:] if what == "gain" else ()
        for sizes in series[what] + gain_in_k:
            costs = [counted(lab.rng, what, size) for size in sizes]
            yield seen_exponent(name, sizes, costs, of=what, error=ROUNDING, printed_error=EXPONENT_OPEN)
            yield Measurement(
                f"log of {name}, {shown(sizes[-1:])}",
                float(np.log(costs[-1])),
                ROUNDING,
                {"of": what, "sizes": sizes[-1:]},
                printed_error=FACTOR_OPEN,
            )


def seen_exponent(
    name: str, sizes: Sizes, costs: ArrayLike, *, of: str, error: float = 0.0, printed_error: float = 0.0
) -> Measurement:
    """The exponent of ``costs`` along a series; its error as given, or of the scatter and the machine."""
    p, scatter = exponent(sizes, costs)
    label = f"exponent in {axis(sizes)[0]} of {name}, {shown(sizes)}"
    error = error or float(np.hypot(scatter, MACHINE))
    return Measurement(label, p, error, {"of": of, "sizes": sizes}, printed_error=printed_error)


def shown(sizes: Sizes) -> str:
    """The series in words: what stays, with the range of what grows."""
    parts = [f"{a}" if a == b else f"{a}-{b}" for a, b in zip(sizes[0], sizes[-1], strict=True)]
    over = "" if parts[3] == "1" else f", {parts[3]} batches"
    return f"{parts[0]} x {parts[1]}, k = {parts[2]}{over}"


def costing(costs: Costs) -> Formula:
    """What follows from these costs: an exponent along a series, or the logarithm at one size."""

    def formula(of: str, sizes: Sizes) -> float:
        values = [costs.of(of, size) for size in sizes]
        return float(np.log(values[0])) if len(sizes) == 1 else exponent(sizes, values)[0]

    return formula


def printed_step(m: int, n: int, k: int) -> float:
    """The bound k m n + k^2 max(m, n), with constants of 1."""
    return k * m * n + k**2 * max(m, n)


def printed_setup(m: int, n: int) -> float:
    """min(m^2 n, m n^2)."""
    return min(m * m * n, m * n * n)


def printed_gain(m: int, n: int, k: int) -> float:
    """min(m, n) / k."""
    return min(m, n) / k


def exact_step(m: int, n: int, k: int) -> float:
    """U^T G and times V; k sums over k vectors of m + n and their 2 k^2 quotients; Gram-Schmidt of both."""
    return (k * m * n + k**2 * n) + (k**2 * (m + n) + 2 * k**2) + (k**2 + k) * (m + n)


def exact_setup(m: int, n: int) -> float:
    """2 m n^2 - 2 n^3 / 3 + O(m n) for m >= n, summed over the reflections from the left and the right.

    One that clears a column of r x c takes 2 r c + 3 r; the last two rows need none from the right.
    """
    m, n = max(m, n), min(m, n)
    left = sum((m - i) * (2 * (n - i) + 3) for i in range(n))
    right = sum((n - 1 - i) * (2 * (m - i) + 3) for i in range(n - 2))
    return left + right


def exact_gain(m: int, n: int, k: int) -> float:
    """The quotient of both."""
    return exact_setup(m, n) / exact_step(m, n, k)


PRINTED = Costs(printed_step, printed_setup, printed_gain)
EXACT = Costs(exact_step, exact_setup, exact_gain)


def projection_time(lab: Laboratory, size: Size) -> Callable[[], float]:
    """Seconds of one U^T G V, again at each call.

    By plain loops on one thread: BLAS changes its ways with size, and its threads wait for each other.
    """
    m, n, k, _ = size
    U, V = lab.rng.standard_normal((k, m)), lab.rng.standard_normal((k, n))
    G = lab.rng.standard_normal((n, m))

    def seconds() -> float:
        started = lab.clock()
        product: FloatArray = np.einsum("im,nm->in", U, G)
        np.einsum("in,jn->ij", product, V)
        return lab.clock() - started

    return seconds


def measure_times(lab: Laboratory) -> Iterator[Measurement]:
    """Exponents of the shortest of several times, taken in turn so that a busy spell hits all sizes."""
    for sizes in (TIMED_N, TIMED_K):
        runs = [projection_time(lab, size) for size in sizes]
        times = np.array([[run() for run in runs] for _ in range(REPEATS)]).min(axis=0)
        yield seen_exponent("the time of UᵀGV", sizes, times, of="step")


SECTION_7_1 = Claim(
    id="section-7.1",
    statement="Section 7.1",
    title="Cost of a step and of the set-up, and the gain over an SVD",
    printed_formula="O(kmn + k² max(m, n)) a step, O(min(m²n, mn²)) for the set-up, their sum over T steps; "
    "gain Θ(min(m, n)/k)",
    exact_formula="kmn + k²(2m + 3n + 2) + k(m + n) multiplications a step; 2mn² − 2n³/3 + O(mn) for the "
    "set-up, m ≥ n; gain (2mn² − 2n³/3)/(kmn) for k ≪ n",
    reference="counted line by line; Golub & Van Loan, Matrix Computations (2013), sections 5.2 and 5.4",
    method="multiplications counted while Algorithm 1 and the bidiagonal form of W are computed: exponents "
    "along series in m, n, k and T, with m and n apart, up to 32 to 1 either way, and k up to min(m, n), and "
    "the counts at their ends. O() leaves constants open: as printed, with constants of 1, an exponent may "
    f"be {5 * EXPONENT_OPEN:g} off and a count by a factor of {np.exp(5 * FACTOR_OPEN):.0f}; the exact "
    "counts may not",
    finding="The counts grow as stated, for tall, wide and square W. As k ≤ min(m, n) the term k² max(m, n) "
    "never exceeds kmn, but its constant is 2 to 5, so that it outweighs it when all values are tracked. A "
    "warm-started power step, which follows W where Algorithm 1 does not, is of the same order.",
    measure=measure_counts,
    printed=costing(PRINTED),
    exact=costing(EXACT),
)

SECTION_7_1_TIME = Claim(
    id="section-7.1-time",
    statement="Section 7.1",
    title="Time of the projection",
    printed_formula="UᵀGV takes O(kmn)",
    exact_formula="UᵀGV takes O(kmn), and O(k²n) for its second product",
    reference="Golub & Van Loan, Matrix Computations (2013), section 1.1",
    method=f"shortest of {REPEATS} times by plain loops on one thread, n = {TIMED_N[0].n} to "
    f"{TIMED_N[-1].n}, k = {TIMED_K[0].k} to {TIMED_K[-1].k}: exponents alone, of both forms. Seconds for a "
    "multiplication are the machine's, so a formula that is wrong by a constant factor cannot be told from a "
    f"right one here, and {5 * MACHINE:g} in an exponent is allowed for caches and load: it bounds the order",
    finding="The projection, the part that grows fastest, takes time of the order stated.",
    measure=measure_times,
    printed=costing(Costs(lambda m, n, k: k * m * n, printed_setup, printed_gain)),
    exact=costing(Costs(lambda m, n, k: k * m * n + k**2 * n, printed_setup, printed_gain)),
)
