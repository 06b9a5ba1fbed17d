"""Jobs of files that are an entry's own, and no asset of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.models import (
    METADATA_ENTRY,
    METADATA_FLAVOR,
    METADATA_TYPE,
    METADATA_VERSION,
    AssetJob,
)
from airflow_provider_kaltura.ingest.plan import attributes_of

if TYPE_CHECKING:
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.batch_items import Item
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import UrlResolver


def entry_job(entry: Entry, item: Item, version: str, destination: Destination, resolve_url: UrlResolver) -> AssetJob:
    """
    Plan a file that bears the id of its entry.

    :param entry: The entry.
    :param item: The file as what a batch takes.
    :param version: Of the file; Kaltura tells no length of it.
    :param destination: Where it goes.
    :param resolve_url: Gives its URL.
    :returns: The job.
    :raises DestinationError: The destination can't be filled for it.
    """
    key = item.key(destination, entry)
    metadata = {
        METADATA_ENTRY: entry.id,
        METADATA_FLAVOR: entry.id,
        METADATA_TYPE: item.asset_type,
        METADATA_VERSION: version,
    }
    return AssetJob(
        partner_id=entry.partner_id,
        entry_id=entry.id,
        asset_type=item.asset_type,
        asset_id=entry.id,
        version=version,
        size_bytes=None,
        key=key,
        path=destination.path(key),
        resolve_url=resolve_url,
        attributes=attributes_of(key, item.file_ext, metadata),
        source_updated_at=entry.updated_at,
    )
