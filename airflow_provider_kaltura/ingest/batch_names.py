"""Whose a name in the lake is: a batch replaces older files of its entries, never one of another entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.models import METADATA_ENTRY, METADATA_FLAVOR, METADATA_TYPE
from airflow_provider_kaltura.ingest.standing import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.transfer.protocols import ObjectStat


def require_own(job: AssetJob, stat: ObjectStat, recorded: Callable[[], ManifestRow | None]) -> None:
    """
    Leave the file of another entry alone, and that of another kind of asset.

    Within an entry and a kind a newer asset takes the place of an older one: a flavor that is better, a caption that
    was made anew.

    :param job: The job that wants the name.
    :param stat: What stands there.
    :param recorded: Gives what the manifest says about it; only called where the file itself says nothing.
    :raises KeyCollisionError: It is another's; names both.
    """
    metadata = stat.metadata or {}
    if is_ours(stat):
        entry_id, asset_id = metadata.get(METADATA_ENTRY, ""), metadata[METADATA_FLAVOR]
        asset_type = metadata.get(METADATA_TYPE, "flavor")
    else:
        row = recorded()
        if row is None:
            return
        entry_id, asset_id, asset_type = row.entry_id, row.asset_id, row.asset_type
    # A URL without an entry says nothing about whose it is.
    if entry_id and (entry_id, _kind(asset_type)) != (job.entry_id, _kind(job.asset_type)):
        standing = f"{asset_type} {asset_id} of entry {entry_id}, which stands there,"
        raise KeyCollisionError(job.path, standing, f"{job.asset_type} {job.asset_id} of entry {job.entry_id}")


def _kind(asset_type: str) -> str:
    """Give the kind of a converted caption, which is that of the original."""
    return asset_type.partition("_")[0]
