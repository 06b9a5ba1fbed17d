"""What the Airflow layer exports is what its modules offer."""

from __future__ import annotations

import importlib

import pytest

MODULES = {
    "hooks": ["kaltura"],
    "operators": ["catalog", "download", "listing", "storage", "sync", "urls"],
    "sensors": ["kaltura"],
    "triggers": ["entry_ready", "kaltura"],
}


def classes_of(module):
    """Give the public names that a module defines itself, and check that its ``__all__`` has exactly these."""
    made_here = {name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    public = sorted(name for name in made_here if not name.startswith("_"))
    assert sorted(module.__all__) == public
    return public


@pytest.mark.parametrize("package", MODULES)
def test_packages_export_the_classes_of_their_modules(package):
    """``__all__`` of the package, of its modules and what is really there agree."""
    outer = importlib.import_module(f"airflow_provider_kaltura.{package}")
    inner = [importlib.import_module(f"airflow_provider_kaltura.{package}.{name}") for name in MODULES[package]]
    assert outer.__all__ == sorted(name for module in inner for name in classes_of(module))
    assert all(getattr(outer, name) is getattr(module, name) for module in inner for name in module.__all__)
