"""
Download some entries from the form: paste their ids, one a line or with commas, and trigger.

One task fetches all of them, several at a time. It pushes a small summary, and writes a report of every row below
``_kaltura/reports/`` of the destination's root, as JSON Lines and as CSV.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator

with DAG(
    dag_id="example_kaltura_on_demand",
    description="Download the entries whose ids are pasted into the form",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_ids": Param(
            type="string",
            format="multiline",
            minLength=1,
            title="Entry ids",
            description="The Kaltura entries that are wanted, one a line or separated by commas or semicolons.",
            examples=["1_ab12cd34\n1_ef56gh78"],
        ),
        "flavor": Param(
            "source, best",
            type="string",
            minLength=1,
            title="Flavor",
            description='Preferences, tried in order for each entry; or "each" for every flavor that is ready.',
            examples=["source, best", "best", "smallest", "web", "height<=720", "each"],
        ),
        "destination": Param(
            "/tmp/kaltura/{entryId}/{flavorId}.{format}",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Destination",
            description="Folder or bucket, and name; every file needs a name of its own: keep {flavorId}.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: none, or the worker's own credentials.",
        ),
        "on_error": Param(
            "continue",
            type="string",
            enum=["continue", "fail"],
            title="When one fails",
            description="Go on with the others and tell it in the summary, or stop and fail the task.",
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
    KalturaDownloadToStorageOperator(
        task_id="download",
        entry_ids="{{ params.entry_ids }}",
        flavor="{{ params.flavor }}",
        destination="{{ params.destination }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        on_error="{{ params.on_error }}",
        # What somebody pastes by mistake ends here, before anything is asked.
        max_entries=1_000,
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(minutes=1),
    )

if __name__ == "__main__":
    dag.test(run_conf={"entry_ids": "1_ab12cd34\n1_ef56gh78"})
