"""Jobs of the own files of images and documents: Content-Length and the entry's version are their only proof."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.api.entry_files import EntryFile, entry_files
from airflow_provider_kaltura.api.errors import NotFoundError
from airflow_provider_kaltura.ingest.entry_jobs import entry_job
from airflow_provider_kaltura.ingest.media_urls import as_media_url
from airflow_provider_kaltura.transfer.errors import SourceChangedError

if TYPE_CHECKING:
    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, MediaUrl
    from airflow_provider_kaltura.ingest.batch_items import Item
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import AssetJob


def file_job(api: KalturaApi, entry: Entry, item: Item, destination: Destination) -> AssetJob:
    """
    Plan an entry's own file. After its last byte the entry's version is asked for once more.

    :param api: Kaltura.
    :param entry: The entry.
    :param item: Its file.
    :param destination: Where it goes.
    :returns: The job.
    :raises DestinationError: The destination can't be filled for it.
    """
    file = item.asset

    def confirm() -> None:
        if _now(api, entry.id).version != file.version:
            raise SourceChangedError(f"the file of entry {entry.id} was replaced while it was fetched")

    def url(*, stale: str | None = None) -> MediaUrl:
        fresh = stale is not None or not isinstance(file, EntryFile)
        return as_media_url(_now(api, entry.id).url if fresh else file.url)  # type: ignore[union-attr] # see fresh

    planned = entry_job(entry, item, file.version, destination, url)
    return replace(
        planned,
        refresh=lambda: file_job(api, entry, replace(item, asset=_now(api, entry.id)), destination),
        confirm=confirm,
    )


def _now(api: KalturaApi, entry_id: str) -> EntryFile:
    found = entry_files(api.runtime, [entry_id]).get(entry_id)
    if found is None:
        text = f"Entry {entry_id} has no file of its own any more."
        raise NotFoundError(text, "FILE_DOESNT_EXIST", "baseEntry", "getByIds", entry_id)
    return found
