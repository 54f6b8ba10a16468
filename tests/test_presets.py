"""Presets: every row of the paper's experiments, each with a small version that runs in seconds."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from backend.settings import Settings
from backend.storage import results, runs
from backend.storage.session import migrate, open_engine
from sigmascope import cli
from sigmascope.cli import jobs
from sigmascope.errors import InvalidValueError
from sigmascope.presets import PRESETS, merged, preset_fields, preset_kind
from sigmascope.reproduction import command
from sigmascope.schemas import JobSpec, SweepSpec, TrainSpec, preset_of
from worker import training_job

ROOT = Path(__file__).parents[1]
BUILT_IN = ("mnist-builtin", "python-stdlib")


def test_the_papers_experiments_have_their_numbers() -> None:
    fig2 = TrainSpec(preset="fig2")
    assert (fig2.model.width, fig2.model.depth, fig2.batches, fig2.top_k) == (1024, 3, 800, 8)  # type: ignore[union-attr]
    assert fig2.dataset == "cifar10"
    assert TrainSpec(preset="fig1").batches == 400
    assert {TrainSpec(preset=f"fig3-{kind}").model.kind for kind in ("mlp", "vit", "gpt")} == {
        "mlp",
        "vit",
        "gpt",
    }
    fig5 = SweepSpec.model_validate({"preset": "fig5"})
    assert (fig5.base.model.kind, fig5.base.dataset, fig5.field) == ("vit", "mnist", "learning_rate")
    assert min(fig5.values) == 1e-3
    assert 1e-1 in fig5.values
    assert len(fig5.seeds) > 1


def test_a_preset_trains_on_the_data_of_its_title_and_its_small_version_on_built_in_ones() -> None:
    spelled = {"MNIST": "mnist", "CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "Shakespeare": "shakespeare"}
    for name in set(PRESETS) - {"demo"}:  # which says "a laptop", and needs no download
        preset = preset_of(name)
        spec = preset.spec.base if isinstance(preset.spec, SweepSpec) else preset.spec
        words = re.findall(r"MNIST|CIFAR-\d+|Shakespeare", preset.title)
        assert isinstance(spec, TrainSpec)
        assert spec.dataset in [spelled[word] for word in words] or name == "gpt2-paper", name
    assert TrainSpec(preset="mlp-mnist").dataset == "mnist"
    assert TrainSpec(preset="mlp-mnist-quick").dataset == "mnist-builtin"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"kind": "vit", "heads": 3}, "got heads=3 and width=256; choose 2, 4 or 8"),
        ({"kind": "vit", "width": 300, "heads": 64}, "choose 30, 50 or 60"),
        ({"kind": "gpt", "width": 7, "heads": 4}, "choose 1 or 7"),
        ({"kind": "vit", "patch": 5}, "image size 28 of mnist-builtin, got 5; choose 2, 4 or 7"),
        ({"kind": "vit", "patch": 31}, "got 31; choose 7, 14 or 28"),
    ],
)
def test_what_has_to_divide_is_refused_with_numbers_that_do(model: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainSpec.model_validate({"model": model})


def test_what_is_judged_against_the_truth_has_an_exact_truth() -> None:
    # adaptive spectra take the largest values from the tracker itself
    assert not {TrainSpec(preset=name).spectra for name in ("fig1", "fig2", "fig4")} & {"adaptive", "slq"}


def test_fields_override_a_preset_and_those_of_its_base() -> None:
    spec = SweepSpec.model_validate({"preset": "fig5", "seeds": [4], "base": {"model": {"width": 64}}})
    assert (spec.seeds, spec.base.model.width, spec.base.model.kind) == ((4,), 64, "vit")
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize("wrong", ["nosuch", "nosuch-quick", "-quick", ""])
def test_an_unknown_preset_is_refused_with_those_that_exist(wrong: str) -> None:
    with pytest.raises(InvalidValueError, match=r"unknown preset .*demo, mlp-mnist.*fig5"):
        preset_fields(wrong)


def test_a_preset_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="'fig5' is of kind 'sweep'"):
        TrainSpec(preset="fig5")
    with pytest.raises(ValidationError, match="'fig1' is of kind 'train'"):
        SweepSpec.model_validate({"preset": "fig1"})


def test_the_schema_tells_units_and_ranges() -> None:
    properties = preset_of("fig1").json_schema["properties"]
    assert properties["batches"]["unit"] == "batches"
    assert (properties["batches"]["minimum"], properties["batches"]["maximum"]) == (1, 1_000_000)
    assert properties["learning_rate"]["exclusiveMinimum"] == 0
    assert preset_of("fig1").layer == "hidden.1"


def documented(*commands: str) -> list[str]:
    """The lines of README and guide that call one of these commands."""
    text = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/guide.md"))
    return re.findall(rf"^ *(sigmascope (?:{'|'.join(commands)})\b.*)", text, re.MULTILINE)


@pytest.mark.parametrize("line", documented("submit", "sweep", "simulate"))
def test_a_documented_command_asks_for_a_valid_job(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs, "_submit", lambda spec, server, detach: asked.append(spec))
    called = CliRunner().invoke(cli.app, shlex.split(line, comments=True)[1:], catch_exceptions=False)
    assert called.exit_code == 0, called.output
    TypeAdapter[Any](JobSpec).validate_python(asked[0])


@pytest.mark.parametrize("line", documented("reproduce"))
def test_a_documented_figure_is_one_that_there_is(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(command, "require", lambda client: None)
    monkeypatch.setattr(command, "make", lambda client, figure, out, **_: made.append(figure.name))
    called = CliRunner().invoke(cli.app, shlex.split(line, comments=True)[1:], catch_exceptions=False)
    assert called.exit_code == 0, called.output
    assert made


def test_the_documents_have_commands_of_each_kind() -> None:
    assert len(documented("submit")) >= 7
    assert all(documented(one) for one in ("sweep", "simulate", "reproduce"))


@pytest.mark.parametrize("name", PRESETS)
def test_the_quick_version_of_every_preset_finishes_without_a_download(
    name: str, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    quick = preset_of(name).quick
    spec = quick.runs()[-1] if isinstance(quick, SweepSpec) else quick
    assert isinstance(spec, TrainSpec)
    share = min(1.0, 25 / spec.batches)  # of its batches, as one is like the other
    spec = spec.model_copy(update={"batches": round(share * spec.batches)})
    assert (preset_kind(name), spec.dataset in BUILT_IN) == (quick.kind, True)
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('db') / 'runs.db'}")
    migrate(engine)
    with engine.begin() as connection:
        run = runs.create(
            connection, kind="train", name=name, spec={}, total_steps=spec.batches, now=time.time()
        )
        held = runs.claim(connection, run, owner="w", now=time.time(), lease_seconds=60, versions={})
    assert held
    threads = torch.get_num_threads()
    started = time.monotonic()
    status = training_job.run(engine, held, settings, spec)
    torch.set_num_threads(threads)
    with engine.connect() as connection:
        assert (status, results.last_step(connection, run)) == ("finished", spec.batches)
        layers = [layer.name for layer in results.layers(connection, run)]
    engine.dispose()
    assert PRESETS[name].get("layer", layers[0]) in layers
    # 40 s is what a sweep may take on two quiet cores, and a worker takes 6 s to begin each of its runs
    runs_in_all = len(quick.runs()) if isinstance(quick, SweepSpec) else 1
    assert runs_in_all * 6 < 30
    assert runs_in_all * (time.monotonic() - started) / share < 40
