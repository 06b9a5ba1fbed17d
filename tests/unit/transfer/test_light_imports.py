from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("airflow", "urllib3", "awscrt", "requests", "KalturaClient", "lxml", "http.client", "ssl")
LIGHT = [
    "protocols",
    "plan",
    "errors",
    "checksum",
    "keys",
    "proofs",
    "local_sink",
    "local_store",
    "memory_sink",
    "copy",
]
AT_USE = ["http_pool", "http_answer", "http_source"]

PROGRAM = """
import importlib, sys
importlib.import_module("airflow_provider_kaltura.transfer." + sys.argv[1])
print(*(name for name in sys.argv[2].split(",") if name in sys.modules))
"""


def loaded(module, names):
    """Import a module in a fresh interpreter and tell which of the names it has loaded."""
    command = [sys.executable, "-c", PROGRAM, module, ",".join(names)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()


@pytest.mark.parametrize("module", LIGHT)
def test_module_loads_nothing_heavy(module):
    """What DAG files may import costs them no library."""
    assert loaded(module, HEAVY) == []


@pytest.mark.parametrize("module", AT_USE)
def test_module_loads_libraries_only_when_used(module):
    """The HTTP modules load the standard library's, and urllib3 with the first request."""
    assert loaded(module, ("airflow", "urllib3", "awscrt", "requests", "KalturaClient", "lxml")) == []
