"""Jobs of what a batch takes, of whatever kind, and what has changed since it was chosen."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.api.assets import READY, SideAsset, list_assets
from airflow_provider_kaltura.api.entry_files import EntryFile
from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.models import FlavorAsset
from airflow_provider_kaltura.api.url_batches import MULTIREQUEST
from airflow_provider_kaltura.ingest.batch_files import file_job
from airflow_provider_kaltura.ingest.batch_items import Item, identity
from airflow_provider_kaltura.ingest.batch_jobs import batch_jobs
from airflow_provider_kaltura.ingest.batch_side import side_jobs
from airflow_provider_kaltura.ingest.entry_json import EntryJson, entry_json_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.api.assets import SideKind
    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.batch_choice import BatchFlavor
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import AssetJob

log = logging.getLogger(__name__)

_ENTRIES_AT_ONCE: Final = 1_000


def item_jobs(
    api: KalturaApi, pairs: Iterable[tuple[Entry, Item]], destination: Destination, flavor: BatchFlavor
) -> Iterator[tuple[Entry, Item, AssetJob]]:
    """
    Plan many assets. Those of one kind of URL are planned a hundred at a time, so that their URLs come together.

    :param api: Kaltura.
    :param pairs: What is wanted, with its entries.
    :param destination: Where it goes.
    :param flavor: How flavors were chosen.
    :yields: The jobs.
    :raises DestinationError: The destination can't be filled for one.
    """
    flavors: list[tuple[Entry, Item]] = []
    sides: list[tuple[Entry, Item]] = []
    for pair in pairs:
        if isinstance(pair[1].asset, EntryFile):
            yield *pair, file_job(api, *pair, destination)
            continue
        if isinstance(pair[1].asset, EntryJson):
            yield *pair, entry_json_job(*pair, pair[1].asset, destination)
            continue
        group = flavors if isinstance(pair[1].asset, FlavorAsset) else sides
        group.append(pair)
        if len(group) == MULTIREQUEST:
            yield from _of_group(api, group, destination, flavor)
            group.clear()
    yield from _of_group(api, flavors, destination, flavor)
    yield from _of_group(api, sides, destination, flavor)


def _of_group(
    api: KalturaApi, group: list[tuple[Entry, Item]], destination: Destination, flavor: BatchFlavor
) -> Iterator[tuple[Entry, Item, AssetJob]]:
    wanted = [(entry, item.asset) for entry, item in group if isinstance(item.asset, FlavorAsset)]
    jobs = batch_jobs(api, wanted, destination, flavor) if wanted else side_jobs(api, group, destination)
    for (entry, item), (_, job) in zip(group, jobs, strict=True):
        yield entry, item, job


@dataclass(slots=True)
class Taken:
    """The small files that a batch has taken, about 500 bytes of memory each."""

    _items: dict[str, tuple[str, Item]] = field(default_factory=dict)

    def add(self, entry_id: str, item: Item) -> None:
        """
        Note that a file stands.

        :param entry_id: Its entry.
        :param item: What it is.
        """
        if isinstance(item.asset, SideAsset):
            self._items[item.asset.id] = entry_id, item

    def changed(self, api: KalturaApi) -> Iterator[tuple[Entry, Item]]:
        """
        Find what was replaced while it was fetched: its URL says a version, but nothing shows that it is served. One
        request for 1,000 entries.

        :param api: Kaltura; when it can't be asked that is logged, and the next run compares anyway.
        :yields: What is to be fetched once more, as it is now.
        """
        by_entry: dict[str, list[Item]] = defaultdict(list)
        for entry_id, item in self._items.values():
            by_entry[entry_id].append(item)
        ids = list(by_entry)
        for start in range(0, len(ids), _ENTRIES_AT_ONCE):
            chunk = {entry_id: by_entry[entry_id] for entry_id in ids[start : start + _ENTRIES_AT_ONCE]}
            try:
                changed = _changed(api, chunk)
                entries = api.get_entries({_entry_of(item) for item in changed}) if changed else {}
            except KalturaError as error:
                log.warning("Whether files changed while they were fetched can't be asked: %s", error)
                return
            for item in changed:
                if _entry_of(item) in entries:
                    log.info("%s %s changed while it was on its way", item.asset_type, item.asset.id)
                    yield entries[_entry_of(item)], item


def _entry_of(item: Item) -> str:
    return item.asset.entry_id if isinstance(item.asset, SideAsset) else item.asset.id


def _changed(api: KalturaApi, chunk: dict[str, list[Item]]) -> list[Item]:
    sides = [item.asset for items in chunk.values() for item in items if isinstance(item.asset, SideAsset)]
    kinds: set[SideKind] = {asset.kind for asset in sides}
    now = {asset.id: asset for assets in list_assets(api.runtime, chunk, kinds).values() for asset in assets}
    return [
        replace(item, asset=found)
        for items in chunk.values()
        for item in items
        if (found := now.get(item.asset.id)) and found.status == READY and identity(found) != identity(item.asset)
    ]
