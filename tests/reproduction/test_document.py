"""Files of a figure, and the page made of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, cast

import pytest

from frontend.figures.theme import LIGHT
from sigmascope.errors import InvalidValueError
from sigmascope.reproduction import style
from sigmascope.reproduction.document import document, rounded, write
from sigmascope.reproduction.figures import FIGURES
from sigmascope.reproduction.page import load, markdown
from sigmascope.reproduction.results import RunResult, provenance
from sigmascope.schemas import Run, RunStatus
from tests.reproduction import made

START = datetime(2026, 1, 1, tzinfo=UTC)


def finished(result: RunResult) -> Run:
    return Run(
        id="0123456789", name=result.preset, kind=result.spec.kind, status=RunStatus.finished,
        spec=result.spec, step=1, total_steps=1, batches_per_second=None, seconds_left=None, attempt=1,
        cancel_requested=False, created_at=START, started_at=START,
        finished_at=START + timedelta(seconds=90), error=None, device="cpu", versions={"torch": "2"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures")
    for name, results in made.every().items():
        told = document(FIGURES[name], results, [finished(one) for one in results], layer=None)
        write(FIGURES[name], told, out)
    return out


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_four_files(folder: Path, name: str) -> None:
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / f"{name}.svg").read_text()
    with (folder / f"{name}.csv").open() as file:
        header, *rows = csv.reader(file)
    assert rows
    assert {len(row) for row in rows} == {len(header)}
    told = json.loads((folder / f"{name}.json").read_text())
    assert (told["figure"], told["runs"][0]["seconds"]) == (name, 90)
    assert all(point["verdict"] in ("agrees", "differs", "undecided") for point in told["points"])


@pytest.mark.parametrize("name", FIGURES)
def test_the_json_suffices_to_judge_and_draw_again(folder: Path, tmp_path: Path, name: str) -> None:
    (told,) = load(folder, [name])
    assert [point.verdict for point in FIGURES[name].points(told["numbers"])] == [
        point["verdict"] for point in told["points"]
    ]
    write(FIGURES[name], told, tmp_path)
    assert (tmp_path / f"{name}.svg").read_bytes() == (folder / f"{name}.svg").read_bytes()


def test_the_page_shows_every_point_beside_its_figure(folder: Path) -> None:
    documents = load(folder, list(FIGURES))
    page = markdown(documents, images="reproduction")
    for told in documents:
        assert f"](reproduction/{told['figure']}.png)" in page
        assert all(point["statement"] in page for point in told["points"])
    assert "> fig1, fig2, fig3, fig4 from `--quick` runs" in page
    assert "sigmascope reproduce fig5 --out" in page
    assert f"Of {sum(len(told['points']) for told in documents)} statements" in page


@pytest.mark.parametrize(
    ("extent", "line", "warned"),
    [
        ("a subset: 10 training and 2 test images", "Data: a subset: 10 training and 2 test images", True),
        ("60,000 training and 10,000 test images", "Data: 60,000 training and 10,000 test images", False),
        (None, "Data: how many of them was not recorded", False),
    ],
)
def test_the_page_tells_which_data_a_run_had_and_not_where_they_lay(
    extent: str | None, line: str, warned: bool
) -> None:
    result = replace(made.fig5(), provenance={"extent": extent, "sha256": "ab"} if extent else {})
    told = document(FIGURES["fig5"], [result], [finished(result)], layer=None)
    page = markdown([json.loads(json.dumps(told))], images="reproduction")
    assert line in page
    assert ("> fig5 from runs on a part of a data set" in page) is warned


def test_the_place_of_the_data_on_a_machine_is_not_told() -> None:
    class Told:
        provenance: ClassVar[dict[str, str]] = {"source": "/home/me/data", "extent": "12 images"}

    assert provenance(cast("Run", Told())) == {"extent": "12 images"}


def test_a_page_made_before_data_were_recorded_is_written_again() -> None:
    told = document(FIGURES["fig5"], [made.fig5()], [finished(made.fig5())], layer=None)
    del told["runs"][0]["data"]
    assert "not recorded" in markdown([told], images="reproduction")


def test_numbers_that_json_lacks_become_null() -> None:
    assert rounded({"a": [float("nan"), float("inf"), 1 / 3], "b": 7, "c": None}) == {
        "a": [None, None, 0.3333333],
        "b": 7,
        "c": None,
    }


def test_an_empty_folder_and_one_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"no fig1.json .*`sigmascope reproduce --out"):
        load(tmp_path, list(FIGURES))
    (tmp_path / "file").touch()
    told = document(FIGURES["fig1"], [made.fig1()], [finished(made.fig1())], layer=None)
    with pytest.raises(InvalidValueError, match="choose another folder with --out"):
        write(FIGURES["fig1"], told, tmp_path / "file")


def test_colours_are_the_products() -> None:
    same = {
        "INK", "MUTED", "GRID", "DATA", "MARCHENKO_PASTUR", "TRACY_WIDOM", "GAMMA", "OUTLIER", "DRIFT",
        "NOISE", "TEST", "MODES",
    }  # fmt: skip
    for name in same:
        assert getattr(style, name) == getattr(LIGHT, name.lower()), name
