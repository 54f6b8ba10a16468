"""Each claim measured once; every formula judged on the same numbers."""

from __future__ import annotations

import time
from functools import cache

from sigmascope.theory.claims import Claim, ClaimResult, FormResult, check, judge
from sigmascope.theory.claims.claim import Formula


@cache
def checked(claim: Claim) -> ClaimResult:
    """The claim's result, with the seed that the command line uses."""
    return check(claim, seed=0, clock=time.perf_counter)


def judged(claim: Claim, formula: Formula) -> FormResult:
    """Another formula against what was measured for the claim."""
    return judge(claim, formula, checked(claim).measurements)
