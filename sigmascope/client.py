"""A typed client of the service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError, NotFoundError, ServiceError
from sigmascope.schemas import (
    CheckedClaim,
    Edge,
    Ensemble,
    EnsembleHistograms,
    EnsembleSummary,
    Forces,
    ForecastScore,
    LawCurve,
    LawFits,
    Layer,
    LayerForecast,
    Metrics,
    Noise,
    NoiseFit,
    Predictions,
    Preset,
    PValues,
    Run,
    SpectrumMetrics,
    SpectrumSummary,
    Statement,
    Sweep,
    System,
)

DEFAULT_SERVER = "http://127.0.0.1:8050"


class Client:
    """Speaks to the service at ``server``.

    Raises (from every method):
        NotFoundError: no such run, layer or step.
        InvalidValueError: a value was refused; the message names the field.
        ServiceError: the service does not answer, or answers with another error.
    """

    def __init__(self, server: str = DEFAULT_SERVER, *, timeout: float = 30.0) -> None:
        self.server = server.rstrip("/")
        self._http = httpx.Client(base_url=f"{self.server}/api/v1", timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def healthy(self) -> bool:
        """True when the service answers."""
        try:
            return self._http.get("/health").is_success
        except httpx.TransportError:
            return False

    def system(self) -> System:
        """Health and versions."""
        return System.model_validate(self._json("GET", "/system"))

    def presets(self) -> list[Preset]:
        """Named starting points."""
        return [Preset.model_validate(one) for one in self._json("GET", "/presets")]

    def submit(self, spec: dict[str, Any]) -> Run:
        """Queue a run, e.g. ``{"preset": "demo", "batches": 50}``."""
        return Run.model_validate(self._json("POST", "/runs", json=spec))

    def runs(self, *, limit: int = 100, status: str | None = None) -> list[Run]:
        """Runs, newest first."""
        query = {"limit": limit, **({"status": status} if status else {})}
        return [Run.model_validate(one) for one in self._json("GET", "/runs", params=query)]

    def run(self, run_id: str) -> Run:
        """One run."""
        return Run.model_validate(self._json("GET", f"/runs/{_quoted(run_id)}"))

    def cancel(self, run_id: str) -> Run:
        """Ask for a run's end; what it recorded stays."""
        return Run.model_validate(self._json("POST", f"/runs/{_quoted(run_id)}/cancel"))

    def follow(self, run_id: str, *, every: float = 0.5) -> Iterator[Run]:
        """The run as it is now, then every so many seconds, until it has ended."""
        while True:
            run = self.run(run_id)
            yield run
            if run.status.final:
                return
            time.sleep(every)

    def wait(
        self, run_id: str, *, timeout: float | None = None, progress: Callable[[Run], None] | None = None
    ) -> Run:
        """The run once it has ended.

        Raises:
            TimeoutError: it had not ended after ``timeout`` seconds.
        """
        started = time.monotonic()
        for run in self.follow(run_id):
            if progress:
                progress(run)
            if run.status.final:
                return run
            if timeout is not None and time.monotonic() - started > timeout:
                raise TimeoutError(
                    f"run {run_id} is at step {run.step} of {run.total_steps} after {timeout:g} s"
                )
        raise ServiceError(f"run {run_id} ended without an answer")

    def layers(self, run_id: str) -> list[Layer]:
        """Recorded weight matrices, in network order."""
        return [Layer.model_validate(one) for one in self._json("GET", f"/runs/{_quoted(run_id)}/layers")]

    def spectra(
        self, run_id: str, layer: str, *, after: int = -1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Steps, and all singular values: arrays of shape (steps,) and (steps, n), descending."""
        return self._blob(f"{_layer(run_id, layer)}/spectra.f32", after)

    def trajectory(
        self, run_id: str, layer: str, predictor: str, *, after: int = -1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Steps, and a predictor's top-k singular values: (steps,) and (steps, k)."""
        return self._blob(f"{_layer(run_id, layer)}/predictions/{_quoted(predictor)}.f32", after)

    def predictions(self, run_id: str, layer: str, *, after: int = -1) -> Predictions:
        """Predicted beside true values, with skill."""
        return Predictions.model_validate(
            self._json("GET", f"{_layer(run_id, layer)}/predictions", params={"after": after})
        )

    def laws(self, run_id: str, layer: str, *, after: int = -1) -> LawFits:
        """Unit curves of the laws and the parameters that place them."""
        return LawFits.model_validate(
            self._json("GET", f"{_layer(run_id, layer)}/laws", params={"after": after})
        )

    def noise(self, run_id: str, layer: str, *, after: int = -1) -> Noise:
        """Gradient noise of a layer."""
        return Noise.model_validate(
            self._json("GET", f"{_layer(run_id, layer)}/noise", params={"after": after})
        )

    def forces(self, run_id: str, layer: str, *, after: int = -1) -> Forces:
        """What moved the tracked singular values, batch by batch."""
        return Forces.model_validate(
            self._json("GET", f"{_layer(run_id, layer)}/forces", params={"after": after})
        )

    def spectrum_metrics(self, run_id: str, layer: str, *, after: int = -1) -> SpectrumMetrics:
        """Metrics of a layer's spectrum, step by step."""
        path = f"{_layer(run_id, layer)}/metrics"
        return SpectrumMetrics.model_validate(self._json("GET", path, params={"after": after}))

    def spectrum_summary(self, run_id: str, layer: str, step: int) -> SpectrumSummary:
        """Every metric of one spectrum."""
        return SpectrumSummary.model_validate(self._json("GET", f"{_layer(run_id, layer)}/metrics/{step}"))

    def forecast(
        self, run_id: str, layer: str, origin: int, *, method: str = "damped_trend", horizon: int = 100
    ) -> LayerForecast:
        """A forecast that sees nothing after step ``origin``."""
        query = {"origin": origin, "method": method, "horizon": horizon}
        return LayerForecast.model_validate(
            self._json("GET", f"{_layer(run_id, layer)}/forecast", params=query)
        )

    def forecast_scores(self, run_id: str) -> list[ForecastScore]:
        """What a run of kind ``forecast`` has found so far."""
        found = self._json("GET", f"/runs/{_quoted(run_id)}/forecast-scores")
        return [ForecastScore.model_validate(one) for one in found]

    def metrics(self, run_id: str, *, after: int = -1) -> Metrics:
        """Loss, accuracies and timings."""
        return Metrics.model_validate(
            self._json("GET", f"/runs/{_quoted(run_id)}/metrics", params={"after": after})
        )

    def claims(self) -> list[Statement]:
        """Every numbered statement of the paper, as printed and exact."""
        return [Statement.model_validate(one) for one in self._json("GET", "/claims")]

    def checked_claims(self, run_id: str) -> list[CheckedClaim]:
        """The claims that a run of kind ``claims`` has checked so far."""
        found = self._json("GET", f"/runs/{_quoted(run_id)}/claims")
        return [CheckedClaim.model_validate(one) for one in found]

    def sweep(self, run_id: str) -> Sweep:
        """What a sweep has found so far."""
        return Sweep.model_validate(self._json("GET", f"/runs/{_quoted(run_id)}/sweep"))

    def ensemble(self, run_id: str) -> Ensemble:
        """What a simulation has stored so far."""
        return Ensemble.model_validate(self._json("GET", _ensemble(run_id)))

    def histograms(self, run_id: str, *, bins: int = 64, after: int = -1) -> EnsembleHistograms:
        """Densities of a simulation's singular values, step by step, with the law they follow."""
        query = {"bins": bins, "after": after}
        return EnsembleHistograms.model_validate(
            self._json("GET", f"{_ensemble(run_id)}/histograms", params=query)
        )

    def summary(self, run_id: str, *, k: int = 8, after: int = -1) -> EnsembleSummary:
        """Mean and spread over paths of a simulation's largest values."""
        query = {"k": k, "after": after}
        return EnsembleSummary.model_validate(self._json("GET", f"{_ensemble(run_id)}/summary", params=query))

    def paths(
        self, run_id: str, *, k: int | None = None, paths: int | None = None, after: int = -1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Steps, and a simulation's singular values: (steps,) and (steps, paths, k), descending.

        All n values and all paths, or the k largest of the first so many paths.
        """
        spec = self.ensemble(run_id)
        query = {"k": k or spec.n, "paths": paths or spec.paths}
        steps, values = self._blob(f"{_ensemble(run_id)}/paths.f32", after, **query)
        return steps, values.reshape(len(steps), min(query["paths"], spec.paths), min(query["k"], spec.n))

    def law(self, name: str, **parameters: Any) -> LawCurve:
        """A law's curve: ``marchenko-pastur``, ``tracy-widom`` or ``stationary-gamma``."""
        return LawCurve.model_validate(self._json("GET", f"/laws/{_quoted(name)}", params=parameters))

    def edge(self, m: int, n: int, **parameters: Any) -> Edge:
        """Where the largest singular value of an m x n noise matrix lies."""
        return Edge.model_validate(self._json("GET", "/laws/edge", params={"m": m, "n": n, **parameters}))

    def p_values(self, singular_values: list[float], m: int, n: int, **parameters: Any) -> PValues:
        """The probability that noise has a larger singular value than each of these."""
        query = {"singular_value": singular_values, "m": m, "n": n, **parameters}
        return PValues.model_validate(self._json("GET", "/laws/p-value", params=query))

    def fit_noise(self, singular_values: list[float], m: int, n: int, *, level: float = 0.05) -> NoiseFit:
        """Bulk, edge and outliers of a spectrum of n singular values."""
        body = {"m": m, "n": n, "singular_values": singular_values, "level": level}
        return NoiseFit.model_validate(self._json("POST", "/laws/fit", json=body))

    def _blob(self, path: str, after: int, **query: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        response = self._send("GET", path, params={"after": after, **query})
        rows, columns = (int(part) for part in response.headers["X-Shape"].split(","))
        values = np.frombuffer(response.content, "<f4").reshape(rows, columns)
        return expand(response.headers["X-Steps"]), values

    def _json(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        try:
            return response.json()
        except ValueError as error:
            raise ServiceError(
                f"{self.server} answers, but not as sigmascope does; name another address with --server"
            ) from error

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceError(
                f"no answer from {self.server} ({error}); start the service with `sigmascope up`, or name "
                "another with --server"
            ) from error
        if response.is_error:
            raise _error(response)
        return response


def expand(ranges: str) -> NDArray[np.int64]:
    """The integers in comma-separated ranges, as in the header X-Steps.

    >>> expand("0-2,5").tolist()
    [0, 1, 2, 5]
    """
    parts = [part.partition("-") for part in ranges.split(",") if part]
    spans = [np.arange(int(first), int(last or first) + 1) for first, _, last in parts]
    return np.concatenate(spans).astype(np.int64) if spans else np.empty(0, np.int64)


def _error(response: httpx.Response) -> Exception:
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{response.request.url} answered {response.status_code}: {response.text[:200]}"
    kinds = {404: NotFoundError, 422: InvalidValueError}
    return kinds.get(response.status_code, ServiceError)(detail)


def _layer(run_id: str, layer: str) -> str:
    return f"/runs/{_quoted(run_id)}/layers/{_quoted(layer)}"


def _ensemble(run_id: str) -> str:
    return f"/runs/{_quoted(run_id)}/ensemble"


def _quoted(part: str) -> str:
    return quote(part, safe="")
