"""The URL operator and the download operator with a signed URL in XCom, as somebody may ask for it."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator

with DAG(
    dag_id="e2e_signed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"entry_id": Param(type="string"), "destination": Param(type="string")},
) as dag:
    url = KalturaGetDownloadUrlOperator(
        task_id="get_download_url", entry_id="{{ params.entry_id }}", url_in_xcom="signed"
    )
    KalturaDownloadToStorageOperator(task_id="download", download=url.output, destination="{{ params.destination }}")
