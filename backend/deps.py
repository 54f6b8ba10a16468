"""What routes are given: settings, a connection, a run, a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from backend.queue import Queue
from backend.settings import Settings
from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.session import reading
from backend.storage.tables import RunRow
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.records import LayerShape

LARGEST_STEP = 2**31 - 1  # what an INTEGER column holds


def get_settings(request: Request) -> Settings:
    """The settings that the app was made with."""
    settings: Settings = request.app.state.settings
    return settings


def get_engine(request: Request) -> Engine:
    """The app's engine."""
    engine: Engine = request.app.state.engine
    return engine


def get_queue(request: Request) -> Queue:
    """The app's queue."""
    queue: Queue = request.app.state.queue
    return queue


def only_known_parameters(request: Request) -> None:
    """422 for a query parameter that the route has not: it would be ignored, and another answer given."""
    if not request.query_params:
        return
    known = sorted(query_names(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            raise InvalidValueError(f"{name}: unknown parameter; this route has {', '.join(known) or 'none'}")


def query_names(dependant: Dependant) -> set[str]:
    """Of the query parameters of a route, and of all that it depends on."""
    own = {one.alias for one in dependant.query_params}
    return own.union(*(query_names(one) for one in dependant.dependencies))


EngineDep = Annotated[Engine, Depends(get_engine)]
QueueDep = Annotated[Queue, Depends(get_queue)]
SettingsDep = Annotated[Settings, Depends(get_settings)]


def read(engine: EngineDep) -> Iterator[Connection]:
    """A connection that reads one consistent state and never waits for writers."""
    with reading(engine).connect() as connection:
        yield connection


ReadDep = Annotated[Connection, Depends(read)]


def session(connection: ReadDep) -> Iterator[Session]:
    """A session over the reading connection."""
    with Session(connection) as opened:
        yield opened


SessionDep = Annotated[Session, Depends(session)]


def existing_run(opened: SessionDep, run_id: Annotated[str, Path(description="a run's id")]) -> RunRow:
    """404 if absent."""
    row = runs.get(opened, run_id)
    if row is None:
        raise NotFoundError(f"there is no run {run_id!r}; GET /api/v1/runs lists those that exist")
    return row


RunDep = Annotated[RunRow, Depends(existing_run)]


def require_kind(run: RunRow, kind: str) -> None:
    """404 unless the run is of this kind: others have nothing of what was asked for."""
    if run.kind != kind:
        raise NotFoundError(f"run {run.id} is of kind {run.kind!r}; only one of kind {kind!r} has this")


def existing_layer(
    connection: ReadDep, run: RunDep, layer: Annotated[str, Path(description="a layer's module path")]
) -> LayerShape:
    """404 if absent, naming the layers that exist, or when the run is of a kind without layers."""
    require_kind(run, "train")
    layers = results.layers(connection, run.id)
    for one in layers:
        if one.name == layer:
            return one
    known = ", ".join(one.name for one in layers) or "none yet, the run has not started"
    raise NotFoundError(f"run {run.id} has no layer {layer!r}; its layers: {known}")


LayerDep = Annotated[LayerShape, Depends(existing_layer)]


StepDep = Annotated[int, Path(ge=-LARGEST_STEP, le=LARGEST_STEP, description="a recorded step")]


def window(
    after: Annotated[
        int, Query(ge=-1, le=LARGEST_STEP, description="only steps after this one; -1: all")
    ] = -1,
    first: Annotated[int, Query(ge=0, le=LARGEST_STEP, description="first step")] = 0,
    last: Annotated[int | None, Query(ge=0, le=LARGEST_STEP, description="last step")] = None,
    every: Annotated[
        int, Query(ge=1, le=LARGEST_STEP, description="only every so many steps, from `first`")
    ] = 1,
) -> Window:
    """The steps that a request asks for."""
    return Window(after=after, first=first, last=last, every=every)


WindowDep = Annotated[Window, Depends(window)]
