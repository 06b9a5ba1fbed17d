"""Jobs of a batch: their URLs come a hundred at a time, and only once one of the hundred needs its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.url_batches import MULTIREQUEST, media_urls
from airflow_provider_kaltura.ingest.plan import plan_flavor
from airflow_provider_kaltura.ingest.resolve import Resolved, resolve, resolve_flavor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, FlavorAsset, MediaUrl
    from airflow_provider_kaltura.ingest.batch_choice import BatchFlavor
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import AssetJob

log = logging.getLogger(__name__)

# A URL may expire, and an asset change; a single one is asked for just before it is used.
_URL_SECONDS: Final = 300.0


def batch_jobs(
    api: KalturaApi,
    pairs: Iterable[tuple[Entry, FlavorAsset]],
    destination: Destination,
    flavor: BatchFlavor,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Entry, AssetJob]]:
    """
    Plan many assets, a hundred at a time.

    :param api: Kaltura, asked for URLs when the first of a hundred jobs needs one.
    :param pairs: The assets with their entries.
    :param destination: Where they go.
    :param flavor: How they were chosen, for planning anew what turns out to have changed.
    :param monotonic: Gives seconds.
    :yields: The jobs.
    :raises DestinationError: The destination can't be filled for one.
    """
    group: list[tuple[Entry, FlavorAsset]] = []
    for pair in pairs:
        group.append(pair)
        if len(group) == MULTIREQUEST:
            yield from _jobs(api, group, destination, flavor, monotonic)
            group = []
    yield from _jobs(api, group, destination, flavor, monotonic)


def _jobs(
    api: KalturaApi,
    group: list[tuple[Entry, FlavorAsset]],
    destination: Destination,
    flavor: BatchFlavor,
    monotonic: Callable[[], float],
) -> Iterator[tuple[Entry, AssetJob]]:
    urls = _Urls(api, group, monotonic)
    for entry, asset in group:
        resolved = Resolved(entry, asset)
        planned = plan_flavor(api, resolved, destination, refresh=_again(api, resolved, destination, flavor))
        url = _PooledUrl(api, resolved, destination, urls)
        yield entry, replace(planned, resolve_url=url, confirm=url.confirm)


def _again(
    api: KalturaApi, resolved: Resolved, destination: Destination, flavor: BatchFlavor
) -> Callable[[], AssetJob]:
    def again() -> AssetJob:
        entry_id = resolved.entry.id
        if flavor == "each":
            return plan_flavor(api, resolve_flavor(api, resolved.asset.id, entry_id=entry_id), destination)
        return plan_flavor(api, resolve(api, entry_id, flavor), destination)

    return again


@dataclass(slots=True)
class _Urls:
    """The URLs of one group, asked for once."""

    api: KalturaApi
    group: list[tuple[Entry, FlavorAsset]]
    monotonic: Callable[[], float]
    lock: threading.Lock = field(default_factory=threading.Lock)
    found: dict[str, MediaUrl | KalturaError] | None = None
    found_at: float = 0.0

    def of(self, asset_id: str) -> MediaUrl | None:
        """Give an asset's URL, None when it has to be asked for alone; raises why there is none."""
        with self.lock:
            if self.found is None:
                self.found = self._ask()
                self.found_at = self.monotonic()
            if self.monotonic() - self.found_at > _URL_SECONDS:
                return None
            found = self.found.get(asset_id)
        if isinstance(found, KalturaError):
            if found.retryable:
                return None
            raise found
        return found

    def _ask(self) -> dict[str, MediaUrl | KalturaError]:
        try:
            return media_urls(self.api.runtime, self.group, allow_session=True)
        except KalturaError as error:
            log.warning("The URLs of %d flavors can't be had together: %s", len(self.group), error)
            return {}


class _PooledUrl:
    """The group's URL of an asset first, then those that Kaltura gives for it alone."""

    def __init__(self, api: KalturaApi, resolved: Resolved, destination: Destination, urls: _Urls) -> None:
        self._api = api
        self._resolved = resolved
        self._destination = destination
        self._urls = urls
        self._job: AssetJob | None = None

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        if self._job is None:
            url = self._urls.of(self._resolved.asset.id)
            # Such a job knows whether each URL that it gave says which version it is of.
            self._job = plan_flavor(self._api, self._resolved, self._destination, url=url)
        return self._job.resolve_url(stale=stale)

    def confirm(self) -> None:
        """Ask whether the asset is still the planned one, where a URL that was used did not say so."""
        if self._job is not None and self._job.confirm is not None:
            self._job.confirm()
