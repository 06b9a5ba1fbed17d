"""What an export of a catalogue pushes as XCom: a plain dict, see :mod:`~airflow_provider_kaltura.xcom`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.catalog import CatalogSummary

__all__ = ["CatalogResult", "catalog_result"]


class CatalogResult(TypedDict):
    """
    An export that is the current catalogue now.

    ``path`` is its folder below ``root``; ``rows`` counts by table, ``months`` those in which its entries were created;
    ``bytes`` is the length of all ``files``; ``removed`` counts old exports that are gone.
    """

    root: str
    export: str
    path: str
    rows: dict[str, int]
    files: int
    bytes: int
    months: int
    removed: int
    seconds: float


def catalog_result(summary: CatalogSummary) -> CatalogResult:
    """
    Shape what is pushed.

    :param summary: What was written.
    :returns: The dict.
    """
    return CatalogResult(
        root=summary.root,
        export=summary.export,
        path=summary.path,
        rows=summary.rows,
        files=summary.files,
        bytes=summary.size_bytes,
        months=summary.months,
        removed=summary.removed,
        seconds=round(summary.seconds, 3),
    )
