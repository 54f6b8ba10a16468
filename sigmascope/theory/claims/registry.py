"""All claims of the paper, in its order, and how they are run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sigmascope.errors import NotFoundError
from sigmascope.theory.claims import (
    airy_process,
    algorithm,
    anisotropic_noise,
    backpropagation,
    cost,
    dyson,
    edge_dynamics,
    edge_laws,
    estimators,
    hilbert_density,
    sgd_limit,
    singular_values,
    stationary,
    stochastic_term,
)
from sigmascope.theory.claims.claim import Claim, ClaimResult, Laboratory, judge

CLAIMS: tuple[Claim, ...] = (
    singular_values.THEOREM_3_1,
    stationary.THEOREM_3_2,
    stationary.THEOREM_3_2_INTERACTING,
    stationary.THEOREM_3_2_TAIL,
    backpropagation.THEOREM_6_1,
    backpropagation.COROLLARY_6_2,
    backpropagation.THEOREM_6_3,
    backpropagation.THEOREM_6_3_SPACE,
    sgd_limit.THEOREM_6_4,
    sgd_limit.THEOREM_6_4_ISOTROPY,
    singular_values.LEMMA_6_5_GRADIENT,
    singular_values.LEMMA_6_5,
    singular_values.THEOREM_6_6,
    dyson.THEOREM_6_7,
    dyson.THEOREM_6_7_CANONICAL,
    stationary.PROPOSITION_6_8,
    stochastic_term.PROPOSITION_6_9,
    edge_laws.LEMMA_6_10,
    edge_laws.LEMMA_6_11,
    edge_laws.LEMMA_6_11_SCALE,
    edge_laws.COROLLARY_6_12,
    airy_process.DEFINITION_6_13_KERNEL,
    airy_process.DEFINITION_6_13,
    airy_process.REMARK_6_14,
    edge_dynamics.REMARK_6_14_DYNAMICS,
    hilbert_density.LEMMA_6_15,
    hilbert_density.COROLLARY_6_16,
    hilbert_density.COROLLARY_6_16_GROWTH,
    anisotropic_noise.PROPOSITION_6_17,
    anisotropic_noise.PROPOSITION_6_17_INDICES,
    estimators.LEMMA_6_18,
    estimators.LEMMA_6_18_TRAINED,
    estimators.LEMMA_6_19,
    estimators.LEMMA_6_19_RATE,
    algorithm.ALGORITHM_1,
    algorithm.ALGORITHM_1_TRACKING,
    cost.SECTION_7_1,
    cost.SECTION_7_1_TIME,
)


def find(ids: Iterable[str] | None = None) -> tuple[Claim, ...]:
    """The claims of these ids, in the paper's order; all of them for None.

    Raises:
        NotFoundError: there is no claim of that id.
    """
    if ids is None:
        return CLAIMS
    wanted = set(ids)
    unknown = wanted - {claim.id for claim in CLAIMS}
    if unknown:
        known = ", ".join(claim.id for claim in CLAIMS)
        raise NotFoundError(f"there is no claim {min(unknown)!r}; there are: {known}")
    return tuple(claim for claim in CLAIMS if claim.id in wanted)


def check(claim: Claim, *, seed: int, clock: Callable[[], float]) -> ClaimResult:
    """Measure a claim and judge both of its forms.

    The same for the same seed, whatever ran before, but for the claim that measures time.
    """
    rng = np.random.default_rng([seed, zlib.crc32(claim.id.encode())])
    started = clock()
    seen = tuple(claim.measure(Laboratory(rng, clock)))
    printed = judge(claim, claim.printed, seen, form="as_printed")
    exact = judge(claim, claim.exact, seen, form="exact")
    return ClaimResult(claim, seen, printed, exact, clock() - started)


def check_all(
    ids: Iterable[str] | None = None, *, seed: int = 0, clock: Callable[[], float]
) -> Iterator[ClaimResult]:
    """Check the claims one after another; NotFoundError at once for an unknown id."""
    chosen = find(ids)
    return (check(claim, seed=seed, clock=clock) for claim in chosen)
