"""One sandbox for all tests of this folder that need a server, and the parts that run against it."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.server import serve


@pytest.fixture(scope="session")
def sandbox():
    """A running sandbox with the small library."""
    with serve(small.library(ready_after_seconds=3600)) as running:
        yield running


@pytest.fixture
def config(sandbox):
    """The settings of an admin connection to the sandbox."""
    auth = AuthConfig(method="admin_secret", secret=small.ADMIN_SECRET)
    return ClientConfig(
        connection_id="sandbox",
        service_url=sandbox.base_url,
        partner_id=small.PARTNER_ID,
        auth=auth,
        requests_per_second=1000,
    )


@pytest.fixture
def api(config):
    """The facade over that connection."""
    return KalturaApi(config)
