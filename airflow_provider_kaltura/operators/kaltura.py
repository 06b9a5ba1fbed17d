"""The operators that find and fetch media, under the name that they had before there were two modules."""

from __future__ import annotations

from airflow_provider_kaltura.operators.download import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.operators.urls import KalturaGetDownloadUrlOperator

__all__ = ["KalturaDownloadToStorageOperator", "KalturaGetDownloadUrlOperator"]
