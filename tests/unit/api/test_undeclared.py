"""What the official client needs and does not declare is done without, or declared by us."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.server import serve

# ``None`` in sys.modules makes an import fail as if the module were not installed.
PROGRAM = """
import json, sys, time
sys.modules["Crypto"] = sys.modules["Cryptodome"] = None
service_url, partner_id, secret, entry_id = json.loads(sys.argv[1])

from KalturaClient import KalturaClient
try:
    KalturaClient.generateSessionV2(secret, "user", 2, partner_id)
    plain = "made"
except Exception as error:
    plain = type(error).__name__

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
api = KalturaApi(ClientConfig(
    connection_id="c", service_url=service_url, partner_id=partner_id,
    auth=AuthConfig(method="admin_secret", secret=secret),
))
entry = api.get_entry(entry_id)
ks = api.runtime.sessions.get().ks
loaded = sorted(name for name, module in sys.modules.items() if name.startswith("Crypto") and module is not None)
print(json.dumps([plain, ks[:4], entry.id, loaded]))
"""


@pytest.fixture(scope="module")
def sandbox():
    """Serve the small library."""
    with serve(small.library()) as running:
        yield running


def test_sessions_are_made_without_the_undeclared_crypto(sandbox):
    """Where ``Crypto`` is missing the plain client can't make a KS of version 2, and ours makes one that works."""
    told = json.dumps([sandbox.base_url, small.PARTNER_ID, small.ADMIN_SECRET, small.READY])
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, told]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["NameError", "djJ8", small.READY, []]


def names_required(distribution):
    """List the distributions that one requires whatever extras are asked for."""
    required = importlib.metadata.requires(distribution) or []
    return {re.match(r"[A-Za-z0-9_.-]+", line).group().lower() for line in required if "extra ==" not in line}


def test_lxml_is_required_by_us():
    """The official client imports lxml without declaring it; our distribution requires it, and what makes a KS."""
    assert "lxml" not in names_required("KalturaApiClient")
    assert {"lxml", "cryptography", "kalturaapiclient"} <= names_required("airflow-provider-kaltura")
