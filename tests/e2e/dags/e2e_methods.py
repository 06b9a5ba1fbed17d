"""One download per authentication method."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator

with DAG(
    dag_id="e2e_methods",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"entry_id": Param(type="string"), "destination": Param(type="string")},
) as dag:
    for method in ("app_token", "session_start", "ks"):
        KalturaDownloadToStorageOperator(
            task_id=f"download_by_{method}",
            entry_id="{{ params.entry_id }}",
            destination="{{ params.destination }}/" + method + "/",
            kaltura_conn_id=f"kaltura_{method}",
        )
