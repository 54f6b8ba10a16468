"""The job ``forecast``: forecasters scored over all origins of a stored run, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage.forecasts import ScoreRecord, planned, write_scores
from backend.storage.histories import history, spec_of
from backend.storage.runs import Claim, replan
from sigmascope.records import LayerShape
from sigmascope.schemas import CONTINUED, ForecastScore, ForecastSpec, RunStatus
from sigmascope.theory.forecasting import (
    EQUATIONS,
    History,
    Score,
    rolling_evaluation,
)
from worker.continued_scores import continued_scores
from worker.database_sink import DatabaseSink

SCORES_WEIGH = 10_000  # more than a commit holds: each score is stored as soon as it is there


def run(engine: Engine, held: Claim, settings: Settings, spec: ForecastSpec) -> RunStatus:
    """Score as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for.

    Raises:
        InvalidValueError: the run has too few steps, or what a forecaster needs is not in it; or it cannot be
            repeated here, for ``continued_training``.
        NotFoundError: likewise, its data are not to be had.
        DivergedError: a continuation of it diverges.
    """
    sink = DatabaseSink[ScoreRecord](
        engine,
        held,
        lease_seconds=settings.lease_seconds,
        store=write_scores,
        weigh=lambda _: SCORES_WEIGH,
    )
    with engine.begin() as connection:
        plan = planned(spec, connection)
        replan(connection, held, total_steps=len(plan))  # the run may have gone on since it was queued
    for done, score in enumerate(_scores(engine, settings, spec, plan, sink), start=1):
        sink.write(ScoreRecord(done, score.model_dump(mode="json")))
        sink.commit_when_due()
        if sink.cancel_requested:
            break
    return RunStatus.cancelled if sink.cancel_requested else RunStatus.finished


def _scores(
    engine: Engine,
    settings: Settings,
    spec: ForecastSpec,
    plan: Sequence[tuple[LayerShape, str]],
    sink: DatabaseSink[ScoreRecord],
) -> Iterator[ForecastScore]:
    """In the order of the plan; they end early where the job is cancelled."""
    by_the_past = [(layer, method) for layer, method in plan if method != CONTINUED]
    for layer, of_layer in groupby(by_the_past, key=itemgetter(0)):
        past = _history(engine, spec, layer)
        for _, method in of_layer:
            yield as_schema(layer.name, past, evaluate(past, method, spec))
    layers = [layer for layer, method in plan if method == CONTINUED]
    if not layers:
        return
    with engine.connect() as connection:
        trained = spec_of(connection, spec.run)
    pasts = {layer.name: _history(engine, spec, layer) for layer in layers}

    def cancelled() -> bool:
        sink.commit_when_due()
        return sink.cancel_requested

    for name, score in continued_scores(spec, trained, pasts, settings, cancelled=cancelled).items():
        yield as_schema(name, pasts[name], score)


def _history(engine: Engine, spec: ForecastSpec, layer: LayerShape) -> History:
    with engine.connect() as connection:
        return history(connection, spec.run, layer)


def evaluate(past: History, method: str, spec: ForecastSpec) -> Score:
    """The rolling evaluation that ``spec`` asks for."""
    return rolling_evaluation(
        past,
        method=method,
        horizon=spec.horizon,
        first_origin=spec.first_origin,
        every=spec.every if method in EQUATIONS else 1,
        rng=np.random.default_rng(spec.seed),
    )


def as_schema(layer: str, past: History, score: Score) -> ForecastScore:
    """The form that crosses process borders; NaN becomes null."""
    names = ("method", "horizon", "origins", "mae", "skill", "crps", "coverage_50", "coverage_90")
    return ForecastScore.model_validate(
        {
            "layer": layer,
            "k": past.values.shape[1],
            "skill_by_mode": [None if math.isnan(one) else one for one in score.skill_by_mode.tolist()],
            **{name: getattr(score, name) for name in names},
        }
    )
