"""An exact form that does not simply hold is counted, shown and refused, by the page and the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from sigmascope import cli
from sigmascope.claims import as_checked
from sigmascope.claims_report import failing, markdown, summary
from sigmascope.theory.claims import Verdict, registry
from sigmascope.theory.claims.estimators import LEMMA_6_18, LEMMA_6_18_TRAINED
from tests.theory.claims.bench import checked, judged

FACTORS = [1.1, 2.0, 100.0]


def off_by(factor: float):
    return replace(LEMMA_6_18_TRAINED, exact=lambda seen: factor * LEMMA_6_18_TRAINED.exact(seen=seen))


@pytest.mark.parametrize("factor", FACTORS)
def test_the_summary_and_the_page_name_it(factor: float) -> None:
    claim = off_by(factor)
    result = replace(checked(LEMMA_6_18_TRAINED), claim=claim, exact=judged(claim, claim.exact, form="exact"))
    claims = [as_checked(checked(LEMMA_6_18)), as_checked(result)]
    assert failing(claims) == ["lemma-6.18-trained"]
    assert "the exact form fails for lemma-6.18-trained." in summary(claims)
    page = markdown(claims, seed=0)
    assert page.count("off, **fails** |") == 1
    assert page.count("**The exact form fails:** does not hold.") == 1
    assert "every exact form holds" not in page


@pytest.mark.parametrize("verdict", [Verdict.leading, Verdict.heuristic, Verdict.fails])
def test_anything_but_holds_fails(verdict: Verdict) -> None:
    """Whoever judged it, and with whatever leniency."""
    result = checked(LEMMA_6_18)
    weaker = replace(result, exact=replace(result.exact, verdict=verdict))
    assert failing([as_checked(weaker)]) == ["lemma-6.18"]
    assert failing([as_checked(result)]) == []


def test_the_exit_status_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["claims", "--only", "lemma-6.18-trained"]
    good = CliRunner().invoke(cli.app, arguments)
    assert (good.exit_code, "every exact form holds" in good.stdout) == (0, True)
    monkeypatch.setattr(registry, "CLAIMS", (off_by(1.1),))
    bad = CliRunner().invoke(cli.app, arguments)
    assert bad.exit_code == 1
    assert "s.e., fails" in bad.stdout
    assert "the exact form fails for lemma-6.18-trained" in bad.stdout
