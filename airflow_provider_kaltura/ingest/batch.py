"""
Many entries into a lake by one task: what is taken is chosen for all, then fetched, several files at a time.

First all is planned: entries and assets are listed a thousand at a time, and wait in a temporary file. So two assets
that would get one name are found before the first byte. Memory holds one name and one id per asset. At the end the
small files that were fetched are listed once more, since nothing else shows that one was replaced meanwhile.
"""

from __future__ import annotations

import logging
import pickle
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_kaltura.ingest.batch_items import planned
from airflow_provider_kaltura.ingest.batch_models import BatchSummary
from airflow_provider_kaltura.ingest.batch_run import ParallelRun
from airflow_provider_kaltura.ingest.captions import require_converter
from airflow_provider_kaltura.ingest.errors import AssetsError, DestinationError, KeyCollisionError
from airflow_provider_kaltura.ingest.item_jobs import Taken, item_jobs
from airflow_provider_kaltura.ingest.made import with_made
from airflow_provider_kaltura.ingest.report import Report, entry_columns, of_entry
from airflow_provider_kaltura.ingest.spool import json_line, upload_spool
from airflow_provider_kaltura.transfer.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.batch_items import Item
    from airflow_provider_kaltura.ingest.batch_models import BatchOptions
    from airflow_provider_kaltura.ingest.batch_urls import UrlRow
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob, Outcome
    from airflow_provider_kaltura.ingest.own_file import OwnFile
    from airflow_provider_kaltura.ingest.run import JobProgress
    from airflow_provider_kaltura.transfer.protocols import Source

log = logging.getLogger(__name__)


def download_batch(
    api: KalturaApi,
    entry_ids: Iterable[str],
    destination: Destination,
    lake: Lake,
    options: BatchOptions,
    *,
    open_source: Callable[[AssetJob], Source],
    progress: JobProgress | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> BatchSummary:
    """
    Download the assets of many entries.

    :param api: Kaltura.
    :param entry_ids: Each once.
    :param destination: Where files go, parsed for ``options.assets``.
    :param lake: The same place, opened.
    :param options: How.
    :param open_source: Gives the source of a job; called by several threads.
    :param progress: Told while bytes move, by several threads.
    :param watch: Told how many assets are done, of how many, by the calling thread.
    :returns: What became of it. Failures are counted there, and raise nothing.
    :raises AssetsError: The destination was not parsed for the wanted assets.
    :raises MissingExtraError: Captions can't be converted here.
    :raises KeyCollisionError: Two assets would get one name; no byte was fetched.
    :raises KalturaError: Kaltura could not be asked for what there is; no byte was fetched.
    :raises SinkError: The manifest can't be read or written.
    """
    begun = time.monotonic()
    if unchecked := set(options.assets) - set(destination.kinds):
        raise AssetsError(f"the destination was not checked for {', '.join(sorted(unchecked))}")
    if options.caption_format != "original":
        require_converter()
    with Report(options.run) as report, tempfile.TemporaryFile() as spool:
        batch = _Batch(api, destination, lake, options, report, spool, watch)
        batch.plan(entry_ids)
        batch.carry_out(open_source, progress)
        batch.summary.report = _written(report, lake, destination)
    batch.summary.seconds = time.monotonic() - begun
    return batch.summary


def write_urls(
    rows: Iterable[UrlRow],
    lake: Lake,
    key: str,
    to_dict: Callable[[UrlRow], Mapping[str, Any]],
    *,
    own: OwnFile | None = None,
) -> BatchSummary:
    """
    Write the URLs of many entries as JSON Lines; see :func:`~airflow_provider_kaltura.ingest.batch_urls.batch_urls`.

    :param rows: What was found; read as it is needed, so that memory stays the same.
    :param lake: Where the file goes.
    :param key: Its name there.
    :param to_dict: Makes the line of a row that has an asset and no error.
    :param own: Tells whether what stands there may be replaced; None where its name says whose it is.
    :returns: What became of it; nothing counts as downloaded, and ``report`` is *key*.
    :raises KalturaError: Kaltura could not be asked.
    :raises TargetExistsError: What stands there is not ours.
    :raises SinkError: The place refused.
    """
    begun = time.monotonic()
    summary = BatchSummary(report=key)
    with tempfile.TemporaryFile() as spool:
        for row in rows:
            if row.error is not None:
                summary.fail(row.entry_id, row.error)
            elif row.skipped is not None:
                summary.skip(row.skipped)
            else:
                summary.total += 1
                spool.write(json_line(to_dict(row)))
        replaces = True
        if own is not None:
            # Once more: it took a while to get here.
            replaces = own.require()
            own.note(spool)
        upload_spool(spool, lake, key, replaces=replaces)
    summary.seconds = time.monotonic() - begun
    return summary


@dataclass(slots=True)
class _Batch:
    api: KalturaApi
    destination: Destination
    lake: Lake
    options: BatchOptions
    report: Report
    spool: IO[bytes]
    watch: Callable[[int, int], None] | None = None
    planned: int = 0
    done: int = 0
    summary: BatchSummary = field(default_factory=BatchSummary)
    claimed: dict[str, str] = field(default_factory=dict)
    under_way: dict[tuple[str, str], tuple[Entry, Item]] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)

    # ------------------------------------------------------------------ what is taken
    def plan(self, entry_ids: Iterable[str]) -> None:
        for one in planned(self.api, entry_ids, self.options):
            if one.error is not None:
                self._fail(one.entry_id, one.entry, one.error)
            for reason, columns in one.skipped:
                self.summary.skip(reason)
                self._note(one.entry_id, one.entry, outcome="skipped", reason=reason, **columns)
            if one.entry is not None:
                self._keep(one.entry, one.items)

    def _keep(self, entry: Entry, items: tuple[Item, ...]) -> None:
        kept = []
        for item in items:
            try:
                key = item.key(self.destination, entry)
            except DestinationError as error:
                self._fail(entry.id, entry, error, **item.columns())
                continue
            owner = self.claimed.setdefault(key, item.owner)
            if owner != item.owner:
                raise KeyCollisionError(self.destination.path(key), owner, item.owner)
            kept.append(item)
        self.planned += len(kept)
        if kept:
            pickle.dump((entry, kept), self.spool)

    def _kept(self) -> Iterator[tuple[Entry, Item]]:
        self.spool.seek(0)
        while True:
            try:
                entry, items = pickle.load(self.spool)  # noqa: S301 - what this process has just written to its own file
            except EOFError:
                return
            yield from ((entry, item) for item in items)

    # ------------------------------------------------------------------ what is fetched
    def carry_out(self, open_source: Callable[[AssetJob], Source], progress: JobProgress | None) -> None:
        self._tell()
        self._run(self._kept(), open_source, progress)
        changed = list(self.taken.changed(self.api))
        self.planned += len(changed)
        if changed:
            self._run(iter(changed), open_source, progress)

    def _run(
        self,
        pairs: Iterator[tuple[Entry, Item]],
        open_source: Callable[[AssetJob], Source],
        progress: JobProgress | None,
    ) -> None:
        opener, parallel = with_made(open_source), self.options.max_parallel
        run = ParallelRun(self.lake, self.options.run, opener, self.claimed, parallel, progress)
        for outcome in run.outcomes(self._jobs(pairs)):
            self._take(outcome)
            self.done += 1
            self._tell()

    def _jobs(self, pairs: Iterator[tuple[Entry, Item]]) -> Iterator[AssetJob]:
        if self.options.allows(self.summary.failed):
            for entry, item, job in item_jobs(self.api, pairs, self.destination, self.options.flavor):
                if not self.options.allows(self.summary.failed):
                    self._leave(entry, item)
                    continue
                self.under_way[job.asset_type, job.asset_id] = entry, item
                yield job
        for entry, item in pairs:
            self._leave(entry, item)

    def _tell(self) -> None:
        if self.watch is not None:
            self.watch(self.done, self.planned)

    def _leave(self, entry: Entry, item: Item) -> None:
        self.summary.total += 1
        self.summary.not_begun += 1
        self.summary.ended_early = True
        path = self.destination.path(item.key(self.destination, entry))
        self._note(entry.id, entry, outcome="not_begun", path=path, **item.columns())

    def _take(self, outcome: Outcome) -> None:
        job = outcome.job
        entry, item = self.under_way.pop((job.asset_type, job.asset_id), (None, None))
        columns = {
            **({} if item is None else item.columns()),
            "partnerId": job.partner_id,
            "assetType": job.asset_type,
            "assetId": job.asset_id,
            "version": job.version,
            "size": outcome.size_bytes if outcome.error is None else job.size_bytes,
            "checksum": outcome.checksum,
            "path": job.path,
            "fileName": job.path.rpartition("/")[2],
        }
        if outcome.error is not None:
            self._fail(job.entry_id, entry, outcome.error, **columns)
            return
        if outcome.outcome in {"downloaded", "replaced"}:
            if item is not None:
                self.taken.add(job.entry_id, item)
            self.summary.total += 1
            self.summary.downloaded += 1
            self.summary.downloaded_bytes += outcome.size_bytes
        else:
            self.summary.skip("already_there" if outcome.outcome == "skipped" else outcome.outcome)
        self._note(job.entry_id, entry, outcome=outcome.outcome, **columns)

    # ------------------------------------------------------------------ what is said about it
    def _fail(self, entry_id: str, entry: Entry | None, error: Exception, **columns: Any) -> None:
        code, reason = self.summary.fail(entry_id, error)
        log.warning("%s", of_entry(entry_id, reason))
        self._note(entry_id, entry, outcome="failed", code=code, reason=reason, **columns)

    def _note(self, entry_id: str, entry: Entry | None, **columns: Any) -> None:
        self.report.add({**entry_columns(entry, entry_id), **columns})


def _written(report: Report, lake: Lake, destination: Destination) -> str | None:
    try:
        return destination.path(report.write(lake))
    except SinkError as error:
        # The files stand and are recorded: a report that is refused must not make a good run a bad one.
        log.warning("The report can't be written: %s", error)
        return None
