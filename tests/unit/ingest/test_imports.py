"""What importing this layer loads, in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, pkgutil, sys
import airflow_provider_kaltura.ingest as layer
for module in pkgutil.iter_modules(layer.__path__, layer.__name__ + "."):
    importlib.import_module(module.name)
import airflow_provider_kaltura.stores
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
PLANTED = "import airflow_provider_kaltura.ingest.run, sys, sqlite3; print(*{n.partition('.')[0] for n in sys.modules})"


def loaded(program):
    """Give the packages that a program has loaded at its end."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "name",
    ["airflow", "KalturaClient", "lxml", "requests", "urllib3", "awscrt", "tenacity", "boto3", "obstore", "pyarrow"],
)
def test_layer_loads_nothing_heavy(name, modules):
    """Neither Airflow nor a client is needed to know what a plan is."""
    assert name not in modules


@pytest.fixture(scope="module")
def modules():
    """What all modules of the layer load together."""
    return loaded(PROGRAM)


def test_what_is_loaded_is_found():
    """The check sees what it looks for."""
    assert "sqlite3" in loaded(PLANTED)
