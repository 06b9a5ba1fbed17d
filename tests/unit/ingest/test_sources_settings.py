"""Media are fetched as the connection says."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.config import USER_AGENT, AuthConfig, ClientConfig
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.transfer.http_pool import HttpOptions

SETTINGS = {
    "connect_timeout_seconds": 3.5,
    "read_timeout_seconds": 45.25,
    "verify": "/certificates/of-the-house.pem",
    "proxies": {"http": "http://proxy.example:3128"},
    "user_agent": "somebody/1.2",
}


@pytest.fixture
def options():
    """What becomes of a connection in which nothing is as by default."""
    auth = AuthConfig(method="ks", secret="a-ks-of-somebody")
    config = ClientConfig(
        connection_id="c", service_url="https://kaltura.example", partner_id=12, auth=auth, **SETTINGS
    )
    with HttpSources.of(config) as sources:
        yield sources._pool.options


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_connection_reaches_the_bytes(options, name):
    """Certificates, proxies, time limits and user agent are the connection's, not the defaults."""
    assert getattr(HttpOptions(), name) != SETTINGS[name]
    assert getattr(options, name) == SETTINGS[name]


def test_without_a_connection_the_defaults_hold():
    """A bare URL is fetched with the usual certificates and limits, under our own name."""
    with HttpSources.of(None) as sources:
        assert sources._pool.options == HttpOptions(user_agent=USER_AGENT)
