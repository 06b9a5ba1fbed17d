"""The Kaltura layer is light until the first request, and knows nothing of Airflow."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = ["config", "errors", "flavors", "preferences", "models", "redact", "secrets", "ids", "codes", "limiter"]
LIGHT += ["retries", "ks", "session", "transport", "runtime", "facade", "listing_guard", "convert", "urls", "check"]


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the top-level names of what it loaded."""
    program = f"{statement}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_module_loads_nothing_heavy(module):
    """Importing any module but the client loads neither Airflow nor a heavy library."""
    loaded = loaded_by(f"import airflow_provider_kaltura.api.{module}")
    assert not loaded & {"airflow", "KalturaClient", "lxml", "requests", "urllib3", "cryptography", "tenacity"}


def test_constructing_a_facade_loads_nothing_heavy():
    """A facade can be made at parse time."""
    loaded = loaded_by(
        "from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig\n"
        "from airflow_provider_kaltura.api.facade import KalturaApi\n"
        "auth = AuthConfig(method='admin_secret', secret='x' * 32)\n"
        "KalturaApi(ClientConfig(connection_id='c', partner_id=1, auth=auth)).runtime"
    )
    assert not loaded & {"airflow", "KalturaClient", "lxml", "requests", "urllib3", "cryptography", "tenacity"}


def test_the_client_knows_nothing_of_airflow():
    """Even the heavy part of the layer does not import Airflow."""
    assert "airflow" not in loaded_by(
        "import airflow_provider_kaltura.api.client, airflow_provider_kaltura.api.answers"
    )
