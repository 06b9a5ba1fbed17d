"""
Export an account's catalogue as Parquet every night, and ask it with DuckDB's SQL or anything else that reads Parquet.

Readers see the last complete export, also while the next one is made and when one is killed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.operators import KalturaExportCatalogOperator

with DAG(
    dag_id="example_kaltura_catalog",
    description="Export entries, flavors, captions and categories as Parquet",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "root": Param(
            "/tmp/kaltura",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Root",
            description="Below which root the catalogue is written: a path that all workers share, or a store.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: none, or the worker's own credentials.",
        ),
        "category": Param(
            None,
            type=["string", "null"],
            title="Category",
            description="Entries in the category of this full name, or below it; needs a root of its own. Empty: all.",
        ),
        "kaltura_conn_id": Param(
            "kaltura_default",
            type="string",
            minLength=1,
            title="Connection",
            description="The Airflow connection to the Kaltura account.",
        ),
    },
) as dag:
    exported = KalturaExportCatalogOperator(
        task_id="export_catalog",
        root="{{ params.root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        category="{{ params.category }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(minutes=5),
    )

    @task
    def tables_in_words(result: Any) -> str:
        """Say what the catalogue has; here a task could refresh views, or send a report."""
        return ", ".join(f"{count} {table}" for table, count in result["rows"].items())

    tables_in_words(exported.output)

if __name__ == "__main__":
    dag.test()
