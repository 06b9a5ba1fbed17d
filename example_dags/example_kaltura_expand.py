"""
Download several Kaltura entries at once: one mapped task per entry.

``[core] max_map_length`` limits a mapping (1024 by default), so this form suits a hand-picked list, not a library.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator

with DAG(
    dag_id="example_kaltura_expand",
    description="Download several entries, one mapped task each",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_ids": Param(
            type="array",
            items={"type": "string"},
            minItems=1,
            title="Entry ids",
            description="The Kaltura entries whose videos are wanted, one a line.",
        ),
        "flavor": Param(
            "best",
            type="string",
            minLength=1,
            title="Flavor",
            description="Preferences, tried in order and separated by commas.",
            examples=["source, best", "best", "smallest", "web", "height<=720", "bitrate<=2500", "tag:mobile"],
        ),
        "destination": Param(
            "/tmp/kaltura/{createdAt:%Y/%m}/{entryId}-{flavorId}.{format}",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Destination",
            description="Where the files go. Placeholders stand in single braces.",
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
    def entry_ids(params: dict[str, list[str]] | None = None) -> list[str]:
        """Give the ids of the trigger form to the mapping."""
        return [entry_id.strip() for entry_id in (params or {})["entry_ids"] if entry_id.strip()]

    urls = KalturaGetDownloadUrlOperator.partial(
        task_id="get_download_url",
        flavor="{{ params.flavor }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        map_index_template="{{ task.entry_id }}",
        max_active_tis_per_dagrun=4,
    ).expand(entry_id=entry_ids())
    KalturaDownloadToStorageOperator.partial(
        task_id="download",
        destination="{{ params.destination }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        map_index_template="{{ task.download['entryId'] }}",
        max_active_tis_per_dagrun=4,
        retries=3,
        retry_delay=timedelta(seconds=30),
    ).expand(download=urls.output)

if __name__ == "__main__":
    dag.test(run_conf={"entry_ids": ["1_ab12cd34", "1_ef56gh78"]})
