"""From a model in training to records: spectra, predictions, law fits, updates along the modes, noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.apart import apart_from_training
from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.gradient_noise import GradientNoiseMeter
from sigmascope.mode_updates import mode_updates
from sigmascope.prediction.registry import DEFAULT_PREDICTORS
from sigmascope.prediction.subspace import Modes
from sigmascope.prediction.update import (
    WeightChange,
    dense_gradient,
    learning_rates,
    measured_update,
    planned_updates,
)
from sigmascope.record_writer import RecordWriter
from sigmascope.records import GradientNoise, LayerRecord, LayerShape, ModeUpdate, StepRecord
from sigmascope.sinks import MemorySink, Sink
from sigmascope.spectra.adaptive_layer import LAG
from sigmascope.spectra.layer_errors import at_time
from sigmascope.spectra.matrices import WeightMatrix, weight_matrices
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.reader import SpectraReader
from sigmascope.trackers import Trackers
from sigmascope.unfinished import Unfinished, unfinished_layer
from sigmascope.watched import Watched

# of a state
_ENTRIES = ("batches", "learning_rate", "trackers", "spectra", "records", "recorded")


class Recorder:
    """Records the weight matrices of a model while it trains.

    The user's loop stays the user's; three calls are added::

        recorder = Recorder(model, sink, sample_count=len(dataset))
        recorder.record(0)
        for step, (x, y) in enumerate(batches, start=1):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            recorder.observe(optimizer)  # reads the gradients, before they are applied
            optimizer.step()
            recorder.record(step, {"loss": loss.item()})

    Build it before the first batch: its predictors start from the weights they find then. It reads weights
    and gradients and changes neither; it draws no random number. Training is the same, bit for bit, with
    and without it. ``close``, or leaving it as a context manager, removes its hooks.

    Predictors, and the modes that forces are made of, know the weights by the optimizer's steps alone. What
    else changes them (clamping, a norm that is kept, weights loaded in mid-run) is in the spectra, and parts
    the predictions from them; ``reanchor_every`` takes it up.

    ``adaptive`` spectra lie between two decompositions, so their records reach the sink up to ``lag`` batches
    later, in order. ``flush``, ``close`` and a look at the records of a :class:`~sigmascope.sinks.MemorySink`
    bring those that wait.

    Args:
        model: any module; a weight shared by several layers is recorded once, under the first name.
        sink: where records go.
        sample_count: N, the size of the data set that batches are drawn from (for the gradient noise).
        matrices: which weights, by the names that they are recorded under; all that
            :func:`sigmascope.spectra.weight_matrices` finds unless given. Linear layers, convolutions
            (unfolded) and attention are; :func:`sigmascope.spectra.split_qkv` takes projections apart.
        learning_rate: of plain SGD, for ``observe`` without an optimizer.
        top_k: singular values that predictors follow; min(top_k, n) in a layer that has only n.
        predictors: names out of ``sigmascope.prediction.PREDICTORS``.
        reanchor_every: batches after which predictors start anew at the true weights; 0 for never.
        spectra: method of :class:`sigmascope.spectra.SpectraReader`; ``adaptive`` costs least.
        accuracy: of the spectra, as there.
        lag: batches that a record waits at most, with ``adaptive``.
        laws_every: steps between two fits of the laws; 0 for none.
        modes_every: batches between two looks at what G does along the top modes, which forces and forecasts
            by the paper's equation are made of; 0 for none. They need the predictor ``subspace``.
        noise_every: batches between two measurements of the gradient noise; 0 for none. Linear layers alone
            have one, and gradients accumulated over several passes have none.

    Raises:
        InvalidValueError: no weight matrix in the model, or an argument outside its domain.
        NumericalError: a weight is NaN or infinite at the start.
    """

    def __init__(
        self,
        model: nn.Module,
        sink: Sink,
        *,
        sample_count: int,
        matrices: Mapping[str, WeightMatrix] | None = None,
        learning_rate: float | None = None,
        top_k: int = 8,
        predictors: Sequence[str] = DEFAULT_PREDICTORS,
        reanchor_every: int = 0,
        spectra: str = "auto",
        accuracy: float | None = None,
        lag: int = LAG,
        laws_every: int = 1,
        modes_every: int = 1,
        noise_every: int = 1,
    ) -> None:
        whole("top_k", top_k, least=1, remedy="follow one singular value or more")
        self._modes_every = _cadence("modes_every", modes_every)
        self._noise_every = _cadence("noise_every", noise_every)
        self._sink, self._batches = sink, 0
        self._observed, self._recorded = True, -1  # at first trackers have the weights themselves
        self._spectra = SpectraReader(spectra, accuracy=accuracy, lag=lag)
        self._learning_rate = learning_rate
        self._matrices = Watched(model, weight_matrices(model) if matrices is None else matrices)
        weights = self._matrices.now()
        self.layers: tuple[LayerShape, ...] = tuple(
            _shape_of(name, weight) for name, weight in weights.items()
        )
        self._writer = RecordWriter(sink, self.layers, laws_every=_cadence("laws_every", laws_every))
        self._trackers = Trackers(
            weights,
            predictors=predictors,
            top_k=top_k,
            reanchor_every=_cadence("reanchor_every", reanchor_every),
        )
        self._noise: dict[str, GradientNoise] = {}
        self._modes: dict[str, ModeUpdate] = {}
        # weights before a step that only shows when it is done, and their top modes
        self._waiting: dict[str, tuple[torch.Tensor, Modes | None]] = {}
        self._meter = GradientNoiseMeter(
            _linears(self._matrices) if noise_every else {},
            sample_count=sample_count,
            rows={name: matrix.rows for name, matrix in self._matrices.items() if matrix.rows},
        )
        if isinstance(sink, MemorySink):
            sink.before_reading(self.flush)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the records that wait, and remove the hooks; safe to call twice."""
        self._meter.close()
        self.flush()
        if isinstance(self._sink, MemorySink):
            self._sink.forget(self.flush)

    @apart_from_training
    def flush(self) -> None:
        """Write the records that wait for a decomposition, by one of the weights as they are now."""
        if not self._writer.waits:
            return
        self._writer.write(self._spectra.settle(self._matrices.left()))

    @apart_from_training
    def observe(
        self, optimizer: torch.optim.Optimizer | None = None, *, learning_rate: float | None = None
    ) -> None:
        """Read the gradients of one batch; call it after ``backward`` and before the optimizer's step.

        Predictors advance by the weight change G of the batch. Of torch.optim.SGD it is known beforehand,
        momentum and weight decay included; without an optimizer it is -learning_rate * grad. Of any other
        optimizer, of weights that are computed from parameters (weight normalisation, pruning), and of
        weights in half precision, whose sum with G is rounded by more than G itself, it is W after minus W
        before, and predictors wait for ``record`` or the next batch. A layer without a gradient does not
        move, and neither do its predictors. Gradients are to be as the step takes them: call it after
        clipping, and after ``GradScaler.unscale_``.

        Args:
            optimizer: the one that is about to step.
            learning_rate: of this step of plain SGD; stays in force until the next one is given. With an
                optimizer it is read from the first of its groups.

        Raises:
            InvalidValueError: neither an optimizer nor, ever, a learning rate was given; a layer is gone or
                has changed its shape, type or device.
            NumericalError: a gradient holds NaN or infinity; the message names the layer and the batch, the
                first one observed being 1.
        """
        with at_time(f"batch {self._batches + 1}"):
            self._observe(optimizer, learning_rate)

    def _observe(self, optimizer: torch.optim.Optimizer | None, learning_rate: float | None) -> None:
        rate = self._rate(optimizer, learning_rate)
        stored = self._matrices.stored()
        weights = self._matrices.matrices(stored)
        self._settle(weights)  # of a batch that nobody recorded
        # what is computed of other parameters has no gradient, and moves nevertheless
        trained = [name for name, weight in stored.items() if _computed(weight) or weight.grad is not None]
        modes = self._current_modes(trained)
        variance: dict[str, torch.Tensor] = {}
        if _due(self._noise_every, self._batches):
            sides = {name: (found.left, found.right) for name, found in modes.items()}
            variance = self._meter.variance_along(sides, learning_rate=1.0)
            rates = dict.fromkeys(stored, rate)
            rates |= {} if optimizer is None else learning_rates(optimizer, stored)
            self._noise = self._meter.measure(learning_rate=rates)
        self._batches, self._observed = self._batches + 1, True
        foreseen = [name for name in trained if _foreseeable(stored[name], optimizer)]
        for group in self._trackers.groups(foreseen):
            changes = self._planned({name: stored[name] for name in group}, optimizer, rate=rate)
            self._advance(changes, weights, modes=modes, variances=variance)
        self._waiting = {
            name: (weights[name].clone(), modes.get(name)) for name in trained if name not in foreseen
        }

    @apart_from_training
    def record(self, step: int, metrics: Mapping[str, float] | None = None) -> None:
        """Compute everything about the weights as they are now; the sink gets a record of it.

        Args:
            step: optimisation steps made so far; 0 before the first.
            metrics: loss, accuracies, learning rate, timings, by name.

        Raises:
            InvalidValueError: step below 0, or no greater than in the record before; a metric that is no
                number; a layer is gone or has changed its shape, type or device.
            NumericalError: a weight is NaN or infinite; the message names the layer and the step.
        """
        whole("step", step, least=0, remedy="0 is before the first batch")
        if step <= self._recorded:
            raise InvalidValueError(
                f"step must be greater than {self._recorded}, which is recorded already, got {step}"
            )
        told = _numbers(metrics or {})
        weights = self._matrices.now()
        with at_time(f"step {step}"):
            self._settle(weights)
        # without a gradient since the last record, trackers know nothing of what the weights have done
        top = self._trackers.largest() if self._observed else None
        layers = {name: self._unfinished_layer(name) for name in weights}
        record = StepRecord(step=step, metrics=told, layers=layers)
        known = self._spectra.read(weights, step=step, top=top, starts=self._trackers.starts())
        self._writer.add(Unfinished(record, self._learning_rate))
        self._noise, self._modes = {}, {}
        self._observed, self._recorded = False, step
        self._writer.write(known)

    @property
    def written(self) -> int:
        """The last step whose record the sink has; -1 before the first."""
        return self._writer.written

    def state_dict(self) -> dict[str, Any]:
        """What later records build on, tensors copied; ``torch.save`` and ``weights_only=True`` take it.

        Call it after ``record``, before the next ``observe``. The weights are not in it.
        """
        return {
            "batches": self._batches,
            "learning_rate": self._learning_rate,
            "trackers": self._trackers.state_dict(),
            "spectra": self._spectra.state_dict(),
            "records": self._writer.state_dict(),
            "recorded": self._recorded,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the recorder that ``state_dict`` was called on would have, bit for bit.

        Build it as that one was built, over the weights of step 0; then load those of the state's step, and
        go on with the batch after it. ``written`` may be further back: records in between are in the state.

        Raises:
            InvalidValueError: it had other layers, other predictors, other settings of theirs, or another
                method, or is no such state.
        """
        lacking = [name for name in _ENTRIES if name not in state]
        if lacking:
            raise InvalidValueError(f"the state lacks {lacking[0]!r}: it was not saved by state_dict()")
        self._spectra.check_state(state["spectra"])
        self._trackers.load_state_dict(state["trackers"])
        self._spectra.load_state_dict(state["spectra"])
        self._writer.load_state_dict(state["records"])
        self._batches, self._learning_rate = state["batches"], state["learning_rate"]
        self._recorded = state["recorded"]

    def _settle(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Let predictors see the changes that only show when they are made."""
        before = {name: weight for name, (weight, _) in self._waiting.items()}
        modes = {name: found for name, (_, found) in self._waiting.items() if found is not None}
        for group in self._trackers.groups(before):
            changes = {name: WeightChange(measured_update(before[name], weights[name])) for name in group}
            self._advance(changes, before, modes=modes, variances={})
        self._waiting = {}

    def _advance(
        self,
        changes: Mapping[str, WeightChange],
        weights: Mapping[str, torch.Tensor],
        *,
        modes: Mapping[str, Modes],
        variances: Mapping[str, torch.Tensor],
    ) -> None:
        """Have predictors see ``changes`` of ``weights``, and see what these do along ``modes``."""
        self._trackers.advance(changes, weights=weights)
        looked_at = {name: modes[name] for name in changes if name in modes}
        after = self._trackers.modes(looked_at)
        self._modes |= mode_updates(changes, before=looked_at, after=after, variances=variances)

    def _rate(self, optimizer: torch.optim.Optimizer | None, learning_rate: float | None) -> float:
        if optimizer is not None:
            self._learning_rate = float(optimizer.param_groups[0]["lr"])
        elif learning_rate is not None:
            self._learning_rate = learning_rate
        if self._learning_rate is None:
            raise InvalidValueError(
                "no learning rate: pass the optimizer to observe(...), or learning_rate to Recorder(...)"
            )
        return self._learning_rate

    def _current_modes(self, layers: Sequence[str]) -> dict[str, Modes]:
        """The top modes before this batch, where they are wanted and a tracker has them."""
        if not _due(self._modes_every, self._batches):
            return {}
        return self._trackers.modes(layers)

    def _planned(
        self, weights: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer | None, *, rate: float
    ) -> dict[str, WeightChange]:
        """The changes of ``weights`` in this batch, without those that the optimizer leaves alone."""
        if optimizer is not None:
            changes = planned_updates(optimizer, weights)
        else:
            changes = {
                name: WeightChange(gradient, -rate)
                for name, weight in weights.items()
                if (gradient := dense_gradient(weight)) is not None
            }
        return {
            name: WeightChange(self._matrices[name].view(change.direction), change.scale, change.fresh)
            for name, change in changes.items()
        }

    def _unfinished_layer(self, name: str) -> LayerRecord:
        predicted = self._trackers.trajectories(name)
        return unfinished_layer(
            {predictor: _numpy(values) for predictor, values in predicted.items()},
            self._noise.get(name),
            self._modes.get(name),
        )


def _cadence(argument: str, value: int) -> int:
    return whole(argument, value, least=0, remedy="0 means never")


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of Python's own, by name; InvalidValueError where one is none."""
    found = {}
    for name, value in metrics.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(f"metric {name!r} must be a number, got {value!r}") from error
    return found


def _due(every: int, count: int) -> bool:
    return every > 0 and count % every == 0


def _computed(weight: torch.Tensor) -> bool:
    """Whether ``weight`` is no parameter itself."""
    return not isinstance(weight, nn.Parameter)


def _foreseeable(weight: torch.Tensor, optimizer: torch.optim.Optimizer | None) -> bool:
    """Whether the change of ``weight`` is known before the step."""
    exact = weight.dtype in (torch.float32, torch.float64) and not _computed(weight)
    return exact and (optimizer is None or type(optimizer) is torch.optim.SGD)


def _linears(matrices: Mapping[str, WeightMatrix]) -> dict[str, nn.Linear]:
    """The linear layers, of whose gradients the noise can be measured."""
    return {name: matrix.module for name, matrix in matrices.items() if isinstance(matrix.module, nn.Linear)}


def _shape_of(name: str, weight: torch.Tensor) -> LayerShape:
    matrix = tall(weight)
    m, n = matrix.shape
    return LayerShape(name=name, m=m, n=n, entry_variance=float(matrix.var(correction=0)))


def _numpy(values: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.to(torch.float32).numpy()
    return array
