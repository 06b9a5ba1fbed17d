"""Folders of this machine, or mounted on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.local_sink import LocalSink

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final[frozenset[str]] = frozenset()


def open_lake(root: Root, durability: Durability) -> Lake:
    """
    Open a folder as a lake.

    :param root: An absolute path, plain or as ``file:///…``.
    :param durability: See :func:`airflow_provider_kaltura.stores.open_lake`.
    :returns: The lake.
    :raises DestinationError: The path is relative, or a connection was given.
    """
    if root.conn_id is not None:
        kind = root.scheme or "local path"
        raise DestinationError(f"a destination of the kind {kind} takes no connection, got {root.conn_id!r}")
    # As in Airflow's ObjectStoragePath, the rest of file:// is a plain path: no quoting, no query.
    path = "/" + root.text.partition("://")[2].partition("/")[2] if root.scheme else root.text
    if not path.startswith("/"):
        # Anything else may be a secret in the wrong place.
        shown = f", got {path!r}" if re.fullmatch(r"[\w~ ./{}%$-]{1,200}", path) else ""
        raise DestinationError(
            f"a local destination must be absolute{shown}: workers share no folder to start from, and '~' is no folder"
        )
    sink = LocalSink(Path(path), durability)
    return Lake(root.text, sink, sink.store)
