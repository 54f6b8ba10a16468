"""A run whose worker was lost goes on where it stood, to the record of a run that nothing disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine, select

from backend.settings import Settings
from backend.storage import checkpoints, runs
from backend.storage.runs import Claim
from backend.storage.tables import LayerRow, RunRow
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import TrainSpec
from worker import checkpoints as writing
from worker import database_sink, jobs, training, training_job
from worker.checkpoints import Checkpoints

SMALL: dict[str, Any] = {"model": {"width": 16, "depth": 2}, "batches": 24, "batch_size": 8}
TRAINED: dict[str, dict[str, Any]] = {
    "momentum, adaptive": {
        "model": {"width": 80, "depth": 2},  # so that records wait for spectra
        "momentum": 0.9,
        "weight_decay": 1e-3,
        "learning_rate": 0.01,
        "spectra": "adaptive",
        "noise_every": 3,
    },
    "auto": {
        "model": {"width": 64, "depth": 1},
        "learning_rate": 1.0,  # so many outliers that a gamma law is fitted, from that of the step before
        "predictors": ("algorithm1", "subspace", "first_order", "hold"),
        "reanchor_every": 7,
        "schedule": "cosine",
        "warmup": 3,
    },
    "gpt": {
        "model": {"kind": "gpt", "width": 16, "layers": 1, "heads": 2, "context": 8},
        "dataset": "python-stdlib",
        "momentum": 0.9,
        "nesterov": True,
        "clip_norm": 1.0,
        "precision": "bfloat16",
        "projections": "both",
    },
}
EVERY, LOST = 5, 13  # batches between two checkpoints; the batch in which the worker is lost


class Killed(BaseException):
    """What no job catches."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every fifth batch and in parting; the disk has no room for the others."""
    write = Checkpoints.write

    def rarely(self: Checkpoints, step: int, state: Mapping[str, Any]) -> Path:
        made = state.get("made", step)
        if made % EVERY and made != LOST:
            raise OSError(28, "No space left on device")
        return write(self, step, state)

    monkeypatch.setattr(writing, "SPARING", 0.0)
    monkeypatch.setattr(Checkpoints, "write", rarely)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"checkpoint_seconds": 0.0})


def submitted(engine: Engine, **fields: Any) -> str:
    spec = TrainSpec.model_validate({**SMALL, **fields})
    with engine.begin() as connection:
        return runs.create(
            connection,
            kind="train",
            name="r",
            spec=spec.model_dump(mode="json"),
            total_steps=spec.batches,
            now=time.time(),
        )


def claimed(engine: Engine, settings: Settings, run_id: str, *, later: float = 0.0) -> Claim:
    with engine.begin() as connection:
        held = runs.claim(
            connection,
            run_id,
            owner="w",
            now=time.time() + later,
            lease_seconds=60,
            versions={},
            checkpoint=checkpoints.newest(settings.checkpoints, run_id),
        )
    assert held
    return held


def meeting(monkeypatch: pytest.MonkeyPatch, event: Callable[[], None]) -> None:
    """Have ``event`` happen once, in batch ``LOST``."""
    rate_of, waiting = training.learning_rate, [event]

    def rate(spec: TrainSpec, step: int) -> float:
        if step == LOST and waiting:
            waiting.pop()()
        return rate_of(spec, step)

    monkeypatch.setattr(training, "learning_rate", rate)


def kill() -> None:
    raise Killed


def killed(engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    """A run whose worker was lost: steps to 12 are stored, the checkpoint is of 10 batches."""
    run_id = submitted(engine, **fields)
    meeting(monkeypatch, kill)
    with pytest.raises(Killed):
        jobs.execute(engine, claimed(engine, settings, run_id), settings)
    assert row(engine, run_id).step == LOST - 1
    (path,) = checkpoints.steps(settings.checkpoints, run_id).values()
    assert torch.load(path, weights_only=True)["state"]["made"] == 10
    return run_id


def row(engine: Engine, run_id: str) -> RunRow:
    with runs.reading_session(engine) as session:
        return session.get_one(RunRow, run_id)


def recorded(engine: Engine, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a run but how long batches took, which no two runs share."""
    found = {}
    with engine.connect() as connection:
        for table in (*runs.RECORDED, LayerRow):
            query = select(table.__table__).where(table.run_id == run_id)
            rows = connection.execute(query.order_by(*table.__table__.primary_key)).mappings()
            left_out = {"run_id", "seconds"}
            found[table.__tablename__] = [
                {key: value for key, value in one.items() if key not in left_out} for one in rows
            ]
    return found


@pytest.mark.parametrize(
    ("database_url", "fields"),
    # what is trained and where it is stored have nothing to do with each other: not every pair is tried
    list(zip(("sqlite", "postgresql", "sqlite"), TRAINED.values(), strict=True)),
    indirect=["database_url"],
    ids=TRAINED,
)
def test_a_resumed_run_is_bit_identical_to_an_undisturbed_one(
    fields: dict[str, Any], engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = submitted(engine, **fields)
    jobs.execute(engine, claimed(engine, settings, whole), settings)
    run_id = killed(engine, settings, monkeypatch, **fields)
    before = recorded(engine, run_id)
    newest = checkpoints.newest(settings.checkpoints, run_id)
    assert newest
    assert newest < 10 if fields.get("spectra") == "adaptive" else newest == 10

    held = claimed(engine, settings, run_id, later=100)
    assert (held.attempt, held.step) == (2, newest)
    kept = recorded(engine, run_id)
    for table, rows in before.items():
        assert kept[table] == [one for one in rows if one.get("step", 0) <= newest], table
    jobs.execute(engine, held, settings)

    ended = row(engine, run_id)
    assert (ended.status, ended.step, ended.notes) == (
        "finished",
        24,
        [f"attempt 2 goes on after step {newest}"],
    )
    expected, found = recorded(engine, whole), recorded(engine, run_id)
    assert len(expected["spectra"]) == 25 * len(expected["layers"])
    for table, rows in expected.items():
        assert found[table] == rows, table
    assert not (settings.checkpoints / run_id).exists()


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (damage, r"the checkpoint of step 10 is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), r"the checkpoint of step 10 is damaged"),
        (lambda path: path.unlink(), r"there was no checkpoint to go on from"),
    ],
    ids=["a bit", "cut short", "gone"],
)
def test_without_a_usable_checkpoint_a_run_starts_clean_and_says_so(
    happens: Callable[[Path], Any],
    why: str,
    engine: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = killed(engine, settings, monkeypatch)
    (path,) = checkpoints.steps(settings.checkpoints, run_id).values()
    happens(path)
    jobs.execute(engine, claimed(engine, settings, run_id, later=100), settings)
    ended = row(engine, run_id)
    assert (ended.status, ended.notes) == ("finished", [f"attempt 2 starts at step 0: {why}"])
    assert [one["step"] for one in recorded(engine, run_id)["step_metrics"]] == list(range(25))


def test_a_checkpoint_of_another_torch_is_not_gone_on_from(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = killed(engine, settings, monkeypatch)
    now = {**training_job.versions(), "torch": "9.9"}
    monkeypatch.setattr(training_job, "versions", lambda: now)
    jobs.execute(engine, claimed(engine, settings, run_id, later=100), settings)
    (note,) = row(engine, run_id).notes
    assert note.startswith("attempt 2 starts at step 0: the checkpoint of step 10 is of another torch: ")
    assert note.endswith(", now 9.9")
    assert [one["step"] for one in recorded(engine, run_id)["step_metrics"]] == list(range(25))


def test_a_released_run_is_left_with_all_its_steps(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the service is stopped: the worker learns of it at its next write."""
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 0.0)

    def release() -> None:
        with engine.begin() as connection:
            assert runs.release(connection, owner="w", now=time.time())

    meeting(monkeypatch, release)
    run_id = submitted(engine)
    jobs.execute(engine, claimed(engine, settings, run_id), settings)
    assert (row(engine, run_id).status, row(engine, run_id).step) == ("queued", LOST)
    held = claimed(engine, settings, run_id)
    assert held.step == LOST
    jobs.execute(engine, held, settings)
    assert (row(engine, run_id).status, row(engine, run_id).crashes) == ("finished", 0)
    assert [one["step"] for one in recorded(engine, run_id)["step_metrics"]] == list(range(25))


def test_a_released_run_is_left_with_the_records_that_wait(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its checkpoint: their spectra lie between decompositions, and one is yet to come."""
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 0.0)
    fields = TRAINED["momentum, adaptive"]
    whole = submitted(engine, **fields)
    jobs.execute(engine, claimed(engine, settings, whole), settings)

    def release() -> None:
        with engine.begin() as connection:
            assert runs.release(connection, owner="w", now=time.time())

    meeting(monkeypatch, release)
    run_id = submitted(engine, **fields)
    jobs.execute(engine, claimed(engine, settings, run_id), settings)
    left = row(engine, run_id)
    assert left.status == "queued"
    assert 0 < left.step < LOST
    jobs.execute(engine, claimed(engine, settings, run_id), settings)
    assert row(engine, run_id).status == "finished"
    expected, found = recorded(engine, whole), recorded(engine, run_id)
    for table, rows in expected.items():
        assert found[table] == rows, table


def test_a_run_that_another_has_taken_is_left_alone(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 0.0)
    run_id = submitted(engine)

    def take() -> None:
        assert claimed(engine, settings, run_id, later=100).step == 10

    meeting(monkeypatch, take)
    jobs.execute(engine, claimed(engine, settings, run_id), settings)
    assert (row(engine, run_id).status, row(engine, run_id).attempt, row(engine, run_id).step) == (
        "running",
        2,
        10,
    )
    assert [one["step"] for one in recorded(engine, run_id)["step_metrics"]] == list(range(11))
    assert checkpoints.newest(settings.checkpoints, run_id) == 10


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    Checkpoints(tmp_path, "run", {}).write(5, {"model": Trap()})
    with pytest.raises(InvalidValueError, match="the checkpoint of step 5 cannot be read"):
        Checkpoints(tmp_path, "run", {}).read(5)
    assert not (tmp_path / "sprung").exists()


def test_tensors_come_back_with_their_strides(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "run", {"torch": "2"})
    turned = torch.arange(6.0).reshape(2, 3).T
    first = kept.write(5, {"turned": turned, "none": None, "rates": [0.1, 0.2]})
    state = kept.read(5)
    assert torch.equal(state["turned"], turned)
    assert state["turned"].stride() == turned.stride()
    assert (state["none"], state["rates"]) == (None, [0.1, 0.2])
    second = kept.write(10, {})
    assert first.exists()
    kept.keep_only(second)
    assert list((tmp_path / "run").iterdir()) == [second]


def test_threads_of_the_run_before_change_nothing(engine: Engine, settings: Settings) -> None:
    """Torch's number of threads is one of the process; with two, the first decomposition is another."""
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        run_id = submitted(engine, **TRAINED["momentum, adaptive"])
        jobs.execute(engine, claimed(engine, settings, run_id), settings)
        found.append(recorded(engine, run_id))
    torch.set_num_threads(before)
    assert found[0] == found[1]


def test_what_a_state_holds_has_a_number(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another set of names needs another ``LAYOUT``: older checkpoints are then not gone on from."""
    run_id = killed(engine, settings, monkeypatch, **TRAINED["momentum, adaptive"])
    (path,) = checkpoints.steps(settings.checkpoints, run_id).values()
    state = torch.load(path, weights_only=True)["state"]
    recorder = state["recorder"]
    assert writing.LAYOUT == 8
    assert set(state) == {"model", "optimizer", "recorder", "made"}
    assert set(recorder) == {"batches", "learning_rate", "trackers", "spectra", "records", "recorded"}
    assert set(recorder["records"]) == {"fits", "unfinished", "known", "written"}
    assert set(recorder["trackers"]) == {"steps", "of"}
    assert set(recorder["spectra"]) == {"method", "adaptive"}
    adaptive = recorder["spectra"]["adaptive"]
    assert set(adaptive) == {"step", "layers", "layers_at", "settled"}
    layer = next(one for one in adaptive["layers"].values() if one["waiting"])
    assert set(layer) == {
        "shape", "before", "last", "came", "gone", "way", "patience", "share", "norm", "rates", "waiting"
    }  # fmt: skip
    assert set(layer["last"]) == {"step", "values", "bound", "method", "top", "start", "sample", "norm"}
    assert set(layer["waiting"][0]) == {"step", "top", "start", "gone"}
    waiting = recorder["records"]["unfinished"][0]
    assert set(waiting) == {"step", "metrics", "layers", "learning_rate"}
    assert set(waiting["layers"]["head"]) == {"trajectories", "noise", "modes"}
    assert [set(one) for one in recorder["trackers"]["of"]["head"]] == [
        {"name", "k", "epsilon", "delta", "U", "V", "sigma", "shape"},
        {"name", "k", "oversample", "half_steps", "tolerance", "trial_is_right", "shape", "looks", "vouched"}
        | {"W", "trial", "product", "next", "factor", "ritz"}
        | {"modes.singular_values", "modes.left", "modes.right"},
    ]


def test_checkpoints_of_runs_that_have_ended_are_tidied_away(engine: Engine, tmp_path: Path) -> None:
    waiting, cancelled = submitted(engine), submitted(engine)
    for name in (waiting, cancelled, "deleted"):
        path = checkpoints.path_of(tmp_path, name, step=3, digest="d")
        path.parent.mkdir()
        path.touch()
    with engine.begin() as connection:
        runs.request_cancel(connection, cancelled, now=time.time())
        checkpoints.tidy(tmp_path, connection)
        checkpoints.tidy(tmp_path / "nowhere", connection)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [waiting]
    assert checkpoints.newest(tmp_path, waiting) == 3
    assert checkpoints.newest(tmp_path, cancelled) is None


def test_a_checkpoint_never_tells_of_results_that_are_not_there(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 1e9)
    monkeypatch.setattr(database_sink, "ROWS_PER_COMMIT", 10**9)
    run_id, write, committed = submitted(engine), Checkpoints.write, []

    def seen(self: Checkpoints, step: int, state: Mapping[str, Any]) -> Path:
        committed.append((step, row(engine, run_id).step))
        return write(self, step, state)

    monkeypatch.setattr(Checkpoints, "write", seen)
    jobs.execute(engine, claimed(engine, settings, run_id), settings)
    assert committed == [(step, step) for step in range(1, 25)]
