"""A run in words: its kind, what it is about, its status, how long ago it was."""

from __future__ import annotations

from collections.abc import Sized
from datetime import UTC, datetime
from typing import NamedTuple

from dash import html

from sigmascope.schemas import (
    ClaimsSpec,
    ForecastSpec,
    Job,
    MlpSpec,
    Run,
    SimulateSpec,
    SweepSpec,
    TrainSpec,
)


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


def status_badge(run: Run) -> html.Span:
    """The status as a word with a coloured dot."""
    return html.Span(run.status.value, className="status", **{"data-status": run.status.value})


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
        methods = _counted(spec.methods, "method") if spec.methods else "all methods"
        return (
            f"forecasts of run {spec.run}",
            f"{spec.horizon:,} batches ahead, {methods}",
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


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def ago(moment: datetime | None, *, now: datetime) -> str:
    """How long ago ``moment`` was, in one unit; a dash when it has not come."""
    if moment is None:
        return "–"
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(0.0, (now - aware).total_seconds())
    if seconds < 5:
        return "just now"
    if seconds < 86_400:
        return f"{duration(seconds)} ago"
    return f"{seconds / 86_400:.0f} d ago"
