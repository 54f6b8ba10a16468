"""The weight matrices of a model: which ones, what they are called, and what happens when they change."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils import weight_norm as old_weight_norm
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from sigmascope.errors import InvalidValueError
from sigmascope.spectra import exact_spectra, split_qkv, weight_matrices


def shapes(model: nn.Module, **kinds: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    found = weight_matrices(model, **kinds)
    for matrix in found.values():
        assert tuple(matrix.tensor().shape) == matrix.shape
        assert not matrix.tensor().requires_grad
    return {name: matrix.shape for name, matrix in found.items()}


def test_linear_layers_and_convolutions_by_path() -> None:
    model = nn.Sequential(
        nn.Conv1d(2, 5, 3),
        nn.Conv2d(4, 6, (3, 2), groups=2),
        nn.ConvTranspose2d(4, 7, 2),
        nn.BatchNorm2d(7),
        nn.Linear(9, 8),
    )
    assert shapes(model) == {"0": (5, 6), "1": (6, 12), "2": (7, 16), "4": (8, 9)}
    convolution = model[1].get_parameter("weight")
    assert torch.equal(weight_matrices(model)["1"].tensor()[4], convolution[4].flatten())
    transposed = model[2].get_parameter("weight")
    assert torch.equal(weight_matrices(model)["2"].tensor()[3], transposed[:, 3].flatten())


def test_channels_last_changes_nothing() -> None:
    layer = nn.Conv2d(4, 6, 3)
    before = weight_matrices(layer)["convolution"].tensor().clone()
    after = weight_matrices(layer.to(memory_format=torch.channels_last))["convolution"].tensor()
    assert torch.equal(before, after)


def test_transformer_layer_of_torch() -> None:
    assert shapes(nn.TransformerEncoderLayer(12, 3, dim_feedforward=20)) == {
        "self_attn.in_proj": (36, 12),
        "self_attn.out_proj": (12, 12),
        "linear1": (20, 12),
        "linear2": (12, 20),
    }


def test_attention_with_keys_of_other_dimensions() -> None:
    attention = nn.MultiheadAttention(8, 2, kdim=5, vdim=6)
    assert shapes(attention) == {"q_proj": (8, 8), "k_proj": (8, 5), "v_proj": (8, 6), "out_proj": (8, 8)}


def test_a_stacked_projection_comes_apart() -> None:
    attention = nn.MultiheadAttention(8, 2)
    whole = weight_matrices(attention)["in_proj"]
    parts = split_qkv(whole)
    assert [part.name for part in parts] == ["in_proj.q", "in_proj.k", "in_proj.v"]
    assert [part.shape for part in parts] == [(8, 8)] * 3
    assert torch.equal(torch.cat([part.tensor() for part in parts]), whole.tensor())
    with pytest.raises(InvalidValueError, match=r"in_proj\.q is a part already"):
        split_qkv(parts[0])
    with pytest.raises(InvalidValueError, match="out_proj has 8 rows"):
        split_qkv(weight_matrices(attention)["out_proj"])


def test_tied_weights_appear_once_and_embeddings_on_request() -> None:
    model = nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 11, bias=False), nn.Linear(11, 4))
    model[1].weight = model[0].weight
    assert list(weight_matrices(model)) == ["1", "2"]
    assert list(weight_matrices(model, kinds=("linear", "embedding"))) == ["0", "2"]


def test_spectral_normalisation_does_not_advance() -> None:
    layer = spectral_norm(nn.Linear(6, 5))
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    weight_matrices(layer)["linear"].tensor()
    assert all(torch.equal(state[name], value) for name, value in layer.state_dict().items())


def test_a_weight_of_two_parts_is_computed() -> None:
    layer = weight_norm(nn.Linear(6, 5))
    torch.testing.assert_close(weight_matrices(layer)["linear"].tensor(), layer.weight.detach())


class Adapter(nn.Module):
    """W + A B, and W scaled, with chance while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.A, self.B = nn.Parameter(torch.ones(5, 1)), nn.Parameter(torch.ones(1, 6))

    def forward(self, W: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(W, 0.5, self.training) + self.A @ self.B


def test_an_adapter_is_part_of_the_weight_and_is_not_advanced() -> None:
    layer = nn.Linear(6, 5)
    raw = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Adapter(), unsafe=True)
    spectral_norm(layer)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    random = torch.get_rng_state()
    seen = weight_matrices(layer)["linear"].tensor()
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(state[name], value) for name, value in layer.state_dict().items())
    assert all(module.training for module in layer.modules())
    layer.eval()
    torch.testing.assert_close(seen, layer.weight.detach())
    torch.testing.assert_close(seen * torch.linalg.matrix_norm(raw + 1, 2), raw + 1, rtol=0.05, atol=0.05)


class Turned(nn.Module):
    """A frozen base, kept as a buffer, under a trained rotation; or a vector that makes a circulant."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.rotation = nn.Parameter(torch.eye(size))

    def forward(self, W: torch.Tensor) -> torch.Tensor:
        return self.rotation @ W


class Circulant(nn.Module):
    """Rows of one vector, each a step further."""

    def forward(self, first: torch.Tensor) -> torch.Tensor:
        return torch.stack([first.roll(row) for row in range(len(first))])

    def right_inverse(self, W: torch.Tensor) -> torch.Tensor:
        return W[0]


def test_a_parameter_that_is_not_the_weight_is_not_taken_for_it() -> None:
    layer = nn.Linear(6, 5)
    base = layer.weight.detach().clone()
    del layer.weight
    layer.register_buffer("weight", base)
    parametrize.register_parametrization(layer, "weight", Turned(5), unsafe=True)
    torch.testing.assert_close(weight_matrices(layer)["linear"].tensor(), base)
    round_ = nn.Linear(6, 6)
    parametrize.register_parametrization(round_, "weight", Circulant(), unsafe=True)
    torch.testing.assert_close(weight_matrices(round_)["linear"].tensor(), round_.weight.detach())


def test_the_cache_of_parametrizations_is_left_alone() -> None:
    layer = weight_norm(nn.Linear(6, 5))
    with parametrize.cached():
        before = weight_matrices(layer)["linear"].tensor()
        assert layer.weight.requires_grad
        layer.parametrizations.weight.original0.data *= 2.0
        torch.testing.assert_close(weight_matrices(layer)["linear"].tensor(), 2 * before)


def test_a_layer_that_changes_or_vanishes_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    matrices = weight_matrices(model)
    model[0].weight = nn.Parameter(torch.zeros(5, 4))
    with pytest.raises(InvalidValueError, match=r"layer 0 changed the shape .* \(3, 4\) to \(5, 4\)"):
        matrices["0"].tensor()
    del model[1].weight
    with pytest.raises(InvalidValueError, match="layer 1 has no weight any more"):
        matrices["1"].tensor()


def test_bad_models() -> None:
    with pytest.raises(InvalidValueError, match="ReLU has no weight matrix"):
        weight_matrices(nn.ReLU())
    with pytest.raises(InvalidValueError, match="'bias'"):
        weight_matrices(nn.Linear(2, 2), kinds=("bias",))
    with pytest.raises(InvalidValueError, match="layer linear has no shape yet"):
        weight_matrices(nn.LazyLinear(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_have_spectra(dtype: torch.dtype) -> None:
    torch_state = torch.get_rng_state()
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(80, 70)).to(dtype)
    torch.set_rng_state(torch_state)
    weights = {name: matrix.tensor() for name, matrix in weight_matrices(model).items()}
    for name, spectrum in exact_spectra(weights).items():
        truth = torch.linalg.svdvals(weights[name].double())
        assert float((spectrum.values - truth).abs().max()) <= spectrum.error_bound


def test_computed_weights_are_each_found() -> None:
    """Their tensors are made anew at each look, and freed memory is given out again."""
    model = nn.Sequential(*[weight_norm(nn.Linear(64, 64)) for _ in range(12)])
    assert list(weight_matrices(model)) == [str(place) for place in range(12)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "normalise", [old_weight_norm, lambda layer: prune.l1_unstructured(layer, "weight", 0.3)]
)
def test_a_weight_computed_by_a_hook_is_that_of_the_next_forward_pass(
    normalise: Callable[[nn.Module], nn.Module], dtype: torch.dtype
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch prefers the newer way
        layer = normalise(nn.Linear(6, 5).to(dtype))
    matrix = weight_matrices(layer)["linear"]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(1.5)
    found = matrix.tensor().clone()
    layer(torch.zeros(1, 6, dtype=dtype))
    assert torch.equal(found, layer.weight)


def test_one_kind_by_its_name() -> None:
    assert list(weight_matrices(nn.Sequential(nn.Linear(3, 4), nn.Conv1d(2, 2, 2)), kinds="linear")) == ["0"]
