"""Runs repeated and continued: the same up to the origin, other batches after it, whatever else goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from sigmascope.errors import DivergedError, InvalidValueError, NumericalError
from sigmascope.schemas import ForecastSpec, TrainSpec
from sigmascope.theory.forecasting import History, Score
from worker.building import build_model
from worker.continued import Continued, continued, singular_values
from worker.continued_scores import (
    check_data_set,
    check_same_run,
    continued_scores,
    forecasts,
    judge,
    values_at,
)
from worker.datasets.images import Images, load
from worker.datasets.sampling import batch_indices, continued_indices
from worker.training import Unwatched, train

SPEC = TrainSpec.model_validate(
    {
        "model": {"width": 24, "depth": 1}, "batches": 40, "batch_size": 32, "momentum": 0.9,
        "schedule": "cosine", "warmup": 5, "learning_rate": 0.05,
    }
)  # fmt: skip
KEPT = {"hidden.0": 24, "head": 10}


@pytest.fixture(scope="module")
def data() -> Images:
    return load("mnist-builtin")


def values_after(spec: TrainSpec, data: Images, batches: int) -> dict[str, np.ndarray]:
    """Of a run that nobody has touched."""
    model, made = build_model(spec, data), count(1)
    train(spec, model, data, watcher=Unwatched(), stop=lambda: next(made) >= batches)
    return singular_values(spec, model, KEPT)


def continuations(
    data: Images, origins: list[range], *, horizon: int, spec: TrainSpec = SPEC, **given: Any
) -> list[Continued]:
    """Of a new run, two of each step where nothing else is asked for."""
    settings = {"kept": KEPT, "members": 2, "seed": 0} | given
    found = continued(spec, build_model(spec, data), data, origins=origins, horizon=horizon, **settings)
    assert found is not None
    return found


def test_a_run_is_repeated_bit_for_bit_whatever_branches_off(data: Images) -> None:
    origins = [range(10, 11), range(25, 27)]
    found = continuations(data, origins, horizon=5)
    for some, one in zip(origins, found, strict=True):
        for name, values in values_after(SPEC, data, some[0]).items():
            np.testing.assert_array_equal(one.values[name][:, 0], [values, values])
    # every quarter of a horizon, to a horizon after the last
    assert [one.steps.tolist() for one in found] == [[10, 12, 14, 15], [25, 27, 29, 31]]
    assert found[1].values["hidden.0"].shape == (2, 4, 24)


def test_every_continuation_has_batches_of_its_own(data: Images) -> None:
    origins = [range(10, 11), range(20, 21)]

    def last(seed: int, layer: str) -> np.ndarray:
        found = continuations(data, origins, horizon=10, members=3, seed=seed)
        return np.concatenate([one.values[layer][:, -1] for one in found])

    ahead = last(0, "hidden.0")
    assert len(np.unique(ahead, axis=0)) == 6
    np.testing.assert_array_equal(last(0, "head"), last(0, "head"))
    assert not (last(0, "head") == last(1, "head")).all(axis=-1).any()
    # none of them is what the run itself did next
    real = values_after(SPEC, data, 20)["hidden.0"]
    assert not (ahead[:3] == real).all(axis=1).any()


def test_by_the_same_batches_a_continuation_does_what_the_run_did(
    data: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Momentum and schedule go on where they were, to the last batch of the horizon."""

    def same(size: int, *, step: int, **given: int) -> torch.Tensor:
        return batch_indices(size, batch_size=given["batch_size"], step=step, seed=given["seed"])

    monkeypatch.setattr("worker.continued.continued_indices", same)
    origins = [range(12, 16), range(20, 21)]
    for one in continuations(data, origins, horizon=8):
        for place, step in enumerate(one.steps.tolist()):
            for name, values in values_after(SPEC, data, step).items():
                np.testing.assert_array_equal(one.values[name][:, place], [values, values])


def test_split_projections_go_by_the_names_they_are_recorded_under(data: Images) -> None:
    spec = TrainSpec.model_validate(
        {"model": {"kind": "vit", "patch": 14, "width": 16, "heads": 2, "layers": 1}, "projections": "both"}
    )
    kept = {"blocks.0.qkv": 16, "blocks.0.qkv.q": 8}
    (found,) = continuations(data, [range(2, 3)], horizon=1, spec=spec, kept=kept)
    assert {name: values.shape for name, values in found.values.items()} == {
        "blocks.0.qkv": (2, 2, 16), "blocks.0.qkv.q": (2, 2, 8),
    }  # fmt: skip


@pytest.mark.parametrize("after", [3, 33])
def test_a_cancelled_one_ends_at_once(data: Images, after: int) -> None:
    """In the repeated run, and in a continuation."""
    asked = count()

    def goes_on(made: int) -> bool:
        assert made == 0
        return next(asked) < after

    model = build_model(SPEC, data)
    origins = [range(30, 31)]
    found = continued(
        SPEC, model, data, kept=KEPT, origins=origins, horizon=10, members=50, seed=0, goes_on=goes_on
    )
    assert found is None
    assert next(asked) <= after + 3


def test_it_tells_how_many_continuations_are_done(data: Images) -> None:
    told: list[int] = []

    def goes_on(made: int) -> bool:
        told.append(made)
        return True

    continuations(data, [range(2, 4), range(4, 5)], horizon=2, members=3, goes_on=goes_on)
    assert told == sorted(told)
    assert set(told) == set(range(7))


def test_a_continuation_that_diverges_says_so(data: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = SPEC.model_copy(update={"learning_rate": 1e9})
    with pytest.raises(DivergedError, match=r"continued from step 1 with other batches, .*: the loss is"):
        continuations(data, [range(1, 2)], horizon=8, spec=wild)

    # or its last batch leaves weights that are no numbers
    def broken(*given: Any) -> dict[str, np.ndarray]:
        if next(looked):
            raise NumericalError("layer head: 2 of 240 weights are NaN or infinite")
        return singular_values(*given)

    looked = count()
    monkeypatch.setattr("worker.continued.singular_values", broken)
    with pytest.raises(DivergedError, match=r"from step 2 .*: layer head: 2 of 240 weights are NaN"):
        continuations(data, [range(2, 3)], horizon=1)


class TestBatches:
    def test_what_is_left_of_the_epoch_is_drawn_in_another_order(self) -> None:
        def batches(steps: range, **given: int) -> list[int]:
            found = [continued_indices(103, batch_size=10, step=step, seed=1, **given) for step in steps]
            return torch.cat(found).tolist()

        usual = [batch_indices(103, batch_size=10, step=step, seed=1) for step in range(1, 11)]
        used = set(torch.cat(usual[:4]).tolist())
        left = batches(range(5, 11), after=4, other=7)
        assert len(set(left)) == 60
        assert not used & set(left)
        assert left != torch.cat(usual[4:]).tolist()
        assert left == batches(range(5, 11), after=4, other=7)
        assert left != batches(range(5, 11), after=4, other=8)
        # and the next epoch has them all again
        following = batches(range(11, 21), after=4, other=7)
        assert len(set(following)) == 100
        assert used & set(following)
        # no batch of the run is drawn again where it ended
        assert not set(usual[3].tolist()) & set(left)
        # an origin at the end of an epoch leaves a whole one
        assert len(set(batches(range(11, 21), after=10, other=7))) == 100

    def test_a_batch_larger_than_the_data_is_refused(self) -> None:
        with pytest.raises(InvalidValueError, match="batch_size must be at most the data set's 5 samples"):
            continued_indices(5, batch_size=6, step=2, seed=0, after=1, other=1)


def members_of(
    path: np.ndarray, group: range, *, horizon: int, spread: np.ndarray | float = 0.0
) -> Continued:
    """Three that do what ``path`` (t,) did, and part from it by ``spread``, of (3, t), from the second on."""
    steps = np.arange(group[0], group[-1] + horizon + 1)
    parted = np.broadcast_to(spread, (3, len(path)))[:, steps] * (steps > group[0])
    return Continued(steps, {"head": (path[steps] + parted)[..., None]})


def test_changes_are_foreseen_from_what_was_recorded() -> None:
    """A repeated run that is a little off does not shift the forecast, and it sees nothing that came."""
    recorded = np.linspace(2.0, 3.0, 101) ** 2
    origins = [range(50, 51), range(70, 74)]
    # members that come back, whatever parted them, are believed as they are: but for what the run is off
    spread = np.array([[1.0], [0.0], [-1.0]]) * np.where(np.arange(101) // 2 % 2, 0.1, -0.1)
    found = [members_of(recorded + 0.2, group, horizon=2, spread=spread) for group in origins]
    score = judge(History.of(recorded[:, None]), origins, found, "head", horizon=2)
    assert (score.method, score.horizon, score.origins) == ("continued_training", 2, 5)
    assert score.mae == pytest.approx(0.0, abs=1e-12)
    # where something else comes, the forecast is off by as much, and a value that stays by what came
    other = recorded.copy()
    other[72:76] += 0.5
    judged = judge(History.of(other[:, None]), origins, found, "head", horizon=2)
    held = np.array([50, 70, 71, 72, 73])
    assert judged.absolute_errors[1] == pytest.approx(np.abs(other[held + 2] - other[held]).sum())
    alone = judge(History.of(other[:, None]), origins[:1], found[:1], "head", horizon=2)
    assert alone.mae == pytest.approx(0.0, abs=1e-12)
    assert judged.mae == pytest.approx(np.array([0.0, 0.5, 0.5, 0.5, 0.5]).mean())


def test_no_value_is_foreseen_below_zero() -> None:
    recorded = np.full(60, 0.1)
    found = members_of(recorded, range(50, 52), horizon=4, spread=np.array([[0.3], [0.0], [-0.3]]))
    quantiles = forecasts(
        History.of(recorded[:, None]), range(50, 52), found.steps, found.values["head"], horizon=4
    )
    assert quantiles.min() == 0.0
    assert quantiles[..., 2] == pytest.approx(0.1)


def test_a_forecast_knows_what_came_since_the_continuations_branched_off() -> None:
    """Members that walk at random part for good: so does what parts the run from them. And no others."""
    steps, chance = np.arange(50, 71), np.random.default_rng(0)
    walks = np.cumsum(chance.normal(size=(50, 21, 3)), axis=1) + 400.0
    walks += 400.0 - walks[:, :1]
    recorded = np.full((71, 3), 400.0)
    recorded[55:] += 70.0
    median = forecasts(History.of(recorded), range(50, 61), steps, walks, horizon=10)[..., 2]
    np.testing.assert_allclose(median[:5], 400.0, atol=5.0)
    np.testing.assert_allclose(median[5:], 470.0, atol=10.0)
    # where members come back whatever parted them, so will the run
    walks[:, 10:] = 400.0 + chance.normal(size=(50, 11, 3))
    median = forecasts(History.of(recorded), range(50, 61), steps, walks, horizon=10)[..., 2]
    np.testing.assert_allclose(median, 400.0, atol=10.0)


def test_between_two_looks_the_mean_is_on_a_line_and_members_part_as_at_the_nearest() -> None:
    values = np.array([[[0.0], [4.0], [4.0]], [[1.0], [1.0], [3.0]]])
    found = values_at(np.array([10, 11, 13, 14, 16]), np.array([10, 14, 16]), values)
    np.testing.assert_allclose(found[..., 0], [[0, 1], [0.5, 1.5], [3.5, 0.5], [4, 1], [4, 3]])


def test_scores_are_those_of_the_layers_members_and_seed_that_are_asked_for(data: Images) -> None:
    values = {step: values_after(SPEC, data, step) for step in range(10, 21)}
    past = np.zeros((21, 8))
    for step, found in values.items():
        past[step] = found["head"][:8]
    spec = ForecastSpec.model_validate(
        {"run": "0123456789", "horizon": 5, "first_origin": 10, "members": 4, "seed": 3}
    )
    origins = [range(10, 14), range(14, 16)]

    def scored(change: float = 0.0) -> dict[str, Score]:
        history = History.of(past + change)
        return continued_scores(
            spec, SPEC, data, {"head": history}, origins, torch.device("cpu"), goes_on=lambda _: True
        )

    with threads_kept():
        (score,) = scored().values()
        found = continuations(data, origins, horizon=5, kept={"head": 8}, members=4, seed=3)
        expected = judge(History.of(past), origins, found, "head", horizon=5)
        assert score.mae == pytest.approx(expected.mae, rel=1e-9)
        assert score.origins == 6
        with pytest.raises(
            InvalidValueError, match="cannot be repeated here: at step 10 a value of layer head"
        ):
            scored(0.5)


@contextmanager
def threads_kept() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_other_data_are_refused() -> None:
    check_data_set("0123456789", "abc", "abc")
    with pytest.raises(InvalidValueError, match="trained on data of SHA-256 def, those here have abc"):
        check_data_set("0123456789", "abc", "def")
    with pytest.raises(InvalidValueError, match="SHA-256 unknown"):
        check_data_set("0123456789", "abc", "")


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

    def check(step: int, now: Mapping[str, np.ndarray]) -> None:
        np.testing.assert_array_equal(now["head"], values_after(SPEC, data, step)["head"])
        asked.append(step)
        if step == 4:
            raise RefusedError

    asked: list[int] = []
    with pytest.raises(RefusedError):
        continuations(data, [range(2, 4), range(4, 5)], horizon=1, check=check)
    assert asked == [2, 4]


def test_nobody_reads_the_test_split(data: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where continuations reach the end of the run."""
    monkeypatch.setattr("worker.training.evaluate", lambda *_given, **_more: pytest.fail("it was read"))
    (found,) = continuations(data, [range(36, 39)], horizon=2, kept={"head": 2})
    assert found.values["head"].shape == (2, 5, 2)


def test_batches_of_continuations_follow_from_both_seeds_and_none_before_them_comes_again(
    data: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, int]] = []

    def seen(size: int, **given: int) -> torch.Tensor:
        drawn.append(given)
        return continued_indices(size, **given)

    monkeypatch.setattr("worker.continued.continued_indices", seen)
    numbers = []
    for run_seed, seed in ((0, 0), (1, 0), (0, 1), (0, 0)):
        drawn.clear()
        spec = SPEC.model_copy(update={"seed": run_seed})
        continuations(data, [range(3, 5)], horizon=2, spec=spec, seed=seed)
        assert [one["step"] for one in drawn] == [4, 5, 6] * 2
        assert {(one["after"], one["seed"]) for one in drawn} == {(3, run_seed)}
        numbers.append(tuple(dict.fromkeys(one["other"] for one in drawn)))
    assert numbers[0] == numbers[3]
    assert len({number for pair in numbers for number in pair}) == 6
