"""One simulated ensemble: its spectrum, mean trajectories and sum of eigenvalues under one clock.

The page of a run of kind ``simulate``, address ``/runs/<id>``. The player in ``assets/player`` fills it.
"""

from __future__ import annotations

import json

from dash import html

from frontend import plotly_script
from frontend.components import legend_entry, panel, plot, segmented
from frontend.figures.skeletons import ensemble_skeletons
from frontend.run_head import head
from frontend.run_words import PROCESSES
from sigmascope.schemas import Run, SimulateSpec

TOP = 8
FORMS = {"exact": "exact", "as_printed": "as printed"}


def instrument(run: Run, spec: SimulateSpec, *, origin: str) -> html.Div:
    """Everything that the player fills. It mounts on the id ``player``."""
    top = min(TOP, spec.n)
    asked = {
        "every": _every(spec),
        "bins": _bins(spec),
        "k": top,
        "paths": spec.paths,
        "n": spec.n,
        "m": spec.m,
        "form": spec.form,
    }
    return html.Div(
        [
            _head(run, spec, origin),
            html.P(id="run-problem", className="run-problem", role="alert", hidden=True),
            html.Div(html.P("Fetching the ensemble.", id="waiting"), className="waiting", role="status"),
            html.Div([_spectrum(spec), _means(top), _sum()], className="instrument"),
            html.Div(id="transport", className="transport", role="toolbar", **{"aria-label": "Transport"}),
        ],
        id="player",
        className="page page-run",
        **{
            "data-run": run.id,
            "data-kind": "simulate",
            "data-state": "loading",
            "data-plotly": plotly_script.ADDRESS,
            "data-ensemble": json.dumps(asked),
            "data-figures": json.dumps(ensemble_skeletons(k=top), separators=(",", ":")),
        },
    )


def _every(spec: SimulateSpec, *, most: int = 1000) -> int:
    """Every so many steps are shown: 1 for all that are recorded, more for a run of more than ``most``."""
    thinned = -(-spec.records // most)
    return 1 if thinned == 1 else spec.record_every * thinned


def _bins(spec: SimulateSpec) -> int:
    """About as many as the values of all paths can fill."""
    return round(min(80, max(12, 1.2 * (spec.n * spec.paths) ** 0.5)))


def _head(run: Run, spec: SimulateSpec, origin: str) -> html.Div:
    settings = {
        "process": f"{PROCESSES[spec.process]}, {FORMS[spec.form]}",
        "W": f"{spec.m} × {spec.n}, entries of variance {spec.start_variance:.4g} at the start",
        "noise": f"η = {spec.learning_rate:g}, D = {spec.diffusion:g}",
        "restoring": f"κ = {spec.restoring_rate:g}",
        "time": f"{spec.steps:,} steps of {spec.dt:g}, every {spec.record_every} recorded",
        "paths": f"{spec.paths:,}",
        "seed": str(spec.seed),
    }
    return head(
        run,
        unit="steps",
        settings=settings,
        command=f"sigmascope export {run.id} --format npz --server {origin}",
        exported="Every singular value of every path at every recorded step, as a NumPy archive:",
    )


def _spectrum(spec: SimulateSpec) -> html.Section:
    if spec.n > 1:
        laws = [legend_entry("marchenko_pastur", "Marchenko-Pastur", "marchenko_pastur")]
        law = "the Marchenko-Pastur law at the entry variance that the exact process has reached"
    else:
        laws = [legend_entry("gamma_exact", "gamma, exact", "gamma_exact")]
        law = "the gamma law that one exact particle follows"
    if spec.restoring_rate and spec.diffusion:
        laws.append(legend_entry("gamma_printed", "gamma, printed, at rest", "gamma_printed"))
    return panel(
        name="spectrum",
        title="Ensemble spectrum",
        help_text=(
            "The histogram pools the singular values of all paths at this step; strokes are one standard "
            f"error over the paths. Over it lies {law}. All paths start from one Gaussian W, so the first "
            "steps still show its own values."
        ),
        controls=[html.Span(id="ensemble-facts", className="muted figure")],
        body=[
            html.Div(
                [legend_entry("histogram", "all paths"), legend_entry("errors", "± 1 standard error"), *laws],
                id="spectrum-legend",
                className="legend",
            ),
            plot("spectrum", "Histogram of the singular values of all paths with the laws laid over it"),
        ],
    )


def _means(top: int) -> html.Section:
    picker = segmented(
        "band-picker", "Band around the means", (("error", "± 2 errors"), ("spread", "± spread")), "band"
    )
    key = [legend_entry("true", "mean over the paths"), legend_entry("band", "band")]
    if top > 1:
        modes = html.Span(className="mark mark-modes", **{"aria-hidden": "true"})
        key.append(html.Span(["largest", modes, f"{top}th"], className="legend-entry"))
    return panel(
        name="means",
        title=f"Means, top {top}" if top > 1 else "Mean of the singular value",
        help_text=(
            "Each line is the mean of one singular value over the paths. The band is two standard errors of "
            "that mean, or the standard deviation of single paths. Click to take the clock to that step."
        ),
        controls=[picker],
        body=[
            html.Div(key, className="legend"),
            plot("means", "Means of the largest singular values over the steps, with bands"),
        ],
    )


def _sum() -> html.Section:
    key = html.Div(
        [
            legend_entry("test-line", "mean over the paths"),
            legend_entry("predicted", "exact"),
            legend_entry("tolerance", "within 5 standard errors"),
        ],
        className="legend",
    )
    return panel(
        name="sum",
        title="Sum of eigenvalues",
        help_text=(
            "The sum of all σₖ² grows by 2ηD mn per unit time and shrinks at the rate 2κ, whatever the "
            "singular values do among themselves: a check of the whole repulsion in one number. On the "
            "right, how far the simulation is off."
        ),
        controls=[key],
        body=[plot("sum", "Sum of eigenvalues over the steps, simulated and exact, and their difference")],
    )
