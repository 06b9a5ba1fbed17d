"""The catalogue of a large library: little memory, few requests, and DuckDB reads all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_kaltura.ingest.catalog_schema import TABLES
from airflow_provider_kaltura.sandbox import rules
from tests import airflow_home
from tests.catalog import truth
from tests.catalog.conftest import connection
from tests.catalog.reading import connect, documented_types, types_of
from tests.listing.conftest import sandbox

CHILD = Path(__file__).with_name("child.py")
PROJECT = Path(__file__).parents[2]
SEED = 7
SIZES = [
    pytest.param(2_000, id="2000"),
    # Of 203,000 entries 200,000 are media. On one of two idle cores it takes about ten minutes.
    pytest.param(203_000, id="203000", marks=[pytest.mark.all, pytest.mark.timeout(3_600)]),
]


def export(server, root):
    """Export from a process of its own, as one task would."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(airflow_home.HOME),
        "AIRFLOW_CONN_KALTURA_DEFAULT": connection(server.url),
        "PYTHONPATH": str(PROJECT),
    }
    command = [sys.executable, "-W", "ignore", str(CHILD), str(root)]
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("entries", SIZES)
def test_memory_requests_and_counts(tmp_path, entries):
    """At most 150 MB above a worker's process that has loaded the operator; all rows are there."""
    with sandbox(entries) as server:
        told = export(server, tmp_path)
        requests = server.call("counts")["apiRequests"]
    library = rules.library(entries=entries, seed=SEED)
    listed = truth.entries(library)
    counts = {
        "entries": len(listed),
        "flavors": sum(len(library.entry_assets["flavor"].get(row["entry_id"], ())) for row in listed),
        "captions": sum(len(library.entry_assets["caption"].get(row["entry_id"], ())) for row in listed),
        "categories": len(library.categories),
    }
    above, result = told["aboveStart"], told["result"]
    print(  # noqa: T201, figures to report
        f"{entries:,} entries: {result['rows']}, {requests} requests, {above / 1e6:.1f} MB above start, "
        f"{result['bytes'] / 1e6:.1f} MB in {result['files']} files, {result['seconds']:.0f} s"
    )
    assert result["rows"] == counts
    assert above <= 150_000_000
    assert requests <= 6.3 * entries / 1_000 + 10
    with connect(tmp_path) as database:
        found = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # noqa: S608
        ids = {row[0] for row in database.execute("SELECT entry_id FROM entries").fetchall()}
    assert found == counts
    assert ids == {row["entry_id"] for row in listed}
    assert {table: types_of(tmp_path, table) for table in TABLES} == {
        table: documented_types(table) for table in TABLES
    }
