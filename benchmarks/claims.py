"""The whole registry of claims in one process, as ``sigmascope claims`` runs it.

registry_seconds         from the first measurement to the last verdict
registry_claims          how many claims there are
registry_exact_failing   how many exact forms did not hold: 0
registry_slowest_seconds the slowest claim
"""

from __future__ import annotations

import time

from benchmarks.report import parse_args
from sigmascope.theory.claims import Verdict, check_all

if __name__ == "__main__":
    report = parse_args(__doc__)
    started = time.perf_counter()
    results = list(check_all(clock=time.perf_counter))
    report.emit("registry_seconds", time.perf_counter() - started, "s")
    report.emit("registry_claims", len(results), "1")
    report.emit("registry_exact_failing", sum(one.exact.verdict is not Verdict.holds for one in results), "1")
    report.emit("registry_slowest_seconds", max(one.seconds for one in results), "s")
