"""``sigmascope reproduce``: what it refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sigmascope import cli
from sigmascope.errors import InvalidValueError, ServiceError
from tests.conftest import free_port


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["reproduce", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_an_unknown_figure_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidValueError, match="no figure 'fig6'; choose from fig1, fig2, fig3, fig4, fig5"):
        invoke("fig6")


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path) -> None:
    server = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceError, match=f"no service at {server}; start one with `sigmascope up`"):
        invoke("fig2", "--quick", "--out", str(tmp_path), "--server", server)
    assert not list(tmp_path.iterdir())


def test_runs_that_do_not_fit_the_figure_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="fig3-mlp, fig3-vit, fig3-gpt"):
        invoke("fig3", "--run", "0123456789")


def test_a_page_alone_needs_its_name() -> None:
    with pytest.raises(InvalidValueError, match="--page-only needs --page FILE"):
        invoke("--page-only")
