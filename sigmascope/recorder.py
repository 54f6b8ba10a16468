"""From a model in training to records: spectra, predictions, law fits, updates along the modes, noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.gradient_noise import GradientNoiseMeter
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.registry import DEFAULT_PREDICTORS, make_predictor
from sigmascope.prediction.subspace import Subspace
from sigmascope.prediction.update import measured_update, planned_updates
from sigmascope.records import GradientNoise, LayerRecord, LayerShape, ModeUpdate, StepRecord
from sigmascope.sinks import Sink
from sigmascope.spectra.exact import Spectrum
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.reader import SpectraReader
from sigmascope.theory.law_fit import LawFit, fit_laws


class Recorder:
    """Records every 2-d weight matrix of a model's linear layers while it trains.

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

    Args:
        model: any module; a weight shared by several layers is recorded once, under the first name.
        sink: where records go.
        sample_count: N, the size of the data set that batches are drawn from (for the gradient noise).
        learning_rate: of plain SGD, for ``observe`` without an optimizer.
        top_k: singular values that predictors follow; min(top_k, n) in a layer that has only n.
        predictors: names out of ``sigmascope.prediction.PREDICTORS``.
        spectra: method of :class:`sigmascope.spectra.SpectraReader`; ``adaptive`` costs least.
        accuracy: of the spectra, as there.
        laws_every: steps between two fits of the laws; 0 for none.
        noise_every: batches between two measurements of the gradient noise; 0 for none.

    Raises:
        InvalidValueError: no linear layer in the model, or an argument outside its domain.
        NumericalError: a weight is NaN or infinite at the start.
    """

    def __init__(
        self,
        model: nn.Module,
        sink: Sink,
        *,
        sample_count: int,
        learning_rate: float | None = None,
        top_k: int = 8,
        predictors: Sequence[str] = DEFAULT_PREDICTORS,
        spectra: str = "auto",
        accuracy: float | None = None,
        laws_every: int = 1,
        noise_every: int = 1,
    ) -> None:
        if top_k < 1:
            raise InvalidValueError(
                f"top_k must be at least 1, got {top_k}: follow one singular value or more"
            )
        for argument, value in (("laws_every", laws_every), ("noise_every", noise_every)):
            if value < 0:
                raise InvalidValueError(f"{argument} must be at least 0, got {value}; 0 means never")
        self._laws_every, self._noise_every = laws_every, noise_every
        self._sink, self._batches = sink, 0
        self._spectra = SpectraReader(spectra, accuracy=accuracy)
        self._learning_rate = learning_rate
        self._linears = _linear_layers(model)
        self.layers: tuple[LayerShape, ...] = tuple(
            _shape_of(name, layer.weight) for name, layer in self._linears.items()
        )
        self._trackers = {
            shape.name: self._start_trackers(shape, predictors=predictors, top_k=top_k)
            for shape in self.layers
        }
        self._noise: dict[str, GradientNoise] = {}
        self._modes: dict[str, ModeUpdate] = {}
        # weights before a step of an optimizer whose step only shows when it is done
        self._before: dict[str, torch.Tensor] = {}
        self._fits: dict[str, LawFit] = {}
        self._meter = GradientNoiseMeter(self._linears, sample_count=sample_count)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks; safe to call twice."""
        self._meter.close()

    @torch.no_grad()
    def observe(
        self, optimizer: torch.optim.Optimizer | None = None, *, learning_rate: float | None = None
    ) -> None:
        """Read the gradients of one batch; call it after ``backward`` and before the optimizer's step.

        Predictors advance by the weight change G of the batch. Of torch.optim.SGD it is known beforehand,
        momentum and weight decay included; of any other optimizer it is W after minus W before, and
        predictors wait for ``record``. Without an optimizer it is -learning_rate * grad. A layer without a
        gradient does not move, and neither do its predictors.

        Args:
            optimizer: the one that is about to step.
            learning_rate: of this step of plain SGD; stays in force until the next one is given. With an
                optimizer it is read from the first of its groups.

        Raises:
            InvalidValueError: neither an optimizer nor, ever, a learning rate was given; a layer is gone or
                has changed its shape.
            NumericalError: a gradient holds NaN or infinity; the message names the layer.
        """
        rate = self._rate(optimizer, learning_rate)
        trained = {name: weight for name, weight in self._weights().items() if weight.grad is not None}
        modes = self._current_modes(trained)
        along: dict[str, torch.Tensor] = {}
        if self._noise_every and self._batches % self._noise_every == 0:
            along = self._meter.variance_along(modes, learning_rate=rate)
            self._noise = self._meter.measure(learning_rate=rate)
        self._batches += 1
        if optimizer is not None and type(optimizer) is not torch.optim.SGD:
            self._before = {name: weight.detach().clone() for name, weight in trained.items()}
            return
        for name, G in _changes(optimizer, trained, rate).items():
            self._advance(name, G, modes=modes.get(name), variance=along.get(name))

    @torch.no_grad()
    def record(self, step: int, metrics: Mapping[str, float] | None = None) -> None:
        """Compute everything about the weights as they are now and write one record to the sink.

        Args:
            step: optimisation steps made so far; 0 before the first.
            metrics: loss, accuracies, learning rate, timings, by name.

        Raises:
            InvalidValueError: step below 0.
            NumericalError: a weight is NaN or infinite; the message names the layer and the step.
        """
        if step < 0:
            raise InvalidValueError(f"step must be at least 0, got {step}: 0 is before the first batch")
        weights = self._weights()
        for name, before in self._before.items():
            self._advance(name, measured_update(before, weights[name]), modes=None, variance=None)
        self._before = {}
        spectra = self._spectra.read(weights, step=step, top=self._tracked())
        layers = {shape.name: self._record_layer(shape, step, spectra[shape.name]) for shape in self.layers}
        self._sink.write(StepRecord(step=step, metrics=dict(metrics or {}), layers=layers))
        self._noise, self._modes = {}, {}

    def _weights(self) -> dict[str, nn.Parameter]:
        """The weights by layer; InvalidValueError where one is gone or has changed its shape."""
        weights = {}
        for shape in self.layers:
            weight = getattr(self._linears[shape.name], "weight", None)
            if not isinstance(weight, nn.Parameter):
                raise InvalidValueError(f"layer {shape.name} has no weight any more; build a new Recorder")
            rows, columns = weight.shape
            if (max(rows, columns), min(rows, columns)) != (shape.m, shape.n):
                raise InvalidValueError(
                    f"layer {shape.name} changed its shape from {shape.m}x{shape.n} to {rows}x{columns}; "
                    "build a new Recorder"
                )
            weights[shape.name] = weight
        return weights

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

    def _current_modes(self, names: Iterable[str]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Left and right singular vectors of the top k, where a tracker has them."""
        found = {}
        for name in names:
            for tracker in self._trackers[name]:
                if isinstance(tracker, Subspace):
                    modes = tracker.modes()
                    found[name] = (modes.left, modes.right)
        return found

    def _start_trackers(
        self, shape: LayerShape, *, predictors: Sequence[str], top_k: int
    ) -> tuple[Predictor, ...]:
        trackers = tuple(make_predictor(name, k=min(top_k, shape.n)) for name in predictors)
        for tracker in trackers:
            tracker.start(self._linears[shape.name].weight)
        return trackers

    def _advance(
        self,
        name: str,
        G: torch.Tensor,
        *,
        modes: tuple[torch.Tensor, torch.Tensor] | None,
        variance: torch.Tensor | None,
    ) -> None:
        if modes is not None:
            left, right = modes
            projected = ((tall(G) @ right) * left).sum(0)
            self._modes[name] = ModeUpdate(
                _numpy(projected.cpu()), None if variance is None else _numpy(variance.cpu())
            )
        try:
            for tracker in self._trackers[name]:
                tracker.step(G)
        except NumericalError as error:
            raise NumericalError(f"layer {name}: {error}") from error

    def _tracked(self) -> dict[str, torch.Tensor]:
        """The top k that a tracker vouches for."""
        return {
            name: tracker.singular_values
            for name, trackers in self._trackers.items()
            for tracker in trackers
            if isinstance(tracker, Subspace)
        }

    def _record_layer(self, shape: LayerShape, step: int, spectrum: Spectrum) -> LayerRecord:
        values = _numpy(spectrum.values)
        noise = self._noise.get(shape.name)
        return LayerRecord(
            singular_values=values,
            method=spectrum.method,
            error_bound=spectrum.error_bound,
            trajectories={t.name: _numpy(t.singular_values) for t in self._trackers[shape.name]},
            law_fit=self._fit(shape, step, values, noise)
            if self._laws_every and step % self._laws_every == 0
            else None,
            noise=noise,
            modes=self._modes.get(shape.name),
        )

    def _fit(
        self, shape: LayerShape, step: int, values: NDArray[np.float32], noise: GradientNoise | None
    ) -> LawFit | None:
        """The laws; None where none applies: a 1 x 1 layer, or a spectrum that is mostly zero."""
        beta1 = noise.beta1 if noise and self._learning_rate else None
        try:
            fit = fit_laws(
                values,
                m=shape.m,
                n=shape.n,
                step=step,
                # Without beta1 the rate that would use it is None, and the learning rate plays no part.
                learning_rate=self._learning_rate or 1.0,
                beta1=beta1,
                previous=self._fits.get(shape.name),
            )
        except InvalidValueError:
            return None
        self._fits[shape.name] = fit
        return fit


def _changes(
    optimizer: torch.optim.Optimizer | None, weights: Mapping[str, torch.Tensor], rate: float
) -> dict[str, torch.Tensor]:
    """The weight change of this batch by layer."""
    if optimizer is not None:
        return planned_updates(optimizer, weights)
    return {name: -rate * weight.grad for name, weight in weights.items() if weight.grad is not None}


def _linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers by module path, in network order, each weight once."""
    layers: dict[str, nn.Linear] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            layers[path or "linear"] = module
    if not layers:
        raise InvalidValueError(
            f"{type(model).__name__} has no torch.nn.Linear layer, so there is no weight matrix to record; "
            "pass a model that has one"
        )
    return layers


def _shape_of(name: str, weight: torch.Tensor) -> LayerShape:
    matrix = tall(weight)
    m, n = matrix.shape
    return LayerShape(name=name, m=m, n=n, entry_variance=float(matrix.var(correction=0)))


def _numpy(values: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.to(torch.float32).numpy()
    return array
