"""The transformers: shapes, the stated initialisation, what a position may see, and every matrix in reach."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope.errors import InvalidValueError
from sigmascope.gradient_noise import GradientNoiseMeter
from worker.models.attention import Block, Initial, causal, everywhere
from worker.models.gpt import GPT2_STD, Gpt
from worker.models.initial import inverse_root
from worker.models.mlp import Mlp
from worker.models.vit import Vit


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vit(**changes: Any) -> Vit:
    arguments = {"image_shape": (1, 28, 28), "classes": 10, "patch": 7, "generator": seeded()}
    return Vit(**(arguments | changes))


def gpt(**changes: Any) -> Gpt:
    return Gpt(**({"vocabulary": 65, "generator": seeded()} | changes))


def matrices(model: nn.Module) -> dict[str, nn.Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}


BLOCK = ("qkv", "proj", "up", "down")


def test_every_weight_matrix_is_a_linear_layer_of_the_stated_shape() -> None:
    expected = {
        "patches": (256, 49),
        **{
            f"blocks.{i}.{name}": shape
            for i in range(2)
            for name, shape in zip(BLOCK, [(768, 256), (256, 256), (512, 256), (256, 512)], strict=True)
        },
        "head": (10, 256),
    }
    assert {name: tuple(layer.weight.shape) for name, layer in matrices(vit()).items()} == expected
    found = {name: tuple(layer.weight.shape) for name, layer in matrices(gpt()).items()}
    assert list(found) == [*(f"blocks.{i}.{name}" for i in range(4) for name in BLOCK), "head"]
    assert found["blocks.3.down"] == (256, 1024)
    assert found["head"] == (65, 256)


@pytest.mark.parametrize(("shape", "patch", "tokens"), [((1, 28, 28), 7, 17), ((3, 32, 32), 8, 17)])
def test_the_papers_two_vision_transformers(shape: tuple[int, int, int], patch: int, tokens: int) -> None:
    model = vit(image_shape=shape, patch=patch, classes=100)
    x = torch.randn(5, *shape, generator=seeded(1))
    scores = model(x)
    assert scores.shape == (5, 100)
    assert model.positions.shape == (1, tokens, 256)
    assert torch.equal(scores, model(x.flatten(1)))


def test_patches_are_cut_in_reading_order() -> None:
    model = vit(image_shape=(2, 4, 6), patch=2)
    image = torch.arange(48.0).view(1, 2, 4, 6)
    expected = [
        image[0, :, row : row + 2, column : column + 2].flatten() for row in (0, 2) for column in (0, 2, 4)
    ]
    assert torch.equal(model._cut(image)[0], torch.stack(expected))


def relative_spread(weight: torch.Tensor, std: float) -> float:
    """(sample std / std - 1) in standard errors, which are 1 / sqrt(2 entries)."""
    return (weight.std().item() / std - 1) * math.sqrt(2 * weight.numel())


def test_the_vits_initial_weights_have_variance_1_over_fan_in() -> None:
    model = vit(classes=1000)
    for name, layer in matrices(model).items():
        # five standard errors: the seed is fixed, and a factor such as sqrt(2) would be hundreds
        assert abs(relative_spread(layer.weight, layer.in_features**-0.5)) < 5, name
        assert not layer.bias.any()
    assert abs(relative_spread(model.head.weight, 1 / math.sqrt(256))) < 5


def test_the_gpts_initial_weights_are_nanogpts() -> None:
    model = gpt()
    for name, layer in matrices(model).items():
        writes = name.endswith(("proj", "down"))
        assert abs(relative_spread(layer.weight, GPT2_STD / (math.sqrt(8) if writes else 1))) < 5, name
        assert not layer.bias.any()
    for embedding in (model.tokens, model.positions):
        assert abs(relative_spread(embedding, GPT2_STD)) < 5
    x = torch.randint(65, (4, 256), generator=seeded(2))
    loss = cross_entropy(model(x).flatten(0, 1), x.flatten())
    # scores of size 0.02 sqrt(256) = 0.3: the loss exceeds that of a uniform guess by half their variance
    assert loss.item() == pytest.approx(math.log(65), abs=0.15)


@pytest.mark.parametrize("build", [vit, gpt])
def test_the_generator_alone_decides_the_weights(build: Any) -> None:
    before = torch.get_rng_state()
    model = build()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12345)
    again, other = build(), build(generator=seeded(1))
    torch.set_rng_state(before)
    for (name, weight), same, different in zip(
        model.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(weight, same), name
        if weight.dim() > 1:
            assert not torch.equal(weight, different), name


def test_attention_is_torchs() -> None:
    generator = seeded(3)
    initial = Initial(inner=inverse_root, residual=inverse_root)
    for attend, mask in ((everywhere, None), (causal, nn.Transformer.generate_square_subsequent_mask(7))):
        block = Block(width=32, heads=4, ratio=2, attend=attend, initial=initial, generator=generator)
        theirs = nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        theirs.load_state_dict(
            {
                "self_attn.in_proj_weight": block.qkv.weight,
                "self_attn.in_proj_bias": block.qkv.bias,
                "self_attn.out_proj.weight": block.proj.weight,
                "self_attn.out_proj.bias": block.proj.bias,
                "linear1.weight": block.up.weight,
                "linear1.bias": block.up.bias,
                "linear2.weight": block.down.weight,
                "linear2.bias": block.down.bias,
                "norm1.weight": block.before_attention.weight,
                "norm1.bias": block.before_attention.bias,
                "norm2.weight": block.before_mlp.weight,
                "norm2.bias": block.before_mlp.bias,
            }
        )
        x = torch.randn(3, 7, 32, generator=generator)
        # float32, sums of 64 numbers of order 1
        assert torch.allclose(block(x), theirs(x, src_mask=mask), atol=1e-5)


def test_a_gpt_sees_nothing_ahead() -> None:
    model = gpt(context=16, width=32, depth=2)
    x = torch.randint(65, (1, 16), generator=seeded(4))
    changed = x.clone()
    changed[0, 9] = (x[0, 9] + 1) % 65
    difference = (model(x) - model(changed)).abs().amax(-1)[0]
    assert (difference[:9] == 0).all()
    assert (difference[9:] > 0).all()


def test_a_short_text_is_read_as_the_start_of_a_long_one() -> None:
    model = gpt(context=16, width=32, depth=2)
    x = torch.randint(65, (2, 16), generator=seeded(5))
    # the same sums, perhaps in another order: float32
    assert torch.allclose(model(x[:, :5]), model(x)[:, :5], atol=1e-5)


def test_a_vit_sees_every_patch_and_knows_where_it_was() -> None:
    model = vit(width=32, depth=1)
    image = torch.randn(1, 1, 28, 28, generator=seeded(6))
    scores = model(image)
    for row in range(0, 28, 7):
        blank = image.clone()
        blank[:, :, row : row + 7] = 0
        assert not torch.allclose(model(blank), scores)
    assert not torch.allclose(model(image.flip(2)), scores)


def test_bad_sizes() -> None:
    with pytest.raises(InvalidValueError, match="width 256 is not divisible by 3 heads; choose 2, 4 or 8"):
        vit(heads=3)
    with pytest.raises(InvalidValueError, match="width 100 is not divisible by 8 heads; choose 4, 5 or 10"):
        gpt(width=100, heads=8)
    with pytest.raises(InvalidValueError, match="not divisible by 0 heads"):
        gpt(heads=0)
    with pytest.raises(InvalidValueError, match=r"28 x 28 pixels .* patches of 8 x 8; choose 4, 7 or 14"):
        vit(patch=8)
    with pytest.raises(InvalidValueError, match=r"1 x 256 pixels .* patches of 7 x 7; choose 1$"):
        vit(image_shape=(1, 1, 256))
    with pytest.raises(InvalidValueError, match="patches of 0 x 0"):
        vit(patch=0)
    with pytest.raises(InvalidValueError, match="17 tokens is longer than the context of 16"):
        gpt(context=16)(torch.zeros(1, 17, dtype=torch.int64))


def per_sample_squares(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """Sum over samples of the squared norm of each matrix's gradient, one backward pass a sample."""
    sums = dict.fromkeys(matrices(model), 0.0)
    for i in range(len(x)):
        model.zero_grad()
        loss_of(model, x[i : i + 1], y[i : i + 1]).backward()
        for name, layer in matrices(model).items():
            sums[name] += float(layer.weight.grad.square().sum())  # type: ignore[union-attr]
    return sums


def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    scores = model(x)
    return cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))


@pytest.mark.parametrize("kind", ["vit", "gpt"])
def test_gradient_noise_is_measured_in_every_matrix(kind: str) -> None:
    samples, B = 100, 6
    if kind == "vit":
        model: nn.Module = vit(width=32)
        x, y = torch.randn(B, 784, generator=seeded(7)), torch.arange(B)
    else:
        model = gpt(context=12, width=32, depth=2)
        x, y = (torch.randint(65, (B, 12), generator=seeded(seed)) for seed in (8, 9))
    expected = per_sample_squares(model, x, y)
    model.zero_grad()
    with GradientNoiseMeter(matrices(model), sample_count=samples) as meter:
        loss_of(model, x, y).backward()
        noise = meter.measure(learning_rate=0.1)
    assert list(noise) == list(matrices(model))
    for name, layer in matrices(model).items():
        mean = float(layer.weight.grad.square().sum())  # type: ignore[union-attr]
        variance = (expected[name] / B - mean) * B / (B - 1)
        # float32 through two different sums, and a difference of two of them
        assert noise[name].beta1 == pytest.approx(variance * (1 - B / samples) / B, rel=2e-3), name


def test_a_few_steps_of_sgd_lower_the_loss() -> None:
    model = gpt(context=16, width=32, depth=1)
    x = torch.arange(16).repeat(4, 1) + torch.arange(4)[:, None]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    first = loss_of(model, x, x + 1).item()
    for _ in range(50):
        optimizer.zero_grad()
        loss_of(model, x, x + 1).backward()
        optimizer.step()
    # counting up is learned from 65 classes: a uniform guess costs 4.2
    assert loss_of(model, x, x + 1).item() < first - 1


def test_the_mlp_draws_as_it_always_did() -> None:
    # runs are reproduced from their seed, so the order of draws is part of the contract
    model = Mlp(features=20, classes=3, width=16, depth=2, generator=seeded())
    generator = seeded()
    for layer in (*model.hidden, model.head):
        weight = torch.empty_like(layer.weight).normal_(std=layer.in_features**-0.5, generator=generator)
        assert torch.equal(layer.weight, weight)
        assert not layer.bias.any()
