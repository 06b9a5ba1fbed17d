"""What the Airflow layer exports is what its modules offer."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("package", ["hooks", "operators", "sensors", "triggers"])
def test_packages_export_the_classes_of_their_module(package):
    """``__all__`` of the package, of its module and what is really there agree."""
    outer = importlib.import_module(f"airflow_provider_kaltura.{package}")
    inner = importlib.import_module(f"airflow_provider_kaltura.{package}.kaltura")
    made_here = {name for name, value in vars(inner).items() if getattr(value, "__module__", None) == inner.__name__}
    public = sorted(name for name in made_here if not name.startswith("_"))
    assert outer.__all__ == sorted(inner.__all__) == public
    assert all(getattr(outer, name) is getattr(inner, name) for name in public)
