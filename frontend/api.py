"""What the pages ask of the service, asynchronously: a synchronous client would block every other visitor."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from sigmascope.errors import NotFoundError, ServiceError
from sigmascope.schemas import (
    CheckedClaim,
    ForecastScore,
    MetricInfo,
    Preset,
    Problem,
    Run,
    Statement,
    Sweep,
    System,
)

_RUNS = TypeAdapter(list[Run])
_PRESETS = TypeAdapter(list[Preset])
_STATEMENTS = TypeAdapter(list[Statement])
_CHECKED = TypeAdapter(list[CheckedClaim])
_METRICS = TypeAdapter(list[MetricInfo])
_SCORES = TypeAdapter(list[ForecastScore])


class RefusedError(ServiceError):
    """The service refused, and said why in ``problem``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Api:
    """The REST API at ``base_url`` (scheme, host and port), over one pool of connections.

    Every method raises ``NotFoundError`` on 404, ``RefusedError`` on any other error that the service
    explains, and ``ServiceError`` when it does not answer.
    """

    def __init__(self, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{base_url}/api/v1", timeout=15, transport=transport, trust_env=False
        )

    async def runs(self, *, limit: int = 200) -> list[Run]:
        """The newest ``limit`` runs, newest first."""
        return _RUNS.validate_python(await self._call("GET", "/runs", params={"limit": limit}))

    async def run(self, run_id: str) -> Run:
        """One run."""
        return Run.model_validate(await self._call("GET", f"/runs/{quote(run_id, safe='')}"))

    async def presets(self) -> list[Preset]:
        """All presets, each with its full specification."""
        return _PRESETS.validate_python(await self._call("GET", "/presets"))

    async def submit(self, spec: dict[str, Any]) -> Run:
        """Queue a run. ``spec`` goes out as it is: the service judges it, and its words reach the user."""
        return Run.model_validate(await self._call("POST", "/runs", json=spec))

    async def cancel(self, run_id: str) -> Run:
        """Ask a run to stop; what it has recorded stays."""
        return Run.model_validate(await self._call("POST", f"/runs/{quote(run_id, safe='')}/cancel"))

    async def statements(self) -> list[Statement]:
        """The paper's claims, in its order, before they are checked."""
        return _STATEMENTS.validate_python(await self._call("GET", "/claims"))

    async def checked_claims(self, run_id: str) -> list[CheckedClaim]:
        """What a run of kind ``claims`` has checked so far."""
        return _CHECKED.validate_python(await self._call("GET", f"/runs/{quote(run_id, safe='')}/claims"))

    async def metric_infos(self) -> list[MetricInfo]:
        """What metrics of a spectrum there are."""
        return _METRICS.validate_python(await self._call("GET", "/spectrum-metrics"))

    async def forecast_scores(self, run_id: str) -> list[ForecastScore]:
        """What a run of kind ``forecast`` has scored so far."""
        path = f"/runs/{quote(run_id, safe='')}/forecast-scores"
        return _SCORES.validate_python(await self._call("GET", path))

    async def system(self) -> System:
        """Which parts of the service answer, and what its workers have and do."""
        return System.model_validate(await self._call("GET", "/system"))

    async def sweep(self, run_id: str) -> Sweep:
        """What a sweep has found so far."""
        return Sweep.model_validate(await self._call("GET", f"/runs/{quote(run_id, safe='')}/sweep"))

    async def aclose(self) -> None:
        """Close the pool."""
        await self._http.aclose()

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"The service at {self._http.base_url} does not answer "
                f"({type(error).__name__}); is it running?"
            ) from error
        if answer.is_success:
            return answer.json()
        problem = _problem(answer)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(problem.detail)
        raise RefusedError(problem)


def _problem(answer: httpx.Response) -> Problem:
    try:
        return Problem.model_validate(answer.json())
    except (ValueError, ValidationError):
        return Problem(
            error="ServiceError", detail=f"The service answered {answer.status_code} without a reason."
        )
