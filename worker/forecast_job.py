"""The job ``forecast``: forecasters scored over all origins of a stored run, layer by layer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage.forecasts import (
    ScoreRecord,
    continued_layers,
    continued_origins,
    planned,
    steps_of,
    write_scores,
)
from backend.storage.histories import data_set_of, history, spec_of
from backend.storage.runs import Claim, advance, replan
from sigmascope.records import LayerShape
from sigmascope.schemas import ForecastScore, ForecastSpec, RunStatus
from sigmascope.theory.forecasting import EQUATIONS, History, Score, rolling_evaluation
from worker.continued_scores import check_data_set, continued_scores
from worker.database_sink import DatabaseSink
from worker.devices import choose_device
from worker.memory import memory_explained
from worker.training_job import load_data

SCORES_WEIGH = 10_000  # more than a commit holds: each score is stored as soon as it is there


def run(engine: Engine, held: Claim, settings: Settings, spec: ForecastSpec) -> RunStatus:
    """Score as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for.

    Raises:
        InvalidValueError: the run has too few steps, or what a forecaster needs is not in it; or it cannot be
            repeated here, for ``continued_training``.
        NotFoundError: likewise, its data are not to be had.
        OutOfMemoryError: likewise, on the device.
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
        plan, layers = planned(spec, connection), continued_layers(spec, connection)
        # the run may have gone on since it was queued
        replan(connection, held, total_steps=steps_of(spec, connection))
    done = 0
    for layer, of_layer in groupby(plan, key=itemgetter(0)):
        past = _history(engine, spec, layer)
        for _, method in of_layer:
            done += 1
            _keep(sink, done, as_schema(layer.name, past, evaluate(past, method, spec)))
            if sink.cancel_requested:
                return RunStatus.cancelled
    if layers:
        _score_continued(engine, held, settings, spec, layers, sink, done=done)
    return RunStatus.cancelled if sink.cancel_requested else RunStatus.finished


def _score_continued(
    engine: Engine,
    held: Claim,
    settings: Settings,
    spec: ForecastSpec,
    layers: Sequence[LayerShape],
    sink: DatabaseSink[ScoreRecord],
    *,
    done: int,
) -> None:
    """Of ``continued_training``; each continuation is a step of the job, and so is each score after them."""
    placement = choose_device(spec.device, missing=settings.missing_device)
    pasts = {layer.name: _history(engine, spec, layer) for layer in layers}
    last = min(len(past.values) for past in pasts.values()) - 1
    origins = continued_origins(spec, last)
    continuations = spec.members * len(origins)
    with engine.begin() as connection:
        trained = spec_of(connection, spec.run)
        data_set = data_set_of(connection, spec.run)
        until = time.time() + settings.lease_seconds
        advance(connection, held, lease_until=until, device=placement.describe())
        replan(connection, held, total_steps=done + continuations + len(layers))
    sink.start_pace_anew()

    def goes_on(made: int) -> bool:
        sink.reach(done + made)
        sink.commit_when_due()
        return not sink.cancel_requested

    with memory_explained(placement.device):
        data = load_data(trained, settings)
        check_data_set(spec.run, data.provenance["sha256"], data_set)
        scores = continued_scores(
            spec, trained, data.to(placement.device), pasts, origins, placement.device, goes_on=goes_on
        )
    for place, (name, score) in enumerate(scores.items(), start=done + continuations + 1):
        _keep(sink, place, as_schema(name, pasts[name], score))


def _keep(sink: DatabaseSink[ScoreRecord], step: int, score: ForecastScore) -> None:
    sink.write(ScoreRecord(step, score.model_dump(mode="json")))
    sink.commit_when_due()


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
