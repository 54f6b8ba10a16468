"""The paper's claims with what was measured of them, and the simulator. Address ``/theory``.

``?run=<id>`` shows the results of that run, ``#<claim>`` opens a claim, ``#simulator`` the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, dcc, html, no_update

from frontend import claims_table, simulator
from frontend.api import Api
from frontend.components import help_button, message_page, problem_alert
from frontend.form import at_path, control_id, nested
from frontend.numbers import significant
from frontend.pages.runs import table
from frontend.run_words import ago, status_badge
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import CheckedClaim, ClaimsSpec, Run, RunStatus, SimulateSpec, Statement

REFRESH_MS = 600
# among so many of the newest runs, the claims of this page are looked for
RECENT = 1000
SIMULATIONS = 8

NOTHING = "Nothing is checked yet. Press Check all claims: it takes a minute or two."
LEAD = (
    "Each statement of the paper is measured by a program that knows no formula, then compared with the "
    "formula as printed and with the exact one."
)
HELP = (
    "Measurements come from simulation, finite differences or quadrature. A form holds when every one of "
    "them lies within 5 standard errors; a statement about a limit holds to leading order when its "
    "deviations vanish there; an estimate by dimensions is heuristic when one factor makes it right."
)


async def layout(api: Api, href: str) -> html.Div:
    """The page: claims first, the simulator behind the second tab."""
    address = urlsplit(href)
    asked = parse_qs(address.query).get("run", [None])[0]
    try:
        runs = await api.runs(limit=RECENT)
        shown = await api.run(asked) if asked else choose(runs)
        claims: list[Any] = [_check_bar(), *_claims(await _find(api, shown))]
    except SigmascopeError as error:
        runs, claims = [], [problem_alert(error, title="The claims cannot be read")]
    tabs = dmc.Tabs(
        [
            dmc.TabsList(
                [dmc.TabsTab("Claims", value="claims"), dmc.TabsTab("Simulator", value="simulator")]
            ),
            dmc.TabsPanel(html.Div(claims, id="claims"), value="claims"),
            dmc.TabsPanel(_simulator(runs), value="simulator"),
        ],
        value="simulator" if address.fragment == "simulator" else "claims",
        id="theory-tabs",
    )
    head = html.Header(
        [
            html.Div([html.H1("Theory"), help_button("Theory", HELP)], className="title-line"),
            html.P(LEAD, className="muted lead"),
        ],
        className="theory-head",
    )
    return html.Div([head, tabs], className="page page-theory")


async def run_page(api: Api, run: Run) -> html.Div:
    """The page of one claims run: its results, and the way to the newest."""
    head = html.Div(
        [
            html.Div([html.H1(run.name or run.id), html.P(LEAD, className="muted lead")]),
            dcc.Link("All of Theory", href="/theory", className="quiet-button"),
        ],
        className="page-head",
    )
    try:
        claims = _claims(await _find(api, run))
    except SigmascopeError as error:
        return message_page(title="The claims cannot be read", text=str(error))
    return html.Div([head, html.Div(claims, id="claims")], className="page page-theory")


def choose(runs: Sequence[Run]) -> Run | None:
    """Of ``runs``, newest first: the one under way, else the newest finished one of all claims."""
    claims = [run for run in runs if isinstance(run.spec, ClaimsSpec)]
    active = [run for run in claims if not run.status.final]
    finished = [run for run in claims if run.status is RunStatus.finished]
    whole = [run for run in finished if isinstance(run.spec, ClaimsSpec) and run.spec.only is None]
    return next(iter([*active[:1], *whole, *finished]), None)


def _check_bar() -> html.Div:
    seed = dmc.NumberInput(
        id="claims-seed",
        value=0,
        clampBehavior="none",
        allowDecimal=False,
        hideControls=True,
        size="sm",
        w=150,
        leftSection="seed",
        leftSectionWidth=50,
        **{"aria-label": "Seed of every measurement"},
    )
    return html.Div(
        [
            seed,
            dmc.Button("Check all claims", id="check-claims", size="sm"),
            html.Div(id="check-problem", role="alert"),
        ],
        className="check-bar",
    )


def _claims(found: Found) -> list[Any]:
    rows, checked = found.rows, found.by_id
    run = found.run
    return [
        dcc.Store(id="claims-run", data=run.id if run else None),
        dcc.Store(id="claims-shown", data=found.mark),
        dcc.Interval(id="claims-clock", interval=REFRESH_MS, disabled=run is None or run.status.final),
        html.Div(
            [
                html.Div(results(found, now=datetime.now(UTC)), id="claims-head", className="claims-head"),
                _cancel(run),
            ],
            className="claims-top",
        ),
        html.Div([claims_table.verdict_filter(rows, checked), _key()], className="claims-tools"),
        html.Div(claims_table.table(rows, checked), className="table-frame claims-frame"),
    ]


def _cancel(run: Run | None) -> html.Button:
    return html.Button(
        "Cancel",
        id="cancel-claims",
        type="button",
        className="quiet-button danger",
        hidden=run is None or run.status.final,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """The paper's claims, and what ``run`` has found of them so far."""

    statements: Sequence[Statement]
    checked: Sequence[CheckedClaim]
    run: Run | None

    @property
    def by_id(self) -> dict[str, CheckedClaim]:
        """Results by claim."""
        return {one.id: one for one in self.checked}

    @property
    def rows(self) -> list[Statement]:
        """All claims in order; a run of another version may have checked some that this one does not list."""
        known = {one.id for one in self.statements}
        return [*self.statements, *(one for one in self.checked if one.id not in known)]

    @property
    def mark(self) -> dict[str, Any]:
        """What is on show, to tell what is new."""
        run = self.run
        if run is None:
            return {"run": None, "state": "", "checked": []}
        return {"run": run.id, "state": _state(run), "checked": [one.id for one in self.checked]}


def _state(run: Run) -> str:
    return f"{run.status} {run.step} {run.cancel_requested}"


async def _find(api: Api, run: Run | None) -> Found:
    checked = await api.checked_claims(run.id) if run else []
    return Found(await api.statements(), checked, run)


def results(found: Found, *, now: datetime) -> list[Any]:
    """What the run found in one sentence, or how far it is, and how to run it again."""
    run = found.run
    if run is not None and not run.status.final:
        return [_progress(run), *_about(found.checked, run, now)]
    sentence = claims_table.summary(found.checked) if run else NOTHING
    return [html.P(sentence, className="claims-summary", role="status"), *_about(found.checked, run, now)]


def _about(checked: Sequence[CheckedClaim], run: Run | None, now: datetime) -> list[Any]:
    if run is None:
        return []
    spec = run.spec
    seed = spec.seed
    only = "".join(f" --only {one}" for one in spec.only or ()) if isinstance(spec, ClaimsSpec) else ""
    took = significant(sum(one.seconds for one in checked), 2)
    when = html.Time(ago(run.finished_at or run.started_at or run.created_at, now=now), title=_exact(run))
    facts = [
        status_badge(run),
        html.Span(["run ", dcc.Link(run.id, href=f"/runs/{run.id}")]),
        html.Span(when),
        html.Span(f"seed {seed}"),
        html.Span(f"{took} s of measuring"),
        html.Span(
            ["again: ", html.Code(f"sigmascope claims --seed {seed}{only}", className="inline-command")]
        ),
    ]
    return [*_problem(run), html.Div(facts, className="claims-facts muted figure")]


def _exact(run: Run) -> str:
    moment = run.finished_at or run.started_at or run.created_at
    return moment.isoformat(timespec="seconds")


def _progress(run: Run) -> html.Div:
    share = run.step / run.total_steps if run.total_steps else 0.0
    waiting = run.status is RunStatus.queued
    said = "In the queue for a worker" if waiting else f"{run.step} of {run.total_steps} claims checked"
    bar = html.Div(
        html.Div(className="bar-fill", style={"transform": f"scaleX({share:.4f})"}),
        className="bar",
        role="progressbar",
        **{"aria-valuenow": run.step, "aria-valuemax": run.total_steps, "aria-label": "Claims checked"},
    )
    return html.Div([html.Span(said, className="claims-summary figure"), bar], className="claims-progress")


def _problem(run: Run) -> list[Any]:
    if run.error:
        return [html.P(run.error, className="run-problem", role="alert")]
    if run.status is RunStatus.cancelled:
        return [html.P(f"Cancelled after {run.step} of {run.total_steps} claims.", className="muted")]
    return []


def _key() -> html.Div:
    entries = (
        ("strip-key-printed", "as printed"),
        ("strip-key-exact", "exact"),
        ("strip-key-dot", "single measurements"),
        ("strip-key-band", "within 5 standard errors"),
    )
    return html.Div(
        [
            html.Span([html.Span(className=mark, **{"aria-hidden": "true"}), words], className="legend-entry")
            for mark, words in entries
        ],
        className="legend",
    )


def _simulator(runs: Sequence[Run]) -> html.Div:
    simulations = [run for run in runs if isinstance(run.spec, SimulateSpec)][:SIMULATIONS]
    recent = [html.H2("Recent simulations"), table(simulations, now=datetime.now(UTC))] if simulations else []
    about = html.Aside(
        [html.H2("What is simulated"), simulator.equations()],
        className="panel simulator-about",
    )
    return html.Div(
        [html.Div([html.Div(simulator.form(), className="panel"), about], className="simulator"), *recent],
        id="simulator-panel",
    )


def register(app: Dash, api: Api) -> None:
    """The callbacks of this page."""
    _register_claims(app, api)
    _register_cancel(app, api)
    _register_simulator(app, api)


def _register_claims(app: Dash, api: Api) -> None:
    @app.callback(
        Output("claims-run", "data"),
        Output("check-problem", "children"),
        Input("check-claims", "n_clicks"),
        State("claims-seed", "value"),
        running=[(Output("check-claims", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def check(clicks: int | None, seed: Any) -> Any:
        if not clicks:
            return no_update, no_update
        try:
            run = await api.submit({"kind": "claims", **({} if seed in (None, "") else {"seed": seed})})
        except SigmascopeError as error:
            return no_update, problem_alert(error, title="The claims are not checked")
        return run.id, None

    @app.callback(
        Output("claims-head", "children"),
        Output("claims-shown", "data"),
        Output("claims-clock", "disabled"),
        Output(claims_table.row_id(ALL), "children"),
        Output(claims_table.count_id(ALL), "children"),
        Output("cancel-claims", "hidden"),
        Output("cancel-claims", "disabled", allow_duplicate=True),
        Input("claims-run", "data"),
        Input("claims-clock", "n_intervals"),
        State("claims-shown", "data"),
        State(claims_table.row_id(ALL), "id"),
        State(claims_table.count_id(ALL), "id"),
        prevent_initial_call=True,
    )
    async def refresh(
        run_id: str | None, _ticks: int | None, shown: dict[str, Any], rows: list[Any], counts: list[Any]
    ) -> Any:
        still = [no_update] * len(rows), [no_update] * len(counts), no_update, no_update
        if not run_id:
            return no_update, no_update, True, *still
        try:
            run = await api.run(run_id)
            if shown["run"] == run.id and shown["state"] == _state(run):
                return no_update, no_update, run.status.final, *still
            found = await _find(api, run)
        except SigmascopeError as error:
            return (
                problem_alert(error, title="The claims cannot be read"),
                {**shown, "state": ""},
                False,
                *still,
            )
        numbers = claims_table.counts(found.rows, found.by_id)
        return (
            results(found, now=datetime.now(UTC)),
            found.mark,
            run.status.final,
            changed_rows(found, shown, [row["claim"] for row in rows]),
            [str(numbers[count["verdict"]]) for count in counts],
            run.status.final,
            run.cancel_requested,
        )


def _register_cancel(app: Dash, api: Api) -> None:
    @app.callback(
        Output("cancel-claims", "disabled"),
        Input("cancel-claims", "n_clicks"),
        State("claims-run", "data"),
        prevent_initial_call=True,
    )
    async def cancel(clicks: int | None, run_id: str) -> Any:
        if not clicks:
            return no_update
        try:
            await api.cancel(run_id)
        except SigmascopeError:
            return False  # what is wrong, the next look at the run says
        return True


def changed_rows(found: Found, shown: dict[str, Any], claims: Sequence[str]) -> list[Any]:
    """New rows for those of ``claims`` that changed since ``shown``; the others stay, focus and all."""
    statements = {one.id: one for one in found.rows}
    before = set(shown["checked"])
    now = found.by_id
    other_run = shown["run"] != found.mark["run"]
    return [
        claims_table.rows(statements[claim], now.get(claim))
        if claim in statements and (claim in now or claim in before) and (other_run or claim not in before)
        else no_update
        for claim in claims
    ]


def _register_simulator(app: Dash, api: Api) -> None:
    ids = control_id(ALL, form=simulator.FORM)  # type: ignore[arg-type]

    @app.callback(
        Output(ids, "value"),
        Input("starting-point", "value"),
        State("starting-points", "data"),
        State(ids, "id"),
        prevent_initial_call=True,
    )
    async def fill(chosen: str, points: list[dict[str, Any]], fields: list[dict[str, str]]) -> list[Any]:
        spec = points[int(chosen)]["spec"]
        return [at_path(spec, field["path"]) for field in fields]

    @app.callback(
        Output("location", "pathname", allow_duplicate=True),
        Output("simulate-problem", "children"),
        Input("simulate", "n_clicks"),
        State(ids, "id"),
        State(ids, "value"),
        running=[(Output("simulate", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def simulate(clicks: int | None, fields: list[dict[str, str]], values: list[Any]) -> Any:
        if not clicks:
            return no_update, no_update
        chosen = nested({field["path"]: value for field, value in zip(fields, values, strict=True)})
        try:
            run = await api.submit({"kind": "simulate", **chosen})
        except SigmascopeError as error:
            return no_update, problem_alert(error, title="The simulation was not started")
        return f"/runs/{run.id}", None
