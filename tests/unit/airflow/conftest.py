"""Every test that imports Airflow gets a home of its own; connections come from the environment."""

from __future__ import annotations

import functools
import json

import pytest

from airflow_provider_kaltura.sandbox import small, video
from airflow_provider_kaltura.sandbox.server import serve
from tests import airflow_home


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


@pytest.fixture(scope="session")
def _videos_once():
    """Encode each video of the small library once per run, not once per test."""
    plain, video.mp4 = video.mp4, functools.cache(video.mp4)
    yield
    video.mp4 = plain


@pytest.fixture
def library(_videos_once):
    """Give the sandbox's small library, with a late entry that nobody waits for."""
    return small.library(ready_after_seconds=3600)


@pytest.fixture
def sandbox(library, define_connection):
    """Serve that library, with the default connection pointing at it."""
    with serve(library) as running:
        define_connection(host=running.base_url)
        yield running
