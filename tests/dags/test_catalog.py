"""The catalogue in DAGs: the example, and values of templates."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaExportCatalogOperator
from tests.dags.conftest import load_example
from tests.dags.test_examples import result_of, states

START = datetime(2026, 1, 1, tzinfo=UTC)


def count(root, table):
    """Count a table's rows by DuckDB, beginning at the pointer."""
    pointer = f"{root}/_kaltura/catalog/current/*.json"
    with duckdb.connect() as database:
        files = f"SELECT '{root}/' || path || '/{table}/*/*.parquet' FROM read_json('{pointer}')"  # noqa: S608, our own
        database.execute(f"SET VARIABLE files = ({files})")
        return database.execute("SELECT count(*) FROM read_parquet(getvariable('files'))").fetchone()[0]


@pytest.mark.usefixtures("sandbox")
def test_the_example_exports_a_catalogue(run_dag, tmp_path):
    """All tables are there, with as many rows as the result says."""
    run = run_dag(load_example("example_kaltura_catalog"), {"root": str(tmp_path)})
    assert set(states(run).values()) == {"success"}
    result = result_of(run, "export_catalog")
    assert result["rows"]["entries"] > 5
    assert {table: count(tmp_path, table) for table in result["rows"]} == result["rows"]
    assert f"{result['rows']['flavors']} flavors" in result_of(run, "tables_in_words")


@pytest.mark.usefixtures("sandbox")
def test_templates_give_tables_numbers_and_conditions(run_dag, tmp_path):
    """A list as Python writes it, a number as text, empty fields of a form."""
    with DAG("catalog", schedule=None, start_date=START, params={"tables": ["captions", "entries"]}) as dag:
        KalturaExportCatalogOperator(
            task_id="export",
            root=f"{tmp_path}/{{{{ dag.dag_id }}}}",
            tables="{{ params.tables }}",
            keep="{{ 1 + 1 }}",
            statuses="2",
            moderation="",
            tags="{{ '' }}",
        )
    run = run_dag(dag)
    rows = result_of(run, "export")["rows"]
    assert rows["entries"] == count(tmp_path / "catalog", "entries") > 0
    assert list(rows) == ["entries", "captions"]


@pytest.mark.usefixtures("sandbox")
def test_a_wrong_table_fails_and_is_not_retried(run_dag, tmp_path):
    """Nothing is written."""
    with DAG("wrong_catalog", schedule=None, start_date=START) as dag:
        KalturaExportCatalogOperator(task_id="export", root=str(tmp_path), tables="entries, users", retries=2)
    run = run_dag(dag)
    assert set(states(run).values()) == {"failed"}
    assert not list(tmp_path.iterdir())
