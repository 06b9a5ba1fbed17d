"""A sandbox with the recorded library, and facades of its accounts."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.retries import Retrier, RetryPolicy
from airflow_provider_kaltura.api.runtime import Runtime
from airflow_provider_kaltura.sandbox import fixture as sandbox_fixture
from airflow_provider_kaltura.sandbox.server import serve
from tests.unit.api.recorded.library import PARTNER, PATH, SECRETS


@pytest.fixture(scope="module")
def sandbox():
    """Serve the recorded library."""
    with serve(sandbox_fixture.load(PATH)) as running:
        yield running


@pytest.fixture
def connect(sandbox):
    """Make a facade for an account of the sandbox."""
    sandbox.control.faults.clear()

    def make(method="admin_secret", secret=SECRETS["adminSecret"], partner_id=PARTNER, **auth):
        config = ClientConfig(
            connection_id="c",
            service_url=sandbox.base_url,
            partner_id=partner_id,
            auth=AuthConfig(method=method, secret=secret, **auth),
            requests_per_second=1e6,
        )
        retrier = Retrier(policy=RetryPolicy(max_tries=3), sleep=[].append)
        return KalturaApi(config, runtime=Runtime(config, retrier=retrier))

    yield make
    sandbox.control.faults.clear()


@pytest.fixture
def api(connect):
    """Give an admin facade."""
    return connect()
