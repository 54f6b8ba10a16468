"""`sigmascope claims`: the paper's statements, measured here and now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from sigmascope.cli.shared import AsJson, app, console
from sigmascope.schemas import CheckedClaim

WIDE = 136  # what the table of claims takes
VERDICTS = {
    "holds": "green",
    "holds to leading order": "cyan",
    "heuristic": "yellow",
    "does not hold as printed": "red",
}


@app.command()
def claims(
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Such as theorem-3.1; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every measurement.")] = 0,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/theory.md.")] = False,
) -> None:
    """Check the paper's claims here and now, as printed and exact; no service is needed.

    The exit status is 1 when an exact form does anything but hold.
    """
    from sigmascope.claims_report import failing, markdown  # numpy and scipy are slow to import

    checked = _check(only or None, seed=seed, quiet=as_json or as_markdown)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in checked], indent=2, ensure_ascii=False))
    elif as_markdown:
        print(markdown(checked, seed=seed), end="")
    else:
        _print_claims(checked)
    if failing(checked):
        raise typer.Exit(1)


def _check(only: list[str] | None, *, seed: int, quiet: bool) -> list[CheckedClaim]:
    from sigmascope.claims import as_checked
    from sigmascope.theory.claims import check, find

    chosen = find(only)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    checked = []
    # progress is for eyes: what a program reads on the standard output stays clean
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=len(chosen))
        for claim in chosen:
            progress.update(task, description=escape(claim.statement))
            checked.append(as_checked(check(claim, seed=seed, clock=time.perf_counter)))
            progress.advance(task)
    return checked


def _print_claims(checked: list[CheckedClaim]) -> None:
    from sigmascope.claims_report import deviation, digits, failing, measured, summary, telling

    def exact_off(one: CheckedClaim) -> str:
        return f"[red]{deviation(one.exact)}, fails[/]" if failing([one]) else deviation(one.exact)

    # piped, there is no width to fit; a narrow terminal gets what matters most
    width = console.width if console.is_terminal else WIDE
    columns: dict[str, Callable[[CheckedClaim], str]] = {
        "claim": lambda one: one.id,
        "verdict": lambda one: f"[{VERDICTS[one.verdict]}]{one.verdict.removesuffix(' as printed')}[/]",
        "measured": lambda one: measured(telling(one)),
        "as printed": lambda one: digits(telling(one).printed),
        "exact": lambda one: digits(telling(one).exact),
        "printed off by": lambda one: deviation(one.printed),
        "exact off by": exact_off,
    }
    if width < WIDE:
        columns = {head: columns[head] for head in ("claim", "verdict", "printed off by", "exact off by")}
    table = Table(box=None, header_style="dim")
    for head in columns:
        table.add_column(head, no_wrap=True)
    for one in checked:
        table.add_row(*(cell(one) for cell in columns.values()))
    Console(highlight=False, width=width).print(table)
    console.print(summary(checked), soft_wrap=True)
