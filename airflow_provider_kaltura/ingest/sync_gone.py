"""What happens to files whose flavor or entry Kaltura has no more. Nothing is gone before Kaltura said so by id."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.api.queries import ANY, DELETED, EntryQuery
from airflow_provider_kaltura.ingest import manifest_row
from airflow_provider_kaltura.ingest.models import METADATA_FLAVOR
from airflow_provider_kaltura.ingest.standing import has_recorded_bytes, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.manifest import ManifestWriter
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Store

log = logging.getLogger(__name__)

_IDS_AT_ONCE = 500


def deleted_entries(api: KalturaApi, missing: Sequence[str]) -> frozenset[str]:
    """
    Tell which entries that can't be read by id were really deleted.

    A session that may not see an entry, and an account that is another one, look the same by id; a deleted entry is
    still listed with its status. What was purged even from there is never taken for gone.

    :param api: Kaltura.
    :param missing: Entries that Kaltura did not find by id.
    :returns: Those of them that are listed as deleted.
    """
    found: set[str] = set()
    for start in range(0, len(missing), _IDS_AT_ONCE):
        ids = tuple(missing[start : start + _IDS_AT_ONCE])
        query = EntryQuery(ids=ids, statuses=(DELETED,), moderation=ANY)
        found.update(entry.id for entry in api.list_entries(query) if entry.status == DELETED)
    return frozenset(found) & frozenset(missing)


def mark(rows: Iterable[ManifestRow], index: LakeIndex, writer: ManifestWriter) -> int:
    """
    Write down that files stand for what Kaltura has no more.

    :param rows: The rows of the files.
    :param index: What is recorded.
    :param writer: Writes the manifest.
    :returns: How many were not marked before.
    """
    count = 0
    for row in rows:
        if row.outcome != manifest_row.MARKED:
            index.add(writer.add_row(replace(row, outcome=manifest_row.MARKED)))
            count += 1
    return count


def delete(row: ManifestRow, lake: Lake, index: LakeIndex, writer: ManifestWriter) -> bool | None:
    """
    Remove a file, and write that down afterwards: a kill in between costs asking once more.

    :param row: The row of the file.
    :param lake: Where it stands.
    :param index: What is recorded.
    :param writer: Writes the manifest.
    :returns: Whether it was removed; False where another file than the recorded one stands there, None where another
        file was recorded meanwhile.
    :raises SinkError: The store refused.
    """
    now = index.standing(row.path)
    if now is None or _file_of(now) != _file_of(row):
        return None
    stat = lake.store.stat(row.path)
    if stat is not None and not _is_recorded(lake.store, stat, now):
        log.warning("%s is not the file that is recorded; it is not deleted", row.path)
        return False
    if stat is not None:
        lake.store.delete(row.path)
    index.add(writer.add_row(replace(now, outcome=manifest_row.DELETED)))
    return True


def _file_of(row: ManifestRow) -> tuple[str, str, str, str | None]:
    return row.entry_id, row.asset_id, row.version, row.version_tag


def _is_recorded(store: Store, stat: ObjectStat, row: ManifestRow) -> bool:
    if is_ours(stat):
        return (stat.metadata or {}).get(METADATA_FLAVOR) == row.asset_id
    # A copied lake, or a file that was touched, has other tags, and the bytes that were put there.
    return row.version_tag == stat.version_tag or has_recorded_bytes(store, stat, row)
