"""Open the root that an operator's argument names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.operators._arguments import as_connection_id, check_text

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.lake import Lake


def open_root(name: str, value: Any, storage_conn_id: Any, *, what: str) -> Lake:
    """
    Open a root that takes no placeholders.

    :param name: The argument.
    :param value: What was given; a slash at its end does not matter.
    :param storage_conn_id: The connection to the storage, or none.
    :param what: What is written below it, for people.
    :returns: The place.
    :raises KalturaArgumentError: There is none, or it has placeholders.
    :raises SinkError: It can't be opened.
    """
    # Not at the top: DAG files are parsed often, and need none of it.
    from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415, see above

    root = check_text(name, value or "").strip()
    if not root or root == "None":
        raise KalturaArgumentError(f"Give {name}: the root below which {what} is written.")
    if "{" in root:
        raise KalturaArgumentError(f"{name} takes no placeholders, not {root!r:.200}.")
    trimmed = root.rstrip("/")
    is_bare = not trimmed or trimmed.endswith(":")
    conn_id = as_connection_id("storage_conn_id", storage_conn_id)
    return open_lake(root if is_bare else trimmed, conn_id=conn_id)
