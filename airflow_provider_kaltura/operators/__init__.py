"""Operators: download URLs, downloads into storage, and the care of what stands there."""

from airflow_provider_kaltura.operators.kaltura import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.operators.storage import KalturaVerifyStorageOperator

__all__ = ["KalturaDownloadToStorageOperator", "KalturaGetDownloadUrlOperator", "KalturaVerifyStorageOperator"]
