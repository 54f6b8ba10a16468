"""How fast the dashboard shows and plays 800 spectra of 1024 values, in a real browser on the real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import Page

from backend.storage import results, runs
from backend.storage.session import migrate, open_engine
from benchmarks import synthetic
from benchmarks.browser import chromium
from benchmarks.report import Report, parse_args
from sigmascope.client import Client
from sigmascope.schemas import TrainSpec
from worker.database_sink import recording_sink

FRAMES = 800
VALUES = 1024
VISITS = 3  # first histogram: the median of so many
VIEWPORT = {"width": 1440, "height": 900}
STATE = "() => window.sigmascope?.player?.state()"
READY = "() => window.sigmascope?.player?.state()?.ready"


def seed(home: Path) -> str:
    """A finished run of ``FRAMES`` steps in the database of ``home``; its id."""
    spec = TrainSpec(preset="mlp-mnist", batches=FRAMES - 1)
    engine = open_engine(f"sqlite:///{home / 'sigmascope.db'}")
    migrate(engine)
    now = time.time()
    with engine.begin() as connection:
        run_id = runs.create(
            connection,
            kind="train",
            name="player benchmark",
            spec=spec.model_dump(mode="json"),
            total_steps=FRAMES - 1,
            now=now,
        )
        held = runs.claim(connection, run_id, owner="benchmark", now=now, lease_seconds=600, versions={})
        assert held is not None
        results.write_layers(connection, run_id, [synthetic.shape(VALUES)])
    sink = recording_sink(engine, held, lease_seconds=600)
    for record in synthetic.steps(frames=FRAMES, n=VALUES, k=spec.top_k, rng=np.random.default_rng(0)):
        sink.write(record)
        sink.commit_when_due()
    sink.flush()
    with engine.begin() as connection:
        runs.finish(connection, held, status="finished", error=None, now=time.time())
    engine.dispose()
    return run_id


@contextmanager
def server(home: Path) -> Iterator[str]:
    """The laptop's server on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "SIGMASCOPE_HOME": str(home), "SIGMASCOPE_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "backend.all_in_one"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url) as client:
            while not client.healthy():
                assert process.poll() is None, "the server did not start"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def first_histogram(page: Page, address: str) -> float:
    """Seconds from navigation to the first histogram on the screen."""
    page.goto(address)
    page.wait_for_function("() => window.sigmascope?.player?.state()?.firstHistogramMs")
    state: dict[str, Any] = page.evaluate(STATE)
    page.wait_for_function(READY)
    return float(state["firstHistogramMs"]) / 1000


def play(page: Page) -> tuple[float, float]:
    """Play from the first to the last step at 2x (60 steps a second asked for).

    Returns:
        distinct frames drawn a second, and requests to the server for each of them.
    """
    page.select_option("#transport-speed", "2")
    page.click("[data-do=start]")
    page.wait_for_timeout(500)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    start = page.evaluate(
        "() => { document.querySelector('[data-do=play]').click();"
        " return [performance.now(), sigmascope.player.state().framesDrawn]; }"
    )
    end = page.evaluate(
        "() => new Promise((resolve) => { const look = () => { const state = sigmascope.player.state();"
        " if (state.playing) requestAnimationFrame(look);"
        " else resolve([performance.now(), state.framesDrawn]); }; requestAnimationFrame(look); })"
    )
    frames = end[1] - start[1]
    return frames / (end[0] - start[0]) * 1000, len(requests) / frames


def main(report: Report) -> None:
    """Seed, serve, look, play."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder)
        run_id = seed(home)
        with server(home) as url:
            warm_up = browser.new_page(viewport=VIEWPORT)  # a server's first page compiles its imports
            warm_up.goto(url)
            warm_up.wait_for_selector("#new-run")
            warm_up.close()
            # Each page in a context of its own, with an empty cache
            pages = [browser.new_context(viewport=VIEWPORT).new_page() for _ in range(VISITS)]
            seconds = [first_histogram(page, f"{url}/runs/{run_id}") for page in pages]
            report.emit("first_histogram_seconds", median(seconds), "s")
            page = pages[-1]
            for other in pages[:-1]:
                other.close()
            frames_per_second, requests_per_frame = play(page)
            report.emit("frames_per_second", frames_per_second, "frames/s")
            report.emit("server_requests_per_frame", requests_per_frame, "requests/frame")


if __name__ == "__main__":
    main(parse_args(__doc__))
