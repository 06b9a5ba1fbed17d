"""
Download an entry, and give it a tag in Kaltura once its file is proved to be in the lake.

The tag is set by the official client, which the hook hands out authenticated. A rerun changes nothing: the file is
left alone, and so is an entry that has the tag.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Param, task

from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator

if TYPE_CHECKING:
    from airflow_provider_kaltura.xcom import DownloadResult

with DAG(
    dag_id="example_kaltura_mark_archived",
    description="Download an entry and tag it in Kaltura as archived",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Tags are read, and written back with one more: no two runs at once.
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_id": Param(
            type="string",
            minLength=1,
            title="Entry id",
            description="The Kaltura entry to archive, for example 1_ab12cd34.",
        ),
        "destination": Param(
            "/tmp/kaltura/{createdAt:%Y/%m}/{entryId}-{flavorId}.{format}",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Destination",
            description="Where the file goes. Placeholders stand in single braces; a path that ends in / gets a name.",
        ),
        "tag": Param(
            "archived",
            type="string",
            pattern="^[^, ][^,]*$",
            title="Tag",
            description="What the entry gets in Kaltura, beside the tags that it has.",
        ),
        "kaltura_conn_id": Param(
            "kaltura_default",
            type="string",
            minLength=1,
            title="Connection",
            description="The Airflow connection to the Kaltura account; its session must be allowed to change entries.",
        ),
    },
) as dag:
    download = KalturaDownloadToStorageOperator(
        task_id="download",
        entry_id="{{ params.entry_id }}",
        flavor="source, best",
        destination="{{ params.destination }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )

    @task(retries=3, retry_delay=timedelta(seconds=30))
    def mark_archived(result: DownloadResult, params: dict[str, Any] | None = None) -> bool:
        """Give the entry the tag; tells whether it had to."""
        from KalturaClient.Plugins.Core import KalturaMediaEntry  # noqa: PLC0415, too large for parsing a DAG

        if result["verified"] != "full":
            raise AirflowFailException(f"only the length of {result['path']} is proved; overwrite it, then mark it")
        given = params or {}
        client = KalturaHook(given["kaltura_conn_id"]).get_conn()
        entry = client.media.get(result["entryId"])
        tags = [tag.strip() for tag in (entry.getTags() or "").split(",") if tag.strip()]
        if given["tag"] in tags:
            return False
        # Only what is set is sent: nothing else of the entry changes.
        change = KalturaMediaEntry()
        change.setTags(", ".join([*tags, given["tag"]]))
        client.media.update(entry.getId(), change)
        return True

    mark_archived(download.output)  # type: ignore[arg-type] # an XComArg becomes what was pushed

if __name__ == "__main__":
    dag.test(run_conf={"entry_id": "1_ab12cd34"})
