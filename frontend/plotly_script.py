"""plotly.js from the installed package: an address with its version, compressed once, kept by browsers."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache

from fastapi import FastAPI, Request, Response
from plotly.offline import get_plotlyjs, get_plotlyjs_version

ADDRESS = f"/_sigmascope/plotly-{get_plotlyjs_version()}.min.js"
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


def serve(fastapi_app: FastAPI) -> None:
    """Answer ``ADDRESS`` with the script. Machines may be offline; Dash loads its own for dcc.Graph only."""

    @fastapi_app.get(ADDRESS, include_in_schema=False)
    async def plotly(request: Request) -> Response:
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return Response(get_plotlyjs(), media_type="text/javascript", headers=_HEADERS)
        body = await asyncio.to_thread(_compressed)
        return Response(body, media_type="text/javascript", headers={**_HEADERS, "Content-Encoding": "gzip"})


@cache
def _compressed() -> bytes:
    return gzip.compress(get_plotlyjs().encode(), compresslevel=6)
