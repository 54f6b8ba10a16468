"""Figure 4: the two parts of Proposition 6.9's beta_k, their correlation, and what isotropic noise gives.

Axis: eigenvalues lambda = sigma^2 of W^T W, of the k tracked modes, whose gradients are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import chi2

from sigmascope.reproduction import style
from sigmascope.reproduction.figure import Numbers, Point, Reproduction, Table, every, most, verdict, within
from sigmascope.reproduction.results import FloatArray, LayerResult, RunResult
from sigmascope.theory.forces import pair_sums
from sigmascope.theory.stochastic_parts import correlation

# noise of a step over the mean gap of the tracked values
SIZES = (0.01, 0.1, 0.3, 1.0, 3.0)
DRAWS = 24
# what W may have for as many draws; a larger one takes fewer
ENTRIES = 400_000
STRONG = 0.5
NEGLIGIBLE = 0.1
LEVEL = 0.05
ALIGNED = 2.0
ERRORS = 3.0
SMALLEST = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """(batches, k) of the tracked modes; as printed a rate, exact the change in one batch."""

    printed_repulsive: FloatArray
    printed_rest: FloatArray
    exact_repulsive: FloatArray
    exact_rest: FloatArray


def parts(spectra: FloatArray, along: FloatArray, *, m: int, rate: FloatArray, strength: FloatArray) -> Parts:
    """The parts of Proposition 6.9 from (t + 1, n) spectra and (t, k) u_k^T G v_k, G = -eta grad L.

    As :func:`sigmascope.theory.stochastic_parts.stochastic_term` has them, for the first k modes alone.
    ``rate`` is eta and ``strength`` eta D of each batch. Batches in which two values coincide are left out.
    """
    n, k = spectra.shape[1], along.shape[1]
    before, after = spectra[:-1, :k], spectra[1:, :k]
    change = after**2 - before**2
    repulsion = before * pair_sums(spectra[:-1], k)
    gradient = -along / rate[:, None]
    usable = np.isfinite(repulsion).all(axis=1)
    printed = change + np.sqrt(rate)[:, None] * before**2 * gradient
    exact = change - 2 * before * along
    drift = 2 * strength[:, None] * (m + 2 * repulsion - (n - 1))
    return Parts(*(part[usable] for part in (repulsion, printed, drift, exact)))


def numbers(runs: Sequence[RunResult], layer: str | None) -> Numbers:
    """Both parts of every layer with enough modes, batch by batch; simulations of what noise alone does."""
    run = runs[0]
    rate = run.train.learning_rate
    usable = [one for one in run.layers if one.along.ndim == 2 and one.along.shape[1] >= SMALLEST]
    return {
        "learning_rate": rate,
        "drawn": run.layer(layer).name,
        "layers": {one.name: layer_numbers(one, rate) for one in usable},
    }


def layer_numbers(layer: LayerResult, rate: float) -> Numbers:
    """One layer: summaries over k, correlations, and the simulations beside them."""
    places = np.searchsorted(layer.steps, layer.force_steps)
    spectra = layer.spectra[np.concatenate([places[:1] - 1, places])]
    diffusion = np.interp(layer.force_steps, layer.noise_steps, layer.diffusion)
    found = parts(spectra, layer.along, m=layer.m, rate=np.full(len(places), rate), strength=rate * diffusion)
    k = layer.along.shape[1]
    deviation = float(np.sqrt(2 * rate * np.median(diffusion)))
    profile = layer.noise.var(axis=0) / deviation**2
    gap = float((spectra[0, 0] - spectra[0, k - 1]) / (k - 1))
    return {
        "m": layer.m,
        "n": layer.n,
        "k": k,
        "steps": layer.force_steps.tolist(),
        "diffusion": float(np.median(diffusion)),
        "noise_deviation": deviation,
        "gap": gap,
        "noise_profile": profile.tolist(),
        "printed": summary(found.printed_repulsive, found.printed_rest),
        "exact": summary(found.exact_repulsive, found.exact_rest),
        "isotropic": [
            simulated(layer, spectra[0], rate, deviation=size * gap, profile=np.ones(k), size=size)
            for size in SIZES
        ],
        "isotropic_here": simulated(
            layer, spectra[len(spectra) // 2], rate, deviation=deviation, profile=np.ones(k),
            size=deviation / gap,
        ),
        "anisotropic_here": simulated(
            layer, spectra[len(spectra) // 2], rate, deviation=deviation, profile=profile,
            size=deviation / gap,
        ),
    }  # fmt: skip


def summary(repulsive: FloatArray, rest: FloatArray) -> Numbers:
    """Mean and variance over k, batch by batch, and the correlation over k; its error counts batches."""
    correlations = correlation(repulsive, rest)
    seen = correlations[np.isfinite(correlations)]
    return {
        "repulsive_mean": repulsive.mean(axis=1).tolist(),
        "repulsive_variance": repulsive.var(axis=1).tolist(),
        "rest_mean": rest.mean(axis=1).tolist(),
        "rest_variance": rest.var(axis=1).tolist(),
        "correlation": seen.tolist(),
        "mean_correlation": float(seen.mean()) if len(seen) else None,
        "correlation_error": standard_error(seen),
        # repulsion alone, without the walls: what it is of the whole in root mean square over k
        "dominance": float(np.median(rms(repulsive) / rms(rest))) if len(rest) else None,
    }


def rms(values: FloatArray) -> FloatArray:
    """Root mean square over k."""
    return np.asarray(np.sqrt((values**2).mean(axis=1)))


def standard_error(values: FloatArray) -> float | None:
    """Of the mean; None for fewer than two."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def simulated(
    layer: LayerResult, sigma: FloatArray, rate: float, *, deviation: float, profile: FloatArray, size: float
) -> Numbers:
    """Mean correlation of the printed parts when one step adds noise, no gradient, to a W of values sigma.

    Entry (j, k) of the noise in the singular basis has deviation ``deviation`` (profile_j profile_k)^(1/4), 1
    beyond the profile: isotropic for a profile of ones, and along mode k of variance profile_k in any case.
    """
    rng = np.random.default_rng(0)
    m, n, k = layer.m, layer.n, len(profile)
    draws = int(np.clip(DRAWS * ENTRIES / (m * n), 4, DRAWS))
    left, right = np.ones(m), np.ones(n)
    left[:k], right[:k] = profile**0.25, profile**0.25
    start = np.zeros((m, n))
    start[np.arange(n), np.arange(n)] = sigma
    seen = []
    for _ in range(draws):
        noise = deviation * rng.standard_normal((m, n)) * left[:, None] * right
        moved = start + noise
        after = np.sqrt(np.maximum(np.linalg.eigvalsh(moved.T @ moved)[::-1], 0.0))
        along = np.diag(noise)[None, :k]
        found = parts(
            np.stack([sigma, after]), along, m=m, rate=np.array([rate]), strength=np.array([deviation**2 / 2])
        )
        seen += correlation(found.printed_repulsive, found.printed_rest).tolist()
    values = np.array(seen)
    return {
        "size": size,
        "deviation": deviation,
        "draws": len(values),
        "correlation": float(values.mean()) if len(values) else None,
        "error": standard_error(values),
    }


def points(found: Numbers) -> list[Point]:
    """What the paper reads from its Figure 4."""
    layers = found["layers"]
    dominance = {name: one["printed"]["dominance"] for name, one in layers.items()}
    exact = {name: one["exact"]["dominance"] for name, one in layers.items()}
    seen = {name: one["printed"]["mean_correlation"] for name, one in layers.items()}
    return [
        Point(
            "The repulsive terms dominate the noise contribution.",
            "Root mean square over k of the printed repulsion over that of the other terms: "
            f"{listed(dominance)}. The printed repulsion lacks the factor ηD; with it, the exact drift is "
            f"{listed(exact)} of the rest.",
            "above 1 in every layer, as printed; it differs where it is below in one",
            verdict(every(None if one is None else one > 1 for one in dominance.values())),
        ),
        Point(
            "The repulsive term is strongly correlated with the other two.",
            f"Mean correlation over k: {listed(seen)}.",
            f"{ERRORS:g} standard errors about it, over the batches, lie beyond {STRONG:g} in absolute value "
            "in every layer; it differs where they lie below in one",
            verdict(every(map(strong, layers.values()))),
        ),
        isotropic(layers),
        alignment(layers),
        explained(layers),
    ]


def strong(layer: Numbers) -> bool | None:
    """Whether the correlation seen is strong, as far as the batches tell."""
    mean, error = layer["printed"]["mean_correlation"], layer["printed"]["correlation_error"]
    return None if error is None else within(around(abs(mean), error), STRONG, np.inf)


def around(value: float, error: float) -> tuple[float, float]:
    """``ERRORS`` standard errors to both sides."""
    return value - ERRORS * error, value + ERRORS * error


def isotropic(layers: Numbers) -> Point:
    """Correlation where there is nothing but isotropic noise."""
    curves = {
        name: ", ".join(signed(one["correlation"]) for one in layer["isotropic"])
        for name, layer in layers.items()
    }
    largest = [layer["isotropic"][-1] for layer in layers.values()]
    sizes = ", ".join(f"{size:g}" for size in SIZES)
    return Point(
        "Were the noise isotropic, there would be no statistical basis for a correlation.",
        f"Isotropic noise alone, on the same spectra, at {sizes} times the gap of neighbouring values: "
        + "; ".join(f"{name} {curve}" for name, curve in curves.items())
        + ". The change of λ contains the repulsion as its own Itô drift.",
        f"at the largest noise, {ERRORS:g} standard errors about it lie within ±{NEGLIGIBLE:g} in every "
        "layer; it differs where they leave out 0 in one",
        verdict(every(map(without_correlation, largest))),
    )


def without_correlation(simulation: Numbers) -> bool | None:
    """True for a correlation shown to be negligible, False for one that is there."""
    if simulation["error"] is None:
        return None
    low, high = around(simulation["correlation"], simulation["error"])
    if not low <= 0 <= high:
        return False
    return within((low, high), -NEGLIGIBLE, NEGLIGIBLE)


def alignment(layers: Numbers) -> Point:
    """Noise along the top modes over the isotropic one."""
    top = {name: one["noise_profile"][0] for name, one in layers.items()}
    rest = {name: float(np.mean(one["noise_profile"][one["k"] // 2 :])) for name, one in layers.items()}
    return Point(
        "The kicks of SGD are aligned with the current singular vectors, the dominant ones most.",
        f"Variance of u_kᵀGv_k about its running mean over 2ηD, for σ₁: {listed(top)}; for the lower half "
        f"of the tracked modes: {listed(rest)}.",
        f"in most layers above {ALIGNED:g} for the largest value, and above that of the lower half, by its "
        "95 % interval (χ² over the batches); it differs where it lies below in half of them or more",
        verdict(
            most(
                within(variance_interval(top[name], len(one["steps"])), max(ALIGNED, rest[name]), np.inf)
                for name, one in layers.items()
            )
        ),
    )


def variance_interval(variance: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a variance seen in ``count`` Gaussian numbers; all of them for fewer than two."""
    if count < 2:
        return 0.0, np.inf
    free = count - 1
    low, high = (free / chi2.ppf(share, free) for share in (1 - LEVEL / 2, LEVEL / 2))
    return variance * float(low), variance * float(high)


def explained(layers: Numbers) -> Point:
    """Whether noise of the measured profile gives the correlation seen, and isotropic noise does not."""
    told = [explains(one) for one in layers.values()]
    words = "; ".join(
        f"{name} seen {signed(one['printed']['mean_correlation'])}, isotropic "
        f"{signed(one['isotropic_here']['correlation'])}, anisotropic "
        f"{signed(one['anisotropic_here']['correlation'])}"
        for name, one in layers.items()
    )
    return Point(
        "The correlation is proof of anisotropic noise (and that explains the deviations: the paper's "
        "hypothesis).",
        f"Noise of the measured size, isotropic and with the measured profile along the modes: {words}.",
        f"in most layers anisotropic noise comes within {ERRORS:g} standard errors of what is seen, and "
        "isotropic noise does not; it differs where anisotropic noise does not in half of them or more",
        verdict(most(told)),
    )


def explains(one: Numbers) -> bool | None:
    """True when the anisotropic simulation alone agrees with the data, None when both do."""
    seen, error = one["printed"]["mean_correlation"], one["printed"]["correlation_error"]

    def near(simulation: Numbers) -> bool | None:
        if error is None or simulation["error"] is None:
            return None
        return bool(abs(simulation["correlation"] - seen) <= ERRORS * np.hypot(error, simulation["error"]))

    measured, plain = near(one["anisotropic_here"]), near(one["isotropic_here"])
    return False if measured is False else True if measured and plain is False else None


def listed(values: Mapping[str, float | None]) -> str:
    """``hidden.0 0.12, head 3``; a dash where there is no number."""
    return ", ".join(f"{name} {'–' if value is None else f'{value:.3g}'}" for name, value in values.items())


def signed(value: float | None) -> str:
    """``+0.123``, or a dash."""
    return "–" if value is None else f"{value:+.3f}"


def table(found: Numbers) -> Table:
    """One row a layer and batch, as printed and exact."""
    columns = ("repulsive_mean", "repulsive_variance", "rest_mean", "rest_variance")
    rows = [
        (name, i + 1, *(one[form][column][i] for form in ("printed", "exact") for column in columns))
        for name, one in found["layers"].items()
        for i in range(len(one["printed"]["rest_mean"]))
    ]
    header = ("layer", "batch", *(f"{form}_{column}" for form in ("printed", "exact") for column in columns))
    return header, rows


def draw(found: Numbers) -> Figure:
    """A column a layer: mean and variance of the printed parts above, correlations below."""
    layers = found["layers"]
    figure, axes = style.canvas(2, len(layers), width=2.0 * len(layers) + 0.6, height=4.4, sharey="row")
    for column, (name, one) in enumerate(layers.items()):
        style.head(axes[0, column], name, f"{one['m']} × {one['n']}, top {one['k']}")
        magnitudes(axes[0, column], one)
        correlations(axes[1, column], one)
        first = column == 0
        style.label(axes[0, column], x="batch", y="over k, as printed" if first else "")
        style.label(axes[1, column], x="noise of a step / gap", y="correlation over k" if first else "")
    style.legend(figure, axes[0, 0], columns=4, handles=keys())
    return figure


def keys() -> list[Line2D]:
    """Above, then below."""
    blue, red = style.DRIFT, style.NOISE
    return [
        Line2D([], [], color=blue, linewidth=1.3, label="repulsive, |mean|"),
        Line2D([], [], color=blue, linewidth=1.3, linestyle=":", label="repulsive, variance"),
        Line2D([], [], color=red, linewidth=1.3, label="non-repulsive, |mean|"),
        Line2D([], [], color=red, linewidth=1.3, linestyle=":", label="non-repulsive, variance"),
        Line2D([], [], color=style.INK, marker="o", markersize=4.5, linestyle="", label="seen, ± s.d."),
        Line2D([], [], color=style.DATA, marker="o", markersize=3, linewidth=1.3, label="isotropic noise"),
        Line2D(
            [], [], color=style.GAMMA, marker="s", markersize=4.5, linestyle="", markerfacecolor="none",
            label="noise of the measured profile",
        ),
    ]  # fmt: skip


def magnitudes(axes: Axes, one: Numbers) -> None:
    """Mean and variance over k on a logarithmic axis."""
    printed = one["printed"]
    for part, colour in (("repulsive", style.DRIFT), ("rest", style.NOISE)):
        mean, variance = np.abs(printed[f"{part}_mean"]), np.array(printed[f"{part}_variance"])
        batches = np.arange(1, len(mean) + 1)
        axes.plot(batches, mean, color=colour, linewidth=1.0)
        axes.plot(batches, variance, color=colour, linewidth=1.0, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlim(1, len(printed["rest_mean"]))


def correlations(axes: Axes, one: Numbers) -> None:
    """What isotropic noise gives at each size, and what is seen at its own."""
    curve = one["isotropic"]
    sizes, values = [p["size"] for p in curve], [p["correlation"] for p in curve]
    axes.axhline(0, color=style.MUTED, linewidth=0.6)
    axes.errorbar(
        sizes, values, yerr=[2 * (p["error"] or 0) for p in curve], color=style.DATA,
        marker="o", markersize=3, linewidth=1.3, elinewidth=0.8,
    )  # fmt: skip
    here, told = one["noise_deviation"] / one["gap"], one["anisotropic_here"]
    seen = np.array(one["printed"]["correlation"])
    axes.errorbar(
        [here], [seen.mean()], yerr=[seen.std()], color=style.INK, marker="o", markersize=4.5, elinewidth=0.9,
        zorder=4,
    )  # fmt: skip
    axes.plot(
        [here],
        [told["correlation"]],
        "s",
        color=style.GAMMA,
        markersize=5.5,
        markerfacecolor="none",
        zorder=5,
    )
    axes.set_xscale("log")
    axes.set_ylim(-1.05, 1.05)


FIG4 = Reproduction(
    name="fig4",
    title="Repulsive and non-repulsive terms of Proposition 6.9, and their correlation",
    caption="Above, mean and variance over the tracked modes of both parts as printed. Below, the "
    "correlation of the two over k: what isotropic noise alone gives on this spectrum at each size, and "
    "what training shows.",
    presets=("fig4",),
    needs=frozenset({"noise", "forces"}),
    numbers=numbers,
    points=points,
    draw=draw,
    table=table,
)
