"""Figure 1: a layer's spectrum at three batches, with Marchenko-Pastur and the Tracy-Widom edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sigmascope.reproduction import style
from sigmascope.reproduction.figure import Numbers, Point, Reproduction, Table, verdict
from sigmascope.reproduction.results import FloatArray, LayerResult, RunResult
from sigmascope.theory.law_fit import fit_laws
from sigmascope.theory.laws.marchenko_pastur import marchenko_pastur_singular
from sigmascope.theory.laws.tracy_widom import TracyWidom

LEVEL = 0.05
# of the initial state, which is noise by construction, over all layers together: at 5 % one run in
# twenty would seem to differ
FAMILY_LEVEL = 0.01
# eigenvalues are rigid: 95 of 100 noise spectra stay within 2.8 (128 x 128) to 3.5 levels (1024 x 1024) of
# the law that is fitted to them, where n independent draws would be off by sqrt(n)
LEVELS_OFF = 4.0
SHIFT = 0.01


def numbers(runs: Sequence[RunResult], layer: str | None) -> Numbers:
    """Fits of every layer at the first, the middle and the last batch; the spectra of the one drawn."""
    run = runs[0]
    shown, spec = run.layer(layer), run.train
    steps = [0, spec.batches // 2, spec.batches]
    return {
        "steps": steps,
        "layer": shown.name,
        "m": shown.m,
        "n": shown.n,
        "singular_values": [shown.spectrum(step).tolist() for step in steps],
        "layers": {one.name: [state(one, step, spec.learning_rate) for step in steps] for one in run.layers},
    }


def state(layer: LayerResult, step: int, learning_rate: float) -> dict[str, float]:
    """Bulk, edge and outliers of one spectrum."""
    values = layer.spectrum(step)
    fit = fit_laws(values, m=layer.m, n=layer.n, step=step, learning_rate=learning_rate)
    return {
        "n": layer.n,
        "ks": fit.ks,
        "p_value": fit.p_value,
        "outliers": fit.outliers,
        "top": float(values[0]),
        "median": float(np.median(values)),
        "edge": fit.edge,
        "mp_upper": fit.mp_upper,
        "entry_deviation": float(np.sqrt(fit.entry_variance)),
        "tw_center": fit.tw_center,
        "tw_scale": fit.tw_scale,
    }


def points(found: Numbers) -> list[Point]:
    """What the paper reads from its Figure 1."""
    first, middle, last = found["layers"][found["layer"]]
    batches = found["steps"]
    return [
        initial_bulk(found),
        initial_edge(found),
        Point(
            f"At batch 200 (here {batches[1]}) MP and TW begin to underpredict mass near the edge.",
            f"{middle['outliers']:.0f} of {found['n']} values lie beyond the edge, where noise puts "
            f"{LEVEL:g} on average; the largest is {middle['top'] / middle['edge']:.2f} times the edge, and "
            f"noise exceeds it with p = {middle['p_value']:.2g}.",
            f"p below {LEVEL:g}; it differs where the largest value is too small for noise, p above "
            f"{1 - LEVEL:g}",
            verdict(True if middle["p_value"] < LEVEL else False if middle["p_value"] > 1 - LEVEL else None),
        ),
        Point(
            f"At batch 400 (here {batches[2]}) the tail becomes increasingly pronounced.",
            f"Outliers {first['outliers']:.0f}, {middle['outliers']:.0f}, {last['outliers']:.0f}; largest "
            f"value {first['top']:.3f}, {middle['top']:.3f}, {last['top']:.3f}.",
            "both grow from the middle batch to the last; it differs where neither does",
            verdict(agreed(last["outliers"] > middle["outliers"], last["top"] > middle["top"])),
        ),
        shift(found),
    ]


def agreed(first: bool, second: bool) -> bool | None:
    """What two criteria say together: None where they part."""
    return first if first == second else None


def shift(found: Numbers) -> Point:
    """Where the bulk goes. Eigenvalues are rigid: less than a level may be a fluctuation, more is none."""
    first, _, last = found["layers"][found["layer"]]
    rise = change(first, last, "median")
    level = first["mp_upper"] / found["n"] / first["median"]
    return Point(
        "The bulk shifts rightward.",
        f"Median {first['median']:.5f} → {last['median']:.5f} ({rise:+.2%}), deviation of the bulk's entries "
        f"{change(first, last, 'entry_deviation'):+.2%}; one level spacing is {level:.2%}.",
        f"the median rises by {SHIFT:.0%}, which an eye would see, and by a level; it differs where it rises "
        "by less than either",
        verdict(agreed(rise >= SHIFT, rise >= level)),
    )


def initial_bulk(found: Numbers) -> Point:
    """Marchenko-Pastur before training."""
    levels = {name: states[0]["ks"] * states[0]["n"] for name, states in found["layers"].items()}
    worst = max(levels, key=levels.__getitem__)
    return Point(
        "At initialization the spectrum adheres almost exactly to the MP prediction.",
        f"Kolmogorov distance {found['layers'][found['layer']][0]['ks']:.5f}, "
        f"{levels[found['layer']]:.2f} levels of {found['n']}; of all layers {worst} is farthest, by "
        f"{levels[worst]:.2f} of its levels.",
        f"no layer is farther from the fitted law than {LEVELS_OFF:g} of its levels",
        verdict(max(levels.values()) <= LEVELS_OFF),
    )


def initial_edge(found: Numbers) -> Point:
    """No outlier before training; with several layers one in twenty may have one by chance."""
    starts = {name: states[0] for name, states in found["layers"].items()}
    outliers = {name: int(one["outliers"]) for name, one in starts.items() if one["outliers"]}
    smallest = min(one["p_value"] for one in starts.values())
    listed = ", ".join(f"{name} {count}" for name, count in outliers.items()) or "none"
    return Point(
        "At initialization there are no outliers beyond the TW edge.",
        f"Outliers at 5 %: {listed} (noise gives one layer in twenty one); p of the drawn layer "
        f"{starts[found['layer']]['p_value']:.3f}, the "
        f"smallest of {len(starts)} layers {smallest:.4f}, times their number {smallest * len(starts):.3f}.",
        f"no layer has one; it differs where a p-value is below {FAMILY_LEVEL:.0%} divided by the number of "
        "layers, so that chance does not explain it",
        verdict(True if not outliers else False if smallest * len(starts) < FAMILY_LEVEL else None),
    )


def change(first: dict[str, float], last: dict[str, float], name: str) -> float:
    """Relative change of a number."""
    return last[name] / first[name] - 1.0


def table(found: Numbers) -> Table:
    """All values of the drawn layer."""
    rows = [
        (step, k, value)
        for step, values in zip(found["steps"], found["singular_values"], strict=True)
        for k, value in enumerate(values, start=1)
    ]
    return ("step", "k", "singular_value"), rows


def draw(found: Numbers) -> Figure:
    """Whole spectra above, their edges below."""
    figure, axes = style.canvas(2, 3, width=7.2, height=4.5, sharex="row", sharey="row")
    for column, (step, values) in enumerate(zip(found["steps"], found["singular_values"], strict=True)):
        fit = found["layers"][found["layer"]][column]
        note = f"KS {fit['ks']:.4f}   {outlier_words(int(fit['outliers']))}   {p_words(fit['p_value'])}"
        style.head(axes[0, column], f"Batch {step}", note)
        whole(axes[0, column], np.asarray(values), fit, found)
        edge(axes[1, column], np.asarray(values), fit, found)
        style.label(axes[0, column], x="singular value σ", y="density" if column == 0 else "")
        style.label(axes[1, column], x="σ at the edge", y="values per bin" if column == 0 else "")
    style.legend(
        figure, axes[0, 0], columns=5, handles=keys(f"{found['layer']}, {found['m']} × {found['n']}")
    )
    return figure


def keys(name: str) -> list[Line2D | Patch]:
    """The legend."""
    return [
        Patch(facecolor=style.DATA_FILL, edgecolor=style.DATA, linewidth=0.8, label=name),
        Line2D([], [], color=style.MARCHENKO_PASTUR, linestyle="--", linewidth=1.4, label="Marčenko–Pastur"),
        Line2D([], [], color=style.TRACY_WIDOM, linewidth=1.4, label="Tracy–Widom, its 95 % edge"),
        Line2D([], [], color=style.OUTLIER, marker="|", linestyle="", markersize=7, label="outlier"),
    ]


def outlier_words(count: int) -> str:
    """``no outlier``, ``1 outlier``, ``7 outliers``."""
    return f"{count or 'no'} outlier{'' if count <= 1 else 's'}"


def p_words(p: float) -> str:
    """A p-value that may be far too small to print."""
    return f"p = {p:.2f}" if p >= 0.01 else f"p = {p:.0e}" if p > 1e-99 else "p < 1e-99"


def whole(axes: Axes, values: FloatArray, fit: dict[str, float], found: Numbers) -> None:
    """The density of all values."""
    top = max(max(one) for one in found["singular_values"])
    bins = np.linspace(0, top, int(np.clip(found["n"] // 8, 12, 60)) + 1).tolist()
    axes.hist(
        values, bins=bins, density=True, histtype="stepfilled",
        facecolor=style.DATA_FILL, edgecolor=style.DATA, linewidth=0.8,
    )  # fmt: skip
    x, law = bulk_law(fit, found)
    axes.plot(x, law, color=style.MARCHENKO_PASTUR, linestyle="--", linewidth=1.4)
    axes.axvline(fit["edge"], color=style.TRACY_WIDOM, linewidth=0.8)
    mark_outliers(axes, values, fit)
    axes.set_xlim(0, top * 1.03)


def edge(axes: Axes, values: FloatArray, fit: dict[str, float], found: Numbers) -> None:
    """Counts near the edge; the Tracy-Widom law there as the one value that it speaks of."""
    states = found["layers"][found["layer"]]
    last = max(one["edge"] for one in states)
    low, high = 0.86 * last, min(max(one["top"] for one in states) * 1.02, 1.3 * last)
    bins = np.linspace(low, high, int(np.clip(found["n"] // 12, 12, 40)) + 1).tolist()
    size = bins[1] - bins[0]
    axes.hist(
        values, bins=bins, histtype="stepfilled",
        facecolor=style.DATA_FILL, edgecolor=style.DATA, linewidth=0.8,
    )  # fmt: skip
    x, law = bulk_law(fit, found)
    axes.plot(x, law * found["n"] * size, color=style.MARCHENKO_PASTUR, linestyle="--", linewidth=1.4)
    sigma = np.linspace(low, high, 600)
    score = (sigma**2 - fit["tw_center"]) / fit["tw_scale"]
    density = TracyWidom(1).pdf(score) * 2 * sigma / fit["tw_scale"]
    axes.plot(sigma, density * size, color=style.TRACY_WIDOM, linewidth=1.4)
    axes.axvline(fit["edge"], color=style.TRACY_WIDOM, linewidth=0.8)
    mark_outliers(axes, values, fit)
    beyond = int(np.count_nonzero(values > high))
    if beyond:
        axes.annotate(
            f"{beyond} more →",
            (1, 0.12),
            xycoords="axes fraction",
            ha="right",
            fontsize=7,
            color=style.OUTLIER,
        )
    axes.set_xlim(low, high)


def bulk_law(fit: dict[str, float], found: Numbers) -> tuple[FloatArray, FloatArray]:
    """Marchenko-Pastur on the singular-value axis."""
    law = marchenko_pastur_singular(found["m"], found["n"], entry_variance=fit["entry_deviation"] ** 2)
    lower, upper = law.support()
    x = lower + (upper - lower) * 0.5 * (1 - np.cos(np.linspace(0, np.pi, 400)))
    return x, np.asarray(law.pdf(x))


def mark_outliers(axes: Axes, values: FloatArray, fit: dict[str, float]) -> None:
    """Ticks that stand on the axis."""
    beyond = values[: int(fit["outliers"])]
    axes.plot(
        beyond, np.full(len(beyond), 0.03), "|", color=style.OUTLIER, markersize=7, markeredgewidth=1,
        transform=axes.get_xaxis_transform(), zorder=5,
    )  # fmt: skip


FIG1 = Reproduction(
    name="fig1",
    title="Singular values at three batches, with Marčenko–Pastur and the Tracy–Widom edge",
    caption="Above, all singular values of one layer; below, counts at the edge, where the green curve is "
    "the law of the one largest value of pure noise. Ticks are outliers at 5 %.",
    presets=("fig1",),
    needs=frozenset(),
    numbers=numbers,
    points=points,
    draw=draw,
    table=table,
)
