"""A recorder that goes on from a state: the same bits, in whatever company its layers step."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import PREDICTORS
from sigmascope.prediction.update import WeightChange
from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.trackers import Trackers

BATCH, SAVED, LAST = 8, 3, 6
Skips = Callable[[int, int], bool]


class Chain(nn.Module):
    """Layers of one width, some of which a pass can leave out: they have no gradient then."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(5))

    def forward(self, x: torch.Tensor, left_out: Iterable[int] = ()) -> torch.Tensor:
        for i, layer in enumerate(self.layers):
            x = x if i in left_out else torch.tanh(layer(x))
        return x


def followed(model: Chain, **settings: Any) -> tuple[Recorder, MemorySink]:
    sink = MemorySink()
    every = {"predictors": list(PREDICTORS), "laws_every": 0} | settings
    return Recorder(model, sink, sample_count=1000, **every), sink


def trained(
    model: Chain, optimizer: torch.optim.Optimizer, recorder: Recorder, steps: range, *, skips: Skips
) -> None:
    width = model.layers[0].in_features
    assert isinstance(width, int)
    for step in steps:
        x = torch.randn(BATCH, width, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(x, [i for i in range(5) if skips(step, i)]).square().mean().backward()
        recorder.observe(optimizer)
        optimizer.step()
        recorder.record(step)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize(
    "skips",
    [
        lambda step, i: False,
        lambda step, i: step > SAVED and i in (1, 2, 4),
        lambda step, i: step > SAVED and i != 3,
        lambda step, i: (step + i) % 2 == 0,
    ],
    ids=["all", "fewer later", "one later", "in turns"],
)
@pytest.mark.parametrize(("width", "top_k", "spectra"), [(37, 5, "adaptive"), (33, 3, "auto")])
def test_odd_sizes(
    width: int, top_k: int, spectra: str, skips: Skips, make: type[torch.optim.Optimizer]
) -> None:
    """Where numbers lie in memory decides the last bit, and parts of a stack lie elsewhere than copies."""
    torch.manual_seed(0)
    model = Chain(width)
    start = copy.deepcopy(model.state_dict())
    optimizer = make(model.parameters(), lr=1e-2)  # type: ignore[call-arg]
    recorder, whole = followed(model, top_k=top_k, spectra=spectra)
    recorder.record(0)
    trained(model, optimizer, recorder, range(1, SAVED + 1), skips=skips)
    parts = {"model": model, "optimizer": optimizer, "recorder": recorder}
    file = io.BytesIO()
    torch.save({name: part.state_dict() for name, part in parts.items()}, file)
    trained(model, optimizer, recorder, range(SAVED + 1, LAST + 1), skips=skips)

    again = Chain(width)
    again.load_state_dict(start)
    optimizer = make(again.parameters(), lr=1e-2)  # type: ignore[call-arg]
    recorder, rest = followed(again, top_k=top_k, spectra=spectra)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    for name, part in {"model": again, "optimizer": optimizer, "recorder": recorder}.items():
        part.load_state_dict(state[name])
    trained(again, optimizer, recorder, range(SAVED + 1, LAST + 1), skips=skips)
    later = {record.step: record for record in rest.records}
    for record in whole.records:
        if record.step > SAVED:
            for name, layer in record.layers.items():
                found = later[record.step].layers[name]
                assert repr(numbers(found)) == repr(numbers(layer)), (record.step, name)


def numbers(layer: Any) -> dict[str, Any]:
    """All that a layer's record has, to the last bit."""
    modes = layer.modes and [
        None if one is None else one.tobytes()
        for one in (layer.modes.projected, layer.modes.noise_variance, layer.modes.turned)
    ]
    return {
        "values": layer.singular_values.tobytes(),
        "trajectories": {name: values.tobytes() for name, values in layer.trajectories.items()},
        "modes": modes,
        "noise": layer.noise,
        "method": (layer.method, layer.error_bound),
    }


@pytest.mark.parametrize(
    ("predictors", "top_k", "message"),
    [
        (("algorithm1",), 3, "the state has 2 predictors of layer head, these are 1: name the same ones"),
        (("algorithm1", "first_order"), 3, "first_order"),
        (("algorithm1", "subspace"), 2, "k"),
    ],
)
def test_a_state_of_others_changes_nothing(predictors: tuple[str, ...], top_k: int, message: str) -> None:
    """Some predictors in it may fit: none is taken over."""
    weights = {"head": torch.randn(12, 7, generator=torch.Generator().manual_seed(0))}

    def started(names: tuple[str, ...], k: int) -> Trackers:
        return Trackers(weights, predictors=names, top_k=k, reanchor_every=0)

    moved, other = started(("algorithm1", "subspace"), 3), started(predictors, top_k)
    moved.advance({"head": WeightChange(torch.ones(12, 7))}, weights=weights)
    before = other.trajectories("head")["algorithm1"]
    with pytest.raises(InvalidValueError, match=message):
        other.load_state_dict(moved.state_dict())
    assert torch.equal(other.trajectories("head")["algorithm1"], before)
    wider = Trackers(
        {"head": torch.ones(12, 9)}, predictors=("algorithm1", "subspace"), top_k=3, reanchor_every=0
    )
    with pytest.raises(InvalidValueError, match=r"layer head of shape \[12, 7\], this one has \[12, 9\]"):
        wider.load_state_dict(moved.state_dict())
    twin = started(("algorithm1", "subspace"), 3)
    twin.load_state_dict(moved.state_dict())
    assert torch.equal(twin.trajectories("head")["subspace"], moved.trajectories("head")["subspace"])
