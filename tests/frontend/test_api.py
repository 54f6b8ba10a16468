"""What the service says reaches the pages as typed errors."""

from __future__ import annotations

import httpx
import pytest

from frontend.api import RefusedError
from sigmascope.errors import NotFoundError, ServiceError
from sigmascope.schemas import Problem
from tests.frontend.service import answers, api, make_run, silent


async def test_runs_and_presets_are_typed() -> None:
    service = api(answers([make_run()]))
    assert [run.id for run in await service.runs()] == ["0123abcd"]
    assert (await service.run("0123abcd")).spec.batches == 400
    assert "demo" in [preset.name for preset in await service.presets()]
    await service.aclose()


async def test_an_unknown_run_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="nope"):
        await api(answers([])).run("nope")


async def test_a_refusal_keeps_its_fields() -> None:
    problem = Problem(
        error="InvalidValueError", detail="batches: must be positive", fields=[{"field": "batches"}]
    )
    with pytest.raises(RefusedError, match="batches") as caught:
        await api(answers([], refusal=problem)).submit({"name": ""})
    assert caught.value.problem.fields == [{"field": "batches"}]


async def test_a_silent_service_is_named_with_the_remedy() -> None:
    with pytest.raises(ServiceError, match="is it running"):
        await api(silent()).runs()


async def test_an_error_without_a_body_is_still_an_error() -> None:
    broken = httpx.MockTransport(lambda _: httpx.Response(500, text="<html>"))
    with pytest.raises(RefusedError, match="500"):
        await api(broken).runs()
