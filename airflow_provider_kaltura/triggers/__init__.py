"""Triggers: wait on the triggerer instead of a worker."""

from airflow_provider_kaltura.triggers.entry_ready import KalturaEntryReadyTrigger
from airflow_provider_kaltura.triggers.kaltura import KalturaFlavorReadyTrigger

__all__ = ["KalturaEntryReadyTrigger", "KalturaFlavorReadyTrigger"]
