"""Whose a name in the lake is: a sync takes none that is not free, or its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.errors import KeyCollisionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex
    from airflow_provider_kaltura.transfer.protocols import Store


def require_unclaimed(job: AssetJob, index: LakeIndex) -> None:
    """
    Take a job's name for it, for the time of this run.

    :param job: The job.
    :param index: What is recorded.
    :raises KeyCollisionError: Another asset has claimed it in this run.
    """
    owner = index.claim(job.key, job.asset_id)
    if owner != job.asset_id:
        raise KeyCollisionError(job.path, owner, job.asset_id)


def require_free(job: AssetJob, wanted_ids: Collection[str], index: LakeIndex, store: Store) -> None:
    """
    Leave another asset's file alone, whether Kaltura still has that or not: what is to go is removed, not replaced.

    Only within an entry, and where this sync itself put it there, a flavor takes the place of one that is not taken
    any more.

    :param job: The job.
    :param wanted_ids: The flavors that are taken of its entry.
    :param index: What is recorded.
    :param store: Where it would stand.
    :raises KeyCollisionError: Another asset's file stands under that name.
    :raises SinkError: The store can't tell.
    """
    row = index.standing(job.key)
    if row is None or (row.asset_type, row.asset_id) == (job.asset_type, job.asset_id):
        return
    is_own = (row.sync, row.partner_id, row.entry_id) == (index.name, job.partner_id, job.entry_id)
    is_replaced = is_own and row.asset_id not in wanted_ids
    if not is_replaced and store.stat(job.key) is not None:
        raise KeyCollisionError(job.path, row.asset_id, job.asset_id)
