"""One Airflow with a database for all tests of DAGs, beside the sandbox; DAGs run in this process by ``dag.test()``."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path

import pytest

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.sandbox import small, video
from airflow_provider_kaltura.sandbox.server import serve
from tests import airflow_home

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def pytest_collection_modifyitems(items):
    """Mark everything here: it needs a real Airflow with a database."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.dag)


@pytest.fixture(scope="session")
def airflow_database():
    """Make Airflow's database in the home of this run."""
    from airflow.utils.db import initdb  # noqa: PLC0415, reads the configuration when it is imported

    initdb()
    return airflow_home.HOME


@pytest.fixture(scope="session")
def _server():
    plain, video.mp4 = video.mp4, functools.cache(video.mp4)
    with serve(small.library(ready_after_seconds=3600)) as running:
        yield running
    video.mp4 = plain


@pytest.fixture
def sandbox(_server, monkeypatch):
    """Give the sandbox with a library as new and the default connection pointing at it."""
    vars(_server.library).update(vars(small.library(ready_after_seconds=3600)))
    _server.control.faults.clear()
    _server.log.clear()
    forget_all()
    connection = {
        "conn_type": "kaltura",
        "host": _server.base_url,
        "login": str(small.PARTNER_ID),
        "password": small.ADMIN_SECRET,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", json.dumps(connection))
    return _server


def load_example(name):
    """Load an example DAG from its file, as the DAG processor does."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


@pytest.fixture
def run_dag(airflow_database, sandbox):  # noqa: ARG001, a DAG needs both to run
    """Give a function that runs a DAG to its end and returns the run."""

    def run(dag, conf=None):
        _store(dag)
        return dag.test(run_conf=conf or {})

    return run


def _store(dag):
    """Write the DAG into the database, which dag.test() of Airflow 3.1 and later expects."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db  # noqa: PLC0415, not in Airflow 2
    except ImportError:
        return
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415, not in Airflow 2
    from airflow.utils.session import create_session  # noqa: PLC0415, reads the configuration when it is imported

    with create_session() as session:
        session.merge(DagBundleModel(name="tests"))
    bag = DagBag(dag_folder="/dev/null", bundle_path=EXAMPLES, bundle_name="tests")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "tests", None)
