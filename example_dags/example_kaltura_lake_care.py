"""
Take care of a lake once a week: clean up what killed downloads have left, then verify what stands.

The verification compares the files with the manifest, and the manifest with Kaltura. It fails when files are missing or
have other bytes; what changed at Kaltura, or is gone there, is only told.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaCleanStorageOperator, KalturaVerifyStorageOperator

with DAG(
    dag_id="example_kaltura_lake_care",
    description="Verify a lake and clean up below it",
    schedule="@weekly",
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
            description="The lake: the destination of the downloads up to the last / before its first placeholder.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: none, or the worker's own credentials.",
        ),
        "level": Param(
            "length",
            type="string",
            enum=["length", "checksum"],
            title="Level",
            description="length: existence and length. checksum: the bytes too; files may be read back.",
        ),
        "older_than": Param(
            "7 days",
            type="string",
            minLength=1,
            title="Older than",
            description="What nobody has touched for so long is cleaned up, for example 7 days or 36 hours.",
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
    clean = KalturaCleanStorageOperator(
        task_id="clean",
        root="{{ params.root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        older_than="{{ params.older_than }}",
        retries=2,
    )
    verify = KalturaVerifyStorageOperator(
        task_id="verify",
        root="{{ params.root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        level="{{ params.level }}",
        against_kaltura=True,
        on_findings="fail",
        max_bytes_per_second=100_000_000,
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        # Damage found is worth knowing even where something could not be cleaned up.
        trigger_rule="all_done",
    )
    clean >> verify

if __name__ == "__main__":
    dag.test()
