"""Five sensors that go the whole way as tasks."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

with DAG(
    dag_id="five",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"entry_ids": Param([], type="array")},
) as dag:
    for number in range(5):
        KalturaFlavorReadySensor(
            task_id=f"wait_{number}",
            entry_id=f"{{{{ params.entry_ids[{number}] }}}}",
            flavor="params:8",
            deferrable=True,
            poke_interval=60,
            timeout=3600,
        )
