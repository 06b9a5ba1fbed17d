"""Read listings that ``KalturaListEntriesOperator`` has written, for tasks of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.exceptions import airflow_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.slices import Slice

__all__ = ["read_slice"]


def read_slice(text: str, *, storage_conn_id: str | None = None) -> Iterator[dict[str, Any]]:
    """
    Read the entries of a slice.

    :param text: ``path#start-end``, as the operator returned it.
    :param storage_conn_id: The connection to the storage, where the path names none before ``@``.
    :yields: One dict for each entry, see :func:`.ingest.listing_rows.listing_row`; ``entryId`` is always there.
    :raises KalturaArgumentError: It is no slice, or its bytes are not whole lines of a listing.
    :raises KalturaProviderError: The listing is missing, or could not be read.
    """
    from airflow_provider_kaltura.ingest import slices  # noqa: PLC0415 - DAG files need none of it

    with airflow_errors():
        lake, key, piece = open_slice(text, storage_conn_id)
        yield from slices.read_slice(lake.store, key, piece)


def open_slice(text: str, storage_conn_id: str | None = None) -> tuple[Lake, str, Slice]:
    """
    Find where the listing of a slice stands.

    :param text: ``path#start-end``.
    :param storage_conn_id: The connection to the storage.
    :returns: The place, the listing's name there, and the slice.
    :raises SliceError: It is none, or its listing is none of ours.
    """
    from airflow_provider_kaltura.ingest.errors import SliceError  # noqa: PLC0415 - see read_slice
    from airflow_provider_kaltura.ingest.listing_rows import LISTING_FOLDER  # noqa: PLC0415 - see read_slice
    from airflow_provider_kaltura.ingest.slices import Slice  # noqa: PLC0415 - see read_slice
    from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415 - see read_slice

    piece = Slice.parse(text)
    root, found, name = piece.path.rpartition(f"/{LISTING_FOLDER}/")
    if not found or not name or "/" in name:
        raise SliceError(f"{piece!s:.200} is no slice of a listing below {LISTING_FOLDER}/")
    return open_lake(root or "/", conn_id=storage_conn_id or None), f"{LISTING_FOLDER}/{name}", piece
