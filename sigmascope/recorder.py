"""From a model in training to records: spectra, predictions, law fits and gradient noise of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.gradient_noise import GradientNoiseMeter
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.registry import PREDICTORS, make_predictor
from sigmascope.records import GradientNoise, LayerRecord, LayerShape, StepRecord
from sigmascope.sinks import Sink
from sigmascope.spectra.exact import Spectrum, check_method, exact_spectrum
from sigmascope.spectra.orientation import tall
from sigmascope.theory.law_fit import LawFit, fit_laws


class Recorder:
    """Records every 2-d weight matrix of a model's linear layers while it trains.

    The user's loop stays the user's; three calls are added::

        recorder = Recorder(model, sink, sample_count=len(dataset), learning_rate=0.05)
        recorder.record(0)
        for step, (x, y) in enumerate(batches, start=1):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            recorder.observe()  # reads the gradients, before they are applied
            optimizer.step()
            recorder.record(step, {"loss": loss.item()})

    Build it before the first batch: its predictors start from the weights they find then. It reads weights
    and gradients and changes neither; it draws no random number. Training is the same, bit for bit, with
    and without it. ``close``, or leaving it as a context manager, removes its hooks.

    Args:
        model: any module; a weight shared by several layers is recorded once, under the first name.
        sink: where records go.
        sample_count: N, the size of the data set that batches are drawn from (for the gradient noise).
        learning_rate: of plain SGD; needed here or in every ``observe``.
        top_k: singular values that predictors follow; min(top_k, n) in a layer that has only n.
        predictors: names out of ``sigmascope.prediction.PREDICTORS``.
        spectra: method of :func:`sigmascope.spectra.exact_spectrum`.

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
        predictors: Sequence[str] = tuple(PREDICTORS),
        spectra: str = "auto",
    ) -> None:
        if top_k < 1:
            raise InvalidValueError(
                f"top_k must be at least 1, got {top_k}: follow one singular value or more"
            )
        self._sink = sink
        self._method = check_method(spectra)
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
    def observe(self, *, learning_rate: float | None = None) -> None:
        """Read the gradients of one batch; call it after ``backward`` and before the optimizer's step.

        Predictors advance by G = -learning_rate * grad, the step of plain SGD. A layer without a gradient
        does not move, and neither do its predictors.

        Args:
            learning_rate: of this step, for schedules; stays in force until the next one is given.

        Raises:
            InvalidValueError: no learning rate was ever given.
            NumericalError: a gradient holds NaN or infinity; the message names the layer.
        """
        if learning_rate is not None:
            self._learning_rate = learning_rate
        if self._learning_rate is None:
            raise InvalidValueError(
                "no learning rate: pass learning_rate to Recorder(...), or to observe(...) when scheduled"
            )
        self._noise = self._meter.measure(learning_rate=self._learning_rate)
        for name, layer in self._linears.items():
            if layer.weight.grad is not None:
                self._advance(name, -self._learning_rate * layer.weight.grad)

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
        layers = {shape.name: self._record_layer(shape, step) for shape in self.layers}
        self._sink.write(StepRecord(step=step, metrics=dict(metrics or {}), layers=layers))
        self._noise = {}

    def _start_trackers(
        self, shape: LayerShape, *, predictors: Sequence[str], top_k: int
    ) -> tuple[Predictor, ...]:
        trackers = tuple(make_predictor(name, k=min(top_k, shape.n)) for name in predictors)
        for tracker in trackers:
            tracker.start(self._linears[shape.name].weight)
        return trackers

    def _advance(self, name: str, G: torch.Tensor) -> None:
        try:
            for tracker in self._trackers[name]:
                tracker.step(G)
        except NumericalError as error:
            raise NumericalError(f"layer {name}: {error}") from error

    def _record_layer(self, shape: LayerShape, step: int) -> LayerRecord:
        spectrum = self._spectrum(shape, step)
        values = _numpy(spectrum.values)
        noise = self._noise.get(shape.name)
        return LayerRecord(
            singular_values=values,
            method=spectrum.method,
            error_bound=spectrum.error_bound,
            trajectories={t.name: _numpy(t.singular_values) for t in self._trackers[shape.name]},
            law_fit=self._fit(shape, step, values, noise),
            noise=noise,
        )

    def _spectrum(self, shape: LayerShape, step: int) -> Spectrum:
        try:
            return exact_spectrum(self._linears[shape.name].weight, method=self._method)
        except NumericalError as error:
            raise NumericalError(f"layer {shape.name}, step {step}: {error}") from error

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
