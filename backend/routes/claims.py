"""The paper's claims: what they say, and what a run found of them."""

from __future__ import annotations

from fastapi import APIRouter

from backend.deps import ReadDep, RunDep, require_kind
from backend.storage import theory
from sigmascope.claims import as_statement
from sigmascope.schemas import CheckedClaim, Statement
from sigmascope.theory.claims import CLAIMS

router = APIRouter(tags=["claims"])


@router.get("/claims")
def list_claims() -> list[Statement]:
    """Every numbered statement of the paper, as printed and exact, in the paper's order."""
    return [as_statement(claim) for claim in CLAIMS]


@router.get("/runs/{run_id}/claims")
def get_checked_claims(run: RunDep, connection: ReadDep) -> list[CheckedClaim]:
    """The claims that a run of kind `claims` has checked so far, with the evidence."""
    require_kind(run, "claims")
    return [CheckedClaim.model_validate(one) for one in theory.claims(connection, run.id)]
