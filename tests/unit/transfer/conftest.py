"""A media server, a pool and a source that the suites of HTTP share."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from tests.media_server import MediaServer
from tests.unit.transfer.reading import CONTENT


@pytest.fixture
def server():
    """A media server with one object."""
    with MediaServer(CONTENT) as running:
        yield running


@pytest.fixture
def pool():
    """A pool without proxies, with short timeouts."""
    with HttpPool(HttpOptions(connect_timeout_seconds=5, read_timeout_seconds=5, proxies={})) as running:
        yield running


@pytest.fixture
def source(server, pool):
    """A source of the server's object."""
    return HttpSource(FixedUrl(server.url), size_bytes=CONTENT.size_bytes, pool=pool)
