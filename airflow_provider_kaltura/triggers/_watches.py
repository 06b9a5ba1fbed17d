"""One watch per connection and event loop, as long as a trigger needs it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_kaltura.hooks.kaltura import KalturaHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_kaltura.ingest.watch import FlavorWatch


@dataclass(slots=True)
class _Shared:
    """A watch that is there or on its way, and how many triggers hold it."""

    making: asyncio.Task[FlavorWatch]
    holders: int = 0


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Shared]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_watch(kaltura_conn_id: str) -> AsyncIterator[FlavorWatch]:
    """
    Hold the watch of a connection.

    The connection is read once for all triggers that wait at the same time; when the last one is done it is forgotten,
    so that a changed secret is read again.

    :param kaltura_conn_id: The connection.
    :yields: The watch.
    :raises KalturaProviderError: The connection can't be read.
    """
    by_connection = _SHARED.setdefault(asyncio.get_running_loop(), {})
    shared = by_connection.get(kaltura_conn_id)
    if shared is None:
        shared = by_connection[kaltura_conn_id] = _Shared(asyncio.create_task(_make(kaltura_conn_id)))
    shared.holders += 1
    try:
        # Shielded: one trigger that is cancelled must not take the watch from the others.
        yield await asyncio.shield(shared.making)
    finally:
        shared.holders -= 1
        if not shared.holders and by_connection.get(kaltura_conn_id) is shared:
            del by_connection[kaltura_conn_id]


async def _make(kaltura_conn_id: str) -> FlavorWatch:
    from airflow_provider_kaltura.ingest.watch import FlavorWatch  # noqa: PLC0415, DAG files don't need it

    return FlavorWatch(await KalturaHook(kaltura_conn_id).aget_api())
