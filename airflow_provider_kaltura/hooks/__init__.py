"""The hook: from an Airflow connection to Kaltura's API."""

from airflow_provider_kaltura.hooks.kaltura import KalturaHook

__all__ = ["KalturaHook"]
