"""The job ``train``: data, model, recorder and the loop, into the database."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import torch
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import results, runs
from backend.storage.runs import Claim
from sigmascope.errors import SigmascopeError
from sigmascope.records import StepRecord
from sigmascope.schemas import GptSpec, RunStatus, TrainSpec
from worker.building import Data, build_model, make_recorder
from worker.database_sink import DatabaseSink, recording_sink
from worker.datasets.catalogue import load
from worker.datasets.files import DataFiles
from worker.devices import Placement, choose_device, make_repeatable
from worker.memory import memory_explained
from worker.training import train


def run(engine: Engine, held: Claim, settings: Settings, spec: TrainSpec) -> RunStatus:
    """Train as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for.

    Raises:
        InvalidValueError: data that do not fit, or a device that is not there.
        DivergedError, OutOfMemoryError: what was recorded before is stored.
    """
    placement = choose_device(spec.device, missing=settings.missing_device)
    sink = recording_sink(engine, held, lease_seconds=settings.lease_seconds)
    try:
        with memory_explained(placement.device):
            _train(engine, held, settings, spec, placement, sink)
    except SigmascopeError:
        sink.flush()
        raise
    sink.flush()
    return RunStatus.cancelled if sink.cancel_requested else RunStatus.finished


def _train(
    engine: Engine,
    held: Claim,
    settings: Settings,
    spec: TrainSpec,
    placement: Placement,
    sink: DatabaseSink[StepRecord],
) -> None:
    make_repeatable(placement.device)
    data = load_data(spec, settings).to(placement.device)
    model = build_model(spec, data).to(placement.device)
    with make_recorder(spec, model, data, sink) as recorder:
        torch.set_num_threads(thread_count(shape.n for shape in recorder.layers))
        with engine.begin() as connection:
            until = time.time() + settings.lease_seconds
            runs.advance(connection, held, lease_until=until, device=placement.describe())
            results.write_layers(connection, held.run_id, recorder.layers)
        train(spec, model, data, watcher=recorder, stop=lambda: sink.cancel_requested)


def load_data(spec: TrainSpec, settings: Settings) -> Data:
    """The data set of ``spec``, from the data folder, or downloaded once into the home folder.

    Raises:
        InvalidValueError: a file is damaged, or a text too short.
        NotFoundError: a file is missing and cannot be downloaded; the message names it and both remedies.
    """
    files = DataFiles(data_dir=settings.data_dir, cache_dir=settings.home.expanduser() / "datasets")
    return load(spec.dataset, files, context=spec.model.context if isinstance(spec.model, GptSpec) else 1)


def thread_count(widths: Iterable[int]) -> int:
    """How many threads torch gets for spectra of these sizes: one a core, but one alone when all are small.

    Up to 512 values a second thread wins nothing, and on a machine that has anything else to do (the browser
    that shows the run) threads wait for each other so long that a batch takes ten times as long.
    """
    return 1 if max(widths) <= 512 else os.cpu_count() or 1
