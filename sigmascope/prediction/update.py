"""The weight change G of one batch, by what the optimizer is about to do or by what it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from sigmascope.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class WeightChange:
    """G = ``scale`` times ``direction``, not multiplied out.

    Attributes:
        direction: of the weight's shape; of plain SGD it is the gradient itself, in its own memory.
        scale: of plain SGD, -lr.
        fresh: how often this batch's gradient is in ``direction``: once, unless momentum is damped or
            Nesterov's.
    """

    direction: torch.Tensor
    scale: float = 1.0
    fresh: float = 1.0

    def matrix(self) -> torch.Tensor:
        """G, a new tensor."""
        return self.scale * self.direction


@torch.no_grad()
def planned_updates(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor]
) -> dict[str, WeightChange]:
    """G = W_after - W_before by name, before ``optimizer.step()``: what torch.optim.SGD is about to add.

    With the settings of each parameter's group, g the gradient (-g when ``maximize``) and b the momentum
    buffer, that is, as torch.optim.SGD documents it::

        g <- g + weight_decay W
        b <- momentum b + (1 - dampening) g     (b = g in the first step)
        g <- g + momentum b if nesterov else b  (only where momentum is not 0)
        G  = -lr g

    It equals the change of the weights up to the rounding of W + G. Call it between ``backward()`` and
    ``step()``, after any clipping or unscaling of gradients; it changes nothing. A parameter without a
    gradient, or that the optimizer does not hold, does not move and is left out.

    Args:
        optimizer: torch.optim.SGD.
        parameters: those whose change is wanted, by any name.

    Raises:
        InvalidValueError: another optimizer, whose change must be measured (:func:`measured_update`).
    """
    if type(optimizer) is not torch.optim.SGD:
        raise InvalidValueError(
            f"the change that {type(optimizer).__name__} is about to make is only known for torch.optim.SGD: "
            "measure it as W_after - W_before with measured_update(before, after)"
        )
    wanted = {id(parameter) for parameter in parameters.values()}
    changes = {  # a parameter can go by several names
        id(parameter): _sgd_change(parameter, group, optimizer.state.get(parameter, {}))
        for parameter, group in _held(optimizer)
        if id(parameter) in wanted and parameter.grad is not None
    }
    return {name: changes[id(one)] for name, one in parameters.items() if id(one) in changes}


def learning_rates(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """Of the group that each parameter is in, by name; without those that the optimizer does not hold."""
    rate_of = {id(parameter): float(group["lr"]) for parameter, group in _held(optimizer)}
    return {
        name: rate_of[id(parameter)] for name, parameter in parameters.items() if id(parameter) in rate_of
    }


@torch.no_grad()
def measured_update(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """G = ``after`` - ``before``, a new tensor; for any optimizer, with a copy of the weights from before it.

    ``before`` must be that copy (``weight.detach().clone()``): an alias of the weights moves with them.

    Raises:
        InvalidValueError: the shapes differ, or both are one tensor's memory, whose difference is always 0.
    """
    if before.shape != after.shape:
        raise InvalidValueError(
            f"the weights changed their shape from {tuple(before.shape)} to {tuple(after.shape)}: "
            "start() the predictors anew"
        )
    if before.data_ptr() == after.data_ptr() and before.numel() > 0:
        raise InvalidValueError(
            f"before and after share their memory (shape {tuple(after.shape)}): keep "
            "weight.detach().clone() from before the optimizer's step"
        )
    return after.detach() - before.detach()


def dense_gradient(parameter: torch.Tensor) -> torch.Tensor | None:
    """The gradient, with its zeros where it is stored without them; None where there is none."""
    gradient = parameter.grad
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def _held(optimizer: torch.optim.Optimizer) -> Iterator[tuple[torch.Tensor, dict[str, Any]]]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield parameter, group


def _sgd_change(parameter: torch.Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> WeightChange:
    gradient = dense_gradient(parameter)
    if gradient is None:
        raise InvalidValueError("no gradient: call backward() before planned_updates()")
    direction = -gradient if group["maximize"] else gradient
    if group["weight_decay"] != 0:
        direction = direction.add(parameter, alpha=group["weight_decay"])
    rate = -float(group["lr"])
    if group["momentum"] == 0:
        return WeightChange(direction, rate)
    return _with_momentum(direction, group, state.get("momentum_buffer"), rate=rate)


def _with_momentum(
    direction: torch.Tensor, group: Mapping[str, Any], buffer: torch.Tensor | None, *, rate: float
) -> WeightChange:
    momentum = group["momentum"]
    # the first step fills the buffer without dampening
    fresh = 1.0 if buffer is None else 1.0 - float(group["dampening"])
    moved = direction if buffer is None else (momentum * buffer).add(direction, alpha=fresh)
    if not group["nesterov"]:
        return WeightChange(moved, rate, fresh)
    return WeightChange(direction.add(moved, alpha=momentum), rate, 1.0 + float(momentum) * fresh)
