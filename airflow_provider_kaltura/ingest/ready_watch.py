"""Who wants to know of which entries that became ready, and has been told of which."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import KalturaError, NoFlavorsError, NotFoundError
from airflow_provider_kaltura.api.queries import READY, EntryQuery, media_type
from airflow_provider_kaltura.ingest.ready_feed import changed_at
from airflow_provider_kaltura.ingest.resolve import parse_wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.ready_feed import Page
    from airflow_provider_kaltura.ingest.watch import FlavorWatch

log = logging.getLogger(__name__)

MAX_TOLD: Final = 50_000
"""Entries that a watcher remembers to have told; older ones it tells again when they are changed."""

_MAX_SAVED: Final = 500
_IDS_OF_A_QUERY: Final = 500
# The index may show an entry before it shows its categories.
_REFUSALS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyConditions:
    """
    Which entries a watcher wants to be told of. Conditions add up; within a list one is enough.

    :param tags: With one of these among their tags, whatever the case.
    :param category: In the category of this full name, or below it.
    :param owners: Of one of these user ids.
    :param media_types: ``"video"``, ``"audio"``, ``"image"`` or Kaltura's numbers.
    :param created_within: Created at most so many seconds before they are seen.
    :param flavor: Told only when this flavor can be downloaded.
    """

    tags: tuple[str, ...] = ()
    category: str | None = None
    owners: tuple[str, ...] = ()
    media_types: tuple[str | int, ...] = ()
    created_within: float | None = None
    flavor: str | tuple[str, ...] | None = None

    def check(self) -> None:
        """
        Refuse what can't be.

        :raises InvalidRequestError: A media type is none.
        :raises PreferenceError: The flavor can't be read.
        """
        for one in self.media_types:
            media_type(one)
        if self.flavor is not None:
            parse_wanted(self.flavor)

    def match(self, entry: Entry, now: float) -> bool:
        """
        Tell whether an entry is wanted, its category and flavor apart.

        :param entry: The entry.
        :param now: Seconds since the epoch.
        :returns: True or False.
        """
        tags = {tag.casefold() for tag in entry.tags}
        return (
            (not self.tags or any(tag.casefold() in tags for tag in self.tags))
            and (not self.owners or entry.user_id in self.owners)
            and (not self.media_types or entry.media_type in {media_type(one) for one in self.media_types})
            and (
                self.created_within is None
                or entry.created_at is None
                or entry.created_at.timestamp() >= now - self.created_within
            )
        )

    def is_in_category(self, entry: Entry) -> bool:
        """Tell whether an entry itself says that it is in the category; the server may know more."""
        wanted = (self.category or "").casefold()
        named = (name.casefold() for name in entry.categories)
        return not wanted or any(name == wanted or name.startswith(f"{wanted}>") for name in named)


class ReadyWatch:
    """
    One watcher: takes pages of a feed, gives the entries to tell of.

    :param conditions: Which entries.
    :param state: What :meth:`state_after` gave to an earlier one; None at the very first.
    :param first_since: Where to begin without a state.
    :param get_flavor_watch: Gives the watch for flavors; used with such a condition only.
    :param poll_interval: Seconds between two looks for a flavor.
    :param call: Runs a blocking call off the loop.
    :param now: Seconds since the epoch.
    """

    def __init__(
        self,
        conditions: ReadyConditions,
        state: Mapping[str, Any] | None,
        first_since: int,
        *,
        get_flavor_watch: Callable[[], Awaitable[FlavorWatch]],
        poll_interval: float = 60.0,
        call: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.since, told = _read(state, first_since)
        self._told: dict[str, None] = dict.fromkeys(told)
        self._conditions = conditions
        self._flavor_watch = get_flavor_watch
        self._interval = poll_interval
        self._call = call
        self._now = now
        self._refused: dict[str, tuple[int, int]] = {}
        self._waits: dict[str, tuple[Entry, asyncio.Task[Any]]] = {}
        self._is_caught_up = False

    async def take(self, page: Page, api: KalturaApi) -> list[Entry]:
        """
        Take note of a page.

        :param page: The page.
        :param api: Kaltura.
        :returns: The entries to tell of now, each to be confirmed by :meth:`tell`; in order of their change.
        :raises KalturaError: What they are in could not be asked.
        """
        for entry in page.entries:
            if entry.status != READY:
                # When it becomes ready again, that is news.
                self._told.pop(entry.id, None)
        fresh = [entry for entry in page.entries if self._is_fresh(entry)]
        fresh = await self._in_category(fresh, api)
        if self._conditions.flavor is not None:
            await self._wait_for(fresh)
            fresh = await self._finished()
        return sorted(fresh, key=changed_at)

    def tell(self, entry: Entry) -> None:
        """
        Remember that an entry was told of.

        :param entry: The entry.
        """
        self._told.pop(entry.id, None)
        self._told[entry.id] = None
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]

    def state_after(self, page: Page) -> dict[str, Any] | None:
        """
        Say where another one would have to go on.

        :param page: The page that was just told of.
        :returns: Plain JSON; None while there is nothing to add to the last one.
        """
        self._is_caught_up = self._is_caught_up or page.since <= self.since
        if page.until is None or not self._is_caught_up:
            return None
        waited = [changed_at(entry) for entry, _ in self._waits.values()]
        self.since = max(self.since, min([page.until, *waited]))
        return {"since": self.since, "told": list(self._told)[-_MAX_SAVED:]}

    def close(self) -> None:
        """End all waits for flavors."""
        for _, wait in self._waits.values():
            wait.cancel()
        self._waits.clear()

    def _is_fresh(self, entry: Entry) -> bool:
        is_known = entry.id in self._told or entry.id in self._waits
        is_new = not is_known and self._refused.get(entry.id, (0, 0)) < (changed_at(entry), _REFUSALS)
        return entry.status == READY and is_new and self._conditions.match(entry, self._now())

    async def _in_category(self, entries: list[Entry], api: KalturaApi) -> list[Entry]:
        if self._conditions.category is None:
            return entries
        open_ones = [entry for entry in entries if not self._conditions.is_in_category(entry)]
        found: set[str] = set()
        for start in range(0, len(open_ones), _IDS_OF_A_QUERY):
            ids = tuple(entry.id for entry in open_ones[start : start + _IDS_OF_A_QUERY])
            found |= await self._call(_ids_in, api, EntryQuery(ids=ids, category=self._conditions.category))
        for entry in open_ones:
            if entry.id not in found:
                self._refuse(entry)
        return [entry for entry in entries if entry.id in found or self._conditions.is_in_category(entry)]

    def _refuse(self, entry: Entry, times: int = 1) -> None:
        """Let an entry be as long as it isn't changed; one that was refused once gets a second chance."""
        second, before = changed_at(entry), self._refused.pop(entry.id, (0, 0))
        self._refused[entry.id] = (second, times + (before[1] if before[0] == second else 0))
        if len(self._refused) > MAX_TOLD:
            del self._refused[next(iter(self._refused))]

    async def _wait_for(self, entries: list[Entry]) -> None:
        if not entries:
            return
        watch, loop = await self._flavor_watch(), asyncio.get_running_loop()
        flavor = self._conditions.flavor
        wanted = list(flavor) if isinstance(flavor, tuple) else flavor
        for entry in entries:
            waiting = watch.wait(entry.id, wanted, poll_interval=self._interval)
            self._waits[entry.id] = (entry, loop.create_task(waiting))

    async def _finished(self) -> list[Entry]:
        finished, again = [], []
        for entry, wait in [one for one in self._waits.values() if one[1].done()]:
            try:
                wait.result()
            except (NoFlavorsError, NotFoundError) as error:
                log.info("Entry %s is not told of: %s", entry.id, error)
                self._refuse(entry, _REFUSALS)
            except KalturaError as error:
                if not error.retryable:
                    raise
                again.append(entry)
            else:
                finished.append(entry)
            del self._waits[entry.id]
        await self._wait_for(again)
        return finished


def _read(state: Mapping[str, Any] | None, first_since: int) -> tuple[int, list[str]]:
    """Read a state; one that makes no sense is none, so that entries come twice rather than never."""
    since = state.get("since") if state else None
    if state is None or not isinstance(since, int):
        return first_since, []
    told = state.get("told")
    return since, [str(one) for one in told] if isinstance(told, list) else []


def _ids_in(api: KalturaApi, query: EntryQuery) -> set[str]:
    return {entry.id for entry in api.list_entries(query)}
