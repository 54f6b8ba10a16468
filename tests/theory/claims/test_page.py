"""The theory page in the docs says what the registry says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmascope.claims import as_checked
from sigmascope.claims_report import markdown
from sigmascope.theory.claims import CLAIMS
from tests.theory.claims.bench import checked

PAGE = Path(__file__).parents[3] / "docs" / "theory.md"


@pytest.fixture(scope="module")
def fresh() -> str:
    return markdown([as_checked(checked(claim)) for claim in CLAIMS], seed=0)


def verdicts(page: str) -> list[list[str]]:
    """Statement, title and verdict of each row of the first table, but where the machine decides."""
    rows = [line.split(" | ")[:3] for line in page.splitlines() if line.startswith("| [")]
    return [row for row in rows if "section-7.1-time" not in row[0]]


def formulas(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith(("## ", "- as printed: ", "- exact: "))]


def test_verdicts(fresh: str) -> None:
    page = verdicts(PAGE.read_text())
    assert len(page) == len(CLAIMS) - 1
    assert page == verdicts(fresh)


def test_formulas(fresh: str) -> None:
    assert formulas(PAGE.read_text()) == formulas(fresh)


def test_every_exact_form_holds(fresh: str) -> None:
    assert "every exact form holds" in fresh
