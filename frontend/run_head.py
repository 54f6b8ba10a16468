"""The head of a run's page: name, status, progress, settings, export. The player keeps it up to date."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from sigmascope.amounts import in_bytes
from sigmascope.schemas import Run

# of a data set, as its record names them
ORIGINS = {"source": "data from", "sha256": "SHA-256 of data", "licence": "licence of data", "extent": "data"}


def head(run: Run, *, unit: str, settings: dict[str, str], command: str, exported: str) -> html.Div:
    """What the player's header fills; ``unit`` is what the run counts, such as ``batches``.

    ``settings`` are listed by name; ``command`` exports what is recorded, ``exported`` says as what.
    """
    status = html.Span(
        run.status.value, id="run-status", className="status", **{"data-status": run.status.value}
    )
    bar = html.Div(html.Div(id="run-bar", className="bar-fill"), className="bar", **{"aria-hidden": "true"})
    facts = [
        html.Span(id="run-percent", className="figure"),
        bar,
        html.Span(id="run-steps", className="figure muted"),
        html.Span(id="run-rate", className="figure muted"),
        html.Span(id="run-left", className="figure muted"),
    ]
    actions = [
        *_way_back(run),
        popover("Settings", _facts(run, settings)),
        popover("Export", _export(command, exported)),
        _cancel(),
    ]
    return html.Div(
        [
            html.Div([html.H1(run.name or run.id, id="run-name"), status], className="run-title"),
            html.Div(facts, className="run-facts"),
            html.Div(actions, className="run-actions"),
        ],
        className="run-head",
        id="run-head",
        **{"data-unit": unit},
    )


def _way_back(run: Run) -> list[Any]:
    """To the sweep that the run belongs to."""
    if run.parent is None:
        return []
    return [dcc.Link("Its sweep", href=f"/runs/{run.parent}", id="run-sweep", className="quiet-button")]


def popover(label: str, content: Any) -> dmc.Popover:
    """A quiet button that opens ``content``."""
    button = html.Button(label, type="button", className="quiet-button")
    return dmc.Popover(
        [dmc.PopoverTarget(button), dmc.PopoverDropdown(content)],
        width=380,
        position="bottom-end",
        shadow="md",
    )


def _facts(run: Run, settings: dict[str, str]) -> html.Dl:
    rows = [("run", run.id), *settings.items(), *_origins(run), *run.versions.items()]
    listed = [part for key, value in rows for part in (html.Dt(key), html.Dd(value))]
    return html.Dl(listed, className="facts")


def _origins(run: Run) -> list[tuple[str, str]]:
    """What the run is made of and how it came about, by its own record."""
    rows = [(ORIGINS.get(key, key), value) for key, value in run.provenance.items()]
    if run.memory is not None:
        needed, free, total = map(in_bytes, (run.memory.needed, run.memory.free, run.memory.total))
        rows.append(("memory", f"about {needed} needed, {free} of {total} free at the start"))
    return [*rows, *(("note", note) for note in run.notes)]


def _export(command: str, exported: str) -> html.Div:
    return html.Div([html.P(exported, className="help-text"), html.Code(command, className="command")])


def _cancel() -> html.Button:
    return html.Button(
        "Cancel run", id="run-cancel", type="button", className="quiet-button danger", hidden=True
    )
