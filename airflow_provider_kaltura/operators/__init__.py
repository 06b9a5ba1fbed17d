"""Operators: listings, download URLs, downloads into storage, and the care of what stands there."""

from airflow_provider_kaltura.operators.catalog import KalturaExportCatalogOperator
from airflow_provider_kaltura.operators.download import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.operators.listing import KalturaListEntriesOperator
from airflow_provider_kaltura.operators.storage import KalturaCleanStorageOperator, KalturaVerifyStorageOperator
from airflow_provider_kaltura.operators.sync import KalturaSyncToStorageOperator
from airflow_provider_kaltura.operators.urls import KalturaGetDownloadUrlOperator

__all__ = [
    "KalturaCleanStorageOperator",
    "KalturaDownloadToStorageOperator",
    "KalturaExportCatalogOperator",
    "KalturaGetDownloadUrlOperator",
    "KalturaListEntriesOperator",
    "KalturaSyncToStorageOperator",
    "KalturaVerifyStorageOperator",
]
