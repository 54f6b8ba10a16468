"""The strip of the run page: tabs, the parts of a change, and what metrics there are."""

from __future__ import annotations

from typing import Any

import httpx

from frontend.pages import run
from frontend.strip import TABS, strip
from sigmascope.schemas import MetricInfo
from tests.frontend.service import answers, api, make_run
from tests.frontend.test_pages import text_of


def metric(name: str, unit: str = "") -> MetricInfo:
    return MetricInfo(
        name=name, title=name.replace("_", " "), formula="Σ σ_k² / σ_1²", unit=unit, reference="someone"
    )


METRICS = [metric("spectral_norm", "sigma"), metric("stable_rank"), metric("spread", "sigma")]


def having(layout: Any, **wanted: str) -> list[Any]:
    return [
        c
        for c in layout._traverse()
        if all(getattr(c, name, None) == value for name, value in wanted.items())
    ]


def test_tabs_and_their_panels_name_each_other_and_the_first_is_open() -> None:
    shown = strip(METRICS)
    tabs, panels = having(shown, role="tab"), having(shown, role="tabpanel")
    assert [tab.children for tab in tabs] == [title for _, title in TABS]
    for tab, panel in zip(tabs, panels, strict=True):
        assert tab.to_plotly_json()["props"]["aria-controls"] == panel.id
        assert panel.to_plotly_json()["props"]["aria-labelledby"] == tab.id
    assert [panel.hidden for panel in panels] == [False, True, True]
    assert [tab.to_plotly_json()["props"]["aria-selected"] for tab in tabs] == ["true", "false", "false"]


def test_metrics_are_grouped_by_unit_in_order() -> None:
    picker = having(strip(METRICS), id="metric-picker")[0]
    grouped = {group.label: [option.value for option in group.children] for group in picker.children}
    assert grouped == {"In units of σ": ["spectral_norm", "spread"], "Pure numbers": ["stable_rank"]}


def test_a_unit_that_is_not_known_names_its_own_group() -> None:
    picker = having(strip([metric("x", "bits")]), id="metric-picker")[0]
    assert [group.label for group in picker.children] == ["bits"]


def test_every_metric_has_a_card_with_formula_and_reference() -> None:
    cards = having(strip(METRICS), id="metric-about")[0].children
    assert [card.to_plotly_json()["props"]["data-metric"] for card in cards] == [one.name for one in METRICS]
    assert "someone" in text_of(cards[0])
    assert "Σ σ" in text_of(cards[0])


async def test_the_page_names_the_metrics_of_the_service() -> None:
    rest = answers([make_run()])

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/spectrum-metrics":
            return httpx.Response(200, json=[one.model_dump() for one in METRICS])
        return rest.handle_request(request)

    page = await run.layout(api(httpx.MockTransport(handle)), "0123abcd", origin="http://here")
    assert len(having(page, id="metric-about")[0].children) == 3


async def test_the_page_stands_where_the_service_names_none() -> None:
    page = await run.layout(api(answers([make_run()])), "0123abcd", origin="http://here")
    assert having(page, id="metric-picker")[0].children == []
    assert having(page, id="training-panel")
