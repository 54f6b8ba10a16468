"""From presets to finished runs, through the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sigmascope.client import Client
from sigmascope.errors import ServiceError
from sigmascope.presets import QUICK, preset_kind
from sigmascope.reproduction.figure import Reproduction
from sigmascope.reproduction.results import RunResult, read
from sigmascope.schemas import Run, RunStatus


def names(figure: Reproduction, *, quick: bool) -> list[str]:
    """The presets to run."""
    return [preset + QUICK if quick else preset for preset in figure.presets]


def submit(client: Client, presets: Sequence[str]) -> list[Run]:
    """Queue all of them, so that workers that have room run them side by side."""
    return [client.submit({"kind": preset_kind(name), "preset": name}) for name in presets]


def wait(client: Client, run: Run, progress: Callable[[Run], None]) -> Run:
    """The run once it has finished.

    Raises:
        ServiceError: it failed or was cancelled; the message says why.
    """
    ended = client.wait(run.id, progress=progress)
    if ended.status is not RunStatus.finished:
        why = f": {ended.error}" if ended.error else ""
        raise ServiceError(
            f"run {ended.id} ({ended.name}) is {ended.status}{why}; a figure needs it finished"
        )
    return ended


def results(
    client: Client, figure: Reproduction, presets: Sequence[str], runs: Sequence[Run]
) -> list[RunResult]:
    """What the figure takes from its finished runs."""
    return [read(client, run, preset, figure.needs) for preset, run in zip(presets, runs, strict=True)]
