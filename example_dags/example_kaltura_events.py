"""
Download each entry as soon as it is ready: no clock, an event starts the run.

A watcher in the triggerer looks once a minute which entries became ready, and tells the asset of each. All that were
told of since the last run come into one run, which downloads them together. An event may come twice: what is in the
lake already is skipped.

Airflow 2.11 has no watchers. There, as for a test, trigger the DAG by hand with some entry ids.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger

log = logging.getLogger(__name__)

try:
    from airflow.sdk import Asset, AssetWatcher
except ImportError:  # Airflow 2
    SCHEDULE = None
else:
    new_lectures = AssetWatcher(
        name="ready_videos",
        trigger=KalturaEntryReadyTrigger(
            kaltura_conn_id="kaltura_default",
            media_types=["video"],
            # Those that were ready long ago and are only edited are no news.
            created_within=7 * 86400,
        ),
    )
    SCHEDULE = [Asset("kaltura_ready_videos", watchers=[new_lectures])]

with DAG(
    dag_id="example_kaltura_events",
    description="Download each video as soon as it is ready",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_ids": Param(
            None,
            type=["string", "null"],
            format="multiline",
            title="Entry ids",
            description="Only for a run by hand, which does nothing without: the entries, one a line or with commas.",
        ),
        "destination": Param(
            "/tmp/kaltura/{createdAt:%Y/%m}/{entryId}-{flavorId}.{format}",  # noqa: S108, a place that everybody has
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
    },
) as dag:

    @task
    def ready_entries(params: dict[str, Any] | None = None, triggering_asset_events: Any = None) -> list[str]:
        """List the entries of the events that started this run, or those that were typed in."""
        events = [event for of_asset in (triggering_asset_events or {}).values() for event in of_asset]
        told = [event.extra["payload"]["entryId"] for event in events if "payload" in event.extra]
        typed = str((params or {}).get("entry_ids") or "").replace(",", " ").split()
        if not told and not typed:
            log.warning("Neither an event nor an entry id: nothing is downloaded. Give entry_ids to a run by hand.")
        return list(dict.fromkeys([*told, *typed]))

    KalturaDownloadToStorageOperator(
        task_id="download",
        entry_ids=ready_entries(),
        flavor="source, best",
        destination="{{ params.destination }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        on_error="continue",
        retries=3,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
    )

if __name__ == "__main__":
    dag.test()
