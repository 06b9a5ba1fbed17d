"""Every test that imports Airflow gets a home of its own; connections come from the environment."""

from __future__ import annotations

import functools
import json

import pytest

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.ingest import ready_feed
from airflow_provider_kaltura.sandbox import small, video
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.triggers import entry_ready
from tests import airflow_home
from tests.unit.airflow.ready_watching import PAUSE


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        """Tell the time."""
        return self.now


@pytest.fixture(scope="session")
def home():
    """Give the folder that Airflow uses in this run."""
    return airflow_home.HOME


@pytest.fixture
def define_connection(monkeypatch):
    """Give a function that defines a connection in the environment, as an Airflow worker would find it."""

    def define(conn_id="kaltura_default", **fields):
        connection = {"conn_type": "kaltura", "login": str(small.PARTNER_ID), "password": small.ADMIN_SECRET, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return conn_id

    return define


def fresh_library():
    """Make the sandbox's small library, with a late entry that nobody waits for."""
    return small.library(ready_after_seconds=3600)


@pytest.fixture(scope="session")
def _server():
    """Serve a small library during the whole run; encode each video of it once."""
    plain, video.mp4 = video.mp4, functools.cache(video.mp4)
    with serve(fresh_library()) as running:
        yield running
    video.mp4 = plain


@pytest.fixture
def sandbox(_server, define_connection):
    """Give the server with a library as new, and the default connection pointing at it."""
    vars(_server.library).update(vars(fresh_library()))
    _server.control.faults.clear()
    _server.log.clear()
    # Else all tests together would be held to the requests per second of one connection.
    forget_all()
    define_connection(host=_server.base_url)
    return _server


@pytest.fixture
def library(sandbox):
    """Give what the sandbox knows."""
    return sandbox.library


@pytest.fixture
def watching(sandbox, monkeypatch):
    """Have nothing in the library that was changed lately, and triggers for events that wait for nothing else."""
    for entry_id in list(sandbox.library.entries):
        sandbox.control.set_entry(entry_id, createdAt=1_600_000_000, updatedAt=1_600_000_000)
    # Else the first look would wait for others, and what is saved for Airflow's database.
    monkeypatch.setattr(ready_feed, "_GATHER_SECONDS", 0.3)
    monkeypatch.setattr(ready_feed, "SHORTEST_INTERVAL_SECONDS", PAUSE)
    monkeypatch.setattr(entry_ready, "_SAVE_AFTER_SECONDS", 0.0)
