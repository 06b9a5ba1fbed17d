"""
Ask once per interval which entries were changed lately, for everybody who waits for entries to become ready.

The first READY moves an entry's ``updatedAt``, so that a listing of what was updated since the last look has each entry
that became ready meanwhile. Each look goes back by an overlap, since the index behind Kaltura's lists lags; whoever
takes its pages remembers what was told. Where a look begins follows the server's own times and our durations, not the
clock of this machine.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.queries import ANY, EntryQuery
from airflow_provider_kaltura.api.redact import redact

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
    from typing import TypeAlias

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry

    _Feeds: TypeAlias = "WeakValueDictionary[tuple[str, float], ReadyFeed]"

log = logging.getLogger(__name__)

OVERLAP_SECONDS: Final = 600
"""How far each look goes back before the last one: longer than the index behind lists lags."""

MAX_FAILURES: Final = 20
"""Looks that may fail in a row before the feed ends."""

SHORTEST_INTERVAL_SECONDS: Final = 0.5

_PAGE: Final = 500
# A triggerer begins its watchers one after the other: they share their first look.
_GATHER_SECONDS: Final = 1.0
_sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Page:
    """
    A piece of one look.

    :param entries: Entries of every status, the temporary ones of a replacement excepted.
    :param since: The look holds all that was changed at this second of the server or later.
    :param until: On the last page of a look, else None: what was changed before is in this look or an earlier one.
    """

    entries: tuple[Entry, ...]
    since: int
    until: int | None


class ReadyFeed:
    """
    The looks of one connection and interval on one event loop.

    :param api: Kaltura; its calls block and run in a thread.
    :param call: Runs a blocking call off the loop; exchanged by tests.
    :param clock: A clock that is never set; exchanged by tests.
    """

    def __init__(
        self,
        api: KalturaApi,
        *,
        call: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api = api
        self._call = call
        self._clock = clock
        self._asks: list[int] = []
        self._asked = asyncio.Event()
        # Where looks begin as long as no entry has shown the server's time.
        self._floor: int | None = None
        self._newest: tuple[int, float] | None = None
        self._queues: set[asyncio.Queue[Page | Exception]] = set()
        self._teller: asyncio.Task[None] | None = None

    @classmethod
    async def shared(
        cls, connection_id: str, interval: float, make_api: Callable[[], Awaitable[KalturaApi]]
    ) -> ReadyFeed:
        """
        Get the feed of a connection and interval on the running loop.

        :param connection_id: The connection.
        :param interval: Seconds between two looks.
        :param make_api: Makes its API.
        :returns: The feed; it lives as long as somebody holds it.
        :raises Exception: What *make_api* raised.
        """
        loop, key = asyncio.get_running_loop(), (connection_id, interval)
        feeds = _FEEDS.setdefault(loop, WeakValueDictionary())
        if key not in feeds:
            made = cls(await make_api())
            # Somebody else may have been faster meanwhile.
            return feeds.setdefault(key, made)
        return feeds[key]

    def ask(self, since: int) -> None:
        """
        Ask for a look at once that goes back further than usual.

        :param since: A second of the server; the look also has what was changed an overlap earlier.
        """
        self._asks.append(since)
        self._asked.set()

    async def follow(self, interval: float) -> AsyncIterator[Page]:
        """
        Look again and again, from the first :meth:`ask` on. One at a time may do so; others :meth:`subscribe`.

        Before it ends with an error it pauses: who is started again at once must not ask Kaltura again at once.

        :param interval: Seconds between two looks.
        :yields: The pages of all looks.
        :raises KalturaError: Permanent, or the last of too many in a row.
        :raises Exception: Of the last of too many failures in a row.
        """
        pause = max(interval, SHORTEST_INTERVAL_SECONDS)
        failures = 0
        await self._asked.wait()
        begun = self._clock()
        while True:
            await self._until_due(begun + pause)
            begun, asks = self._clock(), self._asks
            self._asks = []
            try:
                async for page in self._look(self._begin(begun, asks), begun):
                    yield page
                failures = 0
            except Exception as error:
                self._asks += asks
                failures += 1
                text = redact(str(error))[:300]
                if (isinstance(error, KalturaError) and not error.retryable) or failures >= MAX_FAILURES:
                    log.error("Entries that became ready can't be listed: %s", text)  # noqa: TRY400 - raised below
                    self._forget()
                    await _sleep(pause)
                    raise
                log.warning("Entries that became ready could not be listed, %d in a row: %s", failures, text)

    async def subscribe(self, interval: float) -> AsyncGenerator[Page]:
        """
        Get the pages of looks that are shared with all other subscribers.

        :param interval: Seconds between two looks.
        :yields: The pages of all looks that begin from now on.
        :raises Exception: As :meth:`follow`, for every subscriber.
        """
        queue: asyncio.Queue[Page | Exception] = asyncio.Queue()
        self._queues.add(queue)
        if self._teller is None or self._teller.done():
            # In a context of its own: the first trigger's log must not get everybody's lines.
            loop = asyncio.get_running_loop()
            self._teller = loop.create_task(self._tell(interval), context=contextvars.Context())
        try:
            while True:
                told = await queue.get()
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._teller.cancel()

    async def _tell(self, interval: float) -> None:
        try:
            async for page in self.follow(interval):
                for queue in self._queues:
                    queue.put_nowait(page)
        except Exception as error:  # noqa: BLE001 - raised by each subscriber
            for queue in self._queues:
                queue.put_nowait(error)

    async def _until_due(self, due: float) -> None:
        """Sleep until a look is due, or until somebody asks for one."""
        while (left := due - self._clock()) > 0 and not self._asked.is_set():
            try:
                async with asyncio.timeout(left):
                    await self._asked.wait()
            except TimeoutError:
                pass
        if self._asked.is_set():
            await _sleep(_GATHER_SECONDS)
            self._asked.clear()

    def _begin(self, begun: float, asks: list[int]) -> int:
        own = self._server_second(begun)
        if own is None:
            own = self._floor = min(one for one in (*asks, self._floor) if one is not None)
        return min([own, *asks]) - OVERLAP_SECONDS

    def _server_second(self, moment: float) -> int | None:
        """Tell a second that the server's clock has surely reached by a moment of ours."""
        if self._newest is None:
            return None
        second, seen = self._newest
        return second + int(moment - seen)

    async def _look(self, since: int, begun: float) -> AsyncIterator[Page]:
        # Every status: an entry that is found unready will become ready again.
        updated = (datetime.fromtimestamp(since, UTC), None)
        walk = self.api.list_entries(EntryQuery(updated=updated, statuses=(ANY,)))
        newest = 0
        while True:
            entries = await self._call(_take, walk)
            newest = max([newest, *(changed_at(entry) for entry in entries)])
            shown = tuple(entry for entry in entries if not entry.replaced_entry_id)
            if len(entries) < _PAGE:
                break
            yield Page(shown, since, None)
        reached = self._server_second(begun)
        if newest and (reached is None or newest > reached):
            self._newest, reached = (newest, begun), newest
        yield Page(shown, since, since + OVERLAP_SECONDS if reached is None else reached)

    def _forget(self) -> None:
        """Let the next one begin with the connection as it is then."""
        for feeds in _FEEDS.values():
            for key in [key for key, feed in feeds.items() if feed is self]:
                del feeds[key]


_FEEDS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Feeds] = WeakKeyDictionary()


def changed_at(entry: Entry) -> int:
    """Tell the second of an entry's last change; 0 where it has none."""
    return int(entry.updated_at.timestamp()) if entry.updated_at else 0


def _take(walk: Iterator[Entry]) -> list[Entry]:
    return list(islice(walk, _PAGE))
