"""
Download a library, or a part of it: list it into slices, and have one mapped task for each slice.

Each task fetches its entries a few at a time; Airflow's pool says how many tasks run at once. A rerun moves nothing
that stands already.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaListEntriesOperator

# Every Airflow has this one. Make one for each Kaltura account (`airflow pools set kaltura 4 Kaltura`), since all DAGs
# share what the account may ask for. A task whose pool does not exist never starts.
POOL = "default_pool"

with DAG(
    dag_id="example_kaltura_batches",
    description="Download a library in slices, one mapped task each",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "destination": Param(
            "/tmp/kaltura/{createdAt:%Y/%m}/{entryId}/{flavorId}.{format}",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Destination",
            description="A path that all workers share, or a store, with a name for each file.",
        ),
        "listing_root": Param(
            "/tmp/kaltura",  # noqa: S108, see above
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
        "flavor": Param(
            "source, best",
            type="string",
            minLength=1,
            title="Flavor",
            description='Preferences, tried in order for each entry; or "each" for every flavor that is ready.',
        ),
        "entries_per_slice": Param(
            500,
            type="integer",
            minimum=1,
            title="Entries per slice",
            description="How many entries one task has; more where there would be too many tasks.",
        ),
        "max_failures": Param(
            None,
            type=["integer", "null"],
            minimum=0,
            title="Failures allowed",
            description="A task with more failures than this fails. Empty: any number is only told.",
        ),
        "max_bytes_per_second": Param(
            None,
            type=["integer", "null"],
            minimum=1,
            title="Bytes per second",
            description="Each task fetches no faster than this. Empty: no limit.",
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
        entries_per_slice="{{ params.entries_per_slice }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )
    downloaded = KalturaDownloadToStorageOperator.partial(
        task_id="download",
        destination="{{ params.destination }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        flavor="{{ params.flavor }}",
        on_error="continue",
        max_failures="{{ params.max_failures }}",
        max_bytes_per_second="{{ params.max_bytes_per_second }}",
        # One task may be given many entries where a library is large and Airflow maps few tasks.
        max_entries=100_000,
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        pool=POOL,
        max_active_tis_per_dagrun=4,
        retries=3,
        retry_delay=timedelta(minutes=1),
    ).expand(entries_from=listed.output)

    @task
    def totals(summaries: Any) -> dict[str, int]:
        """Add up what became of all slices; a summary each, see ``airflow_provider_kaltura.xcom_batches``."""
        kept = list(summaries)
        return {name: sum(one[name] for one in kept) for name in ("total", "downloaded", "skipped", "failed", "bytes")}

    totals(downloaded.output)

if __name__ == "__main__":
    dag.test()
