"""
Wait for flavors, many entries at once, on an event loop.

One :class:`FlavorWatch` per connection and loop asks Kaltura for everybody who waits, in one call per tick and off the
loop. Looks fall on a grid: waits of equal intervals share theirs, and other intervals are rounded up to multiples of
the shortest, so that they share too. A new wait is looked at within seconds, together with others that are new.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_kaltura.api.errors import (
    KalturaTransportError,
    NoFlavorsError,
    NotFoundError,
)
from airflow_provider_kaltura.api.flavors import Never, Wait
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.looks import Looks, concerns_everybody, is_permanent, is_unclear
from airflow_provider_kaltura.ingest.resolve import decide, parse_wanted, wants_web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
    from airflow_provider_kaltura.ingest.resolve import Wanted

log = logging.getLogger(__name__)

MAX_FAILURES: Final = 20
"""Looks that may fail in a row before a wait ends: with the usual minute between two, an outage of 20 minutes."""

_FIRST_LOOK_SECONDS: Final = 3.0
_SHORTEST_INTERVAL_SECONDS: Final = 0.5
_DECISIONS_AT_ONCE: Final = 50
# A wait that begins past its deadline (the triggerer was down) still gets one look.
_GRACE_SECONDS: Final = 60.0
# The first may come from a server that lags behind; Kaltura's lists may go backwards.
_NOT_FOUND_IN_A_ROW: Final = 2


@dataclass(frozen=True, slots=True)
class Found:
    """What a wait ends with: the chosen assets, exactly one for preferences."""

    entry: Entry
    assets: tuple[FlavorAsset, ...]


class _Waiter:
    """One wait: when it was looked at, and what came of it."""

    __slots__ = ("answer", "entry_id", "failures", "interval", "joined", "looked", "not_found", "reason", "wanted")

    def __init__(
        self, entry_id: str, wanted: Wanted, interval: float, joined: float, answer: asyncio.Future[Found]
    ) -> None:
        self.entry_id = entry_id
        self.wanted = wanted
        self.interval = interval
        self.joined = joined
        self.answer = answer
        self.looked: float | None = None
        self.reason = "nobody has looked yet"
        self.failures = 0
        self.not_found = 0

    def due_at(self, base: float) -> float:
        """Say when to look next, on the loop's clock; *base* is the shortest interval of all waits."""
        period = base * math.ceil(self.interval / base - 1e-9)
        if self.looked is None:
            return min(self.joined + _FIRST_LOOK_SECONDS, _next_on_grid(self.joined, period))
        due = _next_on_grid(self.looked, period)
        # The first look of a wait may fall just before the grid.
        return due if due - self.looked >= period / 2 else due + period

    def take(self, answer: EntrySnapshot | Exception) -> None:
        """Take note of one look; ends the wait when there is nothing more to wait for."""
        if self.answer.done():
            return
        try:
            self._decide(answer)
        except Exception as error:  # noqa: BLE001 - one wait's trouble must not end the others
            self.answer.set_exception(error)

    def _decide(self, answer: EntrySnapshot | Exception) -> None:
        if isinstance(answer, Exception):
            self._fail(answer)
            return
        self.failures = self.not_found = 0
        found = decide(answer.entry, answer.assets, self.wanted, answer.web_playable_ids)
        if isinstance(found, Never):
            raise NoFlavorsError(self.entry_id, found.reason, found.available)
        if isinstance(found, Wait):
            self.reason = found.reason
        else:
            self.answer.set_result(Found(answer.entry, found))

    def _fail(self, error: Exception) -> None:
        if is_unclear(error):
            self.reason = str(error)
            return
        self.failures += 1
        self.not_found = self.not_found + 1 if isinstance(error, NotFoundError) else 0
        self.reason = f"the last look failed: {type(error).__name__}"
        is_lagging = isinstance(error, NotFoundError) and self.not_found < _NOT_FOUND_IN_A_ROW
        if self.failures >= MAX_FAILURES or (is_permanent(error) and not is_lagging):
            raise error


class FlavorWatch:
    """
    Waits for flavors of one connection, on one event loop.

    Use :meth:`shared`, so that all waits of a connection share their looks. Nothing is asked while nobody waits.

    :param api: Kaltura; its calls block and run in a thread.
    :param call: Runs a blocking call off the loop; exchanged by tests.
    :param now: Seconds since the epoch; exchanged by tests.
    """

    def __init__(
        self,
        api: KalturaApi,
        *,
        call: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._looks = Looks(api, call)
        self._now = now
        self._waiters: set[_Waiter] = set()
        self._changed = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None

    @classmethod
    async def shared(cls, connection_id: str, make_api: Callable[[], Awaitable[KalturaApi]]) -> FlavorWatch:
        """
        Get the watch of a connection on the running loop.

        :param connection_id: The connection.
        :param make_api: Makes its API; called once, by whoever comes first.
        :returns: The watch; it lives as long as somebody holds it or waits.
        :raises Exception: What *make_api* raised, for everybody who came meanwhile.
        """
        registry = _REGISTRIES.setdefault(asyncio.get_running_loop(), _Registry())
        watch = registry.watches.get(connection_id)
        if watch is not None:
            return watch
        making = registry.making.get(connection_id)
        if making is None:

            async def make() -> FlavorWatch:
                try:
                    watch = registry.watches[connection_id] = cls(await make_api())
                    return watch
                finally:
                    del registry.making[connection_id]

            making = registry.making[connection_id] = asyncio.ensure_future(make())
            making.add_done_callback(_retrieve)
        # One trigger that is cancelled must not cancel the others' beginning.
        return await asyncio.shield(making)

    async def wait(
        self,
        entry_id: str,
        wanted: Wanted | str | Sequence[str] | None,
        *,
        poll_interval: float = 60.0,
        deadline: float | None = None,
    ) -> Found:
        """
        Wait until what is wanted can be downloaded.

        :param entry_id: The entry.
        :param wanted: Preferences, as text or list too, or ``"all"``.
        :param poll_interval: Seconds between two looks, rounded up to the grid; at least 0.5.
        :param deadline: When to give up, in seconds since the epoch; None never does.
        :returns: The entry and the chosen assets.
        :raises NoFlavorsError: It will never come.
        :raises WatchTimeoutError: The deadline has passed; at least one look was taken if Kaltura answered.
        :raises PreferenceError: *wanted* can't be read.
        :raises ValueError: *poll_interval* is no finite number.
        :raises KalturaError: Permanent, or the last of too many in a row.
        """
        check_id(entry_id)
        if not math.isfinite(poll_interval):
            raise ValueError(f"poll_interval is a number of seconds, not {poll_interval}")
        loop = asyncio.get_running_loop()
        interval = max(float(poll_interval), _SHORTEST_INTERVAL_SECONDS)
        waiter = _Waiter(entry_id, parse_wanted(wanted), interval, loop.time(), loop.create_future())
        self._waiters.add(waiter)
        self._changed.set()
        if self._poller is None or self._poller.done():
            # In a context of its own: the first trigger's log must not get everybody's lines.
            self._poller = loop.create_task(self._poll(), context=contextvars.Context())
        try:
            return await self._answer(waiter, deadline)
        finally:
            self._waiters.discard(waiter)
            # It may have ended between two steps of a wait that was cancelled; this keeps asyncio from complaining.
            waiter.answer.cancel()
            self._changed.set()

    async def _answer(self, waiter: _Waiter, deadline: float | None) -> Found:
        if deadline is None:
            return await waiter.answer
        grace = self._now() + _GRACE_SECONDS
        while True:
            stop = deadline if waiter.looked is not None else max(deadline, min(grace, self._now() + 1.0))
            left = stop - self._now()
            if left <= 0:
                raise WatchTimeoutError(waiter.entry_id, waiter.reason)
            # In pieces, because the clock of the wall may be set while the loop's runs on.
            done, _ = await asyncio.wait({waiter.answer}, timeout=min(left, 3600.0))
            if done:
                return waiter.answer.result()

    async def _poll(self) -> None:
        try:
            while self._waiters:
                due = await self._until_due()
                if due:
                    await self._look(due)
        except Exception as error:
            log.exception("The watch failed; its waits end")
            self._end_all(error)
        finally:
            # Cancelled from outside, as when the loop ends.
            self._end_all(KalturaTransportError("The watch was stopped.", "STOPPED"))

    async def _until_due(self) -> list[_Waiter]:
        """Sleep until somebody is due, or until somebody comes or goes."""
        self._changed.clear()
        loop = asyncio.get_running_loop()
        base = min(waiter.interval for waiter in self._waiters)
        first = min(waiter.due_at(base) for waiter in self._waiters)
        if first > loop.time():
            await _wait_for(self._changed, first - loop.time())
            if not self._waiters:
                return []
            base = min(waiter.interval for waiter in self._waiters)
        now = loop.time()
        due = {waiter for waiter in self._waiters if waiter.due_at(base) <= now + 1e-6}
        # Who is new comes along with whoever is due.
        return [waiter for waiter in self._waiters if waiter in due or waiter.looked is None] if due else []

    async def _look(self, due: list[_Waiter]) -> None:
        entry_ids = sorted({waiter.entry_id for waiter in due})
        web = {waiter.entry_id for waiter in due if wants_web(waiter.wanted)}
        answers = await self._looks.at(entry_ids, web)
        looked = asyncio.get_running_loop().time()
        for count, waiter in enumerate(due, 1):
            waiter.looked = looked
            waiter.take(answers[waiter.entry_id])
            if count % _DECISIONS_AT_ONCE == 0:
                # A thousand decisions are tens of milliseconds that others on the loop would wait for.
                await asyncio.sleep(0)
        errors = [answer for answer in answers.values() if isinstance(answer, Exception)]
        if errors:
            log.warning(
                "%d of %d entries could not be looked at: %s", len(errors), len(answers), redact(str(errors[0]))[:300]
            )
        self._looks.keep({waiter.entry_id for waiter in self._waiters if not waiter.answer.done()})
        ended = next((error for error in errors if concerns_everybody(error)), None)
        if ended is not None:
            self._end_all(ended)

    def _end_all(self, error: Exception) -> None:
        _forget(self)
        for waiter in self._waiters:
            if not waiter.answer.done():
                waiter.answer.set_exception(error)


class _Registry:
    """The watches of one loop, as long as somebody uses them."""

    def __init__(self) -> None:
        self.watches: WeakValueDictionary[str, FlavorWatch] = WeakValueDictionary()
        self.making: dict[str, asyncio.Future[FlavorWatch]] = {}


_REGISTRIES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Registry] = WeakKeyDictionary()


def _forget(watch: FlavorWatch) -> None:
    """Let the next wait begin with the connection as it is then."""
    for registry in list(_REGISTRIES.values()):
        for connection_id in [key for key, value in registry.watches.items() if value is watch]:
            del registry.watches[connection_id]


def _next_on_grid(after: float, period: float) -> float:
    return (math.floor(after / period + 1e-9) + 1) * period


async def _wait_for(event: asyncio.Event, timeout_seconds: float) -> None:
    try:
        async with asyncio.timeout(timeout_seconds):
            await event.wait()
    except TimeoutError:
        pass


def _retrieve(task: asyncio.Future[FlavorWatch]) -> None:
    # Everybody who wanted to know may have been cancelled.
    if not task.cancelled():
        task.exception()
