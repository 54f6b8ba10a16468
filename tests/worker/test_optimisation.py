"""Schedules are functions of the step alone; clipping and the optimizer are torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from sigmascope.schemas import TrainSpec
from worker.optimisation import clip, learning_rate, make_optimizer, set_learning_rate


def spec(**fields: object) -> TrainSpec:
    return TrainSpec.model_validate({"batches": 100, "learning_rate": 0.4, **fields})


def test_constant() -> None:
    assert {learning_rate(spec(), step) for step in range(1, 101)} == {0.4}


def test_warm_up_rises_in_a_straight_line() -> None:
    rates = [learning_rate(spec(warmup=3), step) for step in (1, 2, 3, 4, 50)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_cosine_ends_at_the_final_rate() -> None:
    chosen = spec(schedule="cosine", final_learning_rate=0.04, warmup=9)
    assert learning_rate(chosen, 10) == pytest.approx(0.4)
    assert learning_rate(chosen, 100) == pytest.approx(0.04)
    assert learning_rate(chosen, 55) == pytest.approx(0.22)
    rates = [learning_rate(chosen, step) for step in range(10, 101)]
    assert rates == sorted(rates, reverse=True)


def test_steps_down() -> None:
    chosen = spec(schedule="step", decay_every=30, decay_factor=0.5)
    assert [learning_rate(chosen, step) for step in (1, 30, 31, 61, 100)] == [0.4, 0.4, 0.2, 0.1, 0.05]


def test_the_optimizer_is_torchs_with_what_was_asked_for() -> None:
    model = nn.Linear(3, 2)
    optimizer = make_optimizer(spec(momentum=0.9, nesterov=True, weight_decay=0.01), model)
    group = optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 0.01)
    set_learning_rate(optimizer, 0.123)
    assert optimizer.param_groups[0]["lr"] == 0.123


def test_clipping_scales_all_gradients_together() -> None:
    model = nn.Linear(3, 2)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    clip(model.parameters(), spec())
    assert total_norm(model) == pytest.approx(2.0 * math.sqrt(8))
    clip(model.parameters(), spec(clip_norm=1.0))
    assert total_norm(model) == pytest.approx(1.0, rel=1e-4)


def total_norm(model: nn.Module) -> float:
    return math.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nesterov": True}, "nesterov needs momentum"),
        ({"schedule": "cosine", "final_learning_rate": 0.5}, "final_learning_rate must be at most"),
        ({"warmup": 100}, "warmup must be below batches = 100"),
        ({"momentum": 1.0}, "less than 1"),
        ({"model": {"kind": "gpt"}}, "does not fit a model of kind 'gpt'; choose one of python-stdlib"),
        ({"dataset": "shakespeare"}, "does not fit a model of kind 'mlp'"),
        ({"model": {"kind": "vit"}, "dataset": "gaussian-teacher"}, "a vit needs images"),
        ({"model": {"kind": "vit", "patch": 5}, "dataset": "mnist"}, "patch must divide the image size 28"),
        ({"model": {"kind": "vit", "heads": 3}, "dataset": "mnist"}, "heads must divide the width"),
        ({"model": {"kind": "rnn"}}, "rnn"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**fields)


def test_a_model_of_another_kind_takes_nothing_from_the_preset() -> None:
    chosen = TrainSpec.model_validate(
        {"preset": "demo", "model": {"kind": "vit", "patch": 14}, "dataset": "mnist-builtin"}
    )
    assert chosen.model.kind == "vit"
    assert TrainSpec.model_validate({"preset": "demo", "model": {"width": 8}}).model.width == 8  # type: ignore[union-attr]
