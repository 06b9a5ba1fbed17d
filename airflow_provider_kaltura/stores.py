"""
From a root to a lake: the only module that knows where other providers keep their files.

Local folders and memory so far; further stores are added to :data:`_OPENERS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Callable

Durability: TypeAlias = Literal["file", "batch"]

# One memory lake per root and process, so that a test's tasks meet in it.
_MEMORY_LAKES: dict[str, Lake] = {}


def open_lake(root: str, *, conn_id: str | None = None, durability: Durability = "file") -> Lake:
    """
    Open the lake at a root.

    :param root: :attr:`~airflow_provider_kaltura.ingest.destination.Destination.root`: an absolute local path,
        ``file:///…``, or ``memory://…`` for tests.
    :param conn_id: Airflow connection of the store; local folders need none.
    :param durability: ``file`` syncs every file to the disk before it gets its final name, ``batch`` all files of a
        manifest file at once, before their rows are written.
    :returns: The lake. Nothing is made or asked yet.
    :raises DestinationError: There is no such kind of store, or it takes no connection.
    """
    scheme = root.partition("://")[0].lower() if "://" in root else ""
    opener = _OPENERS.get(scheme)
    if opener is None:
        known = ", ".join(f"{one}://" for one in _OPENERS if one)
        raise DestinationError(
            f"destinations of the kind {scheme}:// are not available in this version; use an absolute path or {known}"
        )
    if conn_id is not None:
        raise DestinationError(
            f"a destination of the kind {scheme or 'local path'} takes no connection, got {conn_id!r}"
        )
    return opener(root, durability)


def _open_local(root: str, durability: Durability) -> Lake:
    # Part of what Airflow loads to parse a DAG that imports an operator: nothing else may be imported above.
    from airflow_provider_kaltura.transfer.local_sink import LocalSink  # noqa: PLC0415 - see above

    # As in Airflow's ObjectStoragePath, the rest of file:// is a plain path: no quoting, no query.
    path = "/" + root.partition("://")[2].partition("/")[2] if "://" in root else root
    if not path.startswith("/"):
        raise DestinationError("a local destination must be absolute: workers share no folder to start from")
    sink = LocalSink(Path(path), durability)
    return Lake(root, sink, sink.store)


def _open_memory(root: str, _durability: Durability) -> Lake:
    from airflow_provider_kaltura.transfer.memory_sink import MemorySink  # noqa: PLC0415 - see _open_local

    lake = _MEMORY_LAKES.get(root)
    if lake is None:
        sink = MemorySink()
        lake = _MEMORY_LAKES.setdefault(root, Lake(root, sink, sink.store))
    return lake


_OPENERS: dict[str, Callable[[str, Durability], Lake]] = {"": _open_local, "file": _open_local, "memory": _open_memory}
