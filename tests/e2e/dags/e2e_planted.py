"""Leaves a secret in every place where the scanner looks, so that a scanner that finds nothing is found out."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, Param

from airflow_provider_kaltura.triggers import KalturaFlavorReadyTrigger


class LeakOperator(BaseOperator):
    """Leaks its argument into rendered fields, the log and XCom."""

    template_fields = ("planted",)

    def __init__(self, *, planted: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.planted = planted

    def execute(self, context: Any) -> str:
        """Leak."""
        self.log.info("it is %s", self.planted)
        return self.planted


class LeakByErrorOperator(LeakOperator):
    """Leaks its argument into a traceback."""

    def execute(self, context: Any) -> str:
        """Leak."""
        raise ValueError(f"refused: {self.planted}")


class LeakByTriggerOperator(LeakOperator):
    """Leaks its argument into a trigger row; the trigger waits for an entry that never becomes ready."""

    def execute(self, context: Any) -> str:
        """Leak."""
        trigger = KalturaFlavorReadyTrigger(
            kaltura_conn_id="kaltura_default",
            entry_id=context["params"]["entry_id"],
            flavor=f"tag:{self.planted}",
            poll_interval=5.0,
            deadline=time.time() + 600,
        )
        self.defer(trigger=trigger, method_name="resumed", timeout=timedelta(minutes=10))

    def resumed(self, context: Any, event: Any = None) -> None:
        """End."""


with DAG(
    dag_id="e2e_planted",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"plant": Param(type="string"), "entry_id": Param(type="string")},
) as dag:
    LeakOperator(task_id="leak", planted="{{ params.plant }}-a")
    LeakByErrorOperator(task_id="leak_by_error", planted="{{ params.plant }}-b")
    LeakByTriggerOperator(task_id="leak_by_trigger", planted="{{ params.plant }}-c")
