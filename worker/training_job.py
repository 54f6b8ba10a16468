"""The job ``train``: data, model, recorder and the loop, into the database."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable

import torch
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import results, runs
from backend.storage.runs import Claim
from sigmascope.errors import InvalidValueError, LeaseLostError
from sigmascope.records import StepRecord
from sigmascope.schemas import GptSpec, RunStatus, TrainSpec
from sigmascope.spectra import weight_matrices
from worker.building import Data, build_model, make_recorder
from worker.checkpoints import LAYOUT, Checkpoints, Keeper, Training
from worker.database_sink import DatabaseSink, recording_sink
from worker.datasets.catalogue import load
from worker.datasets.files import DataFiles
from worker.devices import Placement, choose_device, make_repeatable, processor
from worker.memory import Room, memory_explained
from worker.memory_needs import memory_needs, require
from worker.optimisation import make_optimizer
from worker.training import train
from worker.versions import versions


def run(engine: Engine, held: Claim, settings: Settings, spec: TrainSpec) -> RunStatus:
    """Train as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for.

    Whatever ends it, what was recorded before is stored.

    Raises:
        InvalidValueError: data that do not fit, or a device that is not there.
        OutOfMemoryError: before the first batch, where there can be no room; or later.
        DivergedError: during training.
        LeaseLostError: another attempt owns the run, or it was released and left in good order.
    """
    placement = choose_device(spec.device, missing=settings.missing_device)
    with (
        recording_sink(engine, held, lease_seconds=settings.lease_seconds) as sink,
        memory_explained(placement.device),
    ):
        _train(engine, held, settings, spec, placement, sink)
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
    needs, room = memory_needs(spec, data), Room.on(placement.device)
    with engine.begin() as connection:
        until = time.time() + settings.lease_seconds
        # before memory is asked for: a worker that dies of it says nothing any more
        known = {"needed": needs.total, "free": room.free, "total": room.total}
        runs.advance(connection, held, lease_until=until, provenance=dict(data.provenance), memory=known)
    require(needs, room)
    model = build_model(spec, data).to(placement.device)
    # before anything is decomposed: a process keeps what its last run has set
    torch.set_num_threads(thread_count(min(one.tensor().shape) for one in weight_matrices(model).values()))
    with make_recorder(spec, model, data, sink) as recorder:
        device = placement.describe()
        training = Training(model, make_optimizer(spec, model), recorder)
        kept = Checkpoints(settings.checkpoints, held.run_id, made_with(held, data, device))
        after, why = _restore(training, kept, held.step)
        with engine.begin() as connection:
            until = time.time() + settings.lease_seconds
            runs.advance(connection, held, lease_until=until, device=device)
            if why:
                runs.start_clean(connection, held, why=why)
            if not after:
                results.write_layers(connection, held.run_id, recorder.layers)
        keeper = Keeper(training, kept, sink, seconds=settings.checkpoint_seconds)
        try:
            train(
                spec,
                model,
                data,
                watcher=keeper,
                stop=lambda: sink.cancel_requested,
                optimizer=training.optimizer,
                after=after,
            )
        except LeaseLostError:
            keeper.hand_over()
            raise


def _restore(training: Training, kept: Checkpoints, step: int) -> tuple[int, str]:
    """The batches that training goes on after, by the checkpoint of ``step``; where 0 nevertheless, why."""
    if not step:
        return 0, ""
    try:
        state = kept.read(step)
    except InvalidValueError as error:
        return 0, str(error)
    training.load_state_dict(state)
    return int(state["made"]), ""


def made_with(held: Claim, data: Data, device: str) -> dict[str, str]:
    """What decides the bits of a run beside its state."""
    return {
        "layout": str(LAYOUT),
        "specification": json.dumps(held.spec, sort_keys=True),
        "data set": data.provenance["sha256"],
        "device": device,
        "processor": processor(),
        **versions(),
    }


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
