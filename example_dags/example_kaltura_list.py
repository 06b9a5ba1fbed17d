"""
List the entries of an account into slices, and have one mapped task for each slice.

The listing is one file; each task reads its own piece of it. However large the library, there are at most as many tasks
as Airflow's ``[core] max_map_length`` allows, and the XCom stays small.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.listings import read_slice
from airflow_provider_kaltura.operators import KalturaListEntriesOperator

with DAG(
    dag_id="example_kaltura_list",
    description="List a library into slices, one mapped task each",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "listing_root": Param(
            "/tmp/kaltura",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Listing root",
            description="Below which root the listing is written: a path that all workers share, or a store.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: none, or the worker's own credentials.",
        ),
        "tags": Param(
            None,
            type=["string", "null"],
            title="Tags",
            description="Entries with one of these tags, separated by commas. Empty: any.",
        ),
        "category": Param(
            None,
            type=["string", "null"],
            title="Category",
            description="Entries in the category of this full name, or below it. Empty: any.",
            examples=["MediaSpace>site>channels"],
        ),
        "created_since": Param(
            None,
            type=["string", "null"],
            format="date-time",
            title="Created since",
            description="Entries created then or later. Empty: any.",
        ),
        "created_until": Param(
            None,
            type=["string", "null"],
            format="date-time",
            title="Created until",
            description="Entries created before. Empty: any.",
        ),
        "entries_per_slice": Param(
            500,
            type="integer",
            minimum=1,
            title="Entries per slice",
            description="How many entries one task has; more where there would be too many tasks.",
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
    listed = KalturaListEntriesOperator(
        task_id="list_entries",
        listing_root="{{ params.listing_root }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        tags="{{ params.tags }}",
        category="{{ params.category }}",
        created_since="{{ params.created_since }}",
        created_until="{{ params.created_until }}",
        entries_per_slice="{{ params.entries_per_slice }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )

    @task(max_active_tis_per_dagrun=4)
    def hours_of_video(slice_of_listing: str, params: dict[str, str | None] | None = None) -> float:
        """Add up how long the entries of one slice are."""
        conn_id = (params or {}).get("storage_conn_id")
        rows = read_slice(slice_of_listing, storage_conn_id=conn_id)
        return round(sum(row["msDuration"] or 0 for row in rows) / 3_600_000, 3)

    hours_of_video.expand(slice_of_listing=listed.output)

if __name__ == "__main__":
    dag.test()
