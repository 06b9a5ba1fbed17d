"""Whose a name in the lake is: a sync takes none that is not free, or its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.batch_names import require_own
from airflow_provider_kaltura.ingest.errors import DestinationError, KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import Manifest
from airflow_provider_kaltura.ingest.standing import is_ours
from airflow_provider_kaltura.ingest.sync_intents import claimants

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex
    from airflow_provider_kaltura.transfer.protocols import Store


# A store's clock may be so far behind ours.
_CLOCKS_APART_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Names:
    """
    Which names of a lake are a sync's.

    :param index: What is recorded.
    :param destination: The names that it gives now.
    :param layout: The same, short.
    """

    index: LakeIndex
    destination: Destination
    layout: str

    def is_own(self, row: ManifestRow) -> bool:
        """
        Tell whether a sync of this name put a file there.

        :param row: That of the file.
        :returns: True when it did, by whatever name.
        """
        return row.sync == self.index.name

    def gave(self, row: ManifestRow) -> bool:
        """
        Tell whether a file stands where this sync would have put it, though perhaps when its entry had another name.

        :param row: That of the file.
        :returns: False for all others, such as those of another destination.
        """
        return self.is_own(row) and row.layout == self.layout

    def may_take_over(self, row: ManifestRow) -> bool:
        """
        Tell whether a file that stands under the very name that this sync gives is to be its own from now on.

        :param row: That of the file.
        :returns: False when it is, or when it is another sync's.
        """
        return row.sync is None or (self.is_own(row) and row.layout != self.layout)

    def key_of(self, entry: Entry, asset: FlavorAsset) -> str | None:
        """
        Give the name that a flavor gets now.

        :param entry: The entry.
        :param asset: Its flavor.
        :returns: A key below the root, None where the destination can't be filled.
        """
        try:
            return self.destination.render(entry, asset)
        except DestinationError:
            return None

    def stands(self, key: str) -> bool:
        """
        Tell whether a recorded file is still there, as far as that was looked at.

        :param key: Its name.
        :returns: See :meth:`~airflow_provider_kaltura.ingest.sync_index.LakeIndex.stands`.
        """
        return self.index.stands(key)


def layout_of(destination: Destination, written: str | None = None) -> str:
    """
    Tell destinations apart by the names that they give below their root.

    :param destination: The destination.
    :param written: The template that it comes from, where it moves by itself from run to run: what stands where another
        run has put it, is not fetched again into another day's folder.
    :returns: A few letters.
    """
    names = repr(destination.components) if written is None else written
    return hashlib.sha256(names.encode(errors="surrogatepass")).hexdigest()[:12]


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


def require_still_free(job: AssetJob, index: LakeIndex, store: Store) -> None:
    """
    Ask once more before a file gets its name: another task may have put one there since, such as one for another month.

    Of files that say nothing themselves only those are asked for that came after all was read.

    :param job: The job, whose name was free.
    :param index: What was recorded then.
    :param store: Where it will stand.
    :raises KeyCollisionError: It is another entry's.
    :raises SinkError: The store can't tell.
    """
    stat = store.stat(job.key)
    known = index.standing(job.key)
    if stat is None or (known is not None and known.version_tag == stat.version_tag):
        return
    modified_at = stat.modified_at_epoch
    is_new = modified_at is not None and modified_at > index.read_at_epoch - _CLOCKS_APART_SECONDS
    if not is_new and not is_ours(stat):
        return
    if not is_ours(stat):
        # First what is under way: its rows are written before its intents are removed.
        others = claimants(store, job.key) - {job.entry_id}
        if others:
            raise KeyCollisionError(job.path, f"one of entry {min(others)}", job.asset_id)
    require_own(job, stat, lambda: Manifest(store, {job.key}).standing(job.key, stat.version_tag))
