"""The form of a simulation, generated from the type that the service checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from frontend.form import at_path, control, form_fields
from frontend.formulas import formula
from frontend.starting_points import STARTING_POINTS
from sigmascope.schemas import SimulateSpec

FORM = "simulate"
GROUPS = (
    ("Process", ("process", "form", "name")),
    ("Shape", ("m", "n", "paths")),
    ("Noise and force", ("start_variance", "learning_rate", "diffusion", "restoring_rate")),
    ("Time", ("dt", "steps", "record_every", "seed")),
)


def form() -> html.Div:
    """Starting points, the fields in their groups, and the button; what the callbacks of the page fill."""
    return html.Div(
        [
            dcc.Store(
                id="starting-points",
                data=[{"look": p.look, "spec": p.spec.model_dump(mode="json")} for p in STARTING_POINTS],
            ),
            dmc.RadioGroup(
                html.Div([_card(i) for i in range(len(STARTING_POINTS))], className="starting-points"),
                id="starting-point",
                value="0",
                label="Start from",
                size="sm",
            ),
            html.Div([_group(title, paths) for title, paths in GROUPS], className="form-groups"),
            html.Div(
                [html.Div(id="simulate-problem", role="alert"), dmc.Button("Simulate", id="simulate")],
                className="simulate-bar",
            ),
        ],
        className="simulator-form",
    )


def _card(index: int) -> dmc.RadioCard:
    point = STARTING_POINTS[index]
    return dmc.RadioCard(
        [
            html.Span([dmc.RadioIndicator(size="xs"), point.name], className="starting-name"),
            html.Span(point.look, className="muted"),
        ],
        value=str(index),
        className="starting-point",
        radius="md",
    )


def _group(title: str, paths: tuple[str, ...]) -> html.Fieldset:
    fields = {field.path: field for field in form_fields(SimulateSpec.model_json_schema())}
    first = STARTING_POINTS[0].spec.model_dump(mode="json")
    started = [replace(fields[path], default=at_path(first, path)) for path in paths]
    controls = [control(field, form=FORM) for field in started]
    return html.Fieldset([html.Legend(title), html.Div(controls, className="group-fields")])


EQUATIONS: tuple[tuple[str, str, str], ...] = (
    ("matrix, ornstein_uhlenbeck", "W itself", "dW = −κ W dt + √(2ηD) dB"),
    (
        "eigenvalue",
        "singular values, exact",
        "dσ_k = [−κ σ_k + ηD((m − n)/σ_k + Σ_{j≠k} 2σ_k/(σ_k² − σ_j²))] dt + √(2ηD) dβ_k",
    ),
    (
        "eigenvalue",
        "singular values, as printed",
        "dσ_k = [−κ σ_k + ηD((m − n + 1)/(2σ_k) + Σ_{j≠k} σ_k/(σ_k² − σ_j²))] dt + √(2ηD) dβ_k",
    ),
)


def equations() -> html.Div:
    """What the processes are, written out."""
    cards: list[Any] = [
        html.Figure(
            [html.Figcaption([name, html.Code(process)]), formula(text, other=text)], className="formula-card"
        )
        for process, name, text in EQUATIONS
    ]
    return html.Div(cards, className="equations")
