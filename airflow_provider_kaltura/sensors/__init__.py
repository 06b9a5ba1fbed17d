"""Sensors: wait until a flavor can be downloaded."""

from airflow_provider_kaltura.sensors.kaltura import KalturaFlavorReadySensor

__all__ = ["KalturaFlavorReadySensor"]
