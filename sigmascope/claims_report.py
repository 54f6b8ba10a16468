"""Checked claims as text for people: the rows of a table, and the theory page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sigmascope.schemas import CheckedClaim, FormVerdict, Measured

ORDER = ("holds", "holds to leading order", "heuristic", "does not hold as printed")

INTRODUCTION = """\
# The paper, statement by statement

*From SGD to Spectra* (ICML 2025) states what follows. Each statement is checked by a program that measures
first, by simulation, finite differences or quadrature, and compares afterwards: with the formula as printed,
and with the exact one. A formula **holds** when every measurement lies within five standard errors of it. A
statement about a limit **holds to leading order** when its deviations vanish in that limit. An estimate by
dimensions is **heuristic** when it is right up to one factor. Anything else **does not hold as printed**. The
exact form gets no such leniency: it holds, or it fails.

This page is written by `sigmascope claims --markdown`; run it, with another `--seed` if you like.
"""


def digits(value: float | None, count: int = 4) -> str:
    """A number to so many significant digits; a dash for none."""
    return "–" if value is None else f"{value:.{count}g}"


def telling(claim: CheckedClaim) -> Measured:
    """The measurement that parts the two forms most."""
    return claim.measurements[claim.telling]


def measured(one: Measured) -> str:
    """Value and standard error."""
    return f"{digits(one.value)} ± {digits(one.standard_error, 2)}"


def deviation(form: FormVerdict) -> str:
    """The largest deviation, in standard errors."""
    return "∞" if form.deviation is None else f"{digits(form.deviation, 2)} s.e."


def failing(claims: Sequence[CheckedClaim]) -> list[str]:
    """Ids of the claims whose exact form does anything but hold."""
    return [claim.id for claim in claims if claim.exact.verdict != "holds"]


def summary(claims: Sequence[CheckedClaim]) -> str:
    """One sentence over all claims."""
    counts = Counter(claim.verdict for claim in claims)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    wrong = failing(claims)
    exact = f"the exact form fails for {', '.join(wrong)}" if wrong else "every exact form holds"
    return f"{len(claims)} checks: {parts}; {exact}."


def markdown(claims: Sequence[CheckedClaim], *, seed: int) -> str:
    """The theory page."""
    rows = "\n".join(_row(claim) for claim in claims)
    table = "| statement | what it says | verdict | as printed | exact |\n| --- | --- | --- | --- | --- |"
    sections = "\n\n".join(_section(claim) for claim in claims)
    return f"{INTRODUCTION}\n{summary(claims)} Seed {seed}.\n\n{table}\n{rows}\n\n{sections}\n"


def _row(claim: CheckedClaim) -> str:
    link = f"[{claim.statement}](#{claim.id})"
    fails = ", **fails**" if failing([claim]) else ""
    ends = f"{deviation(claim.printed)} off | {deviation(claim.exact)} off{fails}"
    return f"| {link} | {claim.title} | {claim.verdict} | {ends} |"


def _section(claim: CheckedClaim) -> str:
    lines = [
        f'<a id="{claim.id}"></a>',
        f"## {claim.statement}: {claim.title}",
        "",
        f"**{claim.verdict[0].upper()}{claim.verdict[1:]}.** {claim.finding}",
        "",
        f"- as printed: `{claim.printed_formula}`",
        f"- exact: `{claim.exact_formula}` ({claim.reference})",
        f"- measured by {claim.method}",
        "",
        "| measured | value | as printed | exact |",
        "| --- | --- | --- | --- |",
        *(_measurement(one) for one in _shown(claim)),
    ]
    return "\n".join(lines + _notes(claim))


def _measurement(one: Measured) -> str:
    return f"| {one.label} | {measured(one)} | {digits(one.printed)} | {digits(one.exact)} |"


def _shown(claim: CheckedClaim, most: int = 6) -> list[Measured]:
    # the telling one is always among those shown
    first = claim.measurements[:most]
    return first if claim.telling < most else [*first[:-1], telling(claim)]


def _notes(claim: CheckedClaim) -> list[str]:
    notes = []
    if failing([claim]):
        notes.append(f"**The exact form fails:** {claim.exact.verdict}.")
    hidden = len(claim.measurements) - len(_shown(claim))
    if hidden:
        notes.append(f"{hidden} more measurements are in `sigmascope claims --only {claim.id} --json`.")
    if claim.printed.limit_deviation is not None:
        printed, exact = (digits(form.limit_deviation, 2) for form in (claim.printed, claim.exact))
        notes.append(f"In the limit the deviation is {printed} standard errors as printed, {exact} exact.")
    if claim.printed.factor is not None and claim.printed.verdict == "heuristic":
        notes.append(f"The measured value is {digits(claim.printed.factor, 3)} times the printed one.")
    return ["", *notes] if notes else []
