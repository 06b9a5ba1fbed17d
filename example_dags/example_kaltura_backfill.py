"""
Copy a large library for the first time: a mapped task for each month in which entries were created.

A pool says how many months are copied at a time (``kaltura``; create it under Admin, Pools). Each month is retried by
itself. Afterwards ``example_kaltura_nightly``, with the same root, fetches nothing again and goes on from there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.operators import KalturaSyncToStorageOperator

with DAG(
    dag_id="example_kaltura_backfill",
    description="Copy a library, month by month",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
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
        "first_month": Param(
            "2020-01",
            type="string",
            pattern=r"^\d{4}-(0[1-9]|1[0-2])$",
            title="First month",
            description="The month of the oldest entries.",
        ),
        "last_month": Param(
            "2026-11",
            type="string",
            pattern=r"^\d{4}-(0[1-9]|1[0-2])$",
            title="Last month",
            description="The month of the newest entries.",
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

    @task
    def months(params: dict[str, str] | None = None) -> list[dict[str, str]]:
        """Give the first moment of each month, and of the one after it."""
        given = params or {}
        month = datetime.strptime(f"{given['first_month']}+0000", "%Y-%m%z")
        last = datetime.strptime(f"{given['last_month']}+0000", "%Y-%m%z")
        found = []
        while month <= last:
            following = (month + timedelta(days=31)).replace(day=1)
            found.append({"created_since": month.isoformat(), "created_until": following.isoformat()})
            month = following
        return found

    KalturaSyncToStorageOperator.partial(
        task_id="sync_month",
        map_index_template="{{ task.created_since }}",
        destination="{{ params.root }}/{partnerId}/{createdAt:%Y/%m}/{entryId}/{flavorId}.{format}",
        state_root="{{ params.root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        window="all",
        flavor="{{ params.flavor }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        pool="kaltura",
        retries=3,
        retry_delay=timedelta(minutes=5),
    ).expand_kwargs(months())

if __name__ == "__main__":
    dag.test()
