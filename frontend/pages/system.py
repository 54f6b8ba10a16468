"""The state of the service, live: parts, queues, workers and their devices. Address ``/system``."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html

from frontend.api import Api
from frontend.components import help_button, problem_alert
from sigmascope.amounts import in_bytes
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import Component, DeviceMemory, System, Worker

REFRESH_MS = 3000
HELP = (
    "The server takes runs in and stores them in the database; the broker hands them to the workers, which "
    "train. A run whose device is cuda waits in the queue gpu, one on the CPU in the queue cpu."
)
PARTS = ("Part", "State", "Detail")
QUEUES = ("Queue", "Waiting", "Workers")
WORKERS = ("Worker", "Computes on", "Memory free", "Works on", "Queues", "With")
CONSEQUENCES = {
    "database": "Nothing can be shown or stored until it answers.",
    "broker": "Runs go on, but none can be started.",
}


async def layout(api: Api) -> html.Div:
    """The page, as things stand."""
    return html.Div(
        [
            html.Div(
                html.Div(
                    [html.H1("System"), help_button("System", HELP)],
                    className="title-line",
                ),
                className="page-head",
            ),
            html.Div(await _picture_or_problem(api), id="system"),
            dcc.Interval(id="system-clock", interval=REFRESH_MS),
        ],
        className="page page-system",
    )


async def _picture_or_problem(api: Api) -> Any:
    try:
        return picture(await api.system())
    except SigmascopeError as error:
        return problem_alert(error, title="The server does not answer")


def picture(system: System) -> list[Any]:
    """What is wrong, or that nothing is; then parts, queues, workers, versions."""
    return [
        _verdict(system),
        _table("Parts", PARTS, [_part(part) for part in (_server(system), *system.components)]),
        _table("Queues", QUEUES, [_queue(system, name) for name in system.waiting]),
        _table("Workers", WORKERS, [_worker(worker) for worker in system.workers]),
    ]


def troubles(system: System) -> list[str]:
    """Sentences on what keeps runs from being worked on; none when all is well."""
    down = [part for part in system.components if not part.ok]
    said = [
        f"The {part.name} is down: {part.detail}. {CONSEQUENCES.get(part.name, '')}".strip() for part in down
    ]
    if any(part.name == "broker" for part in down):
        return said  # who works is not known then
    if not system.workers:
        return [*said, "No worker answers, so no run goes on: start one with python -m worker."]
    served = {queue for worker in system.workers for queue in worker.queues}
    return said + [
        _unserved(queue, count) for queue, count in system.waiting.items() if count and queue not in served
    ]


def _unserved(queue: str, count: int) -> str:
    waits = "1 run waits" if count == 1 else f"{count:,} runs wait"
    return (
        f"{waits} in the queue {queue}, and no worker takes from it: start one with "
        f"python -m worker -Q {queue}."
    )


def _verdict(system: System) -> html.Div:
    found = troubles(system)
    if found:
        return html.Div([html.P(said, className="run-problem") for said in found], role="alert")
    count = len(system.workers)
    said = (
        f"All parts answer; {count} worker{'s' if count > 1 else ''}, {system.running} running, "
        f"{system.queued} queued."
    )
    return html.P(said, className="claims-summary system-verdict", role="status")


def _server(system: System) -> Component:
    versions = ", ".join(f"{name} {number}" for name, number in system.versions.items())
    return Component(name="server", ok=True, detail=versions)


def _part(part: Component) -> html.Tr:
    state, word = ("finished", "answers") if part.ok else ("failed", "down")
    return html.Tr(
        [
            html.Th(part.name, scope="row"),
            html.Td(html.Span(word, className="status", **{"data-status": state})),
            html.Td(part.detail, className="muted system-detail"),
        ],
        **{"data-part": part.name},
    )


def _queue(system: System, name: str) -> html.Tr:
    served_by = sum(name in worker.queues for worker in system.workers)
    return html.Tr(
        [
            html.Th(name, scope="row"),
            html.Td(f"{system.waiting[name]:,}", className="figure"),
            html.Td(f"{served_by}", className="figure"),
        ],
        **{"data-queue": name},
    )


def _worker(worker: Worker) -> html.Tr:
    works = [dcc.Link(run, href=f"/runs/{run}") for run in worker.runs]
    return html.Tr(
        [
            html.Th(worker.name, scope="row"),
            html.Td([html.Div(device.name) for device in worker.devices] or "not said"),
            html.Td([_memory(device) for device in worker.devices], className="figure"),
            html.Td(works or html.Span("nothing", className="muted")),
            html.Td(", ".join(worker.queues), className="figure"),
            html.Td(
                ", ".join(f"{name} {number}" for name, number in worker.versions.items()),
                className="muted system-detail",
            ),
        ],
        **{"data-worker": worker.name},
    )


def _memory(device: DeviceMemory) -> html.Div:
    return html.Div(f"{in_bytes(device.memory_free)} of {in_bytes(device.memory_total)}")


def _table(title: str, columns: tuple[str, ...], rows: list[html.Tr]) -> html.Section:
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in columns]))
    body = (
        html.Div(html.Table([head, html.Tbody(rows)], className="runs-table"), className="table-frame")
        if rows
        else html.P("None that is known of.", className="muted")
    )
    return html.Section([html.H2(title), body], className="system-section")


def register(app: Dash, api: Api) -> None:
    """The callback of this page."""

    @app.callback(
        Output("system", "children"), Input("system-clock", "n_intervals"), prevent_initial_call=True
    )
    async def refresh(_ticks: int | None) -> Any:
        return await _picture_or_problem(api)
