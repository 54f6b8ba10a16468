"""Figure 5: spread of the singular values of a ViT's matrices against the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import t as student

from sigmascope.errors import InvalidValueError
from sigmascope.reproduction import style
from sigmascope.reproduction.figure import Numbers, Point, Reproduction, Table, verdict
from sigmascope.reproduction.results import FloatArray, RunResult
from sigmascope.theory.slopes import Slope, critical_value, slope_over_seeds

# the paper's range; beyond it only the critical rate is looked for
LOWEST, HIGHEST = 1e-3, 1e-1
AXES = ("log-log", "linear")
PRINTED_LAYER_1, PRINTED_HEAD = 0.81, 0.16
SECOND_FFN, HEAD = "down", "head"


def numbers(runs: Sequence[RunResult], layer: str | None) -> Numbers:
    """Points, slopes within the paper's range and critical rates of every weight matrix."""
    sweep = runs[0].sweep
    if sweep is None:
        raise InvalidValueError(f"{runs[0].preset} is no sweep; figure 5 takes one")
    done = [one for one in sweep.points if one.status == "finished"]
    names = list(dict.fromkeys(name for one in done for name in one.spread))
    return {
        "field": sweep.field,
        "range": [LOWEST, HIGHEST],
        "failed": [{"value": p.value, "seed": p.seed} for p in sweep.points if p.status != "finished"],
        "layers": {
            name: layer_numbers([(p.value, p.seed, p.spread[name]) for p in done if name in p.spread])
            for name in names
        },
    }


def layer_numbers(points: list[tuple[float, int, float]]) -> Numbers:
    """One matrix, from (rate, seed, spread)."""
    x, seeds, y = (np.array(column) for column in zip(*points, strict=True))
    inside = (x >= LOWEST * 0.999) & (x <= HIGHEST * 1.001)
    return {
        "points": [{"value": a, "seed": int(s), "spread": b} for a, s, b in points],
        "slopes": {axes: slope(x[inside], y[inside], seeds[inside], axes) for axes in AXES},
        "critical": critical_rate(x[inside], y[inside], seeds[inside]),
        "critical_beyond": critical_rate(x, y, seeds),
        "rise": growth(x[inside], y[inside], seeds[inside]),
    }


def slope(x: FloatArray, y: FloatArray, seeds: FloatArray, axes: str) -> Numbers | None:
    """Least squares seed by seed; None where a line needs more points."""
    if axes == "log-log":
        shown = (x > 0) & (y > 0)
        x, y, seeds = np.log10(x[shown]), np.log10(y[shown]), seeds[shown]
    line: Slope | None = slope_over_seeds([(x[seeds == one], y[seeds == one]) for one in np.unique(seeds)])
    if line is None:
        return None
    return {
        "slope": line.slope,
        "intercept": line.intercept,
        "low": line.low,
        "high": line.high,
        "seeds": line.seeds,
    }


def critical_rate(x: FloatArray, y: FloatArray, seeds: FloatArray) -> float | None:
    """The rate beyond which the mean spread falls for good; None where chance may make it fall.

    That is, where the 95 % interval over seeds of the fall to the last rate holds 0.
    """
    rate = critical_value(x, y) if len(x) else None
    if rate is None:
        return None
    fall = paired(x, y, seeds, (x.max(), rate))
    return rate if fall is not None and fall["mean"] > (fall["half"] or 0.0) else None


def growth(x: FloatArray, y: FloatArray, seeds: FloatArray) -> Numbers | None:
    """Spread at the highest rate less that at the lowest, seed by seed, with its 95 % interval."""
    if not len(x):
        return None
    low, high = x.min(), x.max()
    gain = paired(x, y, seeds, (low, high))
    return gain and {**gain, "ratio": float(y[x == high].mean() / y[x == low].mean())}


def paired(x: FloatArray, y: FloatArray, seeds: FloatArray, ends: tuple[float, float]) -> Numbers | None:
    """Mean over seeds of y at the second end less y at the first, and half its 95 % interval."""
    first, second = ({s: v for a, s, v in zip(x, seeds, y, strict=True) if a == end} for end in ends)
    gains = np.array([second[seed] - first[seed] for seed in first if seed in second])
    if not len(gains):
        return None
    half = None
    if len(gains) > 1:
        half = float(student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    return {"mean": float(gains.mean()), "half": half}


def points(found: Numbers) -> list[Point]:
    """What the paper reads from its Figure 5."""
    layers = found["layers"]
    return [
        amplified(layers),
        most_sensitive(layers),
        second_of_layer_1(layers),
        *head(layers),
        critical(found),
    ]


def amplified(layers: Numbers) -> Point:
    """Whether the spread grows over the paper's range, everywhere."""
    gains = {name: one["rise"] for name, one in layers.items() if one["rise"]}
    grown = [name for name, one in gains.items() if one["mean"] > (one["half"] or 0.0)]
    words = ", ".join(f"{name} ×{one['ratio']:.3f}" for name, one in gains.items())
    return Point(
        "Across all layers, increasing the learning rate from 1e-3 to 1e-1 amplifies the spread.",
        f"It grows in {len(grown)} of {len(gains)} matrices: {words}.",
        "the 95 % interval of the growth over seeds lies above 0, for every matrix",
        verdict(len(grown) == len(gains) if gains else None),
    )


def most_sensitive(layers: Numbers) -> Point:
    """Whether each block's second projection has the steepest line of its block."""
    blocks = sorted({name.rsplit(".", 1)[0] for name in layers if name.endswith(f".{SECOND_FFN}")})
    right, words = 0, []
    for block in blocks:
        for axes in AXES:
            steep = {
                name: one["slopes"][axes]["slope"]
                for name, one in layers.items()
                if name.startswith(f"{block}.") and one["slopes"][axes]
            }
            best = max(steep, key=steep.__getitem__)
            right += best == f"{block}.{SECOND_FFN}"
            words.append(
                f"{block}, {axes}: {best} {steep[best]:.3g}, {SECOND_FFN} "
                f"{steep[f'{block}.{SECOND_FFN}']:.3g}"
            )
    return Point(
        "The second feed-forward projection in each layer is most sensitive to learning-rate scaling.",
        "Steepest line of each block: " + "; ".join(words) + ".",
        "it is the steepest of its block on both pairs of axes",
        verdict(right == len(AXES) * len(blocks) if blocks else None),
    )


def second_of_layer_1(layers: Numbers) -> Point:
    """The printed slope of 0.81; the paper names neither axes nor training length."""
    lines = [
        (name, axes, one["slopes"][axes])
        for name, one in layers.items()
        if name.endswith(f".{SECOND_FFN}")
        for axes in AXES
        if one["slopes"][axes]
    ]
    return Point(
        f"The second feed-forward projection of layer 1 has slope ≈ {PRINTED_LAYER_1}.",
        "; ".join(f"{name}, {axes}: {interval(line)}" for name, axes, line in lines)
        + ". The paper names neither the axes of its lines nor the number of batches.",
        "the 95 % interval of one of these holds it, and not 0",
        verdict(any(holds(line, PRINTED_LAYER_1) for *_, line in lines) if lines else None),
    )


def head(layers: Numbers) -> list[Point]:
    """The output layer's stability."""
    if HEAD not in layers:
        return []
    lines = {axes: layers[HEAD]["slopes"][axes] for axes in AXES if layers[HEAD]["slopes"][axes]}
    flatter = {
        axes: [
            name
            for name, one in layers.items()
            if name != HEAD and one["slopes"][axes] and abs(one["slopes"][axes]["slope"]) < abs(line["slope"])
        ]
        for axes, line in lines.items()
    }
    words = "; ".join(
        f"{axes}: {interval(line)}, flatter: {', '.join(flatter[axes]) or 'none'}"
        for axes, line in lines.items()
    )
    return [
        Point(
            f"The output head's weights remain comparatively stable (slope ≈ {PRINTED_HEAD}).",
            f"{words}.",
            "no matrix has a flatter line on one of the two pairs of axes at least",
            verdict(any(not names for names in flatter.values()) if lines else None),
        )
    ]


def critical(found: Numbers) -> Point:
    """The rate beyond which the spread falls."""
    layers = found["layers"]
    inside = {name: one["critical"] for name, one in layers.items() if one["critical"] is not None}
    beyond = {
        name: one["critical_beyond"] for name, one in layers.items() if one["critical_beyond"] is not None
    }
    failed = sorted({one["value"] for one in found["failed"]})
    return Point(
        "At a certain critical learning rate the spread decreases.",
        f"Within {LOWEST:g} to {HIGHEST:g}: {rates(inside)}. With larger rates: {rates(beyond)}."
        + (f" Training did not finish at {', '.join(f'{one:g}' for one in failed)}." if failed else ""),
        "the mean spread of half of the matrices or more falls beyond a rate within the paper's range",
        verdict(2 * len(inside) >= len(layers) if layers else None),
    )


def rates(critical_rates: dict[str, float]) -> str:
    """``head at 0.05``."""
    return ", ".join(f"{name} beyond {rate:g}" for name, rate in critical_rates.items()) or "it falls nowhere"


def interval(line: Numbers) -> str:
    """A slope with its interval."""
    return f"{line['slope']:.3g}" + (
        "" if line["low"] is None else f" [{line['low']:.3g}, {line['high']:.3g}]"
    )


def short(line: Numbers) -> str:
    """The same where there is little room."""
    half = "" if line["low"] is None else f" ± {(line['high'] - line['low']) / 2:.2g}"
    return f"{line['slope']:.2g}{half}"


def holds(line: Numbers, value: float) -> bool:
    """True when the interval holds ``value``, and not 0."""
    return line["low"] is not None and 0 < line["low"] <= value <= line["high"]


def table(found: Numbers) -> Table:
    """One row a matrix, rate and seed."""
    rows = [
        (name, one["value"], one["seed"], one["spread"])
        for name, layer in found["layers"].items()
        for one in layer["points"]
    ]
    return ("layer", found["field"], "seed", "spread"), rows


def draw(found: Numbers) -> Figure:
    """A panel a matrix, in network order."""
    layers = found["layers"]
    columns = min(5, len(layers))
    rows = -(-len(layers) // columns)
    figure, axes = style.canvas(rows, columns, width=1.7 * columns, height=1.85 * rows + 0.4, sharex=True)
    for place in axes.flat[len(layers) :]:
        place.set_visible(False)
    for i, (place, (name, one)) in enumerate(zip(axes.flat, layers.items(), strict=False)):
        line = one["slopes"]["log-log"]
        style.head(place, name, f"slope {short(line)}" if line else "")
        panel(place, one)
        style.label(
            place,
            x="learning rate" if i + columns >= len(layers) else "",
            y=r"$\sigma_{\max} - \sigma_{\mathrm{med}}$" if i % columns == 0 else "",
        )
    style.legend(figure, axes[0, 0], columns=4, handles=keys())
    return figure


def keys() -> list[Line2D]:
    """The legend."""
    return [
        Line2D([], [], color=style.DATA, marker="o", markersize=2.5, linestyle="", label="one seed"),
        Line2D([], [], color=style.INK, linewidth=1.1, label="mean"),
        Line2D([], [], color="#c92a2a", linestyle="--", linewidth=1.2, label="least squares, slope ± 95 %"),
        Line2D([], [], color=style.OUTLIER, linewidth=0.9, label="critical rate"),
    ]


def panel(axes: Axes, one: Numbers) -> None:
    """Points, mean, line and critical rate of one matrix."""
    x = np.array([p["value"] for p in one["points"]])
    y = np.array([p["spread"] for p in one["points"]])
    places = np.unique(x)
    axes.plot(x, y, "o", color=style.DATA, markersize=2.5, markeredgewidth=0, alpha=0.8)
    axes.plot(places, [y[x == place].mean() for place in places], color=style.INK, linewidth=1.0)
    line = one["slopes"]["log-log"]
    if line:
        ends = np.array([LOWEST, HIGHEST])
        axes.plot(
            ends,
            10 ** (line["intercept"] + line["slope"] * np.log10(ends)),
            "--",
            color="#c92a2a",
            linewidth=1.2,
        )
    if one["critical_beyond"] is not None:
        axes.axvline(one["critical_beyond"], color=style.OUTLIER, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    quiet_ticks(axes, float(y.min()), float(y.max()))


def quiet_ticks(axes: Axes, low: float, high: float) -> None:
    """Three round numbers on a logarithmic axis that may span less than a decade."""
    if high / low > 30:
        return
    candidates = [low, float(np.sqrt(low * high)), high]
    digits = 2 if high / low > 1.3 else 3
    axes.set_yticks([float(f"{one:.{digits}g}") for one in candidates])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.minorticks_off()


FIG5 = Reproduction(
    name="fig5",
    title="Spread of the singular values against the learning rate, by weight matrix",
    caption="σ_max − σ_med after the last batch, on logarithmic axes. Dashed: least squares over 1e-3 to "
    "1e-1, the mean of each seed's line. Amber: the rate beyond which the mean spread falls.",
    presets=("fig5",),
    needs=frozenset(),
    numbers=numbers,
    points=points,
    draw=draw,
    table=table,
)
