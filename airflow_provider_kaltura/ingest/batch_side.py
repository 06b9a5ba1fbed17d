"""Jobs of captions, thumbnails and attachments: their URLs come a hundred at a time, once one of them needs its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.api.assets import READY, URLS_AT_ONCE, SideAsset, asset_urls, get_asset
from airflow_provider_kaltura.api.errors import KalturaError, NotReadyError
from airflow_provider_kaltura.ingest.captions import MOST_BYTES, convert
from airflow_provider_kaltura.ingest.made import read_whole
from airflow_provider_kaltura.ingest.models import (
    METADATA_ENTRY,
    METADATA_FLAVOR,
    METADATA_TYPE,
    METADATA_VERSION,
    AssetJob,
)
from airflow_provider_kaltura.ingest.plan import attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, MediaUrl
    from airflow_provider_kaltura.ingest.batch_items import Item
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.transfer.protocols import Source

log = logging.getLogger(__name__)

# The KS in a URL lasts a day, but an asset may change; a single URL is asked for just before it is used.
_URL_SECONDS: Final = 300.0


def side_jobs(
    api: KalturaApi,
    pairs: Iterable[tuple[Entry, Item]],
    destination: Destination,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Entry, AssetJob]]:
    """
    Plan many small files, a hundred at a time.

    :param api: Kaltura, asked for URLs when the first of a hundred jobs needs one.
    :param pairs: The assets with their entries.
    :param destination: Where they go.
    :param monotonic: Gives seconds.
    :yields: The jobs.
    :raises DestinationError: The destination can't be filled for one.
    """
    group: list[tuple[Entry, Item]] = []
    for pair in pairs:
        group.append(pair)
        if len(group) == URLS_AT_ONCE:
            yield from _jobs(api, group, destination, monotonic)
            group = []
    yield from _jobs(api, group, destination, monotonic)


def _jobs(
    api: KalturaApi, group: list[tuple[Entry, Item]], destination: Destination, monotonic: Callable[[], float]
) -> Iterator[tuple[Entry, AssetJob]]:
    urls = _Urls(api, [_side(item) for _, item in group], monotonic)
    for entry, item in group:
        yield entry, _job(api, entry, item, destination, urls)


def _side(item: Item) -> SideAsset:
    if not isinstance(item.asset, SideAsset):  # pragma: no cover - by construction
        raise TypeError(f"{item.asset_type} is no small file")
    return item.asset


def _job(api: KalturaApi, entry: Entry, item: Item, destination: Destination, urls: _Urls) -> AssetJob:
    asset = _side(item)
    key = item.key(destination, entry)
    metadata = {
        METADATA_ENTRY: entry.id,
        METADATA_FLAVOR: asset.id,
        METADATA_TYPE: item.asset_type,
        METADATA_VERSION: asset.version,
    }

    def again() -> AssetJob:
        now = get_asset(api.runtime, asset.kind, asset.id)
        if now.status != READY or now.entry_id != asset.entry_id:
            text = f"{asset.kind} {asset.id} is not ready any more, its status is {now.status}."
            raise NotReadyError(text, "NOT_READY", asset.kind, "get", asset.id)
        return _job(api, entry, replace(item, asset=now), destination, _Urls(api, [now], urls.monotonic))

    as_it_is = AssetJob(
        partner_id=entry.partner_id,
        entry_id=entry.id,
        asset_type=item.asset_type,
        asset_id=asset.id,
        version=asset.version,
        size_bytes=asset.size_bytes,
        key=key,
        path=destination.path(key),
        resolve_url=_SideUrl(api, asset, urls),
        attributes=attributes_of(key, item.file_ext, metadata),
        source_updated_at=asset.updated_at,
        refresh=again,
    )
    if not item.is_converted:
        return as_it_is

    def make(open_source: Callable[[AssetJob], Source]) -> bytes:
        data = read_whole(open_source(as_it_is), MOST_BYTES, f"caption {asset.id}")
        return convert(data, item.caption_format, asset.id)

    return replace(as_it_is, size_bytes=None, make=make, is_proved=asset.size_bytes is not None)


@dataclass(slots=True)
class _Urls:
    """The URLs of one group, asked for once."""

    api: KalturaApi
    assets: list[SideAsset]
    monotonic: Callable[[], float]
    lock: threading.Lock = field(default_factory=threading.Lock)
    found: dict[str, MediaUrl | KalturaError] | None = None
    found_at: float = 0.0

    def of(self, asset: SideAsset) -> MediaUrl | KalturaError | None:
        """Give an asset's URL, None when it has to be asked for alone."""
        with self.lock:
            if self.found is None:
                self.found = self._ask()
                self.found_at = self.monotonic()
            return None if self.monotonic() - self.found_at > _URL_SECONDS else self.found.get(asset.id)

    def _ask(self) -> dict[str, MediaUrl | KalturaError]:
        try:
            return asset_urls(self.api.runtime, self.assets)
        except KalturaError as error:
            log.warning("The URLs of %d files can't be had together: %s", len(self.assets), error)
            return {}


class _SideUrl:
    """The group's URL of an asset first, then those that Kaltura gives for it alone."""

    def __init__(self, api: KalturaApi, asset: SideAsset, urls: _Urls) -> None:
        self._api = api
        self._asset = asset
        self._urls = urls

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        found = self._urls.of(self._asset) if stale is None else None
        if found is None or (isinstance(found, KalturaError) and found.retryable):
            found = asset_urls(self._api.runtime, [self._asset])[self._asset.id]
        if isinstance(found, KalturaError):
            raise found
        return found
