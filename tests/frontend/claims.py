"""Made-up claims and results."""

from __future__ import annotations

from typing import Any

from sigmascope.schemas import CheckedClaim, FormVerdict, Measured, Statement


def statement(number: str = "3.1", **changes: Any) -> Statement:
    fields = {
        "id": f"theorem-{number}",
        "statement": f"Theorem {number}",
        "title": "Motion of singular values",
        "printed_formula": "dσ_k = (m − n + 1)/(2σ_k) dt",
        "exact_formula": "dσ_k = (m − n)/σ_k dt",
        "reference": "Itô's lemma",
        "method": "many small steps",
        "finding": "The drift is off.",
    }
    return Statement.model_validate({**fields, **changes})


def form(verdict: str = "holds", deviation: float | None = 1.2, **changes: Any) -> FormVerdict:
    fields = {"relative_deviation": 0.1, "limit_deviation": None, "factor": None}
    return FormVerdict.model_validate({**fields, "verdict": verdict, "deviation": deviation, **changes})


def checked(number: str = "3.1", verdict: str = "does not hold as printed", **changes: Any) -> CheckedClaim:
    seen = [
        Measured(
            label="drift of σ_1", value=0.313, standard_error=0.002, size=1, printed=-0.07184, exact=0.31594
        ),
        Measured(
            label="drift of σ_2", value=0.154, standard_error=0.003, size=1, printed=None, exact=0.15366
        ),
    ]
    words = verdict.removesuffix(" as printed")
    fields = {
        **statement(number).model_dump(),
        "verdict": verdict,
        "measurements": seen,
        "telling": 0,
        "printed": form(words, 192.4 if words == "does not hold" else 1.2),
        "exact": form(),
        "seconds": 0.57,
    }
    return CheckedClaim.model_validate({**fields, **changes})
