"""What a forecast may see of a recorded run."""

from __future__ import annotations

import pytest
import torch

from backend.storage.histories import fresh, lasting
from sigmascope.schemas import TrainSpec
from worker.optimisation import make_optimizer


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.9, False), (0.9, True)])
def test_what_a_batch_moves_in_all_is_that_of_the_optimizer(momentum: float, nesterov: bool) -> None:
    """One gradient of 1, then none for long."""
    spec = TrainSpec(momentum=momentum, nesterov=nesterov, learning_rate=0.25)
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    optimizer = make_optimizer(spec, model)
    moved = []
    for batch in range(400):
        model.weight.grad = torch.full((1, 1), float(batch == 0), dtype=torch.float64)
        optimizer.step()
        moved.append(-model.weight.item() / spec.learning_rate)
    assert fresh(spec) == pytest.approx(moved[0], rel=1e-9)
    assert lasting(spec) == pytest.approx(moved[-1] / moved[0], rel=1e-9)
