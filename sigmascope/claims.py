"""Claims and their results in the form that crosses process borders."""

from __future__ import annotations

import math
from dataclasses import asdict

from sigmascope.schemas import CheckedClaim, FormVerdict, Measured, Statement
from sigmascope.theory.claims import Claim, ClaimResult, FormResult


def as_statement(claim: Claim) -> Statement:
    """What the claim says, unchecked."""
    return Statement.model_validate({name: getattr(claim, name) for name in Statement.model_fields})


def as_checked(result: ClaimResult) -> CheckedClaim:
    """The claim with its evidence; what is not finite becomes null."""
    rows = zip(result.measurements, result.printed.predictions, result.exact.predictions, strict=True)
    measured = [
        Measured(
            label=one.label,
            value=one.value,
            standard_error=one.standard_error,
            size=one.size,
            printed=_finite(printed),
            exact=_finite(exact),
        )
        for one, printed, exact in rows
    ]
    return CheckedClaim(
        **as_statement(result.claim).model_dump(),
        verdict=result.verdict,
        measurements=measured,
        telling=result.telling,
        printed=_verdict(result.printed),
        exact=_verdict(result.exact),
        seconds=result.seconds,
    )


def _verdict(form: FormResult) -> FormVerdict:
    numbers = {
        name: _finite(value) for name, value in asdict(form).items() if name in FormVerdict.model_fields
    }
    return FormVerdict.model_validate({**numbers, "verdict": str(form.verdict)})


def _finite(value: float | str | None) -> float | None:
    return value if isinstance(value, float) and math.isfinite(value) else None
