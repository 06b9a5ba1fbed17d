"""The URLs of many entries' flavors, lazily, in few requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.url_batches import media_urls
from airflow_provider_kaltura.ingest.batch_choice import ENTRIES_AT_ONCE, NOT_READY, choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, FlavorAsset, MediaUrl
    from airflow_provider_kaltura.ingest.batch_choice import BatchFlavor, Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRow:
    """
    What was found about one asset, or why there is none.

    :param entry_id: The entry.
    :param entry: What Kaltura says about it; None when it could not be had.
    :param asset: The asset; None when none could be chosen.
    :param url: Its URL; None when none was asked for, or there is none.
    :param skipped: Why there is nothing to take and nothing is wrong.
    :param error: Why there is no URL.
    """

    entry_id: str
    entry: Entry | None = None
    asset: FlavorAsset | None = None
    url: MediaUrl | None = None
    skipped: str | None = None
    error: KalturaError | None = None


def batch_urls(
    api: KalturaApi,
    entry_ids: Iterable[str],
    flavor: BatchFlavor,
    *,
    with_urls: bool = True,
    allow_session: bool = False,
) -> Iterator[UrlRow]:
    """
    Find flavors and URLs of many entries: for 1,000 entries three requests for their flavors and ten for
    their URLs.

    :param api: Kaltura.
    :param entry_ids: Each once; read as they are needed.
    :param flavor: What is taken of each.
    :param with_urls: Whether URLs are asked for at all.
    :param allow_session: Whether URLs with a KS in them are given; if not, ``url.url`` is empty where only such a one
        works.
    :yields: One row per asset, in order of the entries; one for each flavor that is still being made where all are
        wanted, and for each entry of which nothing is taken.
    :raises KalturaError: Kaltura could not be asked.
    """
    chosen = choices(api, entry_ids, flavor)
    while group := list(itertools.islice(chosen, ENTRIES_AT_ONCE)):
        pairs = [(one.entry, asset) for one in group if one.entry is not None for asset in one.assets]
        urls = media_urls(api.runtime, pairs, allow_session=allow_session) if with_urls else {}
        for one in group:
            yield from _rows(one, urls)


def _rows(chosen: Chosen, urls: dict[str, MediaUrl | KalturaError]) -> Iterator[UrlRow]:
    if not chosen.assets:
        yield UrlRow(entry_id=chosen.entry_id, entry=chosen.entry, skipped=chosen.skipped, error=chosen.error)
    for _ in chosen.unfinished:
        yield UrlRow(entry_id=chosen.entry_id, entry=chosen.entry, skipped=NOT_READY)
    for asset in chosen.assets:
        found = urls.get(asset.id)
        yield UrlRow(
            entry_id=chosen.entry_id,
            entry=chosen.entry,
            asset=asset,
            url=None if isinstance(found, KalturaError) else found,
            error=found if isinstance(found, KalturaError) else None,
        )
