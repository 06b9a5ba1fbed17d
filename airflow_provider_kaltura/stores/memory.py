"""Memory of this process, for tests: one lake per root, so that a test's tasks meet in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.memory_sink import MemorySink

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final = frozenset({"metadata"})
_LAKES: dict[str, Lake] = {}


def open_lake(root: Root, durability: Durability) -> Lake:  # noqa: ARG001 - one signature for all stores
    """
    Open a lake in memory.

    :param root: Any text after ``memory://``.
    :param durability: Ignored.
    :returns: The same lake for the same text.
    :raises DestinationError: A connection was given.
    """
    if root.conn_id is not None:
        raise DestinationError(f"a destination of the kind memory takes no connection, got {root.conn_id!r}")
    lake = _LAKES.get(root.text)
    if lake is None:
        sink = MemorySink()
        lake = _LAKES.setdefault(root.text, Lake(root.text, sink, sink.store))
    return lake
