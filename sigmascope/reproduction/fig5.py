"""Figure 5: spread of the singular values of a ViT's matrices against the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import t as student

from sigmascope.errors import InvalidValueError
from sigmascope.reproduction import style
from sigmascope.reproduction.figure import (
    Numbers,
    Point,
    Reproduction,
    Table,
    every,
    most,
    some,
    verdict,
    within,
)
from sigmascope.reproduction.results import FloatArray, RunResult
from sigmascope.theory.slopes import Slope, critical_value, slope_over_seeds

# the paper's range; beyond it only the critical rate is looked for
LOWEST, HIGHEST = 1e-3, 1e-1
AXES = ("log-log", "linear")
PRINTED_LAYER_1, PRINTED_HEAD = 0.81, 0.16
SECOND_FFN, HEAD = "down", "head"
# about the printed slope, what its two digits and a reading off a figure leave room for
NEARLY = 0.2


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
    inside = in_range(x)
    return {
        "points": [{"value": a, "seed": int(s), "spread": b} for a, s, b in points],
        "slopes": {axes: slope(x[inside], y[inside], seeds[inside], axes) for axes in AXES},
        "critical": critical_rate(x[inside], y[inside], seeds[inside]),
        "critical_beyond": critical_rate(x, y, seeds),
        "rise": growth(x[inside], y[inside], seeds[inside]),
    }


def in_range(x: FloatArray) -> NDArray[np.bool_]:
    """Where a rate lies within the paper's range, its ends included."""
    return np.asarray((x >= LOWEST * 0.999) & (x <= HIGHEST * 1.001))


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
    return rate if positive(fall) else None


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
    return mean_of([second[seed] - first[seed] for seed in first if seed in second])


def mean_of(gains: Sequence[float]) -> Numbers | None:
    """The mean over seeds and half its 95 % interval by Student's t, None for one seed; None for none."""
    if not gains:
        return None
    half = None
    if len(gains) > 1:
        half = float(student.ppf(0.975, len(gains) - 1) * np.std(gains, ddof=1) / np.sqrt(len(gains)))
    return {"mean": float(np.mean(gains)), "half": half}


def positive(gain: Numbers | None) -> bool | None:
    """True where the 95 % interval lies above 0, False where it lies below, None where it holds 0."""
    if gain is None or gain["half"] is None:
        return None
    return within((gain["mean"] - gain["half"], gain["mean"] + gain["half"]), np.nextafter(0, 1), np.inf)


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
    told = {name: positive(one["rise"]) for name, one in layers.items()}
    grown, fallen = (list(told.values()).count(side) for side in (True, False))
    words = ", ".join(f"{name} ×{one['rise']['ratio']:.3f}" for name, one in layers.items() if one["rise"])
    return Point(
        "Across all layers, increasing the learning rate from 1e-3 to 1e-1 amplifies the spread.",
        f"Beyond the 95 % interval over seeds it grows in {grown} of {len(told)} matrices and falls in "
        f"{fallen}: {words}.",
        "the interval of the growth lies above 0 for every matrix; it differs where it lies below for one",
        verdict(every(told.values())),
    )


def steepness(layer: Numbers, axes: str) -> dict[int, float]:
    """Size of the least-squares slope of each seed within the paper's range."""
    x, seeds, y = columns(layer)
    each = {int(seed): seeds == seed for seed in np.unique(seeds)}
    lines = {seed: slope(x[one], y[one], seeds[one], axes) for seed, one in each.items()}
    return {seed: abs(line["slope"]) for seed, line in lines.items() if line}


def columns(layer: Numbers) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rates, seeds and spreads within the paper's range."""
    x, seeds, y = (np.array([one[key] for one in layer["points"]]) for key in ("value", "seed", "spread"))
    inside = in_range(x)
    return x[inside], seeds[inside], y[inside]


def steeper(first: dict[int, float], second: dict[int, float]) -> bool | None:
    """Whether the first line is the steeper one, by the 95 % interval of the difference over seeds."""
    return positive(mean_of([first[seed] - second[seed] for seed in first if seed in second]))


def most_sensitive(layers: Numbers) -> Point:
    """Whether each block's second projection has the steepest line of its block."""
    mine = {name: name.rsplit(".", 1)[0] for name in layers if name.endswith(f".{SECOND_FFN}")}
    told: dict[str, list[bool | None]] = {axes: [] for axes in AXES}
    words = []
    for axes in AXES:
        sizes = {name: steepness(one, axes) for name, one in layers.items()}
        for second, block in sorted(mine.items()):
            others = [name for name in layers if name.startswith(f"{block}.") and name != second]
            against = {name: steeper(sizes[second], sizes[name]) for name in others}
            told[axes] += against.values()
            words.append(f"{second}, {axes}: {compared(against)}")
    return Point(
        "The second feed-forward projection in each layer is most sensitive to learning-rate scaling.",
        "Beyond the 95 % interval of the difference over seeds, of the other matrices of its block: "
        + "; ".join(words)
        + ".",
        "on one pair of axes at least all of them are flatter; it differs where on each pair one is steeper",
        verdict(some(every(one) for one in told.values())),
    )


def compared(against: dict[str, bool | None]) -> str:
    """``flatter proj, up, steeper none``, by the last part of a matrix's name."""
    names = {
        side: ", ".join(name.rsplit(".", 1)[-1] for name, one in against.items() if one is side) or "none"
        for side in (True, False)
    }
    return f"flatter {names[True]}, steeper {names[False]}"


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
        f"the 95 % interval of one of these lies within {NEARLY:.0%} of it; it differs where all of them lie "
        "outside",
        verdict(some(near(line, PRINTED_LAYER_1) for *_, line in lines)),
    )


def near(line: Numbers, value: float) -> bool | None:
    """Whether the interval of a slope lies within ``NEARLY`` of ``value``; None where it does in part."""
    if line["low"] is None:
        return None
    return within((line["low"], line["high"]), value * (1 - NEARLY), value * (1 + NEARLY))


def head(layers: Numbers) -> list[Point]:
    """The output layer's stability."""
    if HEAD not in layers:
        return []
    told, words = [], []
    for axes in AXES:
        sizes = {name: steepness(one, axes) for name, one in layers.items()}
        against = {name: steeper(sizes[name], sizes[HEAD]) for name in layers if name != HEAD}
        told.append(every(against.values()))
        line = layers[HEAD]["slopes"][axes]
        words.append(f"{axes}: {interval(line) if line else 'no line'}, {counted(against)}")
    return [
        Point(
            f"The output head's weights remain comparatively stable (slope ≈ {PRINTED_HEAD}).",
            f"{'; '.join(words)}.",
            "on one pair of axes at least every other matrix has a steeper line, beyond the 95 % interval of "
            "the difference over seeds; it differs where on each pair one has a flatter line",
            verdict(some(told)),
        )
    ]


def counted(against: dict[str, bool | None]) -> str:
    """``2 of 9 steeper, 1 flatter beyond the interval``."""
    told = list(against.values())
    return (
        f"{told.count(True)} of {len(told)} others steeper, {told.count(False)} flatter beyond the interval"
    )


def critical(found: Numbers) -> Point:
    """The rate beyond which the spread falls."""
    layers = found["layers"]
    inside = {name: one["critical"] for name, one in layers.items() if one["critical"] is not None}
    beyond = {
        name: one["critical_beyond"] for name, one in layers.items() if one["critical_beyond"] is not None
    }
    failed = sorted({one["value"] for one in found["failed"]})
    told = [falls(one) for one in layers.values()]
    return Point(
        "At a certain critical learning rate the spread decreases.",
        f"Within {LOWEST:g} to {HIGHEST:g}: {rates(inside)}; in {told.count(False)} of {len(told)} matrices "
        "it is largest at the last rate, beyond the 95 % interval over seeds. With larger rates: "
        f"{rates(beyond)}."
        + (f" Training did not finish at {', '.join(f'{one:g}' for one in failed)}." if failed else ""),
        "in most matrices the interval of the fall to the last rate within the paper's range lies above 0; "
        "it differs where it lies below in half of them or more",
        verdict(most(told)),
    )


def falls(layer: Numbers) -> bool | None:
    """Whether the spread at the last rate of the paper's range lies below the largest one before it."""
    x, seeds, y = columns(layer)
    before = np.unique(x)[:-1]
    if not len(before):
        return None
    top = max(before, key=lambda rate: y[x == rate].mean())
    return positive(paired(x, y, seeds, (x.max(), top)))


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
