"""A service that answers from memory, for layouts that need no worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx

from frontend.api import Api
from sigmascope.presets import PRESETS
from sigmascope.schemas import Problem, Run, RunStatus, TrainSpec, preset_of


def make_run(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": "0123abcd",
        "name": "a run",
        "kind": "train",
        "status": RunStatus.running,
        "spec": TrainSpec(preset="demo"),
        "step": 100,
        "total_steps": 400,
        "batches_per_second": 12.34,
        "seconds_left": 24.3,
        "attempt": 1,
        "cancel_requested": False,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "finished_at": None,
        "error": None,
        "device": "cpu",
        "versions": {"torch": "2.13.0"},
    }
    return Run.model_validate({**fields, **changes})


def answers(runs: list[Run], refusal: Problem | None = None) -> httpx.MockTransport:
    """``runs`` under their addresses; a POST is refused with ``refusal``."""

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if request.method == "POST":
            if refusal:
                return httpx.Response(422, json=refusal.model_dump())
            return httpx.Response(
                201, content=make_run(name=json.loads(request.content)["name"]).model_dump_json()
            )
        if path == "/presets":
            presets = [preset_of(name) for name in PRESETS]
            return httpx.Response(200, json=[preset.model_dump(mode="json") for preset in presets])
        if path == "/runs":
            return httpx.Response(200, json=[run.model_dump(mode="json") for run in runs])
        found = next((run for run in runs if path == f"/runs/{run.id}"), None)
        if found:
            return httpx.Response(200, json=found.model_dump(mode="json"))
        return httpx.Response(
            404, json=Problem(error="NotFoundError", detail=f"no run at {path}").model_dump()
        )

    return httpx.MockTransport(handle)


def silent() -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    return httpx.MockTransport(handle)


def api(transport: httpx.MockTransport) -> Api:
    return Api("http://service", transport=transport)
