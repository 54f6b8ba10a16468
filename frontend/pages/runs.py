"""The list of runs, live, and the drawer that starts a new one. Address ``/``."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, dcc, html, no_update

from frontend.api import Api, RefusedError
from frontend.components import problem_alert
from frontend.form import FormField, at_path, control, control_id, form_fields, nested, shown
from frontend.sweep_form import INPUTS, UnreadableError, blamed, input_id, sweep_inputs, sweep_spec
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import (
    ClaimsSpec,
    ForecastSpec,
    Job,
    MlpSpec,
    Preset,
    Run,
    RunStatus,
    SimulateSpec,
    SweepSpec,
    TrainSpec,
)

REFRESH_MS = 1000


class Kind(NamedTuple):
    """What a kind of run is called, and what it counts."""

    name: str
    unit: str


KINDS = {
    "train": Kind("training", "batches"),
    "simulate": Kind("simulation", "steps"),
    "claims": Kind("claims", "claims"),
    "forecast": Kind("forecast", "scores"),
    "sweep": Kind("sweep", "runs"),
}


def kind_of(run: Run) -> Kind:
    """How the kind of ``run`` is shown; one that this page does not know keeps its own name."""
    return KINDS.get(run.kind, Kind(run.kind, "steps"))


COLUMNS = ("Run", "Kind", "What", "Status", "Progress", "Pace", "Time left", "Started")
# What one chooses for nearly every run; the rest is folded under "All settings".
MAIN_FIELDS = ("name", "batches", "learning_rate", "model.width", "batch_size", "seed")


async def layout(api: Api) -> html.Div:
    """The page, with the runs of this moment in it."""
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.H1("Runs"), html.P(_INTRODUCTION, className="muted")]),
                    dmc.Button("New run", id="new-run", size="sm"),
                ],
                className="page-head",
            ),
            html.Div(await _table_or_problem(api), id="runs"),
            dcc.Interval(id="runs-clock", interval=REFRESH_MS),
            await _drawer(api),
        ],
        className="page",
    )


_INTRODUCTION = (
    "Training records all singular values of every weight matrix after each batch. Simulations and checks of "
    "the paper's claims start on the page Theory."
)


async def _table_or_problem(api: Api) -> Any:
    try:
        return table(await api.runs(), now=datetime.now(UTC))
    except SigmascopeError as error:
        return problem_alert(error, title="The list of runs cannot be read")


def table(runs: list[Run], *, now: datetime) -> html.Div:
    """The table of ``runs``, or what to do when there is none."""
    if not runs:
        return html.Div(
            [
                html.H2("No run yet"),
                html.P("Press New run and keep the preset demo: a small network on MNIST, under a minute."),
                html.P(["Or from a terminal: ", html.Code("sigmascope submit demo")], className="muted"),
            ],
            className="empty",
        )
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in COLUMNS]))
    body = html.Tbody([_row(run, now=now) for run in runs])
    return html.Div(html.Table([head, body], className="runs-table"), className="table-frame")


def _row(run: Run, *, now: datetime) -> html.Tr:
    share = run.step / run.total_steps if run.total_steps else 0.0
    name = dcc.Link(run.name or run.id, href=f"/runs/{run.id}", className="row-link")
    about = html.Span(
        " · ".join(p for p in (_origin(run), run.id if run.name else "") if p), className="muted"
    )
    what, about_it = subject(run.spec)
    cells = [
        html.Th([name, about], scope="row"),
        html.Td(kind_of(run).name, className="kind", **{"data-kind": run.kind}),
        html.Td([what, html.Span(about_it, className="muted")], className="two-lines"),
        html.Td([status_badge(run), *_reason(run)]),
        html.Td(_progress(share, run)),
        html.Td(_rate(run), className="figure"),
        html.Td(_left(run), className="figure"),
        html.Td(ago(run.started_at, now=now), className="figure", title=_exact(run.started_at)),
    ]
    return html.Tr(cells, **{"data-run": run.id})


def status_badge(run: Run) -> html.Span:
    """The status as a word with a coloured dot."""
    return html.Span(run.status.value, className="status", **{"data-status": run.status.value})


def _reason(run: Run) -> list[Any]:
    return [html.Span(run.error, className="row-error", title=run.error)] if run.error else []


def _progress(share: float, run: Run) -> html.Div:
    bar = html.Div(
        html.Div(className="bar-fill", style={"transform": f"scaleX({share:.4f})"}), className="bar"
    )
    line = html.Div([bar, html.Span(f"{int(100 * share)} %", className="figure")], className="progress")
    return html.Div([line, html.Span(_steps(run), className="muted figure steps")])


def _steps(run: Run) -> str:
    return f"{run.step:,} of {run.total_steps:,} {kind_of(run).unit}"


def _rate(run: Run) -> str:
    pace = run.batches_per_second
    return f"{pace:.3g} {kind_of(run).unit}/s" if pace is not None else "–"


def _left(run: Run) -> str:
    return (
        _duration(run.seconds_left)
        if run.status is RunStatus.running and run.seconds_left is not None
        else "–"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


MODELS = {"mlp": "MLP", "vit": "ViT", "gpt": "GPT"}
PROCESSES = {
    "eigenvalue": "singular values alone",
    "matrix": "matrix SDE",
    "ornstein_uhlenbeck": "Ornstein-Uhlenbeck",
}


def subject(spec: Job) -> tuple[str, str]:
    """What a job is about, in two lines."""
    if isinstance(spec, TrainSpec):
        return f"{model_words(spec)}, η = {spec.learning_rate:g}", spec.dataset
    if isinstance(spec, SimulateSpec):
        form = "as printed" if spec.form == "as_printed" else "exact"
        return f"W {spec.m} × {spec.n}, {spec.paths:,} paths", f"{PROCESSES[spec.process]}, {form}"
    if isinstance(spec, ClaimsSpec):
        some = f"{len(spec.only)} of the paper's claims" if spec.only else "all claims of the paper"
        return some, f"seed {spec.seed}"
    if isinstance(spec, ForecastSpec):
        return (
            f"forecasts of run {spec.run}",
            f"{spec.horizon:,} batches ahead, {_counted(spec.methods, 'method')}",
        )
    if isinstance(spec, SweepSpec):
        counts = f"{_counted(spec.values, 'value')}, {_counted(spec.seeds, 'seed')}"
        return f"{spec.field}, {counts}", f"{model_words(spec.base)}, {spec.base.dataset}"
    return "", ""


def _counted(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'s' if len(things) > 1 else ''}"


def model_words(spec: TrainSpec) -> str:
    """The model in a few words, such as ``MLP 3 × 256``."""
    model = spec.model
    count = model.depth if isinstance(model, MlpSpec) else model.layers
    return f"{MODELS[model.kind]} {count} × {model.width}"


def _origin(run: Run) -> str:
    spec = run.spec.base if isinstance(run.spec, SweepSpec) else run.spec
    return (spec.preset or "") if isinstance(spec, TrainSpec) else ""


def _exact(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def ago(moment: datetime | None, *, now: datetime) -> str:
    """How long ago ``moment`` was, in one unit; a dash when it has not come."""
    if moment is None:
        return "–"
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(0.0, (now - aware).total_seconds())
    if seconds < 5:
        return "just now"
    if seconds < 86_400:
        return f"{_duration(seconds)} ago"
    return f"{seconds / 86_400:.0f} d ago"


async def _drawer(api: Api) -> dmc.Drawer:
    try:
        content: list[Any] = _form(await api.presets())
    except SigmascopeError as error:
        content = [problem_alert(error, title="The presets cannot be read")]
    return dmc.Drawer(
        content,
        id="new-run-drawer",
        title="New run",
        position="right",
        size=460,
        padding="lg",
        closeButtonProps={"aria-label": "Close"},
    )


def _form(presets: list[Preset]) -> list[Any]:
    presets = [preset for preset in presets if preset.spec.kind == "train"]  # sweeps have a form of their own
    fields = {field.path: field for field in form_fields(TrainSpec.model_json_schema())}
    main = [fields.pop(path) for path in MAIN_FIELDS if path in fields]
    rest = list(fields.values())
    return [
        dcc.Store(
            id="presets",
            data={p.name: p.model_dump(mode="json", include={"title", "spec"}) for p in presets},
        ),
        dmc.Select(
            id="preset",
            label="Preset",
            description=presets[0].title if presets else "",
            data=[preset.name for preset in presets],
            value=presets[0].name if presets else None,
            allowDeselect=False,
        ),
        html.Div([control(_from_preset(f, presets)) for f in main], className="form-grid"),
        *sweep_inputs([*main, *rest]),
        html.Details(
            [
                html.Summary("All settings"),
                html.Div([control(_from_preset(f, presets)) for f in rest], className="form-grid"),
            ]
        ),
        html.Div(id="submit-problem", role="alert"),
        dmc.Button("Start run", id="submit-run", fullWidth=True, mt="md"),
    ]


def _from_preset(field: FormField, presets: list[Preset]) -> FormField:
    if not presets or field.path == "name":
        return field
    return replace(field, default=at_path(presets[0].spec.model_dump(mode="json"), field.path))


def register(app: Dash, api: Api) -> None:
    """The callbacks of this page."""

    @app.callback(Output("runs", "children"), Input("runs-clock", "n_intervals"), prevent_initial_call=True)
    async def refresh(_ticks: int) -> Any:
        return await _table_or_problem(api)

    @app.callback(Output("new-run-drawer", "opened"), Input("new-run", "n_clicks"), prevent_initial_call=True)
    async def open_drawer(clicks: int | None) -> bool:
        return bool(clicks)

    @app.callback(
        Output(control_id(ALL), "value"),  # type: ignore[arg-type]
        Output("preset", "description"),
        Input("preset", "value"),
        State("presets", "data"),
        State(control_id(ALL), "id"),  # type: ignore[arg-type]
        State(control_id(ALL), "value"),  # type: ignore[arg-type]
        prevent_initial_call=True,
    )
    async def fill(name: str, presets: dict[str, Any], ids: list[dict[str, str]], old: list[Any]) -> Any:
        preset = presets[name]
        kept = [
            o if i["path"] == "name" else shown(at_path(preset["spec"], i["path"]))
            for i, o in zip(ids, old, strict=True)
        ]
        return kept, preset["title"]

    @app.callback(
        Output("sweep-inputs", "hidden"),
        Output("submit-run", "children"),
        Input("sweep-on", "checked"),
        prevent_initial_call=True,
    )
    async def unfold(sweeping: bool) -> tuple[bool, str]:
        return not sweeping, "Start sweep" if sweeping else "Start run"

    @app.callback(
        Output("location", "pathname"),
        Output("submit-problem", "children"),
        *(Output(input_id(name), "error") for name in INPUTS),
        Input("submit-run", "n_clicks"),
        State("preset", "value"),
        State(control_id(ALL), "id"),  # type: ignore[arg-type]
        State(control_id(ALL), "value"),  # type: ignore[arg-type]
        State("sweep-on", "checked"),
        *(State(input_id(name), "value") for name in INPUTS),
        running=[(Output("submit-run", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def submit(
        clicks: int | None,
        preset: str,
        ids: list[dict[str, str]],
        values: list[Any],
        sweeping: bool,
        *sweep: str,
    ) -> Any:
        if not clicks:  # Dash calls once when the button appears: its outputs were there before it
            return (no_update,) * (2 + len(INPUTS))
        chosen = {"preset": preset, **nested({i["path"]: v for i, v in zip(ids, values, strict=True)})}
        asked = dict(zip(INPUTS, sweep, strict=True)) if sweeping else None
        try:
            run = await api.submit(sweep_spec(chosen, **asked) if asked else {"kind": "train", **chosen})
        except SigmascopeError as error:
            return no_update, *_refusal(error, asked)
        return f"/runs/{run.id}", None, *[None] * len(INPUTS)


def _refusal(error: SigmascopeError, asked: dict[str, str] | None) -> list[Any]:
    """The words for each input of the sweep that is to blame, after an alert for what else is wrong."""
    what, found, blameless = ("sweep" if asked else "run"), {}, True
    if asked and isinstance(error, UnreadableError):
        found, blameless = {error.field: str(error)}, False
    elif asked and isinstance(error, RefusedError):
        found = blamed(error.problem, field=asked["field"])
        blameless = len(found) < max(1, len(error.problem.fields))
    alert = problem_alert(error, title=f"The {what} was not started") if blameless else None
    return [alert, *(found.get(name) for name in INPUTS)]
