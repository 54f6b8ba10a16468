"""Figure 3: the gamma law of Theorem 3.2 over the tail beyond the Tracy-Widom edge, in three networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from scipy.stats import kstest, poisson

from sigmascope.reproduction import style
from sigmascope.reproduction.figure import Numbers, Point, Reproduction, Table, most, verdict
from sigmascope.reproduction.results import FloatArray, LayerResult, RunResult
from sigmascope.theory.law_fit import LawFit, fit_laws
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur
from sigmascope.theory.laws.stationary_gamma import StationaryGamma
from sigmascope.theory.noise import diffusion_as_printed
from sigmascope.theory.tails import MIN_POINTS, fit_tail, goodness_of_fit
from sigmascope.theory.tails.families import FITS

LEVEL = 0.05
FACTOR = 2.0
# a Kolmogorov distance that an eye takes for the same shape
SHAPE = 0.25
# a gamma law of shape 1 is exponential
GAMMA_TYPE = frozenset({"truncated_gamma", "exponential"})
REPLICATES = 200
MODELS = {"mlp": "MLP", "vit": "ViT", "gpt": "GPT"}
NAMES = {
    "power_law": "power law",
    "exponential": "exponential",
    "truncated_gamma": "gamma",
    "truncated_power_law": "truncated power law",
    "lognormal": "log-normal",
}


def numbers(runs: Sequence[RunResult], layer: str | None) -> Numbers:
    """Every layer's tail after the last batch, run by run; axis of the laws: lambda = sigma^2."""
    return {"runs": [run_numbers(run, layer) for run in runs]}


def run_numbers(run: RunResult, layer: str | None) -> Numbers:
    """One network's tails."""
    shown, spec = run.layer(layer), run.train
    return {
        "model": spec.model.kind,
        "dataset": spec.dataset,
        "batches": spec.batches,
        "layer": shown.name,
        "singular_values": shown.spectrum(spec.batches).tolist(),
        "layers": {one.name: tail(one, spec.batches, rate=spec.learning_rate) for one in run.layers},
    }


def tail(layer: LayerResult, step: int, *, rate: float) -> Numbers:
    """The tail beyond the edge, and what each law says of it."""
    values = layer.spectrum(step)
    beta1 = float(layer.beta1[-1]) if len(layer.beta1) else None
    direct = float(layer.diffusion[-1]) if len(layer.diffusion) else None
    fit = fit_laws(values, m=layer.m, n=layer.n, step=step, learning_rate=rate, beta1=beta1)
    printed_D = diffusion_as_printed(values, batches=step)
    return {
        "m": layer.m,
        "n": layer.n,
        "edge": fit.edge,
        "entry_variance": fit.entry_variance,
        "outliers": fit.outliers,
        "beta1": beta1,
        "diffusion_as_printed": printed_D,
        "diffusion": direct,
        "diffusion_ratio": printed_D / direct if direct else None,
        "expected_by_mp": LEVEL,
        "printed": printed_gamma(fit, values, layer.n),
        "fits": fits(values[: fit.outliers] ** 2, fit.edge**2),
    }


def printed_gamma(fit: LawFit, values: FloatArray, n: int) -> Numbers | None:
    """Theorem 3.2 as printed: how many values it puts beyond the edge, and how far the tail is from it."""
    if fit.printed_rate is None:
        return None
    law = StationaryGamma(fit.printed_shape, fit.printed_rate)
    beyond = float(law.sf(fit.edge**2))
    seen = values[: fit.outliers] ** 2
    # of the law beyond the edge alone, so that shape is judged apart from count
    distance = None
    if len(seen) and beyond > 0:
        # 1 - cdf is then uniform
        distance = kstest(np.asarray(law.sf(seen)) / beyond, "uniform")
    return {
        "shape": fit.printed_shape,
        "rate": fit.printed_rate,
        "mean": fit.printed_shape / fit.printed_rate,
        "expected": n * beyond,
        "ks": None if distance is None else float(distance.statistic),
        "ks_p_value": None if distance is None else float(distance.pvalue),
        "count_p_value": count_p_value(len(seen), n * beyond),
    }


def count_p_value(seen: int, expected: float) -> float:
    """Two-sided, of a Poisson count."""
    return float(min(1.0, 2 * min(poisson.cdf(seen, expected), poisson.sf(seen - 1, expected))))


def fits(seen: FloatArray, lower: float) -> Numbers | None:
    """Five laws of the outliers by maximum likelihood; None for fewer than ``MIN_POINTS``."""
    if len(seen) < MIN_POINTS:
        return None
    report = fit_tail(seen, lower)
    gamma = goodness_of_fit(
        seen, rng=np.random.default_rng(0), lower=lower, law="truncated_gamma", replicates=REPLICATES
    )
    return {
        "best": report.comparison.best,
        "rivals": list(report.comparison.rivals),
        "extensions": list(report.comparison.extensions),
        "alpha": report.alpha,
        "gamma_p_value": gamma.p_value,
        "gamma_shape": report.fit("truncated_gamma").law.shape,
        "gamma_rate": report.fit("truncated_gamma").law.rate,
        "laws": {
            one.name: {"ks": one.ks, "log_likelihood": one.log_likelihood, "boundary": one.boundary}
            for one in report.comparison.fits
        },
    }


Tail = tuple[str, str, dict[str, Any]]


def tails(found: Numbers) -> list[Tail]:
    """(network, layer, numbers) of all layers with outliers enough for a fit."""
    return [
        (run["model"], name, one)
        for run in found["runs"]
        for name, one in run["layers"].items()
        if one["fits"] is not None
    ]


def points(found: Numbers) -> list[Point]:
    """What the paper says of its Figure 3, over all layers with a tail to speak of."""
    usable = tails(found)
    with_law = [one for one in usable if one[2]["printed"] is not None]
    return [
        shape(with_law),
        counts(with_law),
        fitted(usable),
        power(usable),
        diffusion(found),
    ]


def shape(usable: list[Tail]) -> Point:
    """The printed law's shape beyond the edge."""
    distances = [one["printed"]["ks"] for *_, one in usable if one["printed"]["ks"] is not None]
    told = [shape_of_one(one) for *_, one in usable]
    return Point(
        "The fits by Theorem 3.2 predict the qualitative shape well.",
        "With D by Lemma 6.18 and β₁ by Lemma 6.19 the printed gamma law, cut off at the edge and its "
        f"count left aside, is refuted in {told.count(False)} of {len(usable)} layers with {MIN_POINTS} "
        "outliers or more"
        + (f"; Kolmogorov distances {span(distances)}" if distances else "")
        + f"; in {len(usable) - len(distances)} it has no mass there in double precision.",
        f"in most of these layers the distance is below {SHAPE:g} with 95 % confidence; it differs where "
        f"half of them or more refute it at {LEVEL:.0%}",
        verdict(most(told)),
    )


def shape_of_one(one: dict[str, Any]) -> bool | None:
    """True for a distance small beyond doubt, False for a law that is refuted or has no mass at the tail."""
    distance, p_value = one["printed"]["ks"], one["printed"]["ks_p_value"]
    if p_value is None or p_value < LEVEL:
        return False
    # Dvoretzky, Kiefer and Wolfowitz, with Massart's constant
    doubt = np.sqrt(np.log(2 / LEVEL) / (2 * one["outliers"]))
    return True if distance + doubt <= SHAPE else None


def counts(usable: list[Tail]) -> Point:
    """How many values the printed law puts beyond the edge."""
    told = [
        one["printed"]["expected"] < one["outliers"] if one["printed"]["count_p_value"] < LEVEL else None
        for *_, one in usable
    ]
    listed = "; ".join(
        f"{model} {name}: {one['outliers']} seen, {one['printed']['expected']:.3g} expected"
        for model, name, one in largest(usable)
    )
    return Point(
        "The fits underpredict counts significantly.",
        f"{told.count(True)} of {len(usable)} layers have significantly more values beyond the edge than "
        f"the printed law expects, {told.count(False)} significantly fewer ({listed or 'none to list'}). "
        "With the rate it gets, the law is one of mean shape/rate: where that is far above the data it "
        "overpredicts instead.",
        f"more in most layers; it differs where half of them or more have fewer, both at {LEVEL:.0%}",
        verdict(most(told)),
    )


def fitted(usable: list[Tail]) -> Point:
    """A gamma law that is given two free parameters."""
    told = [gamma_of_one(one["fits"]) for *_, one in usable]
    refuted = sum(one["fits"]["gamma_p_value"] < LEVEL for *_, one in usable)
    distances = [one["fits"]["laws"]["truncated_gamma"]["ks"] for *_, one in usable]
    return Point(
        "The stationary spectrum is of gamma type (Theorem 3.2).",
        f"A gamma law with both parameters fitted to the outliers is refuted in {refuted} of {len(usable)} "
        f"layers, and preferred to all laws of other kinds in {told.count(True)}"
        + (f", Kolmogorov distances {span(distances)}" if distances else "")
        + ". Exactly, the equation with a linear force has Marčenko–Pastur as its stationary law, and no "
        "outliers.",
        "in most layers the points prefer gamma or exponential to every other law; it differs where half of "
        f"them or more refute gamma (goodness of fit, p < {LEVEL:g}, {REPLICATES} replicates) or prefer "
        "another",
        verdict(most(told)),
    )


def gamma_of_one(fits: dict[str, Any]) -> bool | None:
    """Not to be refuted is little: True only where no law of another kind is as good."""
    standing = {fits["best"], *fits["rivals"]}
    if fits["gamma_p_value"] < LEVEL or not GAMMA_TYPE & {*standing, *fits["extensions"]}:
        return False
    return True if standing <= GAMMA_TYPE else None


def power(usable: list[Tail]) -> Point:
    """Power-law tails against what the likelihood prefers."""
    best = [one["fits"]["best"] for *_, one in usable]
    tally = ", ".join(f"{NAMES[law]} {best.count(law)}" for law in FITS if law in best)
    told = [power_of_one(one["fits"]) for *_, one in usable]
    decided = sum(not one["fits"]["rivals"] for *_, one in usable)
    return Point(
        "Gamma-type densities have power-law tails (abstract).",
        f"A gamma law's tail is exponential in λ. By Akaike's criterion the best law is: {tally or 'none'}; "
        f"a pure power law is significantly worse in {told.count(False)} of {len(usable)} layers, and alone "
        f"in standing in {told.count(True)}; the points decide between families in {decided}.",
        "in most layers no law but a power law stands; it differs where it falls in half of them or more",
        verdict(most(told)),
    )


def power_of_one(fits: dict[str, Any]) -> bool | None:
    """True where a power law is best and has no rival, False where it is neither best nor a rival."""
    if "power_law" not in (fits["best"], *fits["rivals"]):
        return False
    return None if fits["rivals"] else True


def diffusion(found: Numbers) -> Point:
    """Lemma 6.18 beside the direct estimate."""
    every = [one for run in found["runs"] for one in run["layers"].values()]
    ratios = [one["diffusion_ratio"] for one in every if one["diffusion_ratio"]]
    return Point(
        "D = (σ_max − σ_med)² / t_b (Lemma 6.18).",
        f"Over the direct estimate from per-sample gradients it is {span(ratios) if ratios else 'unknown'} "
        f"(median {np.median(ratios) if ratios else float('nan'):.3g}): most of the spread was there before "
        "the first batch.",
        f"within a factor of {FACTOR:g} in most layers",
        verdict(most(1 / FACTOR <= ratio <= FACTOR for ratio in ratios)),
    )


def largest(usable: list[Tail], count: int = 3) -> list[Tail]:
    """Those with the most outliers."""
    return sorted(usable, key=lambda one: -one[2]["outliers"])[:count]


def span(values: Sequence[float]) -> str:
    """``0.12 to 0.4``."""
    return f"{min(values):.3g} to {max(values):.3g}"


def table(found: Numbers) -> Table:
    """One row a network and layer."""
    header = (
        "model", "layer", "m", "n", "edge", "outliers", "beta1", "diffusion_as_printed", "diffusion",
        "printed_shape", "printed_rate", "printed_expected", "printed_ks",
        "gamma_shape", "gamma_rate", "gamma_ks", "gamma_p_value", "best", "alpha",
    )  # fmt: skip
    rows = []
    for run in found["runs"]:
        for name, one in run["layers"].items():
            law, free = one["printed"] or {}, one["fits"] or {}
            gamma = free.get("laws", {}).get("truncated_gamma", {})
            rows.append((
                run["model"], name, one["m"], one["n"], one["edge"], one["outliers"], one["beta1"],
                one["diffusion_as_printed"], one["diffusion"],
                law.get("shape"), law.get("rate"), law.get("expected"), law.get("ks"),
                free.get("gamma_shape"), free.get("gamma_rate"), gamma.get("ks"), free.get("gamma_p_value"),
                free.get("best"), free.get("alpha"),
            ))  # fmt: skip
    return header, rows


def draw(found: Numbers) -> Figure:
    """How many values lie beyond each sigma, and how many each law expects there."""
    count = len(found["runs"])
    figure, axes = style.canvas(1, count, width=2.4 * count, height=2.9)
    for place, run in zip(axes[0], found["runs"], strict=True):
        one = run["layers"][run["layer"]]
        note = f"{run['layer']}, {one['m']} × {one['n']}, {one['outliers']} outliers"
        style.head(place, f"{MODELS[run['model']]} on {run['dataset']}", note)
        survival(place, np.array(run["singular_values"]), one)
        style.label(place, x="σ", y="values beyond σ" if place is axes[0, 0] else "")
    style.legend(figure, axes[0, 0], columns=3, handles=keys())
    return figure


def keys() -> list[Line2D]:
    """The legend."""
    return [
        Line2D([], [], color=style.DATA, linewidth=1.6, label="singular values"),
        Line2D([], [], color=style.MARCHENKO_PASTUR, linestyle="--", linewidth=1.3, label="Marčenko–Pastur"),
        Line2D([], [], color=style.TRACY_WIDOM, linewidth=0.9, label="95 % edge"),
        Line2D([], [], color=style.GAMMA, linestyle=":", linewidth=1.6, label="gamma as printed"),
        Line2D([], [], color=style.GAMMA, linewidth=1.3, label="gamma fitted"),
        Line2D([], [], color=style.OUTLIER, linestyle="-.", linewidth=1.1, label="power law fitted"),
    ]


def survival(axes: Axes, values: FloatArray, one: dict[str, Any]) -> None:
    """Counts beyond sigma on two logarithmic axes, from a little below the edge."""
    low, high = 0.8 * one["edge"], max(float(values[0]), one["edge"]) * 1.1
    # between two values as many lie beyond as there are larger ones, and beyond the largest none
    down, counts = np.concatenate([values[:1], values]), np.arange(len(values) + 1.0)
    counts[0] = 0.1
    axes.step(down, counts, where="post", color=style.DATA, linewidth=1.6)
    x = np.geomspace(low, high, 400)
    bulk = MarchenkoPastur((one["n"] - one["outliers"]) / (one["m"] - one["outliers"]), one["entry_variance"])
    rows = one["m"] - one["outliers"]
    expected = one["outliers"] + (one["n"] - one["outliers"]) * np.asarray(bulk.sf(x**2 / rows))
    inside = x < one["edge"]
    axes.plot(x[inside], expected[inside], color=style.MARCHENKO_PASTUR, linestyle="--", linewidth=1.3)
    axes.axvline(one["edge"], color=style.TRACY_WIDOM, linewidth=0.9)
    lines(axes, x, one)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(0.5, 1.5 * max(int(np.count_nonzero(values > low)), 10))
    plain_ticks(axes, low, high)


def plain_ticks(axes: Axes, low: float, high: float) -> None:
    """Two or three round numbers: a short logarithmic axis has no power of ten."""
    size = 10.0 ** np.floor(np.log10((high - low) / 3))
    step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= 5)
    axes.set_xticks(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def lines(axes: Axes, x: FloatArray, one: dict[str, Any]) -> None:
    """The gamma laws and the power law, each in counts."""
    law, free = one["printed"], one["fits"]
    if law is not None:
        expected = one["n"] * np.asarray(StationaryGamma(law["shape"], law["rate"]).sf(x**2))
        axes.plot(x, expected, color=style.GAMMA, linestyle=":", linewidth=1.6)
        if expected.max() < 0.5:
            count = f"{law['expected']:.0e}" if law["expected"] > 0 else "nothing"
            axes.annotate(
                f"as printed: {count} beyond the edge", (0.97, 0.93), xycoords="axes fraction",
                ha="right", fontsize=6.5, color=style.GAMMA, zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    if free is None:
        return
    beyond = x[x >= one["edge"]]
    gamma = StationaryGamma(free["gamma_shape"], free["gamma_rate"])
    share = np.asarray(gamma.sf(beyond**2)) / float(gamma.sf(one["edge"] ** 2))
    axes.plot(beyond, one["outliers"] * share, color=style.GAMMA, linewidth=1.3)
    straight = (beyond / one["edge"]) ** (2 * (1 - free["alpha"]))
    axes.plot(beyond, one["outliers"] * straight, color=style.OUTLIER, linestyle="-.", linewidth=1.1)


FIG3 = Reproduction(
    name="fig3",
    title="The tail beyond the Tracy–Widom edge, and gamma laws",
    caption="How many singular values lie beyond σ, on two logarithmic axes. Dotted: Theorem 3.2 as "
    "printed, with D by Lemma 6.18 and β₁ by Lemma 6.19, nothing fitted; solid: a gamma law fitted to the "
    "outliers.",
    presets=("fig3-mlp", "fig3-vit", "fig3-gpt"),
    needs=frozenset({"noise"}),
    numbers=numbers,
    points=points,
    draw=draw,
    table=table,
)
