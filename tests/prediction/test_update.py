"""The planned change against the one that torch.optim makes."""

import pytest
import torch
from torch import nn

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import measured_update, planned_updates

EPSILON = torch.finfo(torch.float32).eps

OPTIONS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"momentum": 0.8, "weight_decay": 0.1, "maximize": True, "dampening": 0.5},
    {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True, "foreach": True},
]


def network() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model


def backward(model: nn.Module, optimizer: torch.optim.Optimizer, *, seed: int) -> None:
    optimizer.zero_grad()
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(seed))
    model(x).square().mean().backward()


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p for name, p in model.named_parameters() if p.ndim == 2}


def check_steps(model: nn.Module, optimizer: torch.optim.Optimizer, *, steps: int = 4) -> None:
    weights = weights_of(model)
    for seed in range(steps):
        backward(model, optimizer, seed=seed)
        before = {name: p.detach().clone() for name, p in weights.items()}
        planned = planned_updates(optimizer, weights)
        assert planned.keys() == weights.keys()
        assert all(not change.direction.requires_grad for change in planned.values())
        optimizer.step()
        for name, p in weights.items():
            actual = measured_update(before[name], p)
            # The subtraction sees the rounding of W + G, half a unit of W each; two more for another order.
            tolerance = 4 * EPSILON * max(float(before[name].abs().max()), 1e-3)
            assert float((planned[name].matrix() - actual).abs().max()) < tolerance
            assert float(actual.abs().max()) > 100 * tolerance


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "plain")
def test_equals_the_change_that_sgd_makes(options: dict[str, float]) -> None:
    model = network()
    check_steps(model, torch.optim.SGD(model.parameters(), lr=0.05, **options))


def test_settings_of_each_group_and_a_tensor_rate() -> None:
    model = network()
    groups = [
        {"params": model[0].parameters(), "lr": 0.2, "momentum": 0.5},
        {"params": model[2].parameters(), "weight_decay": 0.01},
    ]
    check_steps(model, torch.optim.SGD(groups, lr=torch.tensor(0.03)))


def test_a_schedule_and_a_resumed_optimizer() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    check_steps(model, optimizer)
    optimizer.param_groups[0]["lr"] = 0.02
    resumed = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    resumed.load_state_dict(optimizer.state_dict())
    check_steps(model, resumed)


def test_changes_nothing() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    backward(model, optimizer, seed=0)
    optimizer.step()
    backward(model, optimizer, seed=1)
    weight = model[0].weight
    kept = [x.clone() for x in (weight, weight.grad, optimizer.state[weight]["momentum_buffer"])]
    planned_updates(optimizer, weights_of(model))
    now = (weight, weight.grad, optimizer.state[weight]["momentum_buffer"])
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))


def test_what_does_not_move_is_left_out() -> None:
    """A frozen layer has no gradient, even with weight decay; a layer outside the optimizer stays."""
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD([model[0].weight, model[2].bias], lr=0.1, weight_decay=0.1)
    backward(model, optimizer, seed=0)
    before = [p.detach().clone() for p in weights_of(model).values()]
    assert planned_updates(optimizer, weights_of(model)) == {}
    optimizer.step()
    assert all(torch.equal(p, old) for p, old in zip(weights_of(model).values(), before, strict=True))


def test_other_optimizers_are_to_be_measured() -> None:
    model = network()
    with pytest.raises(InvalidValueError, match=r"AdamW is about to make.*measured_update\(before, after\)"):
        planned_updates(torch.optim.AdamW(model.parameters()), weights_of(model))


def test_measured_update_refuses_what_it_cannot_measure() -> None:
    weight = torch.zeros(3, 2)
    with pytest.raises(InvalidValueError, match=r"share their memory \(shape \(3, 2\)\)"):
        measured_update(weight.detach(), weight)
    with pytest.raises(InvalidValueError, match=r"from \(3, 2\) to \(4, 2\): start\(\)"):
        measured_update(weight, torch.zeros(4, 2))


def test_a_parameter_by_several_names() -> None:
    """As the parts of a fused projection are."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    backward(model, optimizer, seed=1)
    weight = model.get_parameter("0.weight")
    changes = planned_updates(optimizer, {"q": weight, "k": weight})
    assert list(changes) == ["q", "k"]
    assert all(change.direction is weight.grad for change in changes.values())
