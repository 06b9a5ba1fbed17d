"""Operators: listings, download URLs, downloads into storage, and the care of what stands there."""

from airflow_provider_kaltura.operators.kaltura import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.operators.listing import KalturaListEntriesOperator
from airflow_provider_kaltura.operators.storage import KalturaCleanStorageOperator, KalturaVerifyStorageOperator

__all__ = [
    "KalturaCleanStorageOperator",
    "KalturaDownloadToStorageOperator",
    "KalturaGetDownloadUrlOperator",
    "KalturaListEntriesOperator",
    "KalturaVerifyStorageOperator",
]
