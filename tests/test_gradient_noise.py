"""Gradient noise against explicit per-sample gradients, brute-force mini-batches and hand-made cases."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.gradient_noise import GradientNoiseMeter

FEATURES, CLASSES = 7, 4


class Sequence(nn.Module):
    """A layer over T positions, one used twice in a pass, and a head: per-sample gradients of any rank."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, 6)
        self.twice = nn.Linear(6, 6)
        self.head = nn.Linear(6, CLASSES, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, T, FEATURES) -> (B, CLASSES)
        h = torch.tanh(self.embed(x))
        h = torch.tanh(self.twice(torch.tanh(self.twice(h))))
        scores: torch.Tensor = self.head(h.mean(-2))
        return scores


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 9), nn.ReLU(inplace=True), nn.Linear(9, CLASSES))


def linears(model: nn.Module) -> dict[str, nn.Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}


def data(model: nn.Module, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    positions = (3,) if isinstance(model, Sequence) else ()
    x = torch.randn(size, *positions, FEATURES, generator=generator)
    return x, torch.randint(CLASSES, (size,), generator=generator)


def per_sample(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """name -> (B, rows, columns), each sample's own gradient in float64, by torch.func."""
    parameters = {name: p.detach().double() for name, p in model.named_parameters()}

    def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return cross_entropy(functional_call(model, parameters, (x[None],)), y[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x.double(), y)
    return {name.removesuffix(".weight"): g for name, g in gradients.items() if name.endswith("weight")}


@pytest.fixture(params=[mlp, Sequence], ids=["mlp", "sequence and shared layer"])
def model(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield request.param()


def test_equals_explicit_per_sample_gradients(model: nn.Module) -> None:
    x, y = data(model, 16)
    with GradientNoiseMeter(linears(model), sample_count=1000) as meter:
        cross_entropy(model(x), y).backward()
        noise = meter.measure(learning_rate=0.1)
    for name, gradients in per_sample(model, x, y).items():
        trace = gradients.flatten(1).var(0, correction=1).sum().item()
        seen = noise[name]
        share = (1 - 16 / 1000) / 16
        assert seen.gradient_norm == pytest.approx(gradients.mean(0).norm().item(), rel=1e-4)
        assert seen.beta1 == pytest.approx(share * trace, rel=1e-4)
        assert seen.diffusion == pytest.approx(0.1 * trace / gradients[0].numel() * share / 2, rel=1e-4)


def test_beta1_is_the_variance_of_minibatch_gradients(model: nn.Module) -> None:
    """E||g_batch - g||^2 over batches drawn without replacement, by brute force.

    Sampling without replacement gives (1 - B/N)/B times the variance with denominator N - 1. The mean of
    400 batches of either side has a standard error below 3 %; 10 % is asked.
    """
    population, size = 60, 12
    x, y = data(model, population)
    explicit = per_sample(model, x, y)
    generator = torch.Generator().manual_seed(2)
    estimates: dict[str, list[float]] = {name: [] for name in explicit}
    squares: dict[str, list[float]] = {name: [] for name in explicit}
    with GradientNoiseMeter(linears(model), sample_count=population) as meter:
        for _ in range(400):
            batch = torch.randperm(population, generator=generator)[:size]
            model.zero_grad()
            cross_entropy(model(x[batch]), y[batch]).backward()
            noise = meter.measure(learning_rate=0.1)
            for name, gradients in explicit.items():
                deviation = gradients[batch].mean(0) - gradients.mean(0)
                squares[name].append(deviation.square().sum().item())
                estimates[name].append(noise[name].beta1)
    for name in explicit:
        assert np.mean(estimates[name]) == pytest.approx(np.mean(squares[name]), rel=0.1)


def test_batch_of_everything_has_no_noise(model: nn.Module) -> None:
    x, y = data(model, 10)
    with GradientNoiseMeter(linears(model), sample_count=10) as meter:
        cross_entropy(model(x), y).backward()
        noise = meter.measure(learning_rate=0.1)
    assert {(n.beta1, n.diffusion) for n in noise.values()} == {(0.0, 0.0)}


def test_identical_samples_have_no_variance() -> None:
    """mean ||g_i||^2 - ||g||^2 cancels; what rounding leaves is never negative and tiny."""
    model = mlp()
    x = torch.randn(1, FEATURES, generator=torch.Generator().manual_seed(3)).repeat(8, 1)
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x), torch.zeros(8, dtype=torch.int64)).backward()
        for noise in meter.measure(learning_rate=0.1).values():
            assert 0 <= noise.beta1 <= 1e-6 * noise.gradient_norm**2


def test_gradients_and_random_state_are_untouched(model: nn.Module) -> None:
    x, y = data(model, 16)
    cross_entropy(model(x), y).backward()
    bare = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    random_state = torch.get_rng_state()
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x), y).backward()
        meter.measure(learning_rate=0.1)
    assert torch.equal(torch.get_rng_state(), random_state)
    watched = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(bare, watched, strict=True))


def test_only_the_last_pass_counts_and_is_forgotten() -> None:
    model = mlp()
    x, y = data(model, 16)
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x), y).backward()
        expected = meter.measure(learning_rate=0.1)
        assert meter.measure(learning_rate=0.1) == {}
        cross_entropy(model(x[:5]), y[:5]).backward()  # never measured
        model.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward(retain_graph=True)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            model(x[:3])  # an evaluation between backward and measure
        assert meter.measure(learning_rate=0.1) == expected


def test_closing_removes_every_hook() -> None:
    model = mlp()
    x, y = data(model, 4)
    meter = GradientNoiseMeter(linears(model), sample_count=100)
    assert all(layer._forward_hooks for layer in linears(model).values())
    meter.close()
    meter.close()
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in linears(model).values())
    cross_entropy(model(x), y).backward()
    assert meter.measure(learning_rate=0.1) == {}


def test_what_cannot_be_measured_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(FEATURES, 5), nn.Linear(5, CLASSES))
    model[0].weight.requires_grad_(False)
    x, y = data(model, 4)
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x), y).backward()
        assert set(meter.measure(learning_rate=0.1)) == {"1"}
        model.zero_grad()
        cross_entropy(model(x[:1]), y[:1]).backward()  # one sample has no variance
        assert meter.measure(learning_rate=0.1) == {}
        model.zero_grad()
        cross_entropy(model(x[0]), y[0]).backward()  # no batch index at all
        assert meter.measure(learning_rate=0.1) == {}


def test_bad_input() -> None:
    model = mlp()
    x, y = data(model, 8)
    with pytest.raises(InvalidValueError, match="sample_count must be at least 1, got 0"):
        GradientNoiseMeter(linears(model), sample_count=0)
    with GradientNoiseMeter(linears(model), sample_count=5) as meter:
        cross_entropy(model(x), y).backward()
        with pytest.raises(InvalidValueError, match="8"):
            meter.measure(learning_rate=0.1)
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x * math.nan), y).backward()
        with pytest.raises(NumericalError, match="layer 0: the gradient holds NaN"):
            meter.measure(learning_rate=0.1)


def test_uses_with_different_samples_are_refused() -> None:
    layer = nn.Linear(3, 3)
    with GradientNoiseMeter({"layer": layer}, sample_count=100) as meter:
        (layer(torch.ones(4, 3)).sum() + layer(torch.ones(2, 3)).sum()).backward()
        with pytest.raises(InvalidValueError, match=r"layer layer was used with \[2, 4\] samples"):
            meter.measure(learning_rate=0.1)


@pytest.mark.parametrize("make", [mlp, Sequence])
def test_variance_along_modes_is_that_of_projected_per_sample_gradients(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    x, y = data(model, 12)
    layers = linears(model)
    modes = {}
    for name, layer in layers.items():
        matrix = layer.weight.detach()
        U, _, Vh = torch.linalg.svd(matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T)
        modes[name] = (U[:, :3], Vh[:3].T)
    expected = {}
    for name, g in per_sample(model, x, y).items():
        left, right = (one.double() for one in modes[name])
        tall = g if g.shape[1] >= g.shape[2] else g.mT
        along = torch.einsum("mk,bmn,nk->bk", left, tall, right)
        expected[name] = 0.2**2 * (1 - 12 / 100) / 12 * along.var(0)
    with GradientNoiseMeter(layers, sample_count=100) as meter:
        torch.autograd.backward(cross_entropy(model(x), y))
        measured = meter.variance_along(modes, learning_rate=0.2)
        assert meter.measure(learning_rate=0.2)  # still there
    assert set(measured) == set(layers)
    for name, variance in measured.items():
        torch.testing.assert_close(variance.double(), expected[name], rtol=1e-4, atol=1e-12)


def test_a_batch_of_one_has_no_variance_along_modes() -> None:
    model = mlp()
    x, y = data(model, 1)
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        torch.autograd.backward(cross_entropy(model(x), y))
        modes = {"0": (torch.eye(9)[:, :2], torch.eye(7)[:, :2])}
        assert meter.variance_along(modes, learning_rate=0.1) == {}


def test_clipping_scales_the_noise_with_the_gradient(model: nn.Module) -> None:
    """Noise strengths are of second order in the gradients; a clipped batch is a scaled one."""
    x, y = data(model, 16)
    measured = []
    for factor in (1.0, 0.25):
        model.zero_grad()
        with GradientNoiseMeter(linears(model), sample_count=100) as meter:
            cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.grad is not None:
                        parameter.grad *= factor
            measured.append(meter.measure(learning_rate=0.1))
    for name, free in measured[0].items():
        assert measured[1][name].beta1 == pytest.approx(free.beta1 / 16, rel=1e-3)
        assert measured[1][name].diffusion == pytest.approx(free.diffusion / 16, rel=1e-3)


def test_a_gradient_that_is_not_of_one_pass_has_no_noise(model: nn.Module) -> None:
    """Accumulated over passes of the same samples or of others, or averaged with another machine's."""
    layers = linears(model)
    x, y = data(model, 48)
    for parts in ((slice(0, 16), slice(16, 48)), (slice(0, 16), slice(0, 16))):
        model.zero_grad()
        with GradientNoiseMeter(layers, sample_count=100) as meter:
            for part in parts:
                cross_entropy(model(x[part]), y[part]).backward()
            modes = {name: (torch.eye(max(one.weight.shape))[:, :2], torch.eye(min(one.weight.shape))[:, :2])
                     for name, one in layers.items()}  # fmt: skip
            assert meter.variance_along(modes, learning_rate=0.1) == {}
            assert meter.measure(learning_rate=0.1) == {}
    model.zero_grad()
    cross_entropy(model(x[16:]), y[16:]).backward()
    other = [parameter.grad.clone() for parameter in model.parameters()]  # type: ignore[union-attr]
    model.zero_grad()
    with GradientNoiseMeter(layers, sample_count=100) as meter:
        cross_entropy(model(x[:16]), y[:16]).backward()
        for parameter, theirs in zip(model.parameters(), other, strict=True):
            parameter.grad = (parameter.grad + theirs) / 2  # type: ignore[operator]
        assert meter.measure(learning_rate=0.1) == {}


def test_float64_and_rates_by_layer(model: nn.Module) -> None:
    x, y = data(model, 16)
    found = []
    for dtype in (torch.float32, torch.float64):
        model.to(dtype).zero_grad()
        with GradientNoiseMeter(linears(model), sample_count=100) as meter:
            cross_entropy(model(x.to(dtype)), y).backward()
            rates = {name: 0.1 * (place + 1) for place, name in enumerate(linears(model))}
            found.append(meter.measure(learning_rate=rates))
    for place, (name, single) in enumerate(found[0].items()):
        double = found[1][name]
        assert double.beta1 == pytest.approx(single.beta1, rel=1e-5)
        assert double.diffusion == pytest.approx(single.diffusion, rel=1e-5)
        plain = single.diffusion / (0.1 * (place + 1))  # D is linear in the rate
        assert double.diffusion / (0.1 * (place + 1)) == pytest.approx(plain, rel=1e-5)


def test_an_input_given_by_name() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = nn.Linear(FEATURES, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.only(input=x)
            return scores

    named = Named()
    x, y = data(named, 8)
    with GradientNoiseMeter(linears(named), sample_count=100) as meter:
        cross_entropy(named(x), y).backward()
        assert set(meter.measure(learning_rate=0.1)) == {"only"}


def test_layers_of_one_shape_are_asked_for_one_by_one_and_together() -> None:
    """Whichever are asked for, with as many modes each as one likes, and nothing is kept in between."""
    model = nn.Sequential(*(nn.Linear(FEATURES, FEATURES) for _ in range(3)))
    x, y = data(model, 12)
    generator = torch.Generator().manual_seed(5)
    bases = {
        name: tuple(torch.linalg.qr(torch.randn(FEATURES, k, generator=generator)).Q for _ in range(2))
        for name, k in {"0": 2, "1": 3, "2": 2}.items()
    }
    with GradientNoiseMeter(linears(model), sample_count=100) as meter:
        cross_entropy(model(x), y).backward()
        together = meter.variance_along(bases, learning_rate=1.0)  # type: ignore[arg-type]
        for name, basis in bases.items():
            alone = meter.variance_along({name: basis}, learning_rate=1.0)  # type: ignore[dict-item]
            assert list(alone) == [name]
            torch.testing.assert_close(alone[name], together[name])
            assert len(alone[name]) == basis[0].shape[1]
        before = {name: layer.weight.grad.norm() for name, layer in linears(model).items()}  # type: ignore[union-attr]
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad *= 0.5  # clipped since
        halved = meter.variance_along(bases, learning_rate=1.0)  # type: ignore[arg-type]
        noise = meter.measure(learning_rate=0.1)
    for name in bases:
        torch.testing.assert_close(halved[name], together[name] / 4)
        assert noise[name].gradient_norm == pytest.approx(float(before[name]) / 2, rel=1e-5)
