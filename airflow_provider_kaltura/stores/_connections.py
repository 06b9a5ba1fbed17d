"""Airflow connections of stores: there, and of the kind that the destination needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.compat import AirflowNotFoundException, BaseHook
from airflow_provider_kaltura.ingest.errors import DestinationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def require(conn_id: str, scheme: str, kinds: Sequence[str]) -> Any:
    """
    Give a connection, or say why it is not the one.

    Hooks take one of another type for one without credentials, and some then use those of the worker.

    :param conn_id: Its id.
    :param scheme: Of the destination, for messages.
    :param kinds: Types that will do, the usual one first; a connection that names no type will, too.
    :returns: The connection.
    :raises DestinationError: There is none, or it is of another type.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise DestinationError(
            f"there is no Airflow connection {conn_id!r}: define one of the type {kinds[0]}, or name another one, "
            f"{scheme}://conn_id@… or storage_conn_id"
        ) from None
    kind = str(connection.conn_type or "").replace("-", "_")
    if kind and kind not in kinds:
        raise DestinationError(
            f"the connection {conn_id!r} is of the type {kind}, and destinations of the kind {scheme}:// need one of "
            f"the type {kinds[0]}: name another one, {scheme}://conn_id@… or storage_conn_id"
        )
    return connection
