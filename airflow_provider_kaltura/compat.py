"""
Every switch between Airflow versions, and what all our Airflow code imports from Airflow.

Names come from common-compat, which takes ``airflow.sdk`` where it exists and Airflow 2's modules elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseHook,
    BaseOperator,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
    mask_secret,
)
from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseEventTrigger",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "BaseTrigger",
    "PokeReturnValue",
    "TriggerEvent",
    "conf",
    "get_async_connection",
    "get_async_extra_dejson",
    "is_control_flow",
    "is_deferral_timeout",
    "mask_secret",
    "object_storage",
    "poke_until_done",
    "task_identity",
]

# "Trigger timeout" is what 3.x writes (TriggerFailureReason), the other what 2.11's scheduler writes.
_DEFERRAL_TIMEOUTS = frozenset({"Trigger timeout", "Trigger/execution timeout"})


def is_deferral_timeout(next_method: str, next_kwargs: dict[str, Any] | None) -> bool:
    """
    Tell whether Airflow resumes a task only because its trigger took too long.

    3.x raises TaskDeferralTimeout for it and 2.11 a plain TaskDeferralError, which would be retried.

    :param next_method: The method that Airflow resumes with; ``__fail__`` when the trigger did not come to an end.
    :param next_kwargs: Its arguments.
    :returns: True for a timeout, False for anything else.
    """
    return next_method == "__fail__" and str((next_kwargs or {}).get("error")) in _DEFERRAL_TIMEOUTS


def is_control_flow(error: AirflowException) -> bool:
    """Tell whether *error* is no failure but an order to Airflow: a skip, or a later poke."""
    # AirflowRescheduleException is in neither version's public names.
    return isinstance(error, AirflowSkipException) or type(error).__name__ == "AirflowRescheduleException"


def poke_until_done(sensor: BaseSensorOperator, context: Context) -> Any:
    """
    Run the base sensor's ``execute`` from a sensor's own.

    Airflow 2.11 guards every ``execute`` against calls from outside of a task, takes this one for such a call, warns in
    each run, and refuses it where ``allow_nested_operators`` is off.

    :param sensor: The sensor.
    :param context: What Airflow gave to its ``execute``.
    :returns: The XCom value of the last poke.
    """
    guarded = BaseSensorOperator.execute
    return getattr(guarded, "__wrapped__", guarded)(sensor, context)


def task_identity(context: Context) -> dict[str, Any]:
    """
    Name a task try, for files that must not collide.

    :param context: What Airflow gives to ``execute``; may be empty outside a DAG run.
    :returns: ``run_id``, ``task_id``, ``map_index`` and ``try_number``, those of :class:`.ingest.models.RunOptions`.
    """
    instance = context.get("ti")
    if instance is None:
        return {}
    return {
        "run_id": str(instance.run_id),
        "task_id": str(instance.task_id),
        "map_index": int(instance.map_index if instance.map_index is not None else -1),
        "try_number": int(instance.try_number),
    }


class _ObjectStorage:
    """Airflow's file systems, wherever this version keeps them; nothing of them is imported before."""

    def __init__(self) -> None:
        try:
            paths, self._registry = import_module("airflow.sdk.io"), import_module("airflow.sdk.io.fs")
        except ModuleNotFoundError:  # 2.11
            paths, self._registry = import_module("airflow.io.path"), import_module("airflow.io")
        self.ObjectStoragePath: Any = paths.ObjectStoragePath

    def get_fs(self, scheme: str, conn_id: str | None, storage_options: dict[str, Any]) -> Any:
        """Make a file system that nobody else has; ValueError where no provider has such a scheme."""
        return self._registry.get_fs(scheme, conn_id, storage_options)

    def schemes(self) -> list[str]:
        """List the schemes that providers have registered; empty where this version hides them."""
        return sorted(getattr(self._registry, "_register_filesystems", dict)())


def object_storage() -> _ObjectStorage:
    """Give Airflow's file systems."""
    return _ObjectStorage()
