"""Tell of entries that became ready, for DAGs that are scheduled by events: Airflow 3.0 and later."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import KalturaError, PreferenceError
from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger, TriggerEvent
from airflow_provider_kaltura.exceptions import airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable

    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.ready_feed import Page, ReadyFeed
    from airflow_provider_kaltura.ingest.ready_watch import ReadyConditions, ReadyWatch

__all__ = ["KalturaEntryReadyTrigger"]

log = logging.getLogger(__name__)

# The triggerer takes an event to the database about a second after it was yielded; what is saved before that would
# lose the event with a triggerer that is killed.
_SAVE_AFTER_SECONDS: Final = 5.0
_CONDITIONS: Final = ("tags", "category", "owners", "media_types", "created_within", "flavor")
_PACE: Final = ("poll_interval", "look_back")
_sleep = asyncio.sleep


class KalturaEntryReadyTrigger(BaseEventTrigger):
    """
    Fire for each entry that became ready, at least once, for an ``AssetWatcher``.

    An event holds ``entryId``, ``partnerId``, ``status``, ``createdAt`` and ``updatedAt`` (seconds since the epoch),
    and no name, URL or session. An entry is told of when it is first seen ready; again only after it was seen unready,
    after a restart of the triggerer, or when it is changed after 50,000 others were told of. One that was ready before
    the watcher began is told of when it is changed: ``created_within`` leaves old ones out.

    All watchers of a connection with the same ``poll_interval`` share one listing per interval; a ``category`` costs a
    request more where something new is not known to be in it, a ``flavor`` one for all entries that wait for theirs.

    Where the watcher goes on is kept in the asset's state store from Airflow 3.3. Before that, a restarted triggerer
    begins ``look_back`` seconds ago. Airflow 2 has no event-driven scheduling: there the class can only be imported.

    :param kaltura_conn_id: The connection to Kaltura.
    :param tags: Only entries with one of these among their tags.
    :param category: Only entries in the category of this full name, or below it.
    :param owners: Only entries of one of these user ids.
    :param media_types: Only ``"video"``, ``"audio"``, ``"image"`` or Kaltura's numbers.
    :param flavor: Wait for this flavor too, given as for the sensor; None takes the entry's own status.
    :param created_within: Only entries that were created at most so many seconds before they are seen.
    :param poll_interval: Seconds between two looks.
    :param look_back: How many seconds ago to begin when nothing is known of an earlier look.
    """

    def __init__(
        self,
        *,
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        tags: list[str] | None = None,
        category: str | None = None,
        owners: list[str] | None = None,
        media_types: list[str | int] | None = None,
        flavor: str | list[str] | None = None,
        created_within: float | None = None,
        poll_interval: float = 60.0,
        look_back: float = 3600.0,
    ) -> None:
        if BaseEventTrigger is BaseTrigger:
            raise RuntimeError("KalturaEntryReadyTrigger needs Airflow 3: Airflow 2 has no scheduling by events.")
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's base has no types here
        self.kaltura_conn_id = kaltura_conn_id
        self.tags = tags
        self.category = category
        self.owners = owners
        self.media_types = media_types
        self.flavor = flavor
        self.created_within = created_within
        self.poll_interval = poll_interval
        self.look_back = look_back
        self._check()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class and its arguments, in plain JSON types."""
        return ("airflow_provider_kaltura.triggers.entry_ready.KalturaEntryReadyTrigger", self._arguments())

    def shared_stream_key(self) -> Hashable | None:
        """Say whose looks are shared, to Airflow 3.3 and later."""
        return ("kaltura-entry-ready", self.kaltura_conn_id, self.poll_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Page]:
        """
        Look for all watchers of a connection.

        :param kwargs: The arguments of one of them.
        :yields: Pages of entries.
        """
        conn_id, interval = kwargs["kaltura_conn_id"], kwargs["poll_interval"]
        feed = await _feed(conn_id, interval)
        with airflow_errors(conn_id):
            async for page in feed.follow(interval):
                yield page

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Page]) -> AsyncGenerator[TriggerEvent]:
        """
        Tell of the entries that this watcher wants.

        :param shared_stream: Pages of entries.
        :yields: An event for each entry.
        """
        feed = await _feed(self.kaltura_conn_id, self.poll_interval)
        watch = await self._watch()
        feed.ask(watch.since)
        saver = _Saver(self._save)
        try:
            with airflow_errors(self.kaltura_conn_id):
                async for page in shared_stream:
                    await saver.save_what_is_due()
                    for entry in await self._take(watch, page, feed):
                        yield TriggerEvent(_event(entry))  # type: ignore[no-untyped-call]  # see above
                        watch.tell(entry)
                    saver.note(watch.state_after(page))
        finally:
            watch.close()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """
        Do the same on Airflow 3.0 to 3.2, whose triggers share no streams: there all watchers of a loop share ours.

        :yields: An event for each entry.
        """
        feed = await _feed(self.kaltura_conn_id, self.poll_interval)
        async with (
            aclosing(feed.subscribe(self.poll_interval)) as pages,
            aclosing(self.filter_shared_stream(pages)) as events,
        ):
            async for event in events:
                yield event

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_CONDITIONS, "kaltura_conn_id", "poll_interval", "look_back")}

    def _check(self) -> None:
        """Refuse what can't be, as TypeError: a triggerer survives no other error of a trigger that it makes."""
        self._check_texts()
        for name, least in (("poll_interval", 0.5), ("look_back", 0), ("created_within", 0)):
            given = getattr(self, name)
            is_left_out = given is None and name == "created_within"
            is_number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
            if not is_left_out and not (is_number and given >= least):
                raise TypeError(f"{name} must be a number of seconds, at least {least}, not {given!r:.60}")
        try:
            self._conditions.check()
        except PreferenceError as error:
            raise TypeError(f"flavor: {error}") from error
        except (KalturaError, ValueError) as error:
            raise TypeError(f"media_types: {error}") from error

    def _check_texts(self) -> None:
        for name, is_one in (("tags", _is_tag), ("owners", _is_text), ("media_types", _is_text_or_number)):
            given = getattr(self, name)
            if given is not None and not (given and isinstance(given, list) and all(map(is_one, given))):
                commas = ", without commas" if name == "tags" else ""
                raise TypeError(f"{name} must be None or a list of one or more texts{commas}, not {given!r:.60}")
        if self.category is not None and not _is_text(self.category):
            raise TypeError(f"category must be None or a full name as a text, not {self.category!r:.60}")
        if not _is_text(self.kaltura_conn_id):
            raise TypeError(f"kaltura_conn_id must name a connection, not {self.kaltura_conn_id!r:.60}")

    @property
    def _conditions(self) -> ReadyConditions:
        from airflow_provider_kaltura.ingest.ready_watch import ReadyConditions  # noqa: PLC0415 - DAG files need little

        given: dict[str, Any] = {name: getattr(self, name) for name in _CONDITIONS if getattr(self, name) is not None}
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        return ReadyConditions(**given)

    async def _watch(self) -> ReadyWatch:
        from airflow_provider_kaltura.ingest.ready_watch import ReadyWatch  # noqa: PLC0415 - see _conditions
        from airflow_provider_kaltura.ingest.watch import FlavorWatch  # noqa: PLC0415 - see _conditions

        return ReadyWatch(
            self._conditions,
            await self._load(),
            int(time.time() - self.look_back),
            get_flavor_watch=lambda: FlavorWatch.shared(
                self.kaltura_conn_id, KalturaHook(self.kaltura_conn_id).aget_api
            ),
            poll_interval=self.poll_interval,
        )

    async def _take(self, watch: ReadyWatch, page: Page, feed: ReadyFeed) -> list[Entry]:
        """Take a page; what may pass is tried again, what can't pass is raised after a pause."""
        failures = 0
        while True:
            try:
                return await watch.take(page, feed.api)
            except Exception as error:
                failures += 1
                log.warning("What became ready could not be looked at, %d in a row: %s", failures, redact(str(error)))
                await _sleep(self.poll_interval)
                if not getattr(error, "retryable", False) or failures >= MAX_FAILURES:
                    raise

    @property
    def _state_key(self) -> str:
        """Name the state after what it depends on: an asset may have several watchers."""
        given = {name: value for name, value in self._arguments().items() if name not in _PACE}
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
        return f"kaltura_entry_ready_{digest[:16]}"

    async def _load(self) -> dict[str, Any] | None:
        states: list[dict[str, Any]] = []
        for store in self._stores():
            try:
                get = getattr(store, "aget", None)
                state = await (get(self._state_key) if get else asyncio.to_thread(store.get, self._state_key))
            except Exception as error:  # noqa: BLE001 - whatever Airflow's store raises
                log.warning("Where the watcher was can't be read, it begins anew: %s", type(error).__name__)
                return None
            if isinstance(state, dict) and isinstance(state.get("since"), int):
                states.append(state)
        # Of an asset that is new to this trigger, the others' beginning will do.
        return min(states, key=lambda state: int(state["since"]), default=None)

    async def _save(self, state: dict[str, Any]) -> None:
        for store in self._stores():
            try:
                put = getattr(store, "aset", None)
                await (put(self._state_key, state) if put else asyncio.to_thread(store.set, self._state_key, state))
            except Exception as error:  # noqa: BLE001 - whatever Airflow's store raises; entries come twice rather than never
                log.warning("Where the watcher is could not be saved: %s", type(error).__name__)

    def _stores(self) -> list[Any]:
        """List the state stores of the assets of this trigger: equal watchers of two assets are one trigger."""
        stores = getattr(self, "asset_state_store", None)
        if stores is None:
            return []
        by_asset = {**getattr(stores, "_by_name", {}), **getattr(stores, "_by_uri", {})}
        return list(by_asset.values()) if len(by_asset) > 1 else [stores]


class _Saver:
    """Saves a state some seconds after it came to be."""

    def __init__(self, save: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._save = save
        self._state: dict[str, Any] | None = None
        self._due = 0.0

    def note(self, state: dict[str, Any] | None) -> None:
        if state is not None and self._state is None:
            self._state, self._due = state, time.monotonic() + _SAVE_AFTER_SECONDS

    async def save_what_is_due(self) -> None:
        if self._state is not None and time.monotonic() >= self._due:
            state, self._state = self._state, None
            await self._save(state)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_tag(value: Any) -> bool:
    # Kaltura keeps all tags of an entry as one text with commas.
    return _is_text(value) and "," not in value


def _is_text_or_number(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


async def _feed(conn_id: str, interval: float) -> ReadyFeed:
    from airflow_provider_kaltura.ingest.ready_feed import ReadyFeed  # noqa: PLC0415 - DAG files need none of it

    try:
        return await ReadyFeed.shared(conn_id, interval, KalturaHook(conn_id).aget_api)
    except Exception as error:
        # The triggerer starts a watcher that failed again at once.
        log.warning("Connection %s can't be used: %s", conn_id, type(error).__name__)
        await _sleep(interval)
        raise


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "entryId": entry.id,
        "partnerId": entry.partner_id,
        "status": entry.status,
        "createdAt": int(entry.created_at.timestamp()) if entry.created_at else None,
        "updatedAt": int(entry.updated_at.timestamp()) if entry.updated_at else None,
    }
