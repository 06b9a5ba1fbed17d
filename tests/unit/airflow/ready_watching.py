"""Make triggers for events and collect what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import json

from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger

PAUSE = 0.2
LONG_AGO = 20 * 365 * 86400


class Store:
    """The state store of an asset, as Airflow 3.3.2 gives it to a trigger."""

    def __init__(self):
        self.kept = {}

    async def aget(self, key, default=None):
        """Read."""
        return json.loads(self.kept[key]) if key in self.kept else default

    async def aset(self, key, value):
        """Write."""
        self.kept[key] = json.dumps(value)


class BlockingStore:
    """The same before 3.3.2."""

    def __init__(self, store):
        self._store = store

    def get(self, key, default=None):
        """Read."""
        return asyncio.run(self._store.aget(key, default))

    def set(self, key, value):
        """Write."""
        asyncio.run(self._store.aset(key, value))


def trigger(store=None, **arguments):
    """Make a trigger as the triggerer does: from its own serialised arguments."""
    made = KalturaEntryReadyTrigger(**{"poll_interval": 0.5, "look_back": LONG_AGO, **arguments})
    _, kwargs = made.serialize()
    again = KalturaEntryReadyTrigger(**json.loads(json.dumps(kwargs)))
    again.asset_state_store = store
    if "poll_interval" not in arguments:
        # Shorter than anybody may ask for.
        again.poll_interval = PAUSE
    return again


def looks(server):
    """Count the listings that were asked for."""
    return server.log.action_counts().get("media.list", 0)


async def until(is_so):
    """Wait for what another thread does."""
    while not is_so():  # noqa: ASYNC110 - it happens in another thread
        await asyncio.sleep(0.02)


async def told(one, server, number=3, then=None):
    """Collect a trigger's events during so many looks; *then* happens after half of them."""
    payloads = []

    async def collect():
        async with contextlib.aclosing(one.run()) as events:
            async for event in events:
                payloads.append(event.payload)  # noqa: PERF401 - what came until it is cancelled counts

    first, task = looks(server), asyncio.create_task(collect())
    if then is not None:
        await until(lambda: looks(server) >= first + number // 2 or task.done())
        then()
    # What a look found is told before the next one.
    await until(lambda: looks(server) >= first + number or task.done())
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return payloads


async def together(server, triggers):
    """Collect what several triggers of one loop tell."""
    return await asyncio.gather(*(told(one, server, 4) for one in triggers))


def ids(payloads):
    """Give the entries of events."""
    return [payload["entryId"] for payload in payloads]
