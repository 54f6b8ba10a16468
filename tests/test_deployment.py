"""The compose file and the image name things that exist."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = [name for name, service in COMPOSE["services"].items() if "build" in service]


def test_the_roles_are_there() -> None:
    assert {"broker", "database", "backend", "frontend", "worker", "worker-gpu"} == set(COMPOSE["services"])


@pytest.mark.parametrize("name", OURS)
def test_a_command_runs_a_module_that_exists(name: str) -> None:
    module = COMPOSE["services"][name]["command"].split()[2]
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("name", [name for name in OURS if name != "frontend"])
def test_a_variable_is_a_setting(name: str) -> None:
    for variable in COMPOSE["services"][name]["environment"]:
        if variable.startswith("SIGMASCOPE_"):
            assert variable.removeprefix("SIGMASCOPE_").lower() in Settings.model_fields


def test_only_the_frontend_is_reached_from_outside_and_only_locally() -> None:
    published = {
        name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service
    }
    assert list(published) == ["frontend"]
    assert published["frontend"][0].startswith("127.0.0.1:")


def test_every_copied_path_exists() -> None:
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for path in line.split()[1:-1]:
                assert (ROOT / path).exists(), line


def test_a_worker_finds_the_checkpoints_of_another() -> None:
    folder = COMPOSE["services"]["worker"]["environment"]["SIGMASCOPE_CHECKPOINT_DIR"]
    for name in ("backend", "worker", "worker-gpu"):
        assert f"checkpoints:{folder}" in COMPOSE["services"][name]["volumes"]
