"""Operators: download URLs, and downloads into storage."""

from airflow_provider_kaltura.operators.kaltura import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator

__all__ = ["KalturaDownloadToStorageOperator", "KalturaGetDownloadUrlOperator"]
