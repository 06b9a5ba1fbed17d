"""A library that the tests of several syncs share, each test its own."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from tests.sync.neighbours import Neighbours


@pytest.fixture
def near():
    """A library of four videos."""
    with serve(rules.library(entries=4, only_ready_videos=True)) as running:
        made = Neighbours(running)
        yield made
        made.api.close()
