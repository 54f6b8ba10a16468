"""A sweep made up: two layers, three values, two seeds; spread is value**slope, and one run diverged."""

from __future__ import annotations

from typing import Any

import httpx

from sigmascope.schemas import Run, RunStatus, Sweep, SweepSpec
from tests.frontend.service import answers, make_run

SPEC = SweepSpec.model_validate(
    {"base": {"preset": "demo"}, "values": [0.01, 0.1, 1.0], "seeds": [3, 7], "field": "learning_rate"}
)
SLOPES = {"hidden.0": 1.0, "head": 0.5}


def point(value: float, seed: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "run": f"r{value:g}s{seed}",
        "value": value,
        "seed": seed,
        "status": "finished",
        "step": 40,
        "total_steps": 40,
        "error": None,
        "spread": {layer: value**slope for layer, slope in SLOPES.items()},
    }
    return {**fields, **changes}


def line(layer: str, axes: str, slope: float, **changes: Any) -> dict[str, Any]:
    fields = {
        "layer": layer,
        "axes": axes,
        "slope": slope,
        "low": slope - 0.1,
        "high": slope + 0.1,
        "intercept": 0.0,
    }
    return {**fields, **changes}


def found(**changes: Any) -> Sweep:
    fields: dict[str, Any] = {
        "field": "learning_rate",
        "points": [point(value, seed) for value in SPEC.values for seed in SPEC.seeds],
        "slopes": [
            line(layer, axes, slope) for layer, slope in SLOPES.items() for axes in ("log-log", "linear")
        ],
        "critical": {"hidden.0": None, "head": 0.1},
    }
    return Sweep.model_validate({**fields, **changes})


NOTHING = found(
    points=[point(value, 3, status="queued", step=0, spread={}) for value in SPEC.values],
    slopes=[],
    critical={},
)


def job(**changes: Any) -> Run:
    fields = {"kind": "sweep", "name": "rates", "spec": SPEC, "step": 6, "total_steps": 6}
    return make_run(**{**fields, "status": RunStatus.finished, **changes})


def service(run: Run, sweep: Sweep) -> httpx.MockTransport:
    rest = answers([run])

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/sweep"):
            return httpx.Response(200, json=sweep.model_dump(mode="json"))
        return rest.handle_request(request)

    return httpx.MockTransport(handle)
