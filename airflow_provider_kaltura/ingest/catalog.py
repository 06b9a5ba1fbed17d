"""
Export what an account has as typed Parquet: entries, flavor assets, captions, categories.

Entries come in order of creation, so that one file of each table is open at a time; flavor assets and captions go into
the month of their entry. Memory: some hundred entries with their assets, and a row group of each table.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Final, get_args

from airflow_provider_kaltura.api.catalog_lists import AssetLists, AssetTable, list_category_rows, list_entry_rows
from airflow_provider_kaltura.api.heap import give_back
from airflow_provider_kaltura.api.queries import EntryQuery
from airflow_provider_kaltura.ingest import catalog_exports
from airflow_provider_kaltura.ingest.catalog_files import TableWriter, month_of
from airflow_provider_kaltura.ingest.catalog_schema import TABLES, require_pyarrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_kaltura.api.catalog_rows import Row
    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.ingest.lake import Lake

log = logging.getLogger(__name__)

ENTRIES_AT_ONCE: Final = 500
_LOGGED_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSummary:
    """
    What an export wrote.

    :param root: The lake, as the user wrote it.
    :param export: Its id.
    :param path: Its folder below the root.
    :param rows: By table.
    :param files: How many.
    :param size_bytes: Length of all files.
    :param months: In how many months entries were created.
    :param removed: How many old exports were removed.
    :param seconds: How long it took.
    """

    root: str
    export: str
    path: str
    rows: dict[str, int]
    files: int
    size_bytes: int
    months: int
    removed: int
    seconds: float


def export_catalog(
    api: KalturaApi,
    lake: Lake,
    queries: Iterable[EntryQuery],
    *,
    tables: Sequence[str] = tuple(TABLES),
    keep: int = 3,
    replace_any: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> CatalogSummary:
    """
    Export a catalogue and make it the current one; until then readers see the one before.

    :param api: Kaltura.
    :param lake: Where it goes.
    :param queries: Which entries; their assets follow them, categories are always all.
    :param tables: Which tables, of :data:`~airflow_provider_kaltura.ingest.catalog_schema.TABLES`.
    :param keep: How many exports stay, this one among them.
    :param replace_any: Make it the current one even where it has less than the one before.
    :param now: Gives the time, in UTC.
    :returns: What was written.
    :raises MissingExtraError: pyarrow is not installed.
    :raises CatalogReplaceError: It has less than the one before.
    :raises KalturaError: Kaltura could not be asked.
    :raises SinkError: The place refused.
    """
    require_pyarrow()
    began = time.monotonic()
    # Imports the official client, and leaves what that took for pyarrow.
    api.runtime.shared_client()
    give_back()
    queries = list(queries)
    export = catalog_exports.Export.begin(api.config.partner_id, now(), conditions_of(queries))
    if not replace_any:
        catalog_exports.require_no_less(lake, export, tables)
    with ExitStack() as opened:
        writers = {table: opened.enter_context(TableWriter(lake, export.folder, table)) for table in tables}
        _write_entries(api, queries, writers)
        if "categories" in writers:
            _write_grouped(writers["categories"], list_category_rows(api.runtime))
        for writer in writers.values():
            writer.finish()
    rows = {table: writer.rows for table, writer in writers.items()}
    if not replace_any:
        catalog_exports.require_no_less(lake, export, tables, rows)
    catalog_exports.publish(lake, export, {table: writer.files for table, writer in writers.items()}, now())
    removed = _remove_old(lake, export, keep, now())
    files = list(chain.from_iterable(writer.files for writer in writers.values()))
    entry_months = [writer.months for table, writer in writers.items() if table != "categories"]
    return CatalogSummary(
        root=lake.root,
        export=export.id,
        path=export.folder,
        rows=rows,
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        months=len(frozenset().union(*entry_months)),
        removed=removed,
        seconds=time.monotonic() - began,
    )


def conditions_of(queries: Sequence[EntryQuery]) -> str:
    """
    Name what tells an export's entries from those of other exports.

    :param queries: Which entries.
    :returns: ``""`` where no condition leaves any out that there is; else a digest, since ids may be many.
    """
    if list(queries) == [EntryQuery(statuses=("any",), moderation="any")]:
        return ""
    ids = sorted(one for query in queries for one in query.ids)
    others = [asdict(replace(query, ids=())) for query in queries[:1]]
    return hashlib.sha256(json.dumps([others, ids], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _write_entries(api: KalturaApi, queries: Iterable[EntryQuery], writers: dict[str, TableWriter]) -> None:
    kinds = [kind for kind in get_args(AssetTable) if kind in writers]
    if not kinds and "entries" not in writers:
        return
    assets = AssetLists(api.runtime, kinds)
    rows = chain.from_iterable(list_entry_rows(api.runtime, query) for query in queries)
    count = 0
    for group in _batches(rows):
        if "entries" in writers:
            _write_grouped(writers["entries"], group)
        if kinds:
            months = {row["entry_id"]: month_of(row["created_at"]) for row in group}
            for kind, found in assets.of(list(months)).items():
                for month, together in groupby(found, key=lambda row: months[row["entry_id"]]):
                    writers[kind].add(month, list(together))
        if count // _LOGGED_EVERY != (count := count + len(group)) // _LOGGED_EVERY:
            log.info("%d entries so far, created up to %s", count, group[-1]["created_at"])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while group := list(islice(rest, ENTRIES_AT_ONCE)):
        yield group


def _write_grouped(writer: TableWriter, rows: Iterable[Row]) -> None:
    for month, together in groupby(rows, key=lambda row: month_of(row["created_at"])):
        writer.add(month, list(together))


def _remove_old(lake: Lake, export: catalog_exports.Export, keep: int, now: datetime) -> int:
    """Remove old exports; the new one stands, so that a place that refuses is no reason to fail."""
    try:
        return catalog_exports.remove_old(lake, export.partner_id, keep, now)
    except Exception:
        log.warning("Old exports of the catalogue can't be removed now; the next export tries again", exc_info=True)
        return 0
