"""
From a root to a lake: the only package that knows where other providers keep their files and credentials.

One module per kind of store; each is imported when a destination of its kind is opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.stores._roots import Root
from airflow_provider_kaltura.transfer.options import StoreOptions

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.lake import Lake

Durability: TypeAlias = Literal["file", "batch"]

#: Scheme to the module here whose ``open_lake(root, durability)`` opens it; every other scheme is ObjectStoragePath's.
_MODULES: Final = {
    "": "local",
    "file": "local",
    "memory": "memory",
    "s3": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "wasb": "azure",
    "wasbs": "azure",
}


def open_lake(
    root: str,
    *,
    conn_id: str | None = None,
    durability: Durability = "file",
    options: StoreOptions | None = None,
) -> Lake:
    """
    Open the lake at a root.

    :param root: :attr:`~airflow_provider_kaltura.ingest.destination.Destination.root`: an absolute local path,
        ``file:///…``, ``s3://conn_id@bucket/…``, ``gs://…``, ``abfs://conn_id@container/…``, ``memory://…`` for tests,
        or whatever Airflow's ObjectStoragePath opens.
    :param conn_id: Airflow connection of the store, where the root names none; local folders take none.
    :param durability: ``file`` syncs every file to the disk before it gets its final name, ``batch`` all files of a
        manifest file at once, before their rows are written.
    :param options: What the store shall keep beside the bytes; asked here so that one that it can't keep is told first.
    :returns: The lake. Nothing is made or asked yet.
    :raises DestinationError: There is no such kind of store, it takes no connection, or it can't keep an option.
    :raises MissingExtraError: It needs a package that is not installed.
    """
    parsed = Root.parse(root, conn_id)
    module: Any = import_module(f"{__name__}.{_MODULES.get(parsed.scheme, 'other')}")
    if denied := sorted((options or StoreOptions()).asked - module.OPTIONS):
        kept = ", ".join(sorted(module.OPTIONS)) or "none"
        raise DestinationError(
            f"store option {denied[0]!r} can't be kept by destinations of the kind "
            f"{parsed.scheme or 'local path'}; those that can: {kept}"
        )
    lake: Lake = module.open_lake(parsed, durability)
    return lake
