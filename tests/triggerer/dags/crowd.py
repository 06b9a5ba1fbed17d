"""A task whose instances the tests write themselves."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

with DAG(dag_id="crowd", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False) as dag:
    KalturaFlavorReadySensor.partial(task_id="wait", flavor="params:8", deferrable=True).expand(entry_id=["0_none"])
