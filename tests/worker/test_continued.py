"""Runs repeated and continued: the same up to the origin, other batches after it, whatever else goes on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import count

import numpy as np
import pytest

from sigmascope.errors import DivergedError, InvalidValueError
from sigmascope.schemas import ForecastSpec, TrainSpec
from sigmascope.theory.forecasting import History
from worker.building import build_model
from worker.continued import continued, singular_values, train_on
from worker.continued_scores import check_same_run, judge
from worker.datasets.images import Images, load
from worker.optimisation import make_optimizer
from worker.training import Unwatched, train

SPEC = TrainSpec.model_validate(
    {
        "model": {"width": 24, "depth": 1}, "batches": 40, "batch_size": 32, "momentum": 0.9,
        "schedule": "cosine", "warmup": 5, "learning_rate": 0.05,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Images:
    return load("mnist-builtin")


def values_after(spec: TrainSpec, data: Images, batches: int) -> dict[str, np.ndarray]:
    """Of a run that nobody has touched."""
    model, made = build_model(spec, data), count(1)
    train(spec, model, data, watcher=Unwatched(), stop=lambda: next(made) >= batches)
    return singular_values(spec, model)


def test_a_run_is_repeated_bit_for_bit_whatever_branches_off(data: Images) -> None:
    found = continued(SPEC, build_model(SPEC, data), data, origins=[10, 25], horizon=5, members=2, seed=0)
    assert found is not None
    for place, origin in enumerate((10, 25)):
        for name, values in values_after(SPEC, data, origin).items():
            np.testing.assert_array_equal(found.now[name][place], values)
    assert found.ahead["hidden.0"].shape == (2, 2, 24)


def test_every_continuation_has_batches_of_its_own(data: Images) -> None:
    found, again, other = (
        continued(SPEC, build_model(SPEC, data), data, origins=[10, 20], horizon=10, members=3, seed=seed)
        for seed in (0, 0, 1)
    )
    assert found is not None
    assert again is not None
    assert other is not None
    ahead = found.ahead["hidden.0"].reshape(6, -1)
    assert len(np.unique(ahead, axis=0)) == 6
    np.testing.assert_array_equal(found.ahead["head"], again.ahead["head"])
    assert not (found.ahead["head"] == other.ahead["head"]).all(axis=-1).any()
    # none of them is what the run itself did next
    real = values_after(SPEC, data, 20)["hidden.0"]
    assert not (ahead[:3] == real).all(axis=1).any()


def test_by_the_same_batches_training_goes_on_as_the_run_did(data: Images) -> None:
    """Momentum and schedule go on where they were."""
    model = build_model(SPEC, data)
    optimizer = make_optimizer(SPEC, model)
    train_on(SPEC, model, data, optimizer, after=0, until=12, cancelled=lambda: False)
    ours = copy.deepcopy(model)
    stepping = make_optimizer(SPEC, ours)
    stepping.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train_on(SPEC, ours, data, stepping, after=12, until=30, cancelled=lambda: False)
    for name, values in values_after(SPEC, data, 30).items():
        np.testing.assert_array_equal(singular_values(SPEC, ours)[name], values)


def test_split_projections_go_by_the_names_they_are_recorded_under(data: Images) -> None:
    spec = TrainSpec.model_validate(
        {"model": {"kind": "vit", "patch": 14, "width": 16, "heads": 2, "layers": 1}, "projections": "both"}
    )
    found = continued(spec, build_model(spec, data), data, origins=[2], horizon=1, members=2, seed=0)
    assert found is not None
    assert {"blocks.0.qkv", "blocks.0.qkv.q"} <= set(found.now)


def test_a_cancelled_one_ends_at_once(data: Images) -> None:
    asked = count()
    assert (
        continued(
            SPEC,
            build_model(SPEC, data),
            data,
            origins=[30],
            horizon=10,
            members=2,
            seed=0,
            cancelled=lambda: next(asked) >= 3,
        )
        is None
    )
    assert next(asked) < 10


def test_a_continuation_that_diverges_says_so(data: Images) -> None:
    wild = SPEC.model_copy(update={"learning_rate": 1e9})
    with pytest.raises(DivergedError, match=r"continued from step 1 with other batches, .*: the loss is"):
        continued(wild, build_model(wild, data), data, origins=[1], horizon=8, members=2, seed=0)


def test_changes_are_foreseen_from_what_was_recorded() -> None:
    """A repeated run that is a little off does not shift the forecast."""
    spec = ForecastSpec.model_validate({"run": "0123456789", "horizon": 2, "first_origin": 50})
    recorded = np.linspace(2.0, 3.0, 101)[:, None]
    origins = np.array([50, 70])
    now = recorded[origins] + 1e-3
    ahead = (recorded[origins + 2] + 1e-3)[:, None].repeat(3, axis=1)
    score = judge(History.of(recorded), origins, now, ahead, spec)
    assert score.origins == 2
    assert score.mae == pytest.approx(0.0, abs=1e-12)
    assert score.skill == pytest.approx(1.0)


def test_another_run_than_the_recorded_one_is_refused() -> None:
    recorded = np.array([2.0, 1.0])
    check_same_run("0123456789", 60, "head", recorded + 0.01, recorded)
    check_same_run("0123456789", 60, "head", np.zeros(2), np.zeros(2))
    for other in (recorded + np.array([0.0, 0.1]), np.array([2.0, np.nan])):
        with pytest.raises(
            InvalidValueError, match=r"0123456789 cannot be repeated here: at step 60 a value of layer head"
        ):
            check_same_run("0123456789", 60, "head", other, recorded)


def test_what_is_refused_is_not_continued_first(data: Images) -> None:
    class RefusedError(Exception):
        pass

    def check(origin: int, now: Mapping[str, np.ndarray]) -> None:
        np.testing.assert_array_equal(now["head"], values_after(SPEC, data, origin)["head"])
        asked.append(origin)
        if origin == 4:
            raise RefusedError

    asked: list[int] = []
    with pytest.raises(RefusedError):
        continued(
            SPEC, build_model(SPEC, data), data, origins=[2, 4], horizon=1, members=2, seed=0, check=check
        )
    assert asked == [2, 4]
