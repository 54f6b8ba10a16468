"""The dashboard as a whole: ``create_dashboard`` puts it on a FastAPI application that may serve more."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from fastapi import FastAPI
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from frontend import plotly_script
from frontend.api import Api
from frontend.components import message_page
from frontend.pages import forecast, run, runs, sweep, system, theory

ASSETS = Path(__file__).parent / "assets"
# name, address, and the addresses of which the link is marked as current
PAGES = (
    ("Runs", "/", re.compile(r"|/|/(runs|sweeps)/.*")),
    ("Theory", "/theory", re.compile(r"/theory/?")),
    ("System", "/system", re.compile(r"/system/?")),
)
RUN_ADDRESS = re.compile(r"/(?:runs|sweeps)/(?P<run_id>[^/]+)/?")

# The theme is set before anything is painted: no flash of the wrong one.
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    <script>
      (function () {
        let scheme = null;
        try { scheme = localStorage.getItem("mantine-color-scheme-value"); } catch (_) { /* private mode */ }
        if (scheme !== "light" && scheme !== "dark") {
          scheme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
        }
        document.documentElement.setAttribute("data-mantine-color-scheme", scheme);
      })();
    </script>
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>
      {%config%}
      {%scripts%}
      {%renderer%}
    </footer>
  </body>
</html>"""


def create_dashboard(fastapi_app: FastAPI, *, api_url: str) -> Dash:
    """Put the dashboard at ``/`` of ``fastapi_app``.

    Args:
        fastapi_app: serves the dashboard. Whatever it serves besides (the API) must be registered before: the
            dashboard answers every other address when the application starts.
        api_url: where this process reaches the API, e.g. ``http://127.0.0.1:8050``. Browsers use
            ``/api/v1`` of the address that they came by.
    """
    api = Api(api_url)
    plotly_script.serve(fastapi_app)
    dashboard = Dash(
        __name__,
        server=fastapi_app,
        routes_pathname_prefix="/",
        requests_pathname_prefix="/",
        assets_folder=str(ASSETS),
        use_pages=False,
        title="sigmascope",
        update_title="",
        suppress_callback_exceptions=True,
        index_string=INDEX,
    )
    dashboard.layout = _shell
    _route(dashboard, api)
    runs.register(dashboard, api)
    theory.register(dashboard, api)
    forecast.register(dashboard, api)
    system.register(dashboard, api)
    sweep.register(dashboard, api)
    _compress(fastapi_app)
    _close_at_shutdown(fastapi_app, api)
    # Dash does this at the first request for "/" or one of its own addresses; a visitor whose first address
    # is that of a run would get a page without our assets.
    dashboard._setup_server()
    return dashboard


def _shell() -> dmc.MantineProvider:
    bar = html.Header(
        [
            dcc.Link([html.Span("σ", className="brand-mark"), "sigmascope"], href="/", className="brand"),
            html.Nav(_links(None), id="pages", **{"aria-label": "Pages"}),
            dmc.ColorSchemeToggle(
                lightIcon=html.Span("☀"),
                darkIcon=html.Span("☾"),
                id="theme-toggle",
                size="md",
                variant="subtle",
                color="gray",
                **{"aria-label": "Light or dark"},
            ),
        ],
        className="top-bar",
    )
    return dmc.MantineProvider(
        [dcc.Location(id="location", refresh="callback-nav"), bar, html.Main(id="page")],
        defaultColorScheme="auto",
        theme={
            "primaryColor": "indigo",
            "defaultRadius": "sm",
            "fontFamily": "var(--font)",
            "cursorType": "pointer",
        },
    )


def _links(address: str | None) -> list[html.Span]:
    """The links of the bar on top; that of the page at ``address`` is marked."""
    current = next((href for _, href, owns in PAGES if address is not None and owns.fullmatch(address)), None)
    return [
        html.Span(dcc.Link(name, href=href), **({"aria-current": "page"} if href == current else {}))
        for name, href, _ in PAGES
    ]


def _route(dashboard: Dash, api: Api) -> None:
    @dashboard.callback(Output("pages", "children"), Input("location", "pathname"))
    async def links(address: str | None) -> list[html.Span]:
        return _links(address)

    @dashboard.callback(Output("page", "children"), Input("location", "pathname"), State("location", "href"))
    async def page(address: str | None, href: str | None) -> Any:
        if address in (None, "", "/"):
            return await runs.layout(api)
        if address.rstrip("/") == "/theory":
            return await theory.layout(api, href or "")
        if address.rstrip("/") == "/system":
            return await system.layout(api)
        found = RUN_ADDRESS.fullmatch(address)
        if found:
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(href or ""))
            return await run.layout(api, unquote(found["run_id"]), origin=origin)
        return message_page(title="No such page", text=f"Nothing lives at {address}.")


def _compress(fastapi_app: FastAPI) -> None:
    # Spectra are noise to gzip: half a second of work for a tenth of the size.
    excluded = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream")
    fastapi_app.add_middleware(
        GZipMiddleware, minimum_size=1000, compresslevel=4, exclude_content_types=excluded
    )


def _close_at_shutdown(fastapi_app: FastAPI, api: Api) -> None:
    inner = fastapi_app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state:
            try:
                yield state
            finally:
                await api.aclose()

    fastapi_app.router.lifespan_context = lifespan
