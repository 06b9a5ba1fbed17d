"""The recorded data and the replayer, loaded from where they are kept."""

import importlib.util
import sys
from pathlib import Path

import pytest

CONFORMANCE = Path(__file__).parents[1] / "conformance"


def load_by_path(name):
    """Import a program of tests/conformance, which is no package."""
    spec = importlib.util.spec_from_file_location(f"conformance_{name}", CONFORMANCE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def conformance():
    """Return the folder of the recorded data."""
    return CONFORMANCE


@pytest.fixture(scope="session")
def replay():
    """Return the replayer as a module."""
    return load_by_path("replay")
