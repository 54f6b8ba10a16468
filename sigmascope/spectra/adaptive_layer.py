"""One layer's spectra for almost nothing: decomposed when W has moved far enough, interpolated in between."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import Spectrum, check_finite
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.sample import sampled

# of the histogram's bins: the usual tolerance, and how many bins span 0 to sigma_max
TOLERANCE, BINS = 0.05, 64
# batches that a spectrum waits for the next decomposition at most; the first ones less, until more is known
LAG, _FIRST_LAG, _LAG_GROWTH = 128, 16, 4
# error for each unit of |W - W_last|_F / sqrt(m n): before one was seen; and of a spectrum that stands still
_FIRST_RATE, _RATE_WITHOUT = 2.0, 20.0
# how much farther than before W may go at most; decompositions that the next way is judged by
_GROWTH, _MEMORY = 1.5, 3
# share of the time below which the share of the distance tells of a jump
_JUMP = 0.125
# rounding of a decomposition, relative to sigma_max: no error seen is taken to be smaller
_ROUNDING = 1e-6
# squared distances below it have lost entries whose squares float32 cannot hold
_LEAST_SQUARE = 1e-30
# of a state; the attributes are the same with an underscore
_PLAIN = ("came", "gone", "way", "patience", "share", "norm")


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A decomposition.

    Attributes:
        step: batches made before it.
        values, bound, method: what it found.
        top: what a tracker said of the largest values then; its ``start``-th start was the last one.
        sample, norm: what W is known again by: some of its entries, and |W|_F.
    """

    step: int
    values: torch.Tensor
    bound: float
    method: str
    top: torch.Tensor | None
    start: int
    sample: torch.Tensor
    norm: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step whose spectrum waits for the next decomposition; W was ``gone`` from the last one."""

    step: int
    top: torch.Tensor | None
    start: int
    gone: float


class AdaptiveLayer:
    """When one layer is decomposed, and its spectra at the steps in between; see :class:`AdaptiveSpectra`.

    Spectra at steps that have to wait are handed out by the call that decides them.

    Args:
        tolerance: largest error wanted, in bins of a histogram with ``BINS`` bins from 0 to sigma_max.
        lag: batches that a spectrum waits at most.
    """

    def __init__(self, *, tolerance: float = TOLERANCE, lag: int = LAG) -> None:
        self._tolerance, self._lag = tolerance, lag
        self._shape: torch.Size | None = None
        self._before: _Anchor | None = None
        self._last: _Anchor | None = None
        self._came = 0.0  # the distance between those two
        self._gone = 0.0  # |W - W_last|_F
        self._way = 0.0  # that it may reach
        self._patience = min(lag, _FIRST_LAG)  # batches that a spectrum may wait
        self._share = 0.0  # of the way or of the patience, whichever is farther gone
        self._norm = 0.0  # |W|_F
        self._rates: deque[float] = deque(maxlen=_MEMORY)  # error over distance, of late
        self._waiting: list[_Waiting] = []

    def look(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """W as it is looked at, a sample of its entries, and the same entries as they were decomposed last.

        ``move`` wants |W|_F and how far apart the samples are, which many layers have computed together. They
        are empty where there is nothing to compare: no decomposition, or another memory layout.

        Raises:
            InvalidValueError: the weight has changed its shape, type or device.
        """
        matrix = tall(weight)
        if self._shape is not None and matrix.shape != self._shape:
            raise InvalidValueError(
                f"the weight changed its shape from {tuple(self._shape)} to {tuple(matrix.shape)}: start anew"
            )
        sample, last = sampled(matrix), self._last
        if last is None:
            return matrix, sample[:0], sample[:0]
        before = last.sample.dtype, last.sample.device
        if before != (matrix.dtype, matrix.device):
            raise InvalidValueError(
                f"the weight was {before[0]} on {before[1]} and is {matrix.dtype} on {matrix.device}: "
                "start anew"
            )
        known = sample.shape == last.sample.shape
        return (matrix, sample, last.sample) if known else (matrix, sample[:0], sample[:0])

    def move(
        self, matrix: torch.Tensor, sample: torch.Tensor, *, step: int, norm: float, apart: float
    ) -> tuple[float, float]:
        """How far ``matrix`` is from the last decomposition, and how much farther than at the last look.

        Both as shares of the way, or of the patience where more of that is gone: beyond 1, a decomposition is
        due. ``matrix`` and ``sample`` are of ``look``, ``norm`` is |W|_F, ``apart`` what parts the samples.

        Raises:
            NumericalError: NaN or infinity in it.
        """
        self._norm = norm
        if not math.isfinite(norm):  # by an entry, or by squares that leave float32
            check_finite(matrix)
        self._shape = matrix.shape
        if self._last is None:
            return math.inf, 0.0
        share = self._share
        self._gone = _distance(sample, norm, self._last, apart=apart, entries=matrix.numel())
        if self._gone == 0.0 and not self._waiting:
            self._share = 0.0
        else:
            self._share = (step + 1 - self._last.step) / self._patience
        if self._gone > 0.0:  # of the zero matrix any motion is too far
            self._share = max(self._share, self._gone / self._way if self._way > 0.0 else math.inf)
        return self._share, self._share - share

    def wait(self, step: int, top: torch.Tensor | None, *, start: int = 0) -> dict[int, Spectrum]:
        """Have ``step`` wait for the next decomposition; a layer that is not seen to move need not."""
        if self._gone == 0.0 and not self._waiting and self._last is not None:
            return {step: Spectrum(self._last.values.clone(), "adaptive", self._last.bound)}
        self._waiting.append(_Waiting(step, top, start, self._gone))
        return {}

    def anchor(
        self, exact: Spectrum, weight: torch.Tensor, *, step: int, top: torch.Tensor | None, start: int = 0
    ) -> dict[int, Spectrum]:
        """Spectra of the steps that were waiting, and of ``step``, whose decomposition is ``exact``.

        Call it after ``move`` with the same weight. ``top`` comes from a tracker that was started ``start``
        times: how far it is off is not carried over a start.
        """
        new = self._as_anchor(exact, weight, step=step, top=top, start=start)
        return self._settled_by(new, reach=1.0) | {step: exact}

    def settle(self, exact: Spectrum, weight: torch.Tensor) -> dict[int, Spectrum]:
        """Spectra of the steps that are waiting, by a decomposition of the weight as it is now.

        Call it after ``move`` with the same weight. Where that is still the weight of the last step that
        waits, the spectrum of that step is exact.
        """
        last = self._waiting[-1]
        if self._gone == last.gone:
            new = self._as_anchor(exact, weight, step=last.step, top=last.top, start=last.start)
            return self._settled_by(new, reach=1.0) | {last.step: exact}
        # what the tracker says of weights that have gone on is not known
        new = self._as_anchor(exact, weight, step=last.step, top=None, start=last.start)
        known = 0.0 < self._gone < math.inf
        return self._settled_by(new, reach=min(1.0, last.gone / self._gone) if known else 1.0)

    def hold(self) -> dict[int, Spectrum]:
        """Spectra of the steps that are waiting, when there is no other decomposition to be had.

        Those of the last one, the largest values moved on as the tracker's were.
        """
        waiting, last, self._waiting = self._waiting, self._last, []
        if not waiting or last is None:
            return {}
        values = _interpolated(last, last, [0.0] * len(waiting), waiting)
        rate = max(self._usual(_RATE_WITHOUT), self._rate())
        return {
            one.step: Spectrum(row, "adaptive", last.bound + rate * one.gone)
            for one, row in zip(waiting, values, strict=True)
        }

    @property
    def waits(self) -> bool:
        """Whether a step waits."""
        return bool(self._waiting)

    @property
    def awaited(self) -> int:
        """The last step that waits."""
        return self._waiting[-1].step

    def state_dict(self) -> dict[str, Any]:
        """What later spectra build on, tensors copied; ``torch.save`` and ``weights_only=True`` take it."""
        return {
            "shape": None if self._shape is None else list(self._shape),
            "before": _as_state(self._before),
            "last": _as_state(self._last),
            **{name: getattr(self, f"_{name}") for name in _PLAIN},
            "rates": list(self._rates),
            "waiting": [_as_state(one) for one in self._waiting],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have, bit for bit."""
        self._shape = None if state["shape"] is None else torch.Size(state["shape"])
        self._before, self._last = (
            None if state[name] is None else _Anchor(**state[name]) for name in ("before", "last")
        )
        for name in _PLAIN:
            setattr(self, f"_{name}", state[name])
        self._rates = deque(state["rates"], maxlen=_MEMORY)
        self._waiting = [_Waiting(**one) for one in state["waiting"]]

    def _as_anchor(
        self, exact: Spectrum, weight: torch.Tensor, *, step: int, top: torch.Tensor | None, start: int
    ) -> _Anchor:
        return _Anchor(
            step=step,
            values=exact.values.clone(),
            bound=exact.error_bound,
            method=exact.method,
            top=top,
            start=start,
            sample=sampled(tall(weight)).clone(),
            norm=self._norm,
        )

    def _settled_by(self, new: _Anchor, *, reach: float) -> dict[int, Spectrum]:
        """Learn from ``new`` and go on from there; spectra of the waiting steps.

        The last of them lies at ``reach`` of the way.
        """
        self._learn(new)
        settled = self._between(new, reach=reach)
        wanted = self._tolerance * float(new.values[0]) / BINS
        if self._last is None:
            self._way = wanted / self._rate()
        elif self._gone > 0.0:
            self._way = min(wanted / self._rate(), _GROWTH * self._way or math.inf)
            self._patience = min(self._lag, _LAG_GROWTH * self._patience)
            self._before, self._came = self._last, self._gone
        self._last, self._gone, self._share = new, 0.0, 0.0
        return settled

    def _between(self, new: _Anchor, *, reach: float) -> dict[int, Spectrum]:
        waiting, last, self._waiting = self._waiting, self._last, []
        if not waiting or last is None:
            return {}
        whole, rate = self._gone if math.isfinite(self._gone) else waiting[-1].gone, self._rate()
        times = [reach * (one.step - last.step) / (new.step - last.step) for one in waiting]
        ways = [_progress(time, one.gone, whole) for time, one in zip(times, waiting, strict=True)]
        values = _interpolated(last, new, ways, waiting)
        found = {}
        for one, time, way, row in zip(waiting, times, ways, values, strict=True):
            bound = (1 - way) * last.bound + way * new.bound + rate * whole * _bridge(way)
            if way < time:  # before a jump
                bound += self._usual(_RATE_WITHOUT) * one.gone * (1 - way / time)
            found[one.step] = Spectrum(row, "adaptive", bound)
        return found

    def _learn(self, new: _Anchor) -> None:
        """The error that the last decomposition would have had, had it been interpolated."""
        before, last = self._before, self._last
        if before is None or last is None or self._shape is None or self._gone == 0.0:
            return
        known = new.sample.shape == before.sample.shape
        apart = float(torch.dist(new.sample, before.sample)) if known else 0.0
        whole = _distance(new.sample, new.norm, before, apart=apart, entries=self._shape.numel())
        way = _progress((last.step - before.step) / (new.step - before.step), self._came, whole)
        if not (0.0 < whole < math.inf and way > 0.0):
            return
        found = _interpolated(before, new, [way], [last])[0]
        error = max(float((found - last.values).abs().max()), _ROUNDING * float(last.values[0]))
        self._rates.append(error / (whole * _bridge(way)))

    def _rate(self) -> float:
        return max(self._rates, default=self._usual(_FIRST_RATE))

    def _usual(self, rate: float) -> float:
        """``rate`` for a layer of this size: noise moves each level by about as much as an entry."""
        return 1.0 if self._shape is None else min(1.0, rate / math.sqrt(self._shape.numel()))


def _interpolated(
    one: _Anchor, other: _Anchor, ways: Sequence[float], between: Sequence[_Waiting | _Anchor]
) -> torch.Tensor:
    """(len(ways), n) spectra at these shares of the way from ``one`` to ``other``, each descending.

    Where a tracker was there, the largest values move as it says, and what is interpolated is how far off it
    was: it may lag, but its lag changes slowly, as long as it is not started anew.
    """
    along = torch.tensor(ways, dtype=one.values.dtype)[:, None]
    values = torch.lerp(one.values, other.values, along)
    ends = [(anchor, _off(anchor)) for anchor in (one, other)]
    tracked: dict[tuple[int, int], dict[int, torch.Tensor]] = {}
    for row, step in enumerate(between):
        if step.top is not None:
            tracked.setdefault((step.start, len(step.top)), {})[row] = step.top
    for (start, length), tops in tracked.items():
        off = [found for anchor, found in ends if anchor.start == start and len(found)]
        if off:
            rows, k = list(tops), min(length, *map(len, off))
            then = torch.stack(list(tops.values()))[:, :k]
            values[rows, :k] = then + torch.lerp(off[0][:k], off[-1][:k], along[rows])
    return values.clamp_(min=0.0).sort(dim=1, descending=True).values


def _off(anchor: _Anchor) -> torch.Tensor:
    """By how much the true largest values exceed the tracked ones; empty without any."""
    return anchor.values[:0] if anchor.top is None else anchor.values[: len(anchor.top)] - anchor.top


def _progress(time: float, gone: float, whole: float) -> float:
    """The share of the way between two decompositions: in batches, or in distance where that is less.

    W does not leave faster than it goes on, unless it jumps: what came before a jump has hardly moved, and
    which way is not known.
    """
    if not 0.0 < whole < math.inf:
        return time
    share = gone / whole
    return 0.0 if share < _JUMP * time else min(time, share)


def _bridge(way: float) -> float:
    """The error of an interpolation at ``way``, in units of that in the middle, of random walks."""
    return 2.0 * math.sqrt(way * (1.0 - way))


def _distance(sample: torch.Tensor, norm: float, anchor: _Anchor, *, apart: float, entries: int) -> float:
    """|W - W_anchor|_F, by the entries that were kept, ``apart`` from these.

    All would push W out of the caches. It is no less than what the norm of all shows, whatever has moved.
    """
    if sample.shape != anchor.sample.shape:  # another memory layout: nothing to compare
        return math.inf
    if not _LEAST_SQUARE < apart**2 < math.inf:
        apart = float(torch.dist(sample.double(), anchor.sample.double()))
    seen = abs(norm - anchor.norm)
    return max(math.sqrt(entries / sample.numel()) * apart, seen if math.isfinite(seen) else 0.0)


def _as_state(one: _Anchor | _Waiting | None) -> dict[str, Any] | None:
    if one is None:
        return None
    found = {field.name: getattr(one, field.name) for field in fields(one)}
    return {
        name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in found.items()
    }
