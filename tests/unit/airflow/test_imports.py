"""What Airflow imports often must be light: DAG files are parsed every few seconds."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_kaltura

ROOT = Path(airflow_provider_kaltura.__file__).parent
EXAMPLES = sorted((ROOT.parent / "example_dags").glob("*.py"))
HEAVY = {"KalturaClient", "lxml", "obstore", "boto3", "pyarrow"}
# What every DAG file with a task, a hook, a sensor or a trigger loads anyway.
AIRFLOW_ITSELF = (
    "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseSensorOperator\n"
    "from airflow.triggers.base import BaseTrigger\n"
)


def parsed_modules():
    """List the modules that must be light: four packages with all their modules, and three single ones."""
    names = ["stores", "exceptions", "get_provider_info"]
    for package in ("hooks", "operators", "sensors", "triggers"):
        names.append(package)
        names += [module.name for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")]
    return [f"airflow_provider_kaltura.{name}" for name in names]


def loaded_by(*steps):
    """
    Run pieces of code in one fresh interpreter, after Airflow's own base classes.

    Returns what is loaded after Airflow, and what each step added to that.
    """
    watch = (
        "import json, sys\nbefore, added = set(sys.modules), {}\n"
        "def note(step):\n"
        "    added[step] = sorted(set(sys.modules) - before)\n"
        "    before.update(sys.modules)\n"
        "airflow = sorted(sys.modules)\n"
    )
    code = AIRFLOW_ITSELF + watch + "".join(f"{step}\nnote({step!r})\n" for step in steps)
    tail = "sys.stdout.write('\\n' + json.dumps([airflow, added]))"
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + tail], capture_output=True, text=True, check=True
    ).stdout
    airflow, added = json.loads(output.splitlines()[-1])
    return set(airflow), {step: set(modules) for step, modules in added.items()}


def heavy_in(modules):
    """Keep what must not be loaded: the heavy ones, and anything of requests that Airflow had not loaded."""
    return {name for name in modules if name.split(".")[0] in HEAVY | {"requests"}}


@pytest.fixture(scope="module")
def added():
    """Import everything that Airflow imports often, one after the other."""
    imports = [f"import {name}" for name in parsed_modules()]
    examples = [f"import runpy; runpy.run_path({str(path)!r})" for path in EXAMPLES]
    airflow, added = loaded_by(*imports, *examples)
    # The comparison is fair: what must not be loaded was not there before.
    assert {name.split(".")[0] for name in airflow} & HEAVY == set()
    return added


def test_modules_and_examples_load_nothing_heavy(added):
    """No official client, parser, store client, and nothing more of requests than Airflow's own."""
    assert {step: heavy_in(modules) for step, modules in added.items() if heavy_in(modules)} == {}


def test_everything_is_looked_at(added):
    """All packages, single modules and both examples were imported."""
    steps = " ".join(added)
    assert {name.split(".")[1] for name in parsed_modules()} == {
        "exceptions",
        "get_provider_info",
        "hooks",
        "operators",
        "sensors",
        "stores",
        "triggers",
    }
    assert all(f"{name}.py" in steps for name in ("example_kaltura_download", "example_kaltura_expand"))


def test_the_check_finds_the_official_client():
    """The check can fail: it names the step that loads the client."""
    _, added = loaded_by("import json", "import KalturaClient")
    assert heavy_in(added["import json"]) == set()
    assert "KalturaClient" in heavy_in(added["import KalturaClient"])
