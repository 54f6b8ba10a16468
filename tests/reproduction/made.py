"""Results of runs that were never made, with known answers."""

from __future__ import annotations

import numpy as np

from sigmascope.reproduction.results import LayerResult, RunResult
from sigmascope.schemas import Sweep, SweepPoint, SweepSpec, TrainSpec

M, N, BATCHES = 48, 32, 200
LAYERS = ("hidden.0", "hidden.1")
ETA = 0.5


def noise(seed: int, *, m: int = M, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, n)) / np.sqrt(m)


def spiked(W: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(99)
    U = np.linalg.qr(rng.standard_normal((W.shape[0], len(strengths))))[0]
    V = np.linalg.qr(rng.standard_normal((W.shape[1], len(strengths))))[0]
    return np.asarray(W + (U * strengths) @ V.T)


def values_of(W: np.ndarray) -> np.ndarray:
    return np.linalg.svd(W, compute_uv=False)


def spectra_with(spikes: dict[int, list[float]], *, m: int = M, n: int = N, seed: int = 3) -> LayerResult:
    """One spectrum a step: noise and spikes of these strengths."""
    W = noise(seed, m=m, n=n)
    rows = [values_of(spiked(W, np.array(one)) if one else W) for one in spikes.values()]
    return LayerResult("hidden.1", m, n, np.array(list(spikes)), np.stack(rows))


def training(preset: str, *layers: LayerResult) -> RunResult:
    return RunResult(preset, TrainSpec(preset=preset), tuple(layers))


def fig1() -> RunResult:
    spikes = {0: [], 100: [3.0], 200: [6.0, 5.0, 4.0]}
    return training("fig1-quick", spectra_with(spikes))


def fig2() -> RunResult:
    """Values that rise, the first ones most; algorithm1 sees half of each rise, the tracker all of it."""
    steps = np.arange(BATCHES + 1)
    start = np.linspace(2.0, 1.3, 8)
    true = start + np.linspace(0.8, 0.1, 8) * (steps / BATCHES)[:, None]
    spectra = np.concatenate([true, np.full((len(steps), 2), 0.5)], axis=1)
    predicted = {
        "algorithm1": start + (true - start) / 2,
        "first_order": start + 0.9 * (true - start),
        "subspace": true + 1e-7,
    }
    return training("fig2-quick", LayerResult("hidden.1", 20, 10, steps, spectra, predicted))


def fig3(preset: str, layer: str, *, outliers: int) -> RunResult:
    """Noise with so many strong values; a direct D of a tenth of Lemma 6.18's."""
    strengths = list(np.random.default_rng(1).exponential(2.0, outliers) + 3.0)
    spec = TrainSpec(preset=preset)
    made = spectra_with({spec.batches: strengths} if outliers else {spec.batches: []}, m=120, n=100)
    printed = (made.spectra[0, 0] - np.median(made.spectra[0])) ** 2 / spec.batches
    one = LayerResult(
        layer, made.m, made.n, made.steps, made.spectra,
        noise_steps=made.steps, beta1=np.array([1e-3]), diffusion=np.array([printed / 10]),
    )  # fmt: skip
    return RunResult(preset, spec, (one,))


def fig4(*, batches: int = 30, size: float = 1e-3) -> RunResult:
    """W moved by isotropic steps of deviation ``size`` and by nothing else."""
    rng = np.random.default_rng(7)
    W, k = noise(5), 12
    rows, along = [values_of(W)], []
    for _ in range(batches):
        U, _, Vt = np.linalg.svd(W, full_matrices=False)
        G = size * rng.standard_normal(W.shape)
        along.append(np.einsum("ik,ij,kj->k", U, G, Vt)[:k])
        W = W + G
        rows.append(values_of(W))
    steps = np.arange(1, batches + 1)
    moved = np.array(along)
    layer = LayerResult(
        "hidden.1", M, N, np.arange(batches + 1), np.stack(rows),
        noise_steps=steps, beta1=np.ones(batches), diffusion=np.full(batches, size**2 / (2 * ETA)),
        force_steps=steps, along=moved, noise=moved - moved.mean(axis=0),
    )  # fmt: skip
    return training("fig4-quick", layer)


def point(rate: float, seed: int, status: str, step: int, spread: dict[str, float]) -> SweepPoint:
    error = "FloatingPointError: the loss is nan" if status == "failed" else None
    return SweepPoint(
        run="r", value=rate, seed=seed, status=status, step=step, total_steps=200, error=error, spread=spread
    )


def fig5(*, power: float = 0.3, falls: bool = True) -> RunResult:
    """Spreads c eta^power, up to 0.1; half of the last one beyond when it ``falls``; a rate that diverged."""
    spec = SweepSpec.model_validate({"preset": "fig5", "values": [1e-3, 1e-2, 1e-1, 1.0], "seeds": [0, 1, 2]})
    layers = {"blocks.0.up": 1.0, "blocks.0.down": 2.0, "blocks.1.up": 1.0, "blocks.1.down": 2.0, "head": 0.1}
    points = []
    for rate in spec.values:
        for seed in spec.seeds:
            height = 0.5 * 0.1**power if rate > 0.1 and falls else rate**power
            spread = {name: (1 + 0.01 * seed) * height * factor for name, factor in layers.items()}
            points.append(point(rate, seed, "finished", 200, spread))
    points.append(point(9.0, 0, "failed", 3, {"head": 1.0}))
    return RunResult("fig5", spec, sweep=Sweep(field="learning_rate", points=points, slopes=[], critical={}))


def every() -> dict[str, list[RunResult]]:
    tails = [
        fig3("fig3-mlp-quick", "hidden.1", outliers=14),
        fig3("fig3-vit-quick", "blocks.1.down", outliers=6),
        fig3("fig3-gpt-quick", "blocks.3.down", outliers=0),
    ]
    return {"fig1": [fig1()], "fig2": [fig2()], "fig3": tails, "fig4": [fig4()], "fig5": [fig5()]}
