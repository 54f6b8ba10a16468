"""The job ``forecast``: forecasters scored over all origins of a stored run, layer by layer."""

from __future__ import annotations

import math
from itertools import groupby
from operator import itemgetter

import numpy as np
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage.forecasts import ScoreRecord, planned, write_scores
from backend.storage.histories import history
from backend.storage.runs import Claim, replan
from sigmascope.schemas import ForecastScore, ForecastSpec, RunStatus
from sigmascope.theory.forecasting import EQUATIONS, History, Score, rolling_evaluation
from worker.database_sink import DatabaseSink

SCORES_WEIGH = 10_000  # more than a commit holds: each score is stored as soon as it is there


def run(engine: Engine, held: Claim, settings: Settings, spec: ForecastSpec) -> RunStatus:
    """Score as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for.

    Raises:
        InvalidValueError: the run has too few steps, or what a forecaster needs is not in it.
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
    done = 0
    for layer, of_layer in groupby(plan, key=itemgetter(0)):
        with engine.connect() as connection:
            past = history(connection, spec.run, layer)
        for _, method in of_layer:
            done += 1
            score = as_schema(layer.name, past, evaluate(past, method, spec))
            sink.write(ScoreRecord(done, score.model_dump(mode="json")))
            sink.commit_when_due()
            if sink.cancel_requested:
                return RunStatus.cancelled
    return RunStatus.finished


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
