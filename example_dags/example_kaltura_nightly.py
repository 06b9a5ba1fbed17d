"""
Keep a copy of a whole library current, every night.

The first run fetches all; later ones move only what was created, changed or deleted since. A night that was missed, or
failed, is made up for by the next one. Replaced files are found although their entries don't change.

Trigger it with ``since`` and ``until`` to look at some days once more; that changes nothing where nothing is missing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaSyncToStorageOperator

with DAG(
    dag_id="example_kaltura_nightly",
    description="Keep a copy of a library current",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # The cursor is in the lake: a second run at the same time would only do the same work.
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "root": Param(
            "/tmp/kaltura/lake",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Root",
            description="The lake: a path that all workers share, or a store such as s3://bucket/lake.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: none, or the worker's own credentials.",
        ),
        "flavor": Param(
            "source, best",
            type="string",
            minLength=1,
            title="Flavor",
            description="Which flavor of each entry, by preference; 'each' for every flavor.",
        ),
        "on_deleted": Param(
            "keep",
            type="string",
            enum=["keep", "mark", "delete"],
            title="Deleted",
            description="What happens to files that Kaltura has no more.",
        ),
        "since": Param(
            None,
            type=["string", "null"],
            format="date-time",
            title="Since",
            description="Look at what was changed then or later. Empty: since the last run.",
        ),
        "until": Param(
            None,
            type=["string", "null"],
            format="date-time",
            title="Until",
            description="Look at what was changed before. Empty: until now.",
        ),
        "plan_only": Param(
            False,
            type="boolean",
            title="Only plan",
            description="Write down what would be fetched, and do nothing.",
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
    KalturaSyncToStorageOperator(
        task_id="sync",
        destination="{{ params.root }}/{partnerId}/{createdAt:%Y/%m}/{entryId}/{flavorId}.{format}",
        # The destination begins with a template: here the state of all runs is, whatever comes before it.
        state_root="{{ params.root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        flavor="{{ params.flavor }}",
        on_deleted="{{ params.on_deleted }}",
        # A few bad files are tried again every night; so many are an outage, and a retry in some minutes is better.
        max_failures=100,
        since="{{ params.since }}",
        until="{{ params.until }}",
        plan_only="{{ params.plan_only }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=20),
    )

if __name__ == "__main__":
    dag.test()
