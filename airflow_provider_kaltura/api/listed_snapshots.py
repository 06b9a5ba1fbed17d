"""
List entries together with their flavor assets: one request for 500 entries, whatever number of flavors they have.

A list of entries is walked page by page, and each request for a page of entries asks for the flavors of the page before
it too. How many pages of flavors that takes is guessed from the page before; a wrong guess costs one request more.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from airflow_provider_kaltura.api.entries import list_entries
from airflow_provider_kaltura.api.flavor_pages import (
    PAGE,
    FlavorPage,
    keep_page,
    pages_of,
    queue_page,
    raised,
    total_of,
)
from airflow_provider_kaltura.api.models import EntrySnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.api.queries import EntryQuery
    from airflow_provider_kaltura.api.runtime import Runtime

log = logging.getLogger(__name__)

#: Pages of one request: 20 full pages of flavors are about 12 MB of XML.
PAGES_AT_ONCE: Final = 20
# So few entries seldom have more flavors than one page holds.
_FEW: Final = 50


def list_snapshots(
    runtime: Runtime, query: EntryQuery, wanted: Callable[[Entry], bool] = lambda _: True
) -> Iterator[list[EntrySnapshot]]:
    """
    List entries with their flavor assets.

    The entry is as the list has it, which is at most as old as what the caller did between two groups; the flavors are
    as they are when the group is returned.

    Memory: the entries of two pages and the flavors of one.

    :param runtime: Of the connection.
    :param query: Which entries.
    :param wanted: Whose flavors are asked for; the others are left out.
    :yields: Up to 500 entries at a time, each once.
    :raises KalturaError: Kaltura could not be asked.
    """
    carrier = _Carrier(runtime)
    for entry in list_entries(cast("Runtime", carrier), query):
        yield from carrier.take()
        if wanted(entry):
            carrier.pending[entry.id] = entry
    carrier.ask(None)
    yield from carrier.take()


@dataclass(slots=True)
class _Carrier:
    """Stands in for the runtime of a walk over entries: what the walk asks for is asked together with flavors."""

    runtime: Runtime
    pending: dict[str, Entry] = field(default_factory=dict)
    _guess: int = 1
    _done: list[list[EntrySnapshot]] = field(default_factory=list)

    def shared_client(self) -> _Carrier:
        return self

    @property
    def media(self) -> _Media:
        return _Media(self)

    def take(self) -> Iterator[list[EntrySnapshot]]:
        """Give what is complete."""
        done, self._done = self._done, []
        yield from done

    def ask(self, page_of_entries: Callable[[Any], Any] | None) -> Any:
        """Send a multirequest with the flavors of what is pending and, unless it is None, a page of entries."""
        entries, self.pending = self.pending, {}
        client = self.runtime.shared_client()
        if not entries:
            return None if page_of_entries is None else page_of_entries(client)
        assets: dict[str, dict[str, FlavorAsset]] = {entry_id: {} for entry_id in entries}
        planned = pages_of(list(entries), self._guess)
        client.startMultiRequest()
        for page in planned:
            queue_page(client, page)
        if page_of_entries is not None:
            page_of_entries(client)
        answers = [raised(item) for item in client.doMultiRequest()]
        listed = answers.pop() if page_of_entries is not None else None
        missing, total = self._keep(planned, answers, assets)
        self._complete(missing, total, assets)
        self._done.append([EntrySnapshot(entry=entry, assets=_by_id(assets[entry.id])) for entry in entries.values()])
        return listed

    def _keep(
        self, planned: list[FlavorPage], answers: list[Any], assets: dict[str, dict[str, FlavorAsset]]
    ) -> tuple[list[FlavorPage], int]:
        missing: list[FlavorPage] = []
        for page, answer in zip(planned, answers, strict=True):
            missing += keep_page(answer, page, assets)
        return missing, max(map(total_of, answers))

    def _complete(self, missing: list[FlavorPage], total: int, assets: dict[str, dict[str, FlavorAsset]]) -> None:
        while missing:
            batch, missing = missing[:PAGES_AT_ONCE], missing[PAGES_AT_ONCE:]
            missing += self._ask_pages(batch, assets)
        # One page more than is full, which proves the end. The number goes down slowly: pages differ.
        needed = total // PAGE + 1
        self._guess = min(PAGES_AT_ONCE - 1, max(needed, self._guess - 1))
        found = sum(map(len, assets.values()))
        if found < total:
            log.info("%d of %d flavors came in pages; they are asked for again, in smaller lists", found, total)
            self._ask_again(assets)

    def _ask_again(self, assets: dict[str, dict[str, FlavorAsset]]) -> None:
        """Ask for few entries at a time: flavors of one second may change places between two pages."""
        ids = iter(list(assets))
        missing: list[FlavorPage] = []
        while few := list(itertools.islice(ids, _FEW)):
            missing += pages_of(few, 1)
        while missing:
            batch, missing = missing[:PAGES_AT_ONCE], missing[PAGES_AT_ONCE:]
            missing += self._ask_pages(batch, assets)

    def _ask_pages(self, pages: list[FlavorPage], assets: dict[str, dict[str, FlavorAsset]]) -> list[FlavorPage]:
        client = self.runtime.shared_client()
        client.startMultiRequest()
        for page in pages:
            queue_page(client, page)
        return self._keep(pages, [raised(item) for item in client.doMultiRequest()], assets)[0]


@dataclass(frozen=True, slots=True)
class _Media:
    """Stands in for the service of that name."""

    carrier: _Carrier

    def list(self, *given: Any) -> Any:
        """Ask for a page of entries."""
        return self.carrier.ask(lambda client: client.media.list(*given))


def _by_id(assets: dict[str, FlavorAsset]) -> tuple[FlavorAsset, ...]:
    return tuple(assets[key] for key in sorted(assets))
