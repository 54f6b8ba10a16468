"""Each claim measured once; every formula judged on the same numbers."""

from __future__ import annotations

import time
from functools import cache

from sigmascope.theory.claims import Claim, ClaimResult, FormResult, check, judge
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.ito import Form


@cache
def checked(claim: Claim) -> ClaimResult:
    """The claim's result, with the seed that the command line uses."""
    return check(claim, seed=0, clock=time.perf_counter)


def judged(claim: Claim, formula: Formula, *, form: Form = "as_printed") -> FormResult:
    """Another formula against what was measured for the claim, by default with all the leniency there is."""
    return judge(claim, formula, checked(claim).measurements, form=form)
